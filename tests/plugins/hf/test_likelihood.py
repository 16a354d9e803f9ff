"""Likelihoods of labels: those of one row at a time, by the definition."""

from __future__ import annotations

import math

import pytest
import torch
from rtbench_plugins.hf import likelihood
from rtbench_plugins.hf.encoding import IGNORED, Codec, encode_rows

from rtbench.schema.training import Recipe, TrainingRow
from tests.helpers.training import both_families


def by_definition(base, codec, row: TrainingRow, recipe: Recipe) -> tuple[int, float]:
    """One row alone, in float64, over the whole vocabulary."""
    (encoded,) = encode_rows(codec, [row], recipe)
    ids = torch.tensor([encoded.input_ids])
    with torch.inference_mode():
        if base.family == "decoder":
            logits = base.model(input_ids=ids).logits[0, :-1]
            labels = encoded.labels[1:]
        else:
            labels = encoded.labels
            logits = base.model(input_ids=ids, labels=torch.tensor([labels])).logits[0]
    logs = torch.log_softmax(logits.double(), dim=-1)
    picked = [-float(logs[at, token]) for at, token in enumerate(labels) if token != IGNORED]
    return len(picked), sum(picked)


@both_families
@pytest.mark.parametrize("most", [1 << 28, 4000])
def test_likelihoods_are_those_of_single_rows(tiny, tmp_path, monkeypatch, family, most):
    monkeypatch.setattr(likelihood, "_LOGITS", most)
    tiny.student(family).train(tiny.job(tmp_path, recipe={"epochs": 2, "batch_size": 8, "selection": "last"}))
    model = tiny.student(family).load_guide(tmp_path / "checkpoint", (), "f")
    rows = [*tiny.rows[:7], TrainingRow(sample_index=0, prompt="a " * 30, label="b " * 40)]
    recipe = Recipe(max_prompt_tokens=20, max_label_tokens=9)
    said = []
    found = list(model.likelihoods(rows, 20, 9, progress=lambda *progress: said.append(progress)))
    base = tiny.student(family).load_guide(tmp_path / "checkpoint", (), "g").loaded
    codec = Codec(base.tokenizer, base.model.config, family, chat=False, thinking=None, name="tiny")
    for (tokens, nats), row in zip(found, rows, strict=True):
        expected = by_definition(base, codec, row, recipe)
        assert tokens == expected[0]
        assert math.isclose(nats, expected[1], rel_tol=1e-4)
    assert found[-1][0] == 9, "it is cut, and has no end mark"
    assert said[-1] == (8, 8, "rows")
