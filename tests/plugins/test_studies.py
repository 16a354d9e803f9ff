"""The studies' matrices can run as they stand, and their claims compare cells that the matrices have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from rtbench_plugins.hf.loaded import save
from rtbench_plugins.hf.loading import random_base
from rtbench_plugins.hf.options import StudentOptions
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

HUB_MODELS = ("Qwen3-0.6B-Base", "Qwen3-1.7B-Base", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-14B")


def planned(services: Session, name: str) -> Plan:
    matrix = read_matrix(matrix_path(name))
    tasks = ["multiarith"] if name.startswith("pocket") and not name.endswith("transfer") else None
    return make_plan(resolve(matrix, services, Overrides(seeds=[0], tasks=tasks)), services)


def unable(plan: Plan) -> dict[str, str | None]:
    return {cell.cell.name: cell.reason for cell in plan.cells if cell.score is None}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(tmp_path)
    return session()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models in place of those of the hub, each with weights of its own."""
    texts = [f"{at} and {at + 1} apples make {2 * at + 1} ###" for at in range(60)]
    size = {"n_layer": 1, "n_embd": 32, "n_inner": 64, "n_head": 2}
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(HUB_MODELS):
        options = StudentOptions(config=size, vocab_size=320, init_seed=seed)
        save(random_base("decoder", options, texts, torch.device("cpu")), folder / name)
    return folder


@pytest.fixture
def published(models: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The real data and recordings."""
    monkeypatch.setenv("RTBENCH_MODELS", str(models))
    return session(data_dir=str(data_dir), offline=True).with_workspace(tmp_path / "workspace")


@pytest.mark.parametrize("study", STUDIES)
def test_every_cell_can_run_and_every_claim_has_its_cells(services: Session, study: str) -> None:
    plan = planned(services, f"pocket-study-{study}")
    assert unable(plan) == {}
    check_claims(plan, services, study, "multiarith")


@pytest.mark.parametrize("study", STUDIES)
def test_with_the_hubs_weights_only_missing_data_keep_a_cell_from_running(published: Session, study: str) -> None:
    plan = planned(published, f"study-{study}")
    reasons = unable(plan)
    assert all("train.json" in str(reason) for reason in reasons.values()), reasons  # AQuA's training questions
    assert not reasons or study == "transfer"
    check_claims(plan, published, study, {"transfer": "multiarith"}.get(study, "svamp"))


@pytest.mark.parametrize("study", STUDIES)
def test_without_the_hubs_weights_every_cell_says_so(tmp_path: Path, data_dir: Path, study: str) -> None:
    services = session(data_dir=str(data_dir), offline=True).with_workspace(tmp_path / "workspace")
    plan = planned(services, f"study-{study}")
    assert plan.steps == {}
    for cell in plan.cells:
        assert "not known on this machine" in str(cell.reason) or "train.json" in str(cell.reason)


def check_claims(plan: Plan, services: Session, study: str, usual: str) -> None:
    """Check that a plan has the cells that the claims of a study compare."""
    record = run_record("r", plan, None, version="1")
    (context,) = Evidence(record, services.store, "test").contexts(usual)  # all cells may be compared
    claims = claims_of(study)
    assert claims.name == record.claims == f"study-{study}"
    for claim in claims.claims:
        task = (claim.entry.tasks or (usual,))[0]
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


MATRICES = pytest.mark.parametrize(("fixture", "prefix"), [("services", "pocket-study"), ("published", "study")])
"""Both matrices of a study, with what each needs."""


@MATRICES
def test_sides_of_equal_money_cost_the_same_per_token(
    request: pytest.FixtureRequest, fixture: str, prefix: str
) -> None:
    plan = planned(request.getfixturevalue(fixture), f"{prefix}-weak-teacher")
    prices = {cell.cell.teacher.name: cell.cell.models.teacher.price for cell in plan.cells if cell.cell.teacher}
    weak, strong = prices["weak"], prices["strong"]
    assert (8 * weak.input, 8 * weak.output) == (strong.input, strong.output)


@MATRICES
def test_updates_are_equal_on_both_sides_of_the_objectives(
    request: pytest.FixtureRequest, fixture: str, prefix: str
) -> None:
    plan = planned(request.getfixturevalue(fixture), f"{prefix}-on-policy")

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
    cli("run", "--matrix", "pocket-study-mix", *arguments)
    said = cli("claims").stdout
    assert "mix beats long" in said
    assert "mix beats short" in said
    assert "not tested" not in said
