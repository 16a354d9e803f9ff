"""Trainings with an objective: what they reach, that they can be interrupted, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rtbench_plugins.hf import decoding
from rtbench_plugins.hf.encoding import IGNORED, encode_rows
from rtbench_plugins.hf.losses import remove_dropout
from rtbench_plugins.hf.models import HfModel
from rtbench_plugins.hf.network import Network
from rtbench_plugins.hf.objectives import divergence
from rtbench_plugins.hf.own_texts import Writer, prompt_of
from rtbench_plugins.methods.formats import FINE_TUNE_COT

from rtbench.errors import BadInputError, StepFailedError
from rtbench.schema.completions import ModelSpec
from rtbench.schema.objectives import Grpo, Logits, Objective, OnPolicy
from rtbench.schema.steps import TaskSpec, TrainSpec
from rtbench.schema.training import Recipe, TrainingRow
from rtbench.steps.twin_questions import TwinQuestions
from tests.helpers.sessions import session
from tests.helpers.training import base_and_codec, both_families

FAST = {"learning_rate": 3e-3, "batch_size": 8, "selection": "last"}
ON_POLICY = OnPolicy(max_new_tokens=12)
GRPO = Grpo(group=4, max_new_tokens=4)
GRPO_ON_TWIN = Grpo(group=4, max_new_tokens=4, questions="twin")
OBJECTIVES: list[Any] = [
    pytest.param(one, id=name)
    for name, one in (("logits", Logits()), ("on-policy", ON_POLICY), ("grpo", GRPO), ("grpo-twin", GRPO_ON_TWIN))
]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def guides(tiny, tmp_path_factory) -> dict[str, Path]:
    """Teachers: students of the same tokens that have learnt the answers somewhat."""
    folders = {}
    for family in ("decoder", "encoder_decoder"):
        folder = tmp_path_factory.mktemp(family)
        tiny.student(family).train(tiny.job(folder, recipe=FAST | {"epochs": 8}))
        folders[family] = folder / "checkpoint"
    return folders


@pytest.fixture(scope="module")
def digits(tiny, tmp_path_factory) -> Path:
    """A student that answers every question with any digit."""
    folder = tmp_path_factory.mktemp("digits")
    rows = [replace_label(row, f" {at % 10}") for at, row in enumerate(tiny.rows)]
    tiny.student("decoder").train(tiny.job(folder, rows=rows, recipe=FAST | {"epochs": 12}))
    return folder / "checkpoint"


def replace_label(row: TrainingRow, label: str) -> TrainingRow:
    return TrainingRow(sample_index=row.sample_index, prompt=row.prompt, label=label)


def sevens(texts) -> list[bool]:
    return [text.strip() == "7" for _, text in texts]


def fields(tiny, guides, objective: Objective, family: str = "decoder", **more: Any) -> dict[str, Any]:
    """The fields of a job with an objective."""
    found: dict[str, Any] = {"objective": objective}
    if isinstance(objective, Grpo) and objective.questions == "twin":
        found["draw"] = twin_questions(family).rows
    if isinstance(objective, Grpo):
        found["verify"] = lambda texts: [len(text) % 2 == 0 for _, text in texts]
    else:
        found["guide"] = tiny.student(family).load_guide(guides[family], (), "guide")
    return found | more


def twin_questions(family: Any) -> TwinQuestions:
    task = TaskSpec(name="multiarith", variant="twin-0", split="default", fingerprint="f", dataset="multiarith@twin-0")
    model = ModelSpec(role="student", name="tiny", plugin="hf-causal", fingerprint="f", options={})
    spec = TrainSpec(task=task, model=model, family=family, format=FINE_TUNE_COT, recipe=Recipe(), seed=1)
    return TwinQuestions(session(offline=True), spec)


@both_families
def test_on_policy_training_comes_closer_to_the_teacher_on_held_out_prompts(tiny, guides, tmp_path, family):
    rows, held_out = tiny.rows[:36], tiny.rows[36:]
    before = distance(tiny, guides, family, None, held_out)
    objective = OnPolicy(beta=0.5, own_share=0.5, max_new_tokens=12)
    more = {"rows": rows, "validation": held_out, "recipe": FAST | {"epochs": 6}}
    report = tiny.student(family).train(tiny.job(tmp_path, **fields(tiny, guides, objective, family, **more)))
    after = distance(tiny, guides, family, tmp_path / "checkpoint", held_out)
    assert after < 0.6 * before
    first, last = report.history[0], report.history[-1]
    assert last["kl"] < first["kl"]
    assert last["validation_kl"] == pytest.approx(after, rel=1e-3)
    assert last["validation_loss"] < first["validation_loss"]
    assert 1 <= first["own_tokens"] <= 12


def distance(tiny, guides, family: str, checkpoint: Path | None, rows) -> float:
    """Mean forward divergence from the teacher at the labels of rows, computed row by row."""
    student, guide = (
        tiny.student(family).load_guide(folder, tiny.corpus, "x").loaded for folder in (checkpoint, guides[family])
    )
    _, codec = base_and_codec(tiny, family)
    own, other = Network(student, codec.pad), Network(guide, codec.pad)
    with torch.no_grad():
        found = [
            divergence(own.logits([row])[0], other.logits([row])[0], 0.0)
            for row in encode_rows(codec, rows, tiny.job(Path("/tmp")).recipe)
        ]
    return float(torch.cat(found).mean())


def test_learning_probabilities_comes_closer_to_the_teacher_than_learning_texts(tiny, digits, tmp_path):
    """A teacher that answers with any digit: its texts have one each, its probabilities have them all."""
    rows = [replace_label(row, f" {at % 10}") for at, row in enumerate(tiny.rows)]
    guides, found = {"decoder": digits}, {}
    for alpha in (0.0, 1.0):
        more = {"rows": rows[:12], "recipe": FAST | {"epochs": 60}}
        job = tiny.job(tmp_path / str(alpha), **fields(tiny, guides, Logits(alpha=alpha), **more))
        report = tiny.student("decoder", init_seed=1).train(job)
        found[alpha] = distance(tiny, guides, "decoder", job.workdir / "checkpoint", rows[36:])
        assert report.history[-1]["kl"] < report.history[0]["kl"]
    assert found[1.0] < 0.5 * found[0.0]


def test_without_weight_the_divergence_changes_nothing(tiny, guides, tmp_path):
    plain = tiny.student("decoder").train(tiny.job(tmp_path / "plain"))
    job = tiny.job(tmp_path / "logits", **fields(tiny, guides, Logits(alpha=0.0)))
    report = tiny.student("decoder").train(job)
    for mine, expected in zip(report.history, plain.history, strict=True):
        assert mine["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
        assert mine["cross_entropy"] == pytest.approx(mine["train_loss"])


def test_rewards_rise_for_the_digit_7(tiny, digits, tmp_path):
    more = {"start": digits, "verify": sevens, "validation": tiny.rows[40:], "rows": tiny.rows[:40]}
    objective = Grpo(group=8, max_new_tokens=3)
    recipe = {"learning_rate": 3e-3, "batch_size": 8, "selection": "val", "epochs": 6}
    report = tiny.student("decoder").train(tiny.job(tmp_path, objective=objective, recipe=recipe, **more))
    first, last = report.history[0], report.history[-1]
    assert first["reward"] < 0.4
    assert last["reward"] > 0.8
    assert last["kl"] > first["kl"] >= 0
    best = report.history[report.selected - 1]
    assert best["validation_reward"] == 1 - best["validation_loss"]
    assert best["validation_loss"] == min(epoch["validation_loss"] for epoch in report.history)
    written = tiny.student("decoder").load(tmp_path / "checkpoint", (), "x").generate(tiny.requests(40))
    assert sum(sevens((one.sample_index, one.text) for one in written)) >= 32


@both_families
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_interrupted_training_ends_in_the_same_weights(tiny, guides, tmp_path, objective, family):
    student = tiny.student(family, resume_seconds=0.0)
    recipe = FAST | {"epochs": 4}

    def job(folder: Path, **more: Any):
        return tiny.job(folder, **fields(tiny, guides, objective, family, rows=tiny.rows[:16], recipe=recipe, **more))

    whole = student.train(job(tmp_path / "whole"))
    with pytest.raises(PulledThePlugError):
        student.train(job(tmp_path / "cut", progress=pull))
    assert list((tmp_path / "cut" / "resume").glob("state-*.pt"))
    again = student.train(job(tmp_path / "cut"))
    assert weights(tmp_path / "cut" / "checkpoint") == weights(tmp_path / "whole" / "checkpoint")
    assert again.history == whole.history
    other = student.train(job(tmp_path / "other", seed=2))
    assert other.history != whole.history


class PulledThePlugError(Exception):
    pass


def pull(done: int, total: int, unit: str) -> None:
    if done >= 5:
        raise PulledThePlugError


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_parts_of_a_batch_add_up(tiny, guides, tmp_path, objective):
    """So do packed rows."""
    config = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    found = []
    for name, options in (("whole", {}), ("parts", {"micro_batch": 3}), ("packed", {"packing": True})):
        job = tiny.job(tmp_path / name, **fields(tiny, guides, objective, rows=tiny.rows[:16], recipe=FAST))
        found.append(tiny.student("decoder", config=config, **options).train(job).history)
    for history in found[1:]:
        for mine, expected in zip(history, found[0], strict=True):
            assert mine == pytest.approx(expected, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bfloat16_trains(tiny, guides, tmp_path, objective):
    job = tiny.job(tmp_path, **fields(tiny, guides, objective, rows=tiny.rows[:8], recipe=FAST))
    report = tiny.student("decoder", dtype="bfloat16").train(job)
    assert report.steps == 2


def test_another_objective_does_not_go_on_from_a_saved_state(tiny, guides, tmp_path):
    student = tiny.student("decoder", resume_seconds=0.0)
    recipe = FAST | {"epochs": 4}
    with pytest.raises(PulledThePlugError):
        student.train(tiny.job(tmp_path, **fields(tiny, guides, Logits(), recipe=recipe, progress=pull)))
    report = student.train(tiny.job(tmp_path, **fields(tiny, guides, Logits(alpha=0.9), recipe=recipe)))
    fresh = student.train(tiny.job(tmp_path / "fresh", **fields(tiny, guides, Logits(alpha=0.9), recipe=recipe)))
    assert report.history == fresh.history


def test_several_updates_are_steps_of_their_own(tiny, guides, tmp_path):
    objective = Grpo(group=4, max_new_tokens=4, updates=3)
    job = tiny.job(tmp_path, **fields(tiny, guides, objective, rows=tiny.rows[:16], recipe=FAST | {"epochs": 2}))
    assert tiny.student("decoder").train(job).steps == 2 * 2 * 3
    job = tiny.job(
        tmp_path / "exact", **fields(tiny, guides, objective, rows=tiny.rows[:16], recipe=FAST | {"steps": 7})
    )
    report = tiny.student("decoder").train(job)
    assert (report.steps, report.epochs) == (7, 2)


def test_a_question_with_several_rationales_is_asked_once(tiny, guides, tmp_path):
    rows = [*tiny.rows[:8], *(replace_label(row, " other") for row in tiny.rows[:8])]
    job = tiny.job(tmp_path, **fields(tiny, guides, GRPO, rows=rows, recipe=FAST | {"epochs": 1}))
    report = tiny.student("decoder").train(job)
    assert (report.rows, report.steps) == (8, 1)


def test_each_step_asks_new_questions_of_the_twin(tiny, tmp_path):
    """As many as it would ask of the training fold, where the held-out ones still are from."""
    drawn, asked = twin_questions("decoder"), []

    def verify(texts) -> list[bool]:
        asked.append([index for index, _ in texts])
        seen.extend(sample.question for sample in drawn.samples.values())
        return [False for _ in texts]

    seen: list[str] = []
    recipe = {"learning_rate": 3e-3, "batch_size": 8, "selection": "val", "epochs": 2}
    more = {
        "rows": tiny.rows[:12],
        "validation": tiny.rows[40:],
        "recipe": recipe,
        "draw": drawn.rows,
        "verify": verify,
    }
    report = tiny.student("decoder").train(tiny.job(tmp_path, objective=GRPO_ON_TWIN, **more))
    assert (report.rows, report.steps, len(asked)) == (12, 4, 6)
    held_out = [row.sample_index for row in tiny.rows[40:]]
    assert [sorted(indices) for indices in asked if indices[0] in held_out] == [held_out] * 2
    new = [indices for indices in asked if indices[0] not in held_out]
    assert sorted(len(indices) for indices in new) == [16, 16, 32, 32], "groups of four"
    assert all(index >= min(drawn.samples) for indices in new for index in indices)
    assert len(set(seen)) == 24


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 4}])
def test_groups_with_equal_rewards_move_the_weights_by_the_divergence_alone(tiny, guides, digits, tmp_path, lora):
    """At the beginning it is 0, so that nothing moves but by weight decay; the reference of adapters is the base."""
    if lora is not None:
        pytest.importorskip("peft")
    recipe = FAST | {"epochs": 3, "weight_decay": 0.0}
    more = {"verify": lambda texts: [True for _ in texts], "start": digits, "recipe": recipe, "rows": tiny.rows[:8]}
    report = tiny.student("decoder", lora=lora).train(tiny.job(tmp_path, objective=GRPO, **more))
    for epoch in report.history:
        assert (epoch["reward"], epoch["equal_groups"]) == (1.0, 1.0)
        assert epoch["kl"] < 1e-6
    more |= {"verify": sevens}
    report = tiny.student("decoder", lora=lora).train(tiny.job(tmp_path / "moved", objective=GRPO, **more))
    assert report.history[-1]["kl"] > 1e-6


def test_loss_that_is_not_finite_is_an_error(tiny, guides, tmp_path):
    recipe = FAST | {"learning_rate": 1e30, "epochs": 3}
    with pytest.raises(StepFailedError, match="Lower the learning rate"):
        tiny.student("decoder").train(tiny.job(tmp_path, **fields(tiny, guides, ON_POLICY, recipe=recipe)))


def test_teacher_with_other_tokens_is_refused(tiny, guides, tmp_path):
    other = tiny.student("decoder", vocab_size=350)
    guide = other.load_guide(None, tiny.corpus, "guide")
    with pytest.raises(BadInputError, match="has other tokens than the student") as error:
        tiny.student("decoder").train(tiny.job(tmp_path, objective=Logits(), guide=guide))
    assert "fine-tune-cot" in str(error.value)
    guide = tiny.student("encoder_decoder").load_guide(guides["encoder_decoder"], (), "guide")
    with pytest.raises(BadInputError, match="has other family than the student"):
        tiny.student("decoder").train(tiny.job(tmp_path, objective=ON_POLICY, guide=guide))
    with pytest.raises(BadInputError, match="gives no probabilities of tokens"):
        tiny.student("decoder").train(tiny.job(tmp_path, objective=ON_POLICY, guide=SimpleNamespace(fingerprint="f")))


def test_larger_teacher_with_unused_columns_and_fewer_positions_guides(tiny, tmp_path):
    """Columns after the vocabulary are left out, and rows are cut to what the teacher can read."""
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    tiny.other("decoder", tmp_path / "llama", LlamaConfig, LlamaForCausalLM, max_position_embeddings=64, **size)
    guide = tiny.student("decoder", model=str(tmp_path / "llama")).load_guide(None, (), "guide")
    guide.loaded.model.resize_token_embeddings(len(guide.loaded.tokenizer) + 56)
    job = tiny.job(tmp_path / "a", objective=ON_POLICY, guide=guide, rows=tiny.rows[:16], recipe=FAST)
    report = tiny.student("decoder").train(job)
    assert report.truncated > 0
    assert all(torch.isfinite(torch.tensor(epoch["kl"])) for epoch in report.history)


@both_families
def test_own_texts_are_those_of_generation(tiny, family):
    base, codec = base_and_codec(tiny, family)
    rows = encode_rows(codec, tiny.rows[:6], tiny.job(Path("/tmp")).recipe)
    seeds = [7, 8, 9, 10, 11, 12]
    network = Network(base, codec.pad)
    with torch.no_grad():
        for parameter in base.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    for most_rows in (6, 2):
        writer = Writer(network, codec, most_tokens=8, most_rows=most_rows)
        written = writer.write(rows, seeds, 0.9)
        requests = [
            replace_seed(tiny.request(at, row.prompt, max_new_tokens=8, temperature=0.9), seed)
            for at, (row, seed) in enumerate(zip(tiny.rows[:6], seeds, strict=True))
        ]
        model = HfModel(base, "f", name="m", chat=False, thinking=None, most_rows=6)
        expected = {one.sample_index: one.text for one in model.generate(requests)}
        assert [one.text for one in written] == [expected[at] for at in range(6)]
    for row, own in zip(rows, written, strict=True):
        assert prompt_of(own.row) == prompt_of(row)
        assert own.row.sample_index == row.sample_index
        label = [token for token in own.row.labels if token != IGNORED]
        assert 1 <= len(label) <= 8
        assert len(label) == 8 or label[-1] == codec.end


def test_own_texts_that_do_not_fit_are_written_half_as_many_at_once(tiny, monkeypatch):
    """So are all later ones."""
    base, codec = base_and_codec(tiny, "decoder")
    rows = encode_rows(codec, tiny.rows[:6], tiny.job(Path("/tmp")).recipe)
    writer = Writer(Network(base, codec.pad), codec, most_tokens=8, most_rows=6)
    expected = writer.write(rows, range(6), 0.9)
    sizes: list[tuple[int, int]] = []
    real, fitting = decoding.decode, 2

    def short_of_memory(base, rows, size, *rest):
        sizes.append((len(rows), size))
        written = real(base, rows, size, *rest)
        yield next(written)
        if size > fitting:
            raise torch.OutOfMemoryError("no memory")
        yield from written

    monkeypatch.setattr("rtbench_plugins.hf.decoding.decode", short_of_memory)
    for _ in range(2):
        assert writer.write(rows, range(6), 0.9) == expected
    assert sizes == [(6, 6), (5, 3), (4, 2), (6, 2)], "what was finished is kept"
    fitting = 0
    with pytest.raises(StepFailedError, match="too little memory to write one text"):
        writer.write(rows, range(6), 0.9)


def replace_seed(request, seed: int):
    import msgspec

    return msgspec.structs.replace(request, seed=seed)


@both_families
def test_a_text_has_the_same_probabilities_in_training_as_when_it_was_written(tiny, family):
    base, codec = base_and_codec(tiny, family)
    network = Network(base, codec.pad)
    rows = encode_rows(codec, tiny.rows[:4], tiny.job(Path("/tmp")).recipe)
    with torch.no_grad():
        written = network.logits(rows)[0]
        base.model.train()
        assert not torch.equal(network.logits(rows)[0], written), "the model has dropout"
        remove_dropout(base.model)
        assert torch.equal(network.logits(rows)[0], written)


def test_several_processes_cannot_have_an_objective(tiny):
    reason = tiny.student("decoder", processes=2).lacks("grpo")
    assert reason == "tiny cannot be trained with the objective grpo in 2 processes"
    assert tiny.student("decoder").lacks("grpo") is None
