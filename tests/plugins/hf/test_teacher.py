"""The teacher: any model, its format, its thoughts."""

from __future__ import annotations

import pytest
import torch
from rtbench_plugins.hf import causal_plugin, seq2seq_plugin, teacher_plugin
from rtbench_plugins.hf.encoding import Codec
from rtbench_plugins.hf.teacher import hf_teacher

from rtbench.errors import BadInputError, UnknownNameError
from tests.helpers.sessions import session

both_families = pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])
CHAT = (
    "{% for m in messages %}[user] {{ m['content'] }} [end]{% endfor %}{% if add_generation_prompt %}[bot]{% endif %}"
)


@both_families
def test_teacher_samples_one_text_per_seed(tiny, tmp_path, family):
    folder = tiny.folder(family, tmp_path / "base")
    teacher = hf_teacher("mine", {"model": str(folder)}, session())
    (member,) = teacher.members()
    assert (member.role, member.plugin, member.name) == ("teacher", "hf", "mine")
    assert member.fingerprint.startswith("local:")
    assert teacher.family == family
    model = teacher.open(member)
    assert model.fingerprint == member.fingerprint
    requests = [tiny.request(at, tiny.rows[0].prompt, temperature=1.0) for at in range(4)]
    found = {one.key: one.text for one in model.generate(requests)}
    assert len(set(found.values())) == 4
    assert {one.key: one.text for one in teacher.open(member).generate(requests)} == found
    model.close()


def test_default_format_is_two_stages_of_zero_shot_cot(tiny, tmp_path):
    folder = tiny.folder("decoder", tmp_path / "base")
    teacher = hf_teacher("mine", {"model": str(folder)}, session())
    assert teacher.format.decoder.input.endswith("Let's think step by step.")
    assert teacher.format.decoder.answer_input is not None
    assert teacher.max_new_tokens == (128, 32)
    other = hf_teacher("mine", {"model": str(folder), "format": "zero-shot"}, session())
    assert other.format.decoder.answer_input is None


def test_fingerprint_changes_with_what_changes_texts(tiny, tmp_path):
    folder = str(tiny.folder("decoder", tmp_path / "base"))

    def fingerprint(**options):
        teacher = hf_teacher("mine", {"model": folder} | options, session())
        return teacher.members()[0].fingerprint

    assert fingerprint() == fingerprint(generation_batch=3) == fingerprint(max_new_tokens=[64, 8])
    assert len({fingerprint(), fingerprint(dtype="bfloat16"), fingerprint(thinking=None)}) == 3


class FakeModel:
    """A model that writes one text whatever it is asked; all else is real."""

    def __init__(self, base, text, family="decoder"):
        self.config, self.generation_config = base.model.config, base.model.generation_config
        self._ids = base.tokenizer(text)["input_ids"] + [base.tokenizer.eos_token_id]
        self._width = base.model.config.vocab_size
        self._at = 0

    def parameters(self):
        yield torch.zeros(1)

    def forward(self, input_ids, attention_mask, past_key_values, use_cache):
        """Only its signature is read; what is called is the model."""

    def __call__(self, input_ids, attention_mask, past_key_values, use_cache):
        logits = torch.zeros(len(input_ids), input_ids.shape[1], self._width)
        logits[:, -1, self._ids[self._at]] = 1.0
        self._at += 1
        return type("Out", (), {"logits": logits, "past_key_values": None})()


def answer(tiny, text, *, thinking=("<think>", "</think>"), chat=None, template=None, **sampling):
    from rtbench_plugins.hf.loaded import LoadedModel
    from rtbench_plugins.hf.loading import random_base
    from rtbench_plugins.hf.models import HfModel

    base = random_base("decoder", tiny.student("decoder").options, tiny.corpus, torch.device("cpu"))
    base.tokenizer.chat_template = template
    fake = LoadedModel(FakeModel(base, text), base.tokenizer, "decoder", base.device)
    model = HfModel(fake, "f", name="fake", chat=chat, thinking=thinking, most_rows=1)
    (done,) = model.generate([tiny.request(0, "Q: 1 + 1?", **({"max_new_tokens": 100} | sampling))])
    return done


def test_thoughts_are_kept_apart_from_the_answer(tiny):
    done = answer(tiny, "<think>One and one.\n</think>\nThe answer is 2.")
    assert (done.reasoning, done.text) == ("One and one.\n", "The answer is 2.")
    assert done.full_text == "One and one.\nThe answer is 2."
    assert done.finish_reason == "stop"


