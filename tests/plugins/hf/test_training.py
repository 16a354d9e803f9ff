"""Training: what the loss is taken on, that it is repeatable, and that it can be interrupted."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rtbench_plugins.hf.batches import collate, epoch_batches, forward, picks_positions
from rtbench_plugins.hf.encoding import IGNORED, EncodedRow, encode_rows
from rtbench_plugins.hf.muon import orthogonal
from rtbench_plugins.hf.optimizers import rate_factor
from rtbench_plugins.hf.options import StudentOptions
from rtbench_plugins.hf.students import causal_student
from rtbench_plugins.hf.training_state import StateFile, TrainState

from rtbench.errors import BadInputError, MissingDataError, StepFailedError, UnknownNameError
from rtbench.schema.training import Recipe, TrainingRow
from tests.helpers.sessions import session
from tests.helpers.training import base_and_codec, both_families


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@both_families
def test_loss_is_taken_on_label_and_end_mark_only(tiny, family):
    base, codec = base_and_codec(tiny, family)
    encoded = encode_rows(codec, tiny.rows[:5], tiny.job(Path("/tmp")).recipe)
    for row, one in zip(tiny.rows, encoded, strict=False):
        supervised = [token for token in one.labels if token != IGNORED]
        assert base.tokenizer.decode(supervised[:-1]) == row.label
        assert supervised[-1] == base.tokenizer.eos_token_id
    batch = collate(encoded, codec.pad, base.device, causal=family == "decoder")
    with torch.no_grad():
        assert picks_positions(base)
        logits = forward(base, base.model, batch, picks=True)
        nats = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
        whole = forward(base, base.model, batch, picks=False)
        assert torch.allclose(whole, logits, atol=1e-5), "whether all positions are computed or those alone"
        by_hand = sum(nats_by_hand(base, one) for one in encoded)
    assert float(nats) == pytest.approx(by_hand, rel=1e-4)
    assert sum(one.supervised for one in encoded) == sum(len(codec.label_ids([r.label])[0]) + 1 for r in tiny.rows[:5])


def nats_by_hand(base, one):
    """Token by token, one row alone, no padding, no mask."""
    ids = torch.tensor([one.input_ids])
    if base.family == "decoder":
        logits = base.model(input_ids=ids).logits[0]
        pairs = [(at - 1, token) for at, token in enumerate(one.labels) if token != IGNORED]
    else:
        start = base.model.config.decoder_start_token_id
        logits = base.model(input_ids=ids, decoder_input_ids=torch.tensor([[start, *one.labels[:-1]]])).logits[0]
        pairs = list(enumerate(one.labels))
    return -sum(float(torch.log_softmax(logits[at], -1)[token]) for at, token in pairs)


@both_families
def test_training_twice_gives_the_same_bytes_and_learns(tiny, tmp_path, family):
    reports = [tiny.student(family).train(tiny.job(tmp_path / name)) for name in ("a", "b")]
    assert weights(tmp_path / "a" / "checkpoint") == weights(tmp_path / "b" / "checkpoint")
    assert reports[0].history == reports[1].history
    losses = [epoch["train_loss"] for epoch in reports[0].history]
    assert losses[1] < losses[0]
    assert reports[0].steps == 12
    assert reports[0].tokens % 2 == 0


def test_another_seed_gives_other_weights(tiny, tmp_path):
    tiny.student("decoder").train(tiny.job(tmp_path / "a"))
    tiny.student("decoder").train(tiny.job(tmp_path / "b", seed=2))
    assert weights(tmp_path / "a" / "checkpoint") != weights(tmp_path / "b" / "checkpoint")


def test_training_leaves_the_process_random_state_alone(tiny, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    tiny.student("decoder").train(tiny.job(tmp_path, recipe={"epochs": 1}))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("steps", [3, 6, 7])
def test_steps_are_taken_exactly_whatever_the_rows(tiny, tmp_path, steps):
    """48 rows in batches of 8 are 6 steps an epoch."""
    report = tiny.student("decoder").train(tiny.job(tmp_path, recipe={"steps": steps, "selection": "last"}))
    assert (report.steps, report.epochs) == (steps, 1 if steps <= 6 else 2)


def test_linear_schedule_with_warm_up_rises_then_falls_to_nothing():
    recipe = Recipe(schedule="linear", warmup_steps=2, steps=10)
    factors = [rate_factor(recipe, done, 10) for done in range(11)]
    assert factors[:3] == [0.5, 0.9, 0.8]
    assert factors[10] == 0
    assert [rate_factor(Recipe(), done, 10) for done in (0, 9)] == [1.0, 1.0]


def test_muon_step_is_the_nearest_orthogonal_matrix():
    """Singular values come near 1, singular vectors stay."""
    torch.manual_seed(0)
    tall, wide = torch.randn(1, 48, 16), torch.randn(1, 16, 48)
    for matrix in (tall, wide):
        u, _, v = torch.linalg.svd(matrix[0], full_matrices=False)
        found = orthogonal(matrix, 5)[0]
        values = torch.linalg.svdvals(found)
        assert values.min() > 0.6
        assert values.max() < 1.3
        assert torch.dist(found, u @ v) < 0.4 * torch.linalg.norm(u @ v)


@both_families
def test_muon_trains_matrices_and_resumes_like_an_undisturbed_run(tiny, tmp_path, family):
    recipe = {"steps": 16, "selection": "last", "optimizer": "muon", "schedule": "linear", "learning_rate": 3e-3}
    one = tiny.student(family, resume_seconds=0.0)
    whole = one.train(tiny.job(tmp_path / "whole", recipe=recipe))
    assert whole.history[-1]["train_loss"] < whole.history[0]["train_loss"]
    with pytest.raises(PulledThePlugError):
        one.train(tiny.job(tmp_path / "cut", recipe=recipe, progress=pull_after(9)))
    one.train(tiny.job(tmp_path / "cut", recipe=recipe))
    assert weights(tmp_path / "cut" / "checkpoint") == weights(tmp_path / "whole" / "checkpoint")


class PulledThePlugError(Exception):
    pass


def pull_after(steps: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, unit: str) -> None:
        if done >= steps:
            raise PulledThePlugError

    return progress


@both_families
def test_resumed_run_equals_an_undisturbed_one(tiny, tmp_path, family):
    recipe = {"epochs": 4, "selection": "val"}
    parts = {"rows": tiny.rows[:32], "validation": tiny.rows[32:], "recipe": recipe}
    one = tiny.student(family, resume_seconds=0.0)
    whole = one.train(tiny.job(tmp_path / "whole", **parts))
    with pytest.raises(PulledThePlugError):
        one.train(tiny.job(tmp_path / "cut", **parts, progress=pull_after(10)))
    assert not (tmp_path / "cut" / "checkpoint").exists()
    seen: list[int] = []
    resumed = one.train(tiny.job(tmp_path / "cut", **parts, progress=lambda done, total, unit: seen.append(done)))
    assert seen[0] == 8, "it went on after the second epoch, the last complete one"
    assert weights(tmp_path / "cut" / "checkpoint") == weights(tmp_path / "whole" / "checkpoint")
    assert (resumed.history, resumed.steps, resumed.tokens) == (whole.history, whole.steps, whole.tokens)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["checkpoint"]


@pytest.mark.parametrize("damaged", ["resume/state-*.pt", "resume/best-*.pt", "epoch-1/model.safetensors"])
@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_damaged_state_is_not_taken_up(tiny, tmp_path, damaged, how):
    recipe = {"epochs": 4, "selection": "best-test" if "epoch" in damaged else "val"}
    parts = {"rows": tiny.rows[:32], "validation": () if "epoch" in damaged else tiny.rows[32:], "recipe": recipe}
    one = tiny.student("decoder", resume_seconds=0.0)
    one.train(tiny.job(tmp_path / "whole", **parts))
    with pytest.raises(PulledThePlugError):
        one.train(tiny.job(tmp_path / "cut", **parts, progress=pull_after(10)))
    (path,) = (tmp_path / "cut").glob(damaged)
    data = path.read_bytes()
    half = len(data) // 2
    changed = {"flipped": data[:half] + bytes([data[half] ^ 4]) + data[half + 1 :], "cut": data[:half], "empty": b""}
    path.write_bytes(changed[how])
    seen: list[int] = []
    one.train(tiny.job(tmp_path / "cut", **parts, progress=lambda done, total, unit: seen.append(done)))
    assert seen[0] == 0, "it started anew"
    for name in ("checkpoint", "epoch-1") if "epoch" in damaged else ("checkpoint",):
        assert weights(tmp_path / "cut" / name) == weights(tmp_path / "whole" / name)


def test_state_of_another_job_is_not_taken_up(tiny, tmp_path):
    one = tiny.student("decoder", resume_seconds=0.0)
    with pytest.raises(PulledThePlugError):
        one.train(tiny.job(tmp_path / "cut", seed=1, progress=pull_after(8)))
    one.train(tiny.job(tmp_path / "cut", seed=2))
    one.train(tiny.job(tmp_path / "whole", seed=2))
    assert weights(tmp_path / "cut" / "checkpoint") == weights(tmp_path / "whole" / "checkpoint")


def test_best_weights_of_another_job_are_not_taken_up(tiny, tmp_path):
    recipe = {"epochs": 4, "selection": "val"}
    parts = {"rows": tiny.rows[:32], "validation": tiny.rows[32:], "recipe": recipe}
    one = tiny.student("decoder", resume_seconds=0.0)
    whole = one.train(tiny.job(tmp_path / "whole", **parts, seed=2))
    # Two jobs are killed after their second epoch, in one folder: the second must not find the first one's weights.
    for seed in (1, 2):
        with pytest.raises(PulledThePlugError):
            one.train(tiny.job(tmp_path / "cut", **parts, seed=seed, progress=pull_after(10)))
    assert one.train(tiny.job(tmp_path / "cut", **parts, seed=2)).selected == whole.selected
    kept, none = StateFile(tmp_path / "state"), dict[str, torch.Tensor]()
    for key, value in (("first", 1.0), ("second", 2.0)):
        assert kept.read(key, torch.device("cpu")) is None
        kept.keep_only(None)
        kept.write(TrainState(key, epoch=3, best_epoch=2), none, [], {"weight": torch.full((1, 1), value)})
    found = kept.read("second", torch.device("cpu"))
    assert found is not None
    assert found.best is not None
    assert found.best["weight"].item() == 2.0


def test_best_weights_that_no_state_names_are_not_taken_up(tmp_path):
    kept, cpu = StateFile(tmp_path), torch.device("cpu")
    kept.folder.mkdir()
    (kept.folder / "best-2.pt").write_bytes(b"killed before its state was written")
    assert kept.read("job", cpu) is None
    kept.keep_only(None)
    kept.write(TrainState("job", epoch=3, best_epoch=2), {}, [], {"weight": torch.ones(1, 1)})
    found = kept.read("job", cpu)
    assert found is not None
    assert found.best is not None


def test_checkpoint_is_as_readable_as_the_umask_says(tiny, tmp_path):
    before = os.umask(0o027)
    try:
        tiny.student("decoder").train(tiny.job(tmp_path, recipe={"epochs": 1}))
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "checkpoint").iterdir()}
    assert "model.safetensors" in modes
    assert set(modes.values()) == {"0o640"}, modes


def test_val_keeps_the_epoch_with_the_lowest_validation_loss(tiny, tmp_path):
    # Validation labels that training never shows: the loss on them falls, then rises.
    wrong = [TrainingRow(sample_index=row.sample_index, prompt=row.prompt, label=" none") for row in tiny.rows[:4]]
    recipe = {"epochs": 6, "selection": "val", "learning_rate": 3e-3}
    report = tiny.student("decoder").train(tiny.job(tmp_path, validation=wrong, recipe=recipe))
    losses = [epoch["validation_loss"] for epoch in report.history]
    assert report.selected == losses.index(min(losses)) + 1
    assert report.validation_rows == 4
    shorter = tiny.job(tmp_path / "short", validation=wrong, recipe=recipe | {"epochs": report.selected})
    tiny.student("decoder").train(shorter)
    assert weights(tmp_path / "checkpoint") == weights(tmp_path / "short" / "checkpoint")


def test_training_ends_when_the_validation_loss_does_not_fall(tiny, tmp_path):
    wrong = [TrainingRow(sample_index=row.sample_index, prompt=row.prompt, label=" none") for row in tiny.rows[:4]]
    recipe = {"epochs": 9, "selection": "val", "learning_rate": 3e-3}
    whole = tiny.student("decoder").train(tiny.job(tmp_path / "whole", validation=wrong, recipe=recipe))
    early = tiny.job(tmp_path / "early", validation=wrong, recipe=recipe | {"patience": 2})
    report = tiny.student("decoder").train(early)
    assert report.selected == whole.selected
    assert report.epochs == report.selected + 2 < whole.epochs
    assert report.history == whole.history[: report.epochs]
    assert f"ended after epoch {report.epochs} of 9" in report.notes[0]
    assert weights(tmp_path / "whole" / "checkpoint") == weights(tmp_path / "early" / "checkpoint")


def test_val_without_validation_rows_takes_the_last_epoch(tiny, tmp_path):
    report = tiny.student("decoder").train(tiny.job(tmp_path, recipe={"selection": "val"}))
    assert report.selected == report.epochs == 2


def test_best_test_keeps_every_epoch(tiny, tmp_path):
    tiny.student("decoder").train(tiny.job(tmp_path, recipe={"selection": "best-test", "epochs": 3}))
    kept = [weights(tmp_path / f"epoch-{epoch}") for epoch in (1, 2, 3)]
    assert len(set(kept)) == 3
    assert kept[2] == weights(tmp_path / "checkpoint")
    fewer = tiny.job(tmp_path / "fewer", recipe={"epochs": 2})
    tiny.student("decoder").train(fewer)
    assert kept[1] == weights(tmp_path / "fewer" / "checkpoint")


def test_truncation_is_counted_and_keeps_the_prompts_end_and_the_labels_beginning(tiny, tmp_path):
    base, codec = base_and_codec(tiny, "decoder")
    job = tiny.job(tmp_path, recipe={"max_prompt_tokens": 20, "max_label_tokens": 3})
    one = encode_rows(codec, tiny.rows[:1], job.recipe)[0]
    prompt, label = codec.prompt_ids([tiny.rows[0].prompt])[0], codec.label_ids([tiny.rows[0].label])[0]
    assert one.input_ids == prompt[-20:] + label[:3]
    assert base.tokenizer.eos_token_id not in one.labels, "a cut label does not teach to stop"
    assert tiny.student("decoder").train(job).truncated == len(tiny.rows)
    assert tiny.student("decoder").train(tiny.job(tmp_path / "wide")).truncated == 0


def test_rows_never_pass_the_models_positions(tiny, tmp_path):
    report = tiny.student("decoder", config={"n_positions": 32}).train(tiny.job(tmp_path, recipe={"epochs": 1}))
    assert report.truncated > 0


@both_families
def test_row_without_a_label_is_named(tiny, tmp_path, family):
    rows = [*tiny.rows[:3], TrainingRow(sample_index=77, prompt="Why? ###", label="")]
    with pytest.raises(StepFailedError, match="sample 77"):
        tiny.student(family).train(tiny.job(tmp_path, rows=rows))


def test_no_rows_is_one_clear_error(tiny, tmp_path):
    with pytest.raises(StepFailedError, match="no training rows"):
        tiny.student("decoder").train(tiny.job(tmp_path, rows=[]))


def test_loss_that_is_no_number_fails_the_step(tiny, tmp_path):
    with pytest.raises(StepFailedError, match="Lower the learning rate"):
        tiny.student("decoder").train(tiny.job(tmp_path, recipe={"learning_rate": 1e30, "epochs": 3}))
    assert not (tmp_path / "checkpoint").exists()


def test_every_row_is_seen_once_per_epoch(tiny):
    _, codec = base_and_codec(tiny, "decoder")
    rows = encode_rows(codec, tiny.rows, tiny.job(Path("/tmp")).recipe)
    for seed in (1, 2):
        for family in ("decoder", "encoder_decoder"):
            seen = [id(row) for batch in epoch_batches(rows, 5, seed, family) for row in batch]
            assert sorted(seen) == sorted(map(id, rows))


@pytest.mark.parametrize(("family", "most"), [("decoder", 1.07), ("encoder_decoder", 1.2)])
def test_little_is_padded(family, most):
    """Prompts and labels of 20 to 150 tokens; batches as they come would be padded by a half."""
    draw = random.Random(0)
    rows = []
    for _ in range(400):
        prompt, label = [1] * draw.randint(20, 150), [1] * draw.randint(20, 150)
        decoder = EncodedRow(prompt + label, [IGNORED] * len(prompt) + label, truncated=False)
        rows.append(decoder if family == "decoder" else EncodedRow(prompt, label, truncated=False))
    batches = list(epoch_batches(rows, 8, 0, family))
    held = sum(len(row.input_ids) + len(row.labels) for row in rows)
    padded = sum(
        len(batch) * (max(len(row.input_ids) for row in batch) + max(len(row.labels) for row in batch))
        for batch in batches
    )
    assert padded / held < most
    assert len({tuple(sorted(map(id, one))) for one in [*batches, *epoch_batches(rows, 8, 1, family)]}) > len(batches)


@both_families
def test_local_folder_is_a_base_like_any_other(tiny, tmp_path, family):
    folder = tiny.folder(family, tmp_path / "base")
    one = tiny.student(family, model=str(folder))
    first = one.model().fingerprint
    assert first.startswith("local:")
    assert not one.needs_corpus
    report = one.train(tiny.job(tmp_path / "work", recipe={"epochs": 1}))
    assert report.parameters > 1000
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert tiny.student(family, model=str(copy)).model().fingerprint == first, "the content counts, not the place"
    config = copy / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"note": 1}))
    assert tiny.student(family, model=str(copy)).model().fingerprint != first


def test_folder_of_the_other_family_is_refused(tiny, tmp_path):
    folder = tiny.folder("encoder_decoder", tmp_path / "base")
    with pytest.raises(BadInputError, match="Use hf-seq2seq"):
        tiny.student("decoder", model=str(folder)).load(None, (), "f")


def test_hub_model_that_is_not_local_says_what_to_do(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    one = tiny.student("decoder", model="nobody/no-such-model", revision="f" * 40)
    assert one.model().fingerprint == f"nobody/no-such-model@{'f' * 40}"
    with pytest.raises(MissingDataError, match="hf download nobody/no-such-model"):
        one.load(None, (), "f")


def test_folder_without_safetensors_is_refused(tiny, tmp_path):
    folder = tiny.folder("decoder", tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(MissingDataError, match="safetensors"):
        tiny.student("decoder", model=str(folder)).model()


def test_random_base_is_the_same_in_another_process_and_fingerprint_names_its_recipe(tiny, tmp_path):
    code = (
        "import sys, json, hashlib, torch\n"
        "from rtbench_plugins.hf import loading\n"
        "from rtbench_plugins.hf.options import StudentOptions\n"
        "o = StudentOptions(config={'n_layer': 1}, vocab_size=400)\n"
        "b = loading.random_base('decoder', o, json.load(sys.stdin), torch.device('cpu'))\n"
        "h = hashlib.sha256(b.tokenizer.backend_tokenizer.to_str().encode())\n"
        "[h.update(p.detach().numpy().tobytes()) for p in b.model.parameters()]\n"
        "print(h.hexdigest())\n"
    )
    texts = json.dumps(tiny.corpus)
    runs = [
        subprocess.run([sys.executable, "-c", code], input=texts, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
    prints = {
        tiny.student("decoder", **options).model().fingerprint
        for options in ({}, {"init_seed": 1}, {"vocab_size": 500}, {"config": {"n_layer": 3}}, {"resume_seconds": 1.0})
    }
    assert len(prints) == 4, "all but resume_seconds change the base"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, BadInputError, "neither `model` nor `config`"),
        ({"model": "a/b", "config": {}}, BadInputError, "both `model` and `config`"),
        ({"modle": "a/b"}, UnknownNameError, "Did you mean 'model'"),
        ({"config": {}, "vocab_size": 10}, BadInputError, "vocab_size: 10 must be at least 300"),
        ({"config": {}, "resume_seconds": -1}, BadInputError, "resume_seconds"),
        ({"model": "a/b", "trust_remote_code": True}, BadInputError, "--trust-remote-code"),
        ({"model": "./not/here"}, MissingDataError, "no such folder"),
    ],
)
def test_bad_options_are_one_clear_error(options, error, said):
    with pytest.raises(error, match=said):
        causal_student("mine", options, session()).model()


def test_config_that_is_no_model_is_one_clear_error(tiny):
    with pytest.raises(BadInputError, match="option `config`"):
        tiny.student("decoder", config={"n_embd": 33}).load(None, tiny.corpus, "f")


def test_planning_a_student_imports_no_torch():
    code = (
        "import sys\n"
        "from rtbench_plugins.hf import causal_plugin, seq2seq_plugin, teacher_plugin\n"
        "from rtbench_plugins.hf.students import causal_student\n"
        "from rtbench_plugins.hf.teacher import hf_teacher\n"
        "from rtbench.api import Environment, open_services\n"
        "services = open_services(Environment(workspace='rtbench-workspace'))\n"
        "causal_student('a', {'config': {}}, services).model()\n"
        "causal_student('a', {'model': 'a/b', 'revision': 'f' * 40}, services).model()\n"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_survive_the_model_spec(tiny):
    spec = tiny.student("decoder", init_seed=3).model()
    again = causal_student(spec.name, spec.options, session())
    assert again.model() == spec
    assert again.options == StudentOptions(config=spec.options["config"], vocab_size=400, init_seed=3)
