"""Training in little memory: rows in parts, halves where it is not enough, adapters, activations computed again."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

from rtbench.errors import BadInputError, StepFailedError
from tests.helpers.training import NO_DROPOUT, base_and_codec, both_families


@both_families
def test_rows_computed_in_parts_give_the_gradients_of_the_whole_batch(tiny, tmp_path, family):
    whole = tiny.student(family, config=NO_DROPOUT[family])
    parts = tiny.student(family, config=NO_DROPOUT[family], micro_batch=3)
    reports = [one.train(tiny.job(tmp_path / name)) for one, name in ((whole, "a"), (parts, "b"))]
    assert whole.model().fingerprint == parts.model().fingerprint, "one training, up to rounding"
    for one, other in zip(reports[0].history, reports[1].history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    assert reports[0].steps == reports[1].steps


@both_families
def test_batch_with_many_tokens_is_computed_in_parts(tiny, tmp_path, family, monkeypatch):
    from rtbench_plugins.hf import losses, students

    student = tiny.student(family, config=NO_DROPOUT[family])
    whole = student.train(tiny.job(tmp_path / "a"))
    sizes = []
    loss = losses.TrainingLoss.loss

    def noted(self, batch):
        sizes.append((len(batch), len(batch) * max(row.length for row in batch)))
        return loss(self, batch)

    monkeypatch.setattr(losses.TrainingLoss, "loss", noted)
    monkeypatch.setattr(students, "tokens_at_once", lambda shape: 200)
    parts = student.train(tiny.job(tmp_path / "b"))
    assert all(rows == 1 or tokens <= 200 for rows, tokens in sizes)
    assert len(sizes) > whole.steps
    for one, other in zip(whole.history, parts.history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@both_families
def test_weights_are_cast_once_for_all_parts_of_a_batch(tiny, tmp_path, family, monkeypatch):
    from rtbench_plugins.hf import training
    from torch.utils._python_dispatch import TorchDispatchMode

    class Casts(TorchDispatchMode):
        """Counts casts of the weights to bfloat16."""

        def __init__(self, weights):
            super().__init__()
            self.weights = {weight.data_ptr() for weight in weights}
            self.count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            given = kwargs or {}
            if func is torch.ops.aten._to_copy.default and given.get("dtype") is torch.bfloat16:
                self.count += args[0].data_ptr() in self.weights
            return func(*args, **given)

    counts = []
    added_up = training._Trainer._added_up

    def counted(self, rows):
        with Casts(self.base.model.parameters()) as casts:
            nats = added_up(self, rows)
        counts.append(casts.count)
        return nats

    monkeypatch.setattr(training._Trainer, "_added_up", counted)
    recipe = {"epochs": 1}
    whole = tiny.student(family, config=NO_DROPOUT[family], dtype="bfloat16")
    one = whole.train(tiny.job(tmp_path / "a", recipe=recipe))
    once, counts = set(counts), []
    parts = tiny.student(family, config=NO_DROPOUT[family], dtype="bfloat16", micro_batch=2)
    other = parts.train(tiny.job(tmp_path / "b", recipe=recipe))
    assert min(once) > 0
    assert set(counts) == once
    assert one.history[0]["train_loss"] == pytest.approx(other.history[0]["train_loss"], rel=1e-2)


@both_families
def test_batch_that_does_not_fit_is_computed_in_halves(tiny, tmp_path, family, monkeypatch):
    """Memory that is enough for three rows; the batch stays eight."""
    from rtbench_plugins.hf import losses

    fits = losses.TrainingLoss.loss

    def little_memory(self, batch):
        if len(batch) > 3 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return fits(self, batch)

    undisturbed = tiny.student(family, config=NO_DROPOUT[family]).train(tiny.job(tmp_path / "a"))
    monkeypatch.setattr(losses.TrainingLoss, "loss", little_memory)
    halved = tiny.student(family, config=NO_DROPOUT[family]).train(tiny.job(tmp_path / "b"))
    assert halved.steps == undisturbed.steps
    for one, other in zip(undisturbed.history, halved.history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    (note,) = halved.notes
    assert "not enough for 8 rows at once, so 2 were computed at once, in batches of 8" in note
    assert undisturbed.notes == ()


def test_row_that_does_not_fit_alone_is_one_clear_error(tiny, tmp_path, monkeypatch):
    from rtbench_plugins.hf import losses

    def none(self, batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(losses.TrainingLoss, "loss", none)
    with pytest.raises(StepFailedError, match="not even one row"):
        tiny.student("decoder").train(tiny.job(tmp_path / "a"))


@both_families
def test_adapters_learn_and_are_merged_into_what_is_saved(tiny, tmp_path, family):
    student = tiny.student(family, lora={"rank": 4, "alpha": 64})
    job = tiny.job(tmp_path / "a", recipe={"epochs": 4, "learning_rate": 1e-2})
    report = student.train(job)
    losses = [epoch["train_loss"] for epoch in report.history]
    assert losses[-1] < losses[0]
    base, _ = base_and_codec(tiny, family)
    saved = safetensors.torch.load_file(tmp_path / "a" / "checkpoint" / "model.safetensors")
    assert not [name for name in saved if "lora" in name or "base_layer" in name]
    before = base.model.state_dict()
    changed = {name for name, tensor in saved.items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not [name for name in changed if "norm" in name or "ln_" in name or "embed" in name or "wte" in name]
    assert student.model().fingerprint != tiny.student(family).model().fingerprint


def test_adapters_on_layers_that_are_not_there_are_one_clear_error(tiny, tmp_path):
    with pytest.raises(BadInputError, match="option `lora`"):
        tiny.student("decoder", lora={"targets": ["nowhere"]}).train(tiny.job(tmp_path / "a"))


@both_families
def test_activations_computed_again_change_nothing(tiny, tmp_path, family):
    plain = tiny.student(family).train(tiny.job(tmp_path / "a"))
    again = tiny.student(family, gradient_checkpointing=True).train(tiny.job(tmp_path / "b"))
    for one, other in zip(plain.history, again.history, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


@both_families
def test_adapters_over_four_bits_learn_and_are_merged_into_the_whole_base(tiny, tmp_path, family):
    # Some CPUs have a kernel for which no matrix may be narrower than bitsandbytes' blocks of 64.
    wide = {"decoder": {"n_embd": 64}, "encoder_decoder": {"d_model": 64, "d_kv": 32}}
    folder = tiny.folder(family, tmp_path / "base", **wide[family])
    student = tiny.student(family, model=str(folder), lora={"rank": 4, "alpha": 64, "quantize": "nf4"})
    recipe = {"epochs": 4, "learning_rate": 1e-2, "selection": "val"}
    report = student.train(tiny.job(tmp_path / "a", rows=tiny.rows[:40], validation=tiny.rows[40:], recipe=recipe))
    losses = [epoch["train_loss"] for epoch in report.history]
    assert losses[-1] < losses[0]
    saved = safetensors.torch.load_file(tmp_path / "a" / "checkpoint" / "model.safetensors")
    before = safetensors.torch.load_file(folder / "model.safetensors")
    assert saved.keys() == before.keys()
    assert all(tensor.dtype == torch.float32 and tensor.shape == before[name].shape for name, tensor in saved.items())
    changed = {name for name, tensor in saved.items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not [name for name in changed if "norm" in name or "ln_" in name or "embed" in name or "wte" in name]
    loaded = student.load(tmp_path / "a" / "checkpoint", (), "f")
    assert len(list(loaded.generate(tiny.requests(3)))) == 3
    assert student.model().fingerprint != tiny.student(family, model=str(folder)).model().fingerprint


def test_random_weights_are_not_held_in_four_bits(tiny):
    with pytest.raises(BadInputError, match="random weights"):
        tiny.student("decoder", lora={"quantize": "nf4"})


def test_memory_is_returned_once_and_not_after_each_wide_batch(monkeypatch):
    from rtbench_plugins.hf import loading

    after_steps, returned = [100, 140, 200, 190, 200, 280, 290, 150, 280], []
    monkeypatch.setattr(loading, "return_memory", lambda: returned.append(used))
    memory = loading.StepMemory()
    for used in after_steps:
        monkeypatch.setattr(loading, "used_memory", lambda used=used: used)
        memory.after_step()
    assert returned == [200, 290], "beyond 1.5 times what a step was seen to need: 100, then 190"
