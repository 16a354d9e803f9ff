"""GGUF files as students and teachers."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from rtbench_plugins.hf.gguf_conversion import converted
from rtbench_plugins.hf.hub import found
from rtbench_plugins.hf.options import student_options
from rtbench_plugins.hf.teacher import hf_teacher

from rtbench.errors import BadInputError, MissingDataError
from tests.helpers.cli import MakeCli
from tests.helpers.gguf_files import write_llama, write_t5
from tests.helpers.sessions import session
from tests.plugins.hf.conftest import Tiny


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("gated", [True, False])
def test_converted_t5_computes_what_its_model_computes(tmp_path: Path, gated: bool) -> None:
    """transformers takes every T5 for one with gates, ReLU and a tied output layer."""
    from transformers import AutoModelForSeq2SeqLM

    model = write_t5(tmp_path / "m.gguf", gated=gated)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(converted(tmp_path / "m.gguf", tmp_path / "cache"))
    given = {"input_ids": torch.arange(3, 12)[None], "decoder_input_ids": torch.tensor([[0, 5, 6]])}
    with torch.no_grad():
        assert torch.allclose(loaded(**given).logits, model(**given).logits, atol=1e-5)


def test_t5_is_a_student_and_a_teacher(tiny: Tiny, tmp_path: Path) -> None:
    write_t5(tmp_path / "m.gguf", gated=True)
    student = tiny.student("encoder_decoder", model=str(tmp_path / "m.gguf"))
    report = student.train(tiny.job(tmp_path / "work", recipe={"learning_rate": 3e-3, "epochs": 5}))
    assert report.history[-1]["train_loss"] < report.history[0]["train_loss"]
    assert len(list(student.load(tmp_path / "work" / "checkpoint", (), "f").generate(tiny.requests(3)))) == 3
    teacher = hf_teacher("t", {"model": str(tmp_path / "m.gguf")}, session(offline=True))
    assert teacher.family == "encoder_decoder"
    assert len(list(teacher.open(teacher.members()[0]).generate(tiny.requests(2)))) == 2


@pytest.mark.parametrize("more", [{}, {"quantized": True}, {"tied": False}])
def test_converted_file_computes_what_its_model_computes(tiny: Tiny, tmp_path: Path, more: dict[str, bool]) -> None:
    from transformers import AutoModelForCausalLM

    model = write_llama(tmp_path / "m.gguf", tiny.corpus, **more)
    loaded = AutoModelForCausalLM.from_pretrained(converted(tmp_path / "m.gguf", tmp_path / "cache"))
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.allclose(loaded(tokens).logits, model(tokens).logits, atol=1e-5)


def test_file_is_converted_once_wherever_it_is(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus)
    folder = converted(tmp_path / "m.gguf", tmp_path / "cache")
    before = (folder / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "other").mkdir()
    (tmp_path / "m.gguf").rename(tmp_path / "other" / "n.gguf")
    assert converted(tmp_path / "other" / "n.gguf", tmp_path / "cache") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("pre", "text", "tokens"),
    [
        ("smollm", "a  12", ["a", "ĠĠ", "1", "2"]),  # digits are split off first
        ("gpt-2", "a  12", ["a", "Ġ", "Ġ", "1", "2"]),
        ("qwen2", "a\n\nb", ["a", "ĊĊ", "b"]),
    ],
)
def test_tokenizer_splits_as_the_file_states(
    tiny: Tiny, tmp_path: Path, pre: str, text: str, tokens: list[str]
) -> None:
    from transformers import AutoTokenizer

    # The spaces and line ends of these texts are in the corpus, so that they are tokens.
    write_llama(tmp_path / "m.gguf", [*tiny.corpus, *["x  1 y\n\n1"] * 50], pre=pre)
    tokenizer = AutoTokenizer.from_pretrained(converted(tmp_path / "m.gguf", tmp_path / "cache"))
    assert tokenizer.tokenize(text) == tokens


def test_unknown_splitting_is_an_error_instead_of_other_tokens(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus, pre="kimi-k2")
    with pytest.raises(BadInputError, match="splits texts by the patterns 'kimi-k2'"):
        converted(tmp_path / "m.gguf", tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache" / "gguf").iterdir() if (path / "config.json").exists()]


def test_student_is_the_same_wherever_its_file_is(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "Small-1.Q8_0.gguf"
    write_llama(path, tiny.corpus)
    monkeypatch.setenv("RTBENCH_MODELS", str(path.parent))
    by_path = tiny.student("decoder", model=str(path)).model().fingerprint
    by_folder = tiny.student("decoder", model=str(path.parent), gguf_file=path.name).model().fingerprint
    by_id = tiny.student("decoder", model="someone/Small-1").model().fingerprint
    assert by_path == by_folder == by_id
    assert by_path.startswith("gguf:")


def test_student_is_trained_and_its_checkpoint_answers(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus, quantized=True)
    student = tiny.student("decoder", model=str(tmp_path / "m.gguf"))
    before = {one.key: one.text for one in student.load(None, (), "base").generate(tiny.requests(4))}
    recipe = {"learning_rate": 3e-3, "epochs": 30}
    report = student.train(tiny.job(tmp_path / "work", recipe=recipe))
    assert report.history[-1]["train_loss"] < report.history[0]["train_loss"] / 2
    after = list(student.load(tmp_path / "work" / "checkpoint", (), "f").generate(tiny.requests(4)))
    assert {one.key: one.text for one in after} != before
    assert all(one.finish_reason == "stop" and "-->" in one.text for one in after)


@pytest.mark.parametrize("chat", [True, False])
def test_teacher_uses_the_chat_template_of_the_file(tiny: Tiny, tmp_path: Path, chat: bool) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_llama(tmp_path / "m.gguf", tiny.corpus)
    options: dict[str, Any] = {"model": str(tmp_path / "m.gguf"), "chat_template": chat, "thinking": None}
    teacher = hf_teacher("t", options, session(offline=True))
    assert teacher.family == "decoder"
    request = tiny.request(0, "How many?")
    (done,) = teacher.open(teacher.members()[0]).generate([request])
    folder = converted(tmp_path / "m.gguf", tmp_path / "cache")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "How many?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) if chat else "How many?"
    given = tokenizer(text, return_tensors="pt", add_special_tokens=not chat)
    new = model.generate(**given, max_new_tokens=12, do_sample=False)[0, given["input_ids"].shape[1] :]
    assert done.text == tokenizer.decode(new, skip_special_tokens=True)


@pytest.mark.parametrize("end", [0, 2])
def test_chat_student_is_trained_and_asked_in_its_template(tiny: Tiny, tmp_path: Path, end: int) -> None:
    """Template and end of turn are the same in training, in the test, and for any program that opens the checkpoint."""
    from rtbench_plugins.hf.encoding import Codec, encode_rows
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_llama(tmp_path / "m.gguf", tiny.corpus, end=end)
    student = tiny.student("decoder", model=str(tmp_path / "m.gguf"), chat_template=True)
    job = tiny.job(tmp_path / "work", recipe={"learning_rate": 3e-3, "epochs": 30})
    student.train(job)
    checkpoint = tmp_path / "work" / "checkpoint"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    codec = Codec(tokenizer, model.config, "decoder", chat=True, thinking=None, name="s")
    (row,) = encode_rows(codec, job.rows[:1], job.recipe)
    turns = [
        {"role": "user", "content": job.rows[0].prompt},
        {"role": "assistant", "content": job.rows[0].label.strip()},
    ]
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer.decode(row.input_ids) == whole.rstrip("\n")
    done = list(student.load(checkpoint, (), "f").generate(tiny.requests(6)))
    assert {one.finish_reason for one in done} == {"stop"}
    for request, one in zip(tiny.requests(6), sorted(done, key=lambda one: one.sample_index), strict=True):
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": request.prompt}], tokenize=False, add_generation_prompt=True
        )
        given = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        new = model.generate(**given, max_new_tokens=12, do_sample=False)[0, given["input_ids"].shape[1] :]
        assert one.text == tokenizer.decode(new, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "is not a GGUF file"),
        (lambda data: data[:-3000], "cannot be read as GGUF"),
        (lambda data: data[:900], "cannot be read as GGUF"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "is not a GGUF file"),
    ],
)
def test_damaged_file_is_one_error(tiny: Tiny, tmp_path: Path, change: Any, message: str) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus)
    data = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(change(data))
    student = tiny.student("decoder", model=str(tmp_path / "m.gguf"))
    with pytest.raises(BadInputError, match=message):
        student.check_base()


def test_file_that_lacks_a_weight_is_no_model_with_random_weights(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus, leave_out="blk.1.ffn_up.weight")
    with pytest.raises(
        BadInputError,
        match="its weights are not those that transformers expects of 'llama': model.layers.1.mlp.up_proj.weight",
    ):
        converted(tmp_path / "m.gguf", tmp_path / "cache")


def test_file_with_weights_that_transformers_leaves_out_is_no_other_model(tiny: Tiny, tmp_path: Path) -> None:
    """A Llama with biases in its attention, as some converters write it."""
    write_llama(tmp_path / "m.gguf", tiny.corpus, extra=["blk.0.attn_q.bias", "blk.1.attn_q.bias"])
    with pytest.raises(BadInputError, match="has no place: blk.0.attn_q.bias, blk.1.attn_q.bias"):
        converted(tmp_path / "m.gguf", tmp_path / "cache")


def test_constants_of_positions_are_no_weights(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus, extra=["rope_freqs.weight"])
    assert (converted(tmp_path / "m.gguf", tmp_path / "cache") / "model.safetensors").is_file()


def test_architecture_that_transformers_does_not_know_is_named(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus, architecture="unheard-of")
    with pytest.raises(BadInputError, match="unheard-of"):
        converted(tmp_path / "m.gguf", tmp_path / "cache")


def test_other_family_is_named(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus)
    student = tiny.student("encoder_decoder", model=str(tmp_path / "m.gguf"))
    with pytest.raises(BadInputError, match="has the family decoder") as error:
        student.load(None, (), "f")
    assert error.value.next_step == "Use hf-causal for it."


def test_places_that_are_wrong_are_one_error_each(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_llama(tmp_path / "Small.Q8_0.gguf", tiny.corpus)
    (tmp_path / "notes.txt").write_text("x")
    cases: list[tuple[str, str | None, type[Exception], str]] = [
        (str(tmp_path / "absent.gguf"), None, MissingDataError, "no such file"),
        ("absent.gguf", None, MissingDataError, "no such file"),
        (str(tmp_path / "notes.txt"), None, BadInputError, "this file is not a model"),
        (str(tmp_path), "other.gguf", BadInputError, "no GGUF file 'other.gguf'"),
        (str(tmp_path), "../Small.Q8_0.gguf", BadInputError, "leads out of its folder"),
        (str(tmp_path), "notes.txt", BadInputError, "no GGUF file"),
    ]
    for model, file, error, message in cases:
        with pytest.raises(error, match=message):
            found(model, None, file, offline=True)
    (tmp_path / "Small.Q4_0.gguf").write_bytes((tmp_path / "Small.Q8_0.gguf").read_bytes())
    monkeypatch.setenv("RTBENCH_MODELS", str(tmp_path))
    with pytest.raises(BadInputError, match=r"several files could be x/Small: Small\.Q4_0\.gguf, Small\.Q8_0\.gguf"):
        found("x/Small", None, None, offline=True)
    assert found("x/Small", None, "Small.Q4_0.gguf", offline=True).model.endswith("Small.Q4_0.gguf")
    monkeypatch.setenv("RTBENCH_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(BadInputError, match="no such folder"):
        found("x/Small", None, None, offline=True)


def test_hub_id_is_found_in_cache_then_models_folder_then_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants
    from rtbench_plugins.hf import places

    monkeypatch.delenv("RTBENCH_MODELS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setitem(places.PACKAGED, "someone/Small", ("rtbench_small_weights", "Small.Q8_0.gguf"))

    def source() -> str:
        return found("someone/Small", None, None, offline=True).source

    with pytest.raises(MissingDataError) as error:
        source()
    assert "pip install --no-deps rtbench-small-weights" in str(error.value)
    assert "set RTBENCH_MODELS to a folder that has Small" in str(error.value)

    package = tmp_path / "site" / "rtbench_small_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('never imported')")
    (package / "Small.Q8_0.gguf").touch()
    importlib.invalidate_caches()
    assert source() == "package rtbench_small_weights"

    (tmp_path / "models" / "someone" / "Small").mkdir(parents=True)
    (tmp_path / "models" / "someone" / "Small" / "config.json").touch()
    monkeypatch.setenv("RTBENCH_MODELS", str(tmp_path / "models"))
    assert source() == "RTBENCH_MODELS"

    with pytest.raises(MissingDataError):  # a folder does not say which revision it has
        found("someone/Small", "v2", None, offline=True)
    assert found("someone/Small", "b" * 40, None, offline=True).source == "hub"

    repository, commit = tmp_path / "hub" / "models--someone--Small", "a" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / "config.json").touch()
    assert source() == "RTBENCH_MODELS", "a config alone, which a plan downloads, is no model"
    (repository / "snapshots" / commit / "model.safetensors").touch()
    assert source() == "hub cache"


def test_folder_that_has_only_a_file_says_how_to_use_it(tiny: Tiny, tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", tiny.corpus)
    with pytest.raises(MissingDataError) as error:
        tiny.student("decoder", model=str(tmp_path)).model()
    assert error.value.next_step == "State the option `gguf_file`, for example m.gguf."


def test_student_without_weights_marks_its_own_cells(
    make_cli: MakeCli, tiny: Tiny, tmp_path: Path, data_dir: Path
) -> None:
    """The plan and the leaderboard name the weights and the data type of the others."""
    cli = make_cli(data=data_dir)
    write_llama(cli.folder / "small.gguf", tiny.corpus)
    (cli.folder / "empty").mkdir()
    (cli.folder / "m.yaml").write_text(
        "tasks: [multiarith]\nmethods: [zero-shot]\nlimit: 2\nrecipe: {max_new_tokens: 4}\nstudents:\n"
        "  - {name: file, use: hf-causal, model: small.gguf, dtype: float32}\n"
        "  - {name: folder, use: hf-causal, model: empty}\n"
        "  - {name: absent, use: hf-causal, model: nowhere.gguf}\n"
    )
    plan = cli("plan", "--matrix", "m.yaml").stdout
    assert "file: weights: small.gguf (local); computed in float32" in plan
    assert "3 cells: 1 can run, 2 cannot" in plan
    assert "no config.json: this is not a model folder" in plan
    assert "no such file" in plan
    assert (
        "file: weights: small.gguf (local); computed in float32."
        in cli("run", "--matrix", "m.yaml", "--verbose").stdout
    )


def test_gguf_file_without_model_is_refused() -> None:
    with pytest.raises(BadInputError, match="`gguf_file` needs `model`"):
        student_options("s", {"config": {}, "gguf_file": "m.gguf"})
