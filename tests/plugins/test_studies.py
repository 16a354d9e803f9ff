"""The studies' matrices can run as they stand, and their claims compare cells that the matrices have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from rtbench_plugins.studies import STUDIES, claims_of, matrix_path

from rtbench.matrix.overrides import Overrides
from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.planning.records import run_record
from rtbench.plugin.plans import Plan
from rtbench.reporting.claims.contract import UntestedError
from rtbench.reporting.claims.evidence import Evidence
from rtbench.session import Session
from tests.helpers.cli import Cli
from tests.helpers.sessions import session


def planned(services: Session, study: str) -> Plan:
    matrix = read_matrix(matrix_path(f"pocket-study-{study}"))
    tasks = None if study == "transfer" else ["multiarith"]
    return make_plan(resolve(matrix, services, Overrides(seeds=[0], tasks=tasks)), services)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(tmp_path)
    return session()


@pytest.mark.parametrize("study", STUDIES)
def test_every_cell_can_run_and_every_claim_has_its_cells(services: Session, study: str) -> None:
    plan = planned(services, study)
    assert {cell.cell.name: cell.reason for cell in plan.cells if cell.score is None} == {}
    record = run_record("r", plan, None, version="1")
    (context,) = Evidence(record, services.store, "test").contexts("multiarith")  # all cells may be compared
    claims = claims_of(study)
    assert claims.name == record.claims == f"study-{study}"
    for claim in claims.claims:
        task = (claim.entry.tasks or ("multiarith",))[0]
        cells = [cell for cell in record.cells if cell.task == task]
        view: Any = SimpleNamespace(
            cells=[cell for cell in cells if not cell.train_tasks],
            transferred=[cell for cell in cells if cell.train_tasks],
            context=replace(context, task=task),
        )
        try:
            pairs = claim.compare(view).pairs
        except UntestedError as error:
            pytest.fail(f"{claim.name}: {error}")
        assert pairs, claim.name
        assert all(pair.left.name != pair.right.name for pair in pairs)


def test_sides_of_equal_money_cost_the_same_per_token(services: Session) -> None:
    plan = planned(services, "weak-teacher")
    prices = {cell.cell.teacher.name: cell.cell.models.teacher.price for cell in plan.cells if cell.cell.teacher}
    weak, strong = prices["weak"], prices["strong"]
    assert (8 * weak.input, 8 * weak.output) == (strong.input, strong.output)


def test_updates_are_equal_on_both_sides_of_the_objectives(services: Session) -> None:
    plan = planned(services, "on-policy")

    def updates(method: str, teacher: str) -> int:
        (cell,) = [
            c for c in plan.cells if c.cell.method == method and c.cell.teacher and c.cell.teacher.name == teacher
        ]
        assert cell.score is not None
        step = plan.steps[plan.steps[cell.score.inputs[0].key].inputs_as("checkpoint")[0].key]
        total = 0
        while True:
            total += step.spec.recipe.steps
            if not step.inputs_as("start"):
                return total
            step = plan.steps[step.inputs_as("start")[0].key]

    assert updates("fine-tune-cot", "mentor-350-updates") == 350
    assert updates("distill-logits", "mentor-350-updates") == 350
    assert updates("distill-on-policy", "mentor") == updates("grpo", "mentor") == 350


@pytest.mark.slow
def test_a_study_runs_and_its_claims_are_tested(cli: Cli) -> None:
    arguments = ["--limit", "12", "--seeds", "0", "--tasks", "multiarith", "--epochs", "1"]
    cli("run", "--matrix", "pocket-study-mix", *arguments, timeout=900)
    said = cli("claims").stdout
    assert "mix beats long" in said
    assert "mix beats short" in said
    assert "not tested" not in said
