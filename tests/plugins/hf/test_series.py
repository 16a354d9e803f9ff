"""Series: which students are sizes of one model, stated and recorded, and no part of any key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtbench.planning.records import run_record
from rtbench.schema.environment import Environment
from rtbench.schema.runs import RunRecord
from rtbench.session import Session
from rtbench.storage.runs import Runs
from tests.helpers.matrices import plan_of
from tests.helpers.runs import rewrite

MATRIX = """
name: sizes
source: twin
tasks: [multiarith]
methods: [fine-tune]
students: [pocket-0.5m, pocket-2m, t5-small, random-causal, {name: other, use: random-causal, series: mine}]
limit: 2
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Environment(workspace=str(tmp_path / "w"), offline=True))


@pytest.mark.parametrize(
    ("names", "series"),
    [
        (("gpt2", "gpt2-medium", "gpt2-large"), "gpt2"),
        (("t5-small", "t5-base", "t5-large"), "t5"),
        (("flan-t5-small", "flan-t5-base", "flan-t5-large"), "flan-t5"),
        (("pocket-0.5m", "pocket-2m", "pocket-6m"), "pocket"),
        (("random-causal",), "random gpt2"),
        (("random-seq2seq",), "random t5"),
    ],
)
def test_built_in_students_state_their_series(session: Session, names: tuple[str, ...], series: str) -> None:
    registry = session.plugins.registries["students"]
    assert {session.student(name, name, registry.get(name).options).series for name in names} == {series}


def test_other_models_have_the_series_that_is_stated_and_else_none(session: Session) -> None:
    model = {"model": "org/tiny", "revision": "a" * 40}
    assert session.student("hf-causal", "one", model).series is None
    assert session.student("hf-causal", "two", {**model, "series": "tiny"}).series == "tiny"
    assert session.student("hf-causal", "three", {"config": {"model_type": "llama"}}).series == "random llama"


def test_series_changes_no_key_and_nothing_that_steps_store(session: Session) -> None:
    model = {"model": "org/tiny", "revision": "a" * 40, "generation_batch": 8}
    assert (
        session.student("hf-causal", "one", {**model, "series": "tiny"}).model()
        == session.student("hf-causal", "one", model).model()
    )


def test_run_records_the_series_of_its_students(session: Session) -> None:
    path = session.workspace.parent / "m.yaml"
    path.write_text(MATRIX)
    record = run_record("r", plan_of(session, path), None, version="0")
    assert {cell.student: cell.series for cell in record.cells} == {
        "pocket-0.5m": "pocket",
        "pocket-2m": "pocket",
        "t5-small": "t5",
        "random-causal": "random gpt2",
        "other": "mine",
    }
    runs = Runs(session.workspace)
    runs.save(record)
    assert runs.load("r") == record


def test_record_without_series_is_still_read(session: Session) -> None:
    path = session.workspace.parent / "m.yaml"
    path.write_text(MATRIX)
    record: RunRecord = run_record("r", plan_of(session, path), None, version="0")
    runs = Runs(session.workspace)
    runs.save(record)
    text = (runs.root / "r.json").read_text()
    lines = [line for line in text.splitlines() if '"series"' not in line]
    assert len(lines) == len(text.splitlines()) - 5
    rewrite(runs.root / "r.json", json.loads("\n".join(lines)))
    assert {cell.series for cell in runs.load("r").cells} == {None}
