"""Runs from Python: they are the command line's runs, and their tables hold the same figures."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rtbench
from rtbench.errors import BadInputError, UnknownNameError
from tests.helpers.cli import ROOT
from tests.library.conftest import DEMO, plain


def test_run_has_every_cell_and_no_failure(demo_run: rtbench.Run) -> None:
    assert demo_run.name == "demo"
    assert not demo_run.failed
    assert not demo_run.stopped
    assert demo_run.cells["scored"].all()
    assert set(demo_run.cells["method"]) == {"teacher", "zero-shot", "fine-tune", "fine-tune-cot"}
    assert repr(demo_run) == f"<Run 'demo': {len(demo_run.cells)} of {len(demo_run.cells)} cells scored>"


def test_tables_hold_the_figures_of_the_csv_board(demo_run: rtbench.Run) -> None:
    every = csv.DictReader(io.StringIO(demo_run.report("csv")))  # it has a line for each extractor, and for means
    board = [line for line in every if line["extractor"] in {"", "last-word"} and line["task"] != "mean"]
    long = plain(demo_run.leaderboard(long=True))
    assert [round(100 * float(row["accuracy"]), 6) for row in board] == [row["accuracy"] for row in long]
    for by_csv, row in zip(board, long, strict=True):
        if by_csv["low"]:
            assert float(by_csv["low"]) * 100 == pytest.approx(row["low"])
            assert row["low"] <= row["accuracy"] <= row["high"]
        assert (by_csv["method"], by_csv["task"], by_csv["n"] or "0") == (row["method"], row["task"], str(row["n"]))
    wide = plain(demo_run.leaderboard())
    assert [row["parity"] for row in wide] == [row["accuracy"] for row in long]
    assert [row["mean"] for row in wide] == [row["accuracy"] for row in long]


def test_another_extractor_shows_its_own_scores(demo_run: rtbench.Run) -> None:
    shown = demo_run.leaderboard(extractor="last-word")
    assert plain(shown) == plain(demo_run.leaderboard())
    with pytest.raises(UnknownNameError, match="extractor"):
        demo_run.leaderboard(extractor="no-such")


def test_samples_say_what_was_asked_and_read(demo_run: rtbench.Run) -> None:
    name = demo_run.cells.query("method == 'fine-tune-cot' and degree == 4")["name"].iloc[0]
    samples = demo_run.samples(name)
    assert {"question", "prompt", "completion", "rationale", "extracted", "gold", "correct"} <= set(samples.columns)
    accuracy = demo_run.leaderboard().query("method == 'fine-tune-cot' and degree == 4")["parity"].iloc[0]
    assert 100 * samples["correct"].mean() == pytest.approx(accuracy)
    with pytest.raises(BadInputError, match="cells match"):
        demo_run.samples("fine-tune")


def test_rationales_are_a_dataset(demo_run: rtbench.Run) -> None:
    dataset = demo_run.rationales()
    assert {"question", "rationale", "answer", "teacher", "licence"} <= set(dataset.column_names)
    assert len(dataset) > 0
    only = demo_run.rationales(demo_run.cells.query("method == 'fine-tune-cot' and degree == 1")["name"].iloc[0])
    assert 0 < len(only) < len(dataset)


def test_claims_have_verdicts_and_sentences(demo_run: rtbench.Run) -> None:
    claims = demo_run.claims("paper")
    assert set(claims["verdict"]) <= {"supported", "inconclusive", "contradicted", "not tested"}
    assert claims["sentence"].str.len().min() > 0
    tested = claims[claims["verdict"] != "not tested"]
    assert len(tested) > 0
    assert (tested["low"] <= tested["effect"]).all()
    assert (tested["effect"] <= tested["high"]).all()


def test_run_compared_with_itself_differs_nowhere(demo_run: rtbench.Run) -> None:
    found = demo_run.compare("demo")
    assert (found["effect"] == 0).all()
    assert (found["better"] + found["worse"] == 0).all()
    assert set(found["verdict"]) == {"not distinguishable"}


def test_run_is_opened_with_the_same_figures(demo_run: rtbench.Run, in_workspace: Path) -> None:
    assert rtbench.runs() == ["demo"]
    assert plain(rtbench.open_run().leaderboard()) == plain(demo_run.leaderboard())
    with pytest.raises(UnknownNameError, match="demo"):
        rtbench.open_run("dmo")


def test_equal_options_name_a_run_as_the_command_line_does(demo_run: rtbench.Run, in_workspace: Path) -> None:
    small = rtbench.run(DEMO, methods=["zero-shot"], limit=4, progress=False)
    matrix = in_workspace / "demo.json.yaml"
    matrix.write_text(json.dumps(DEMO))
    command = [sys.executable, "-m", "rtbench", "run", "--matrix", matrix, "--methods", "zero-shot", "--limit", "4"]
    places = ["--workspace", in_workspace / "ws", "--plugin", in_workspace / "parrot_file.py", "--format", "json"]
    done = subprocess.run([*command, *places], check=True, capture_output=True, text=True, cwd=ROOT)
    assert json.loads(done.stdout)["run"] == small.name
    assert "done" not in done.stderr, "every step was there already"


def test_plan_is_what_a_run_does(demo_run: rtbench.Run) -> None:
    cached = rtbench.plan(DEMO)
    assert set(cached.steps()["state"]) == {"cached"}
    more = rtbench.plan(DEMO, degrees=[1, 4, 6])
    todo = more.steps().query("state == 'to do'")
    assert set(todo["kind"]) == {"complete", "curate", "train", "score"}
    assert todo["new_requests"].sum() > 0
    assert "steps to do" in repr(more)
    assert more.cells()["runs"].all()


def test_unnamed_matrices_do_not_share_a_run(in_workspace: Path) -> None:
    unnamed = {key: value for key, value in DEMO.items() if key != "name"}
    first, second = rtbench.plan(unnamed), rtbench.plan({**unnamed, "degrees": [2]})
    assert len({repr(first).split("'")[1], repr(second).split("'")[1]}) == 2


def test_plan_of_nothing_is_shown(in_workspace: Path) -> None:
    nothing = rtbench.plan(DEMO, source="twin")
    assert not nothing.cells()["runs"].any()
    assert len(nothing.steps()) == 0
    assert "0 of 0 steps" in nothing._repr_html_()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": ["parity"]}, "did you mean 'tasks'|tasks"),
        ({"tasks": "parity"}, r'Write tasks=\["parity"\]'),
        ({"limit": 0}, "limit"),
        ({"tasks": ["paritty"]}, "parity"),
    ],
)
def test_wrong_option_is_one_error(in_workspace: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(rtbench.RtbenchError, match=message):
        rtbench.plan(DEMO, **options)  # type: ignore[arg-type]


def test_wrong_option_of_a_teacher_is_named(in_workspace: Path) -> None:
    broken = {**DEMO, "name": "broken", "teachers": [{"name": "counter", "fails": True}], "methods": ["fine-tune-cot"]}
    with pytest.raises(rtbench.RtbenchError, match="fails"):
        rtbench.run(broken, progress=False)


def test_script_without_a_guard_of_its_main_module_runs(demo_run: rtbench.Run, in_workspace: Path) -> None:
    script = in_workspace / "script.py"
    script.write_text(
        "import rtbench\n"
        f"rtbench.configure(workspace={str(in_workspace / 'other')!r}, plugins=[{str(in_workspace / 'parrot_file.py')!r}])\n"
        f"print(rtbench.run({DEMO!r}, methods=['zero-shot']))\n"
    )
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1].startswith("<Run 'demo-")
    assert done.stdout.count("<Run") == 1, "workers do not run the script again"
    assert "Traceback" not in done.stderr


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, rtbench; print([m for m in ('torch', 'pandas', 'rich', 'rtbench.session') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    assert all(getattr(rtbench, name) is not None for name in rtbench.__all__)
    with pytest.raises(AttributeError, match="no_such"):
        _ = rtbench.no_such  # type: ignore[attr-defined]
