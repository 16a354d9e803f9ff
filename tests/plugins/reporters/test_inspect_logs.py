"""A run as logs of inspect_ai, read by inspect_ai."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli, cli_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> tuple[Cli, Path]:
    cli = cli_in(tmp_path_factory.mktemp("exported"), data=data_dir)
    part = ("--tasks", "multiarith,aqua", "--methods", "teacher", "--limit", 40)
    cli("run", "--matrix", "recorded", *part, "--name", "r")
    cli("report", "r", "--format", "inspect", "--out", "logs")
    return cli, cli.folder / "logs"


def test_inspect_reads_the_same_numbers(exported: tuple[Cli, Path]) -> None:
    from inspect_ai.log import list_eval_logs, read_eval_log

    cli, folder = exported
    board: Any = cli.json("report", "r")
    shown = {
        (row["teacher"], task): one["accuracy"]
        for row in board["rows"]
        if row["kind"] == "teacher"
        for task, one in row["results"].items()
        if one["accuracy"] is not None
    }
    read = {}
    for found in list_eval_logs(str(folder)):
        log = read_eval_log(found)
        assert log.status == "success"
        assert log.results is not None and log.samples is not None
        first = log.results.scores[0]
        read[log.eval.model.removeprefix("rtbench/"), log.eval.task_id] = first.metrics["accuracy"].value
        for scorer in log.results.scores:
            values = [sample.scores[scorer.name].value for sample in log.samples if sample.scores]
            assert scorer.metrics["accuracy"].value == pytest.approx(values.count("C") / len(values))
    assert read == pytest.approx(shown)


def test_inspects_own_metrics_agree(exported: tuple[Cli, Path]) -> None:
    """Its scores, reduced and averaged by inspect itself, give the accuracy and error that stand in the log."""
    from inspect_ai.log import list_eval_logs, read_eval_log
    from inspect_ai.scorer import SampleScore, accuracy, stderr, value_to_float

    _, folder = exported
    log = read_eval_log(list_eval_logs(str(folder))[0])
    assert log.results is not None and log.samples is not None
    as_number = value_to_float()
    for scorer in log.results.scores:
        scores = [
            SampleScore(
                score=one.scores[scorer.name].model_copy(update={"value": as_number(one.scores[scorer.name].value)})
            )
            for one in log.samples
            if one.scores
        ]
        assert scorer.metrics["accuracy"].value == pytest.approx(accuracy()(scores))
        assert scorer.metrics["stderr"].value == pytest.approx(stderr()(scores))


def test_samples_hold_question_text_and_prompt(exported: tuple[Cli, Path], data_dir: Path) -> None:
    from inspect_ai.log import list_eval_logs, read_eval_log

    cli, folder = exported
    (path,) = [
        one for one in list_eval_logs(str(folder)) if "text-davinci-002" in one.name and "multiarith" in one.name
    ]
    samples = read_eval_log(path).samples or []
    raw = gzip.decompress((data_dir / "teacher" / "text-davinci-002__zs_cot__multiarith.jsonl.gz").read_bytes())
    recorded = {one["sample_index"]: one for one in map(json.loads, raw.splitlines())}
    for sample in samples:
        one = recorded[sample.id]
        assert isinstance(sample.input, str) and sample.input.strip() == one["question"].strip()
        assert float(str(sample.target)) == float(one["answer"])
        assert (
            sample.metadata["rationale"] + sample.output.completion == one["reasoning_completion"] + one["completion"]
        )
        assert [message.role for message in sample.messages] == ["user", "assistant", "user", "assistant"]
        assert sample.messages[3].text == sample.output.completion
    assert len({(one.id, one.epoch) for one in samples}) == len(samples) == 40


def test_completions_that_vote_are_samples_of_their_own(tmp_path: Path) -> None:
    """Eight texts a question, and a student that was shown demonstrations: prompts as sent, majority as on the board."""
    from inspect_ai.log import read_eval_log

    cli = cli_in(tmp_path / "votes")
    part = ("--tasks", "coin_flip", "--students", "pocket-0.5m", "--limit", 6, "--epochs", 1)
    cli("run", *part, "--methods", "self-consistency", "--name", "votes")
    cli("report", "votes", "--format", "inspect", "--out", "logs")
    board: Any = cli.json("report", "votes")
    (row,) = [one for one in board["rows"] if one["method"] == "self-consistency"]
    (path,) = [one for one in (cli.folder / "logs").glob("*.eval") if "self-consistency" in one.name]
    log = read_eval_log(str(path))
    assert log.results is not None and log.samples is not None
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(row["results"]["coin_flip"]["accuracy"])
    assert log.results.scores[0].scored_samples == 6
    questions, texts = {one.id for one in log.samples}, len(log.samples) // 6
    assert texts > 1
    assert {(one.id, one.epoch) for one in log.samples} == {(at, 1 + i) for at in questions for i in range(texts)}
    for sample in log.samples:
        assert str(sample.input).strip() in sample.messages[0].text
        assert sample.output.completion == sample.messages[-1].text


def test_inspects_command_line_reads_them(exported: tuple[Cli, Path]) -> None:
    _, folder = exported
    command = [sys.executable, "-m", "inspect_ai", "log", "list", "--log-dir", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count('"task"') == len(list(folder.glob("*.eval")))


def test_a_folder_is_asked_for(exported: tuple[Cli, Path]) -> None:
    cli, _ = exported
    assert "Write `--out DIR`" in cli("report", "r", "--format", "inspect", code=2).stderr
