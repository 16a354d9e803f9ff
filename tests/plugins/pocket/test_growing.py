"""A model that was grown says what the smaller one says, and all of it can learn."""

from __future__ import annotations

import msgspec
import pytest
import torch
from rtbench_plugins.pocket.growing import grow
from rtbench_plugins.pocket.pretraining import Pretraining, new_model
from rtbench_plugins.pocket.sizes import SIZES
from rtbench_plugins.pocket.tokenizer import shipped_tokenizer

SMALL = msgspec.structs.replace(
    SIZES["pocket-0.5m"], width=16, feed_forward=24, heads=2, layers=("conv", "full_attention"), tokens=10_000
)
LARGE = msgspec.structs.replace(
    SMALL, width=32, feed_forward=40, heads=4, layers=("conv", *["full_attention"] * 3), grown_from="small"
)


@pytest.fixture(scope="module")
def tokenizer():
    return shipped_tokenizer()


@pytest.fixture
def small(tokenizer):
    """A small model that does something in every layer: a new one's layers add nothing."""
    model = new_model(SMALL, tokenizer, 0)
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=drawn) * 0.1)
    return model.eval()


def test_grown_model_says_the_same(tokenizer, small):
    large = new_model(LARGE, tokenizer, 1).eval()
    grow(small, large)
    ids = torch.randint(1, 1500, (3, 25), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = small(ids).logits, large(ids).logits
    assert before.std() > 0.1
    # The norms' epsilon is counted in other dimensions.
    torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)


def test_every_matrix_of_a_grown_model_changes_in_training(tokenizer, small, tmp_path):
    training = Pretraining(LARGE, tokenizer, 0, tmp_path, lambda _: None, small)
    before = {name: parameter.clone() for name, parameter in training.model.named_parameters()}
    for name, parameter in training.run().named_parameters():
        new = (before[name] - parameter).abs()
        assert new.max() > 0, name
        if name.endswith(("out_proj.weight", "w2.weight")) and ".layers.1." in name:
            assert new[-1].max() > 0, "what is new in a layer that was there learns too"


def test_growth_between_models_that_do_not_fit_is_an_error(tokenizer, small):
    narrow_heads = msgspec.structs.replace(LARGE, heads=8)
    with pytest.raises(ValueError, match="heads"):
        grow(small, new_model(narrow_heads, tokenizer, 0))
    other_layers = msgspec.structs.replace(LARGE, layers=("full_attention",) * 3)
    with pytest.raises(ValueError, match="layers"):
        grow(small, new_model(other_layers, tokenizer, 0))
    for smaller in ({"width": 8, "heads": 1}, {"feed_forward": 16}):
        large = new_model(msgspec.structs.replace(LARGE, **smaller), tokenizer, 0)
        before = {name: value.clone() for name, value in large.state_dict().items()}
        with pytest.raises(ValueError, match="as wide"):
            grow(small, large)
        assert all(torch.equal(value, before[name]) for name, value in large.state_dict().items())
