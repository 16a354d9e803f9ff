"""A run as lm-eval's own files, read by lm-eval and by ourselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtbench.errors import BadInputError
from tests.helpers.cli import ROOT, Cli, cli_in
from tests.helpers.recordings import read_recording

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> tuple[Cli, Path]:
    cli = cli_in(tmp_path_factory.mktemp("exported"), data=data_dir)
    part = ("--tasks", "multiarith,aqua,coin_flip", "--methods", "teacher", "--limit", 60)
    cli("run", "--matrix", "recorded", *part, "--name", "r")
    cli("report", "r", "--format", "lm-eval", "--out", "out")
    return cli, cli.folder / "out"


def test_lm_evals_readers_read_it(exported: tuple[Cli, Path]) -> None:
    from lm_eval.utils import get_results_filenames, get_sample_results_filenames, make_table

    cli, out = exported
    names = [str(path) for path in out.rglob("*") if path.is_file()]
    results, samples = get_results_filenames(names), get_sample_results_filenames(names)
    board: Any = cli.json("report", "r")
    shown = {
        task: one["accuracy"]
        for row in board["rows"]
        if row["kind"] == "teacher"
        for task, one in row["results"].items()
    }
    read = {}
    for name in results:
        found = json.loads(Path(name).read_text())
        assert "exact_match" in make_table(found)
        for task, numbers in found["results"].items():
            read[task.removeprefix("rtbench_")] = numbers["exact_match,flexible"]
    assert read == pytest.approx({task: accuracy for task, accuracy in shown.items() if accuracy is not None})
    for name in samples:
        for line in Path(name).read_text().splitlines():
            sample = json.loads(line)
            assert {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "doc_hash"} <= set(
                sample
            )


def test_samples_come_back_as_a_recording_with_the_same_verdicts(exported: tuple[Cli, Path]) -> None:
    cli, out = exported
    (path,) = out.rglob("samples_rtbench_multiarith_*.jsonl")
    recording = read_recording(path)
    assert (recording.task, recording.key, recording.model) == ("multiarith", "lm-eval", path.parent.name)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    strict = [line for line in lines if line["filter"] == "strict"]
    assert len(recording.entries) == len(strict) == len(lines) / 4, "each text once, whatever the filters"
    scored: Any = cli.json("score", path, "--extractor", "strict", "--answer-prefix", "none")
    assert scored["n"] == len(strict)
    assert scored["correct"] == sum(line["exact_match"] for line in strict)
    said = cli("import", path).stdout
    assert "multiarith" in said


def test_demonstrations_in_the_prompt_are_counted(tmp_path: Path) -> None:
    cli = cli_in(tmp_path / "shots")
    part = ("--tasks", "coin_flip", "--students", "pocket-0.5m", "--limit", 3, "--methods", "zero-shot,few-shot-cot")
    cli("run", *part, "--name", "r")
    cli("report", "r", "--format", "lm-eval", "--out", "out")
    found = {path.parent.name: json.loads(path.read_text()) for path in (cli.folder / "out").rglob("results_*.json")}
    shots = {name.partition("__")[0]: one["n-shot"]["rtbench_coin_flip"] for name, one in found.items()}
    written = (ROOT / "tasks" / "coin_flip" / "demonstrations.yaml").read_text().count("question:")
    assert {name: n for name, n in shots.items() if not name.startswith("teacher")} == {
        "zero-shot": 0, "few-shot-cot": written,
    }  # fmt: skip
    assert written > 2


def test_what_is_no_sample_is_named(tmp_path: Path) -> None:
    path = tmp_path / "samples_gsm8k_2026-01-02T03-04-05.678901.jsonl"
    path.write_text('{"doc_id": 0, "doc": {"q": "?"}, "target": "5", "resps": [["5"]]}\n')
    with pytest.raises(BadInputError, match="`doc` has no `question`") as caught:
        read_recording(path)
    assert str(caught.value.where).endswith("line 1")
    path.write_text('{"doc_id": 0, "doc": {"question": "?"}, "target": 1, "resps": [[[-3.5, false]]]}\n')
    with pytest.raises(BadInputError, match="not a sample of lm-eval"):
        read_recording(path)
    path.write_text("")
    with pytest.raises(BadInputError, match="no samples"):
        read_recording(path)


def test_a_folder_is_asked_for(exported: tuple[Cli, Path]) -> None:
    cli, out = exported
    assert "Write `--out DIR`" in cli("report", "r", "--format", "lm-eval", code=2).stderr
    assert "is a folder" in cli("report", "r", "--format", "md", "--out", out, code=2).stderr