def test_thoughts_that_never_end_are_no_answer(tiny):
    done = answer(tiny, "<think>One and one and one" + " and one" * 9, max_new_tokens=24)
    assert done.text == ""
    assert done.reasoning is not None
    assert done.reasoning.startswith("One and")
    assert done.finish_reason == "length"


def test_stop_string_inside_thoughts_does_not_end_them(tiny):
    done = answer(tiny, "<think>First.\nQ: no</think>It is 2.\nQ: more", stop=("\nQ:",))
    assert (done.reasoning, done.text, done.finish_reason) == ("First.\nQ: no", "It is 2.", "stop")


def test_text_without_thoughts_stays_as_it_is(tiny):
    done = answer(tiny, " The answer is 2.")
    assert (done.reasoning, done.text) == (None, " The answer is 2.")


def test_tags_stay_in_the_text_when_thinking_is_off(tiny):
    assert answer(tiny, "<think>a</think>b", thinking=None).text == "<think>a</think>b"


def test_chat_template_that_opens_the_thoughts_itself(tiny):
    done = answer(tiny, "One.</think>2", template=CHAT + "<think>")
    assert (done.reasoning, done.text) == ("One.", "2")
    cut = answer(tiny, "One and one", template=CHAT + "<think>", max_new_tokens=3)
    assert cut.text == ""
    assert cut.reasoning


def test_chat_template_wraps_the_prompt_where_there_is_one(tiny):
    from rtbench_plugins.hf.loading import random_base

    base = random_base("decoder", tiny.student("decoder").options, tiny.corpus, torch.device("cpu"))
    plain = Codec(base.tokenizer, base.model.config, "decoder", chat=None, thinking=None, name="m")
    assert base.tokenizer.decode(plain.prompt_ids(["Hi"])[0]) == "Hi"
    base.tokenizer.chat_template = CHAT
    auto = Codec(base.tokenizer, base.model.config, "decoder", chat=None, thinking=None, name="m")
    assert base.tokenizer.decode(auto.prompt_ids(["Hi"])[0]) == "[user] Hi [end][bot]"
    off = Codec(base.tokenizer, base.model.config, "decoder", chat=False, thinking=None, name="m")
    assert off.prompt_ids(["Hi"]) == plain.prompt_ids(["Hi"])


def test_chat_template_that_is_missing_is_one_clear_error(tiny, tmp_path):
    folder = tiny.folder("decoder", tmp_path / "base")
    teacher = hf_teacher("mine", {"model": str(folder), "chat_template": True}, session())
    with pytest.raises(BadInputError, match="no chat template"):
        teacher.open(teacher.members()[0])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, BadInputError, "model"),
        ({"model": "a/b", "formt": "zero-shot"}, UnknownNameError, "Did you mean 'format'"),
        ({"model": "a/b", "format": "haiku"}, UnknownNameError, "format"),
        ({"model": "a/b", "max_new_tokens": [0, 32]}, BadInputError, "max_new_tokens"),
        ({"model": "a/b", "trust_remote_code": True}, BadInputError, "--trust-remote-code"),
    ],
)
def test_bad_options_are_one_clear_error(options, error, said):
    with pytest.raises(error, match=said):
        hf_teacher("mine", options, session())


def test_plugins_register_what_the_matrices_need():
    from rtbench.plugin.registry import Registry

    students, teachers = Registry("student"), Registry("teacher")
    causal_plugin.rtbench_register_students(students.registrar("hf-causal"))
    seq2seq_plugin.rtbench_register_students(students.registrar("hf-seq2seq"))
    teacher_plugin.rtbench_register_teachers(teachers.registrar("hf-teacher"))
    paper = {"gpt2", "gpt2-medium", "gpt2-large", "t5-small", "t5-base", "t5-large"}
    paper |= {"flan-t5-small", "flan-t5-base", "flan-t5-large"}
    any_model = {"hf-causal", "hf-seq2seq", "random-causal", "random-seq2seq"}
    assert paper | any_model <= set(students.names())
    for entry in students:
        if entry.options:
            student = entry.resolve()(entry.name, entry.options, session())
            assert student.name == entry.name
            assert student.series
            if entry.name in paper:  # the others stand for whatever their hub name stands for
                assert student.model().fingerprint
    assert teachers.names() == ["hf"]
    assert callable(teachers.get("hf").resolve())
