"""Several processes that train one model (gloo, on CPUs) learn what one learns."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from tests.helpers.cli import Cli, MakeCli
from tests.helpers.runs import LONG, assert_ends, wait_for
from tests.helpers.training import CONFIGS, assert_same_training, held_in_the_middle, matrix, trained


@pytest.mark.parametrize("plugin", CONFIGS)
@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
def test_two_processes_learn_what_one_learns(make_cli: MakeCli, plugin: str, *, sharded: bool) -> None:
    alone, together = make_cli("alone"), make_cli("together")
    alone("run", "--matrix", matrix(alone, {"use": plugin}))
    several = {"use": plugin, "processes": 2, "sharded": sharded, "micro_batch": 2}
    together("run", "--matrix", matrix(together, several))
    assert_same_training(together, alone)


@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
def test_two_processes_that_were_killed_go_on(make_cli: MakeCli, *, sharded: bool) -> None:
    student = {"use": "hf-causal", "processes": 2, "sharded": sharded, "resume_seconds": 0.0}
    undisturbed, killed = make_cli("undisturbed"), make_cli("killed")
    undisturbed("run", "--matrix", matrix(undisturbed, student, epochs=40))
    process = killed.start("run", "--matrix", matrix(killed, student, epochs=40), *held_in_the_middle(killed))
    wait_for(lambda: list((killed.workspace / "store" / ".work").glob("train-*/resume/state-*.pt")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONG)
    assert_ends(process.pid)
    assert not (killed.workspace / "store" / "train").exists(), "it was killed in the middle"
    (killed.folder / "hold").unlink()
    killed("run", "--matrix", matrix(killed, student, epochs=40))
    (result, weights), (expected, expected_weights) = trained(killed), trained(undisturbed)
    assert result == expected
    assert all(torch.equal(tensor, expected_weights[name]) for name, tensor in weights.items())


def test_failure_of_a_process_is_reported_like_any_other(cli: Cli) -> None:
    path = matrix(cli, {"use": "hf-causal", "processes": 2}, learning_rate=1e30)
    done = cli("run", "--matrix", path, code=1)
    assert "Lower the learning rate" in done.stdout + done.stderr
