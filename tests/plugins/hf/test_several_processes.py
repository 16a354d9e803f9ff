"""Several processes that train one model (gloo, on CPUs) learn what one learns."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.conftest import Cli, MakeCli
from tests.test_run import assert_ends, wait_for

CONFIGS = {
    "hf-causal": {"n_layer": 2, "n_embd": 32, "n_inner": 64, "n_head": 2},
    "hf-seq2seq": {"num_layers": 2, "num_decoder_layers": 2, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2},
}


def matrix(cli: Cli, student: dict[str, Any], **recipe: Any) -> Path:
    """A matrix of one training: 54 rows and 6 to validate, in batches of 7, so that parts are of unequal size."""
    student = {"name": "small", "vocab_size": 400, "config": CONFIGS[student["use"]]} | student
    fields = {
        "name": "several", "tasks": ["last_letter_concatenation"], "source": "twin", "methods": ["fine-tune"],
        "students": [student], "fractions": [0.1],
        "recipe": {"epochs": 3, "batch_size": 7, "selection": "val", "max_new_tokens": 2} | recipe,
    }  # fmt: skip
    path = cli.folder / "several.yaml"
    path.write_text(json.dumps(fields))
    return path


def trained(cli: Cli) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    (folder,) = (cli.workspace / "store" / "train").iterdir()
    result = json.loads((folder / "meta.json").read_text())["result"]
    return result, safetensors.torch.load_file(folder / "checkpoint" / "model.safetensors")


def assert_same_training(one: Cli, other: Cli) -> None:
    (result, weights), (expected, expected_weights) = trained(one), trained(other)
    for name in ("rows", "validation_rows", "epochs", "selected", "steps", "tokens", "parameters"):
        assert result[name] == expected[name], name
    for epoch, expected_epoch in zip(result["history"], expected["history"], strict=True):
        assert epoch == pytest.approx(expected_epoch, rel=1e-3)
    assert weights.keys() == expected_weights.keys()
    for name, tensor in weights.items():
        assert torch.allclose(tensor, expected_weights[name], atol=2e-3), name


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
    process = killed.start("run", "--matrix", matrix(killed, student, epochs=40))
    wait_for(lambda: list((killed.workspace / "store" / ".work").glob("train-*/resume/state.pt")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert_ends(process.pid)
    assert not (killed.workspace / "store" / "train").exists(), "it was killed in the middle"
    killed("run", "--matrix", matrix(killed, student, epochs=40))
    (result, weights), (expected, expected_weights) = trained(killed), trained(undisturbed)
    assert result == expected
    assert all(torch.equal(tensor, expected_weights[name]) for name, tensor in weights.items())


def test_failure_of_a_process_is_told_as_any_other(cli: Cli) -> None:
    path = matrix(cli, {"use": "hf-causal", "processes": 2}, learning_rate=1e30)
    done = cli("run", "--matrix", path, code=1)
    assert "Lower the learning rate" in done.stdout + done.stderr
