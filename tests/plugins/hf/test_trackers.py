"""Trainings told to a real tracker, TensorBoard, whose files are read back by its own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli, MakeCli
from tests.helpers.training import matrix, trained

SMALL = {"use": "hf-causal"}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """By name: steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: [(one.step, one.value) for one in read.Scalars(name)] for name in read.Tags()["scalars"]}


def told(cli: Cli) -> dict[str, list[tuple[int, float]]]:
    (training,) = (cli.workspace / "tracked").iterdir()
    (run,) = (training / "runs").iterdir()
    return scalars(run)


@pytest.mark.parametrize("processes", [1, 2])
def test_losses_are_logged(make_cli: MakeCli, processes: int) -> None:
    tracked, plain = make_cli("tracked"), make_cli("plain")
    student = SMALL | {"processes": processes}
    tracked("run", "--matrix", matrix(tracked, student), "--report-to", "tensorboard")
    plain("run", "--matrix", matrix(plain, student))
    (result, weights), (expected, expected_weights) = trained(tracked), trained(plain)
    assert result == expected
    assert all(tensor.equal(expected_weights[name]) for name, tensor in weights.items())

    found, history = told(tracked), result["history"]
    ends = [round((at + 1) * result["steps"] / result["epochs"]) for at in range(result["epochs"])]
    for name, key in (("eval/loss", "validation_loss"), ("train/epoch_loss", "train_loss")):
        assert [step for step, _ in found[name]] == ends
        assert [value for _, value in found[name]] == pytest.approx([record[key] for record in history])
    steps = [step for step, _ in found["train/loss"]]
    assert steps == sorted({*range(10, result["steps"] + 1, 10), result["steps"]})
    assert found["train/loss"][-1][1] < found["train/loss"][0][1]
    assert [step for step, _ in found["train/learning_rate"]] == steps


def test_a_tracker_changes_no_key(cli: Cli) -> None:
    path = matrix(cli, SMALL)
    cli("run", "--matrix", path)
    cli("run", "--matrix", path, "--report-to", "tensorboard")
    assert not (cli.workspace / "tracked").exists(), "it is trained already"


def test_a_tracker_that_fails_is_a_note_and_the_training_goes_on(cli: Cli) -> None:
    (cli.folder / "file").write_text("no folder")
    cli.environment["TENSORBOARD_LOGGING_DIR"] = str(cli.folder / "file")
    done = cli("run", "--matrix", matrix(cli, SMALL), "--report-to", "tensorboard")
    assert "tracker tensorboard failed and was dropped" in done.stdout + done.stderr
    result, _ = trained(cli)
    assert result["epochs"] == 3


@pytest.mark.parametrize(
    ("name", "said"), [("tensorbord", "unknown tracker 'tensorbord'"), ("wandb", "wandb is not installed")]
)
def test_what_cannot_be_told_is_named_before_anything_runs(cli: Cli, name: str, said: str) -> None:
    done: Any = cli("run", "--matrix", matrix(cli, SMALL), "--report-to", name, code=2)
    assert said in done.stderr
    assert not (cli.workspace / "store").exists()
