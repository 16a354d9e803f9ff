"""Tiny models, and trainings that are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from rtbench_plugins.hf import loading
from rtbench_plugins.hf.encoding import Codec

from tests.helpers.cli import Cli


def assert_same_training(one: Cli, other: Cli) -> None:
    (result, weights), (expected, expected_weights) = trained(one), trained(other)
    for name in ("rows", "validation_rows", "epochs", "selected", "steps", "tokens", "parameters"):
        assert result[name] == expected[name], name
    for epoch, expected_epoch in zip(result["history"], expected["history"], strict=True):
        assert epoch == pytest.approx(expected_epoch, rel=1e-3)
    assert weights.keys() == expected_weights.keys()
    for name, tensor in weights.items():
        assert torch.allclose(tensor, expected_weights[name], atol=2e-3), name


HOLD = """
import time
from pathlib import Path
from rtbench_plugins.hf.training_state import StateFile

write = StateFile.write

def write_and_wait(*given):
    write(*given)
    while Path(__file__).with_name("hold").exists():
        time.sleep(0.05)

StateFile.write = write_and_wait
"""


def held_in_the_middle(cli: Cli) -> tuple[object, ...]:
    """Arguments of a run whose trainings wait once they have saved a state, for as long as the file ``hold`` is there."""
    (cli.folder / "hold").touch()
    path = cli.folder / "hold.py"
    path.write_text(HOLD)
    return ("--plugin", path)


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


NO_DROPOUT = {"decoder": {"resid_pdrop": 0.0, "embd_pdrop": 0.0}, "encoder_decoder": {"dropout_rate": 0.0}}
"""So that rows computed together and apart draw the same."""


def base_and_codec(tiny, family):
    found = tiny.student(family)
    base = loading.random_base(family, found.options, tiny.corpus, torch.device("cpu"))
    return base, Codec(base.tokenizer, base.model.config, family, chat=False, thinking=None, name="tiny")


both_families = pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])


LFM2 = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
    "layer_types": ["conv", "full_attention", "conv"], "max_position_embeddings": 512,
}  # fmt: skip


CONFIGS = {
    "hf-causal": {"n_layer": 2, "n_embd": 32, "n_inner": 64, "n_head": 2},
    "hf-seq2seq": {"num_layers": 2, "num_decoder_layers": 2, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2},
}
