"""Tasks, methods and curators that a program registers without files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rtbench
from rtbench.api import Candidate, CurationContext, Curator
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.library.settings import CURRENT, open_session
from tests.helpers.cli import ROOT
from tests.library.conftest import DEMO

OPTIONS: dict[str, Any] = {"tasks": ["sums"], "source": "upstream", "extractor": "flexible", "progress": False}


def sums() -> pd.DataFrame:
    rows = [{"q": f"What is {a} plus {b}?", "a": a + b} for a in range(1, 8) for b in range(1, 6)]
    return pd.DataFrame(rows)


def test_table_becomes_a_task(in_workspace: Path) -> None:
    assert rtbench.register.task("sums", sums(), question="q", answer="a") == "sums"
    run = rtbench.run(DEMO, methods=["zero-shot"], **OPTIONS)
    assert run.leaderboard()["sums"].notna().all()
    samples = run.samples("sums/zero-shot")
    assert set(samples["gold"]) <= {str(a + b) for a in range(1, 8) for b in range(1, 6)}
    rtbench.register.forget()
    again = rtbench.open_run(run.name)
    assert len(again.samples("sums/zero-shot")) == len(samples), "the run remembers the task"


def test_task_is_registered_again_with_other_questions(in_workspace: Path) -> None:
    rtbench.register.task("sums", sums(), question="q", answer="a")
    rtbench.register.task("sums", sums().head(20), question="q", answer="a")
    assert len(CURRENT.tasks) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "gold"}, "no column 'gold'"),
        ({"answer": "q"}, "number"),
        ({"name": "parity"}, "already used"),
        ({"name": "../up"}, "name"),
    ],
)
def test_wrong_table_is_one_error_and_registers_nothing(
    in_workspace: Path, change: dict[str, str], message: str
) -> None:
    before = dict(CURRENT.tasks)
    with pytest.raises(rtbench.RtbenchError, match=message):
        rtbench.register.task(**{"name": "other", "data": sums(), "question": "q", "answer": "a"} | change)
    assert CURRENT.tasks == before


def test_missing_value_names_its_record(in_workspace: Path) -> None:
    table = sums()
    table.loc[3, "a"] = None
    with pytest.raises(BadInputError, match=r"line 4|record"):
        rtbench.register.task("gaps", table, question="q", answer="a")


def test_other_columns_are_not_used_and_rows_must_be_mappings(in_workspace: Path) -> None:
    table = sums().assign(when=pd.Timestamp("2026-12-01"), private="x")
    rtbench.register.task("dated", table, question="q", answer="a")
    (lines,) = (in_workspace / "ws" / "tasks").glob("dated-*/dated.jsonl")
    assert "private" not in lines.read_text()
    from datasets import Dataset

    rtbench.register.task("dated", Dataset.from_pandas(sums()), question="q", answer="a")
    with pytest.raises(BadInputError, match=r"pandas\.read_csv"):
        rtbench.register.task("rows", "mine.csv", question="q", answer="a")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="row 0 is a int"):
        rtbench.register.task("rows", [1, 2], question="q", answer="a")  # type: ignore[list-item]


class Short(Curator):
    """Keeps rationales of at most ten words."""

    name = "short-here"

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> list[Candidate]:
        return [one for one in candidates if len((one.example.rationale or "").split()) <= 10]


PROGRAM = """
import rtbench
from rtbench.api import Curator


class First(Curator):
    name = "first-ten"

    def __init__(self, options):
        self.most = options.get("most", 10)

    def keep(self, candidates, context):
        return [one for one in candidates if one.example.sample_index < self.most]


rtbench.configure(workspace={workspace!r}, plugins=[{plugin!r}])
rtbench.register.curator(First)
run = rtbench.run({matrix!r}, progress=False)
print(run)
print(sorted(set(run.rationales()["sample_index"])))
"""


def test_class_of_a_program_reaches_its_workers(in_workspace: Path) -> None:
    matrix = {**DEMO, "methods": ["fine-tune-cot"], "curators": ["correct", {"use": "first-ten", "most": 5}]}
    script = in_workspace / "program.py"
    places = {"workspace": str(in_workspace / "program"), "plugin": str(in_workspace / "parrot_file.py")}
    script.write_text(PROGRAM.format(matrix=matrix, **places))
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    run, indices = done.stdout.splitlines()
    assert "failed" not in run
    assert max(json.loads(indices)) < 5, "the workers applied it, with its options"


def test_registered_objects_stay_on_this_machine(in_workspace: Path) -> None:
    rtbench.register.curator(Short)
    with pytest.raises(BadInputError, match="this process only"):
        rtbench.run(DEMO, executor="slurm", progress=False)
    rtbench.register.forget()


def test_object_that_cannot_be_sent_is_refused(in_workspace: Path) -> None:
    handle = (in_workspace / "open.txt").open("w")

    def make(options: dict[str, Any]) -> Curator:
        handle.write("x")
        return Short(options)

    with pytest.raises(BadInputError, match="worker processes"):
        rtbench.register.curator(make, name="with-file")
    handle.close()
    assert not CURRENT.objects


def test_name_of_a_plugin_is_refused(in_workspace: Path) -> None:
    with pytest.raises(rtbench.RtbenchError, match="registered twice"):
        rtbench.register.curator(Short, name="correct")
    assert rtbench.plan(DEMO).cells()["runs"].all(), "nothing of it is left"


def test_single_objects_are_forgotten(in_workspace: Path) -> None:
    rtbench.register.curator(Short)
    rtbench.register.task("short-sums", sums(), question="q", answer="a")
    rtbench.register.forget("short-here")
    assert [one.name for one in CURRENT.objects] == []
    assert "short-sums" in CURRENT.tasks
    with pytest.raises(UnknownNameError, match="Did you mean 'short-sums'"):
        rtbench.register.forget("short-sum")
    rtbench.register.forget("short-sums")
    assert "short-sums" not in CURRENT.tasks


WRONG = [
    ({"plugins": "mine.py"}, "is not a list"),
    ({"blocked": [1]}, "1 is not a path or name"),
    ({"offline": "yes"}, "is not True or False"),
    ({"workspace": 3}, "3 is not a path"),
    ({"worspace": "x"}, "Did you mean 'workspace'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_settings_of_another_type_are_refused(in_workspace: Path, change: dict[str, Any], message: str) -> None:
    before = CURRENT.settings
    with pytest.raises(rtbench.RtbenchError, match=message):
        rtbench.configure(**change)
    assert CURRENT.settings == before


def test_edited_plugin_file_is_read_again(in_workspace: Path) -> None:
    """Also where its targets are named as ``module:attribute``."""
    path = in_workspace / "edited_plugin.py"
    for answer in ("one", "two"):
        path.write_text(
            "from rtbench.api import Reporter, hookimpl\n\n"
            f"class Said(Reporter):\n    name = 'said'\n    def render(self, board):\n        return {answer!r}\n\n"
            "@hookimpl\ndef rtbench_register_reporters(register):\n"
            "    register('said', 'edited_plugin:Said', summary='said')\n"
        )
        rtbench.configure(plugins=[in_workspace / "parrot_file.py", path])
        assert open_session().reporter("said").render(None) == answer  # type: ignore[arg-type]
    rtbench.configure(plugins=[in_workspace / "parrot_file.py"])
