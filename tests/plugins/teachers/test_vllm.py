"""The ``vllm`` teacher. vLLM itself does not run on these machines: its engine is stood in for by one that has the same
methods (of 0.33) and finishes requests in an order of its own."""

from __future__ import annotations

import random
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.students import causal_student
from rtbench_plugins.teachers.vllm import vllm_teacher

from rtbench.errors import BadInputError, MissingDataError, MissingExtraError, StepFailedError
from tests.helpers.servers import asked
from tests.helpers.sessions import session


@dataclass
class Given:
    """Keyword arguments as attributes."""

    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.values[name]


@dataclass
class Engine:
    arguments: Any
    waiting: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    most: int = 0
    longest: ClassVar[int] = 1000
    text: ClassVar[str] = "<think>Hm.</think>It is {seed}."
    template: ClassVar[str] = "[user] {content} [bot]"
    draw: random.Random = field(default_factory=lambda: random.Random(3))

    @classmethod
    def from_engine_args(cls, arguments: Any) -> Engine:
        engine = cls(arguments)
        MADE.append(engine)
        return engine

    @property
    def model_config(self) -> Any:
        return types.SimpleNamespace(max_model_len=self.longest)

    def get_tokenizer(self) -> Any:
        def apply(messages: list[dict[str, str]], *, add_generation_prompt: bool, tokenize: bool) -> str:
            assert add_generation_prompt
            assert not tokenize
            return self.template.format(content=messages[0]["content"])

        def encode(text: str, *, add_special_tokens: bool = True) -> list[int]:
            return [0] * add_special_tokens + [ord(letter) for letter in text]

        return types.SimpleNamespace(apply_chat_template=apply, encode=encode, get_vocab=lambda: {"a": 0})

    def add_request(self, request_id: str, prompt: Any, params: Any) -> str:
        if len(prompt.values.get("prompt_token_ids", ())) > self.longest:
            raise ValueError("the prompt is longer than the maximum model length")
        self.waiting[request_id] = (prompt, params)
        self.most = max(self.most, len(self.waiting))
        return request_id

    def step(self) -> list[Any]:
        ended = self.draw.sample(sorted(self.waiting), max(1, len(self.waiting) // 3))
        going_on = [key for key in self.waiting if key not in ended][:2]
        return [self._output(key, True) for key in ended] + [self._output(key, False) for key in going_on]

    def _output(self, key: str, finished: bool) -> Any:
        prompt, params = self.waiting.pop(key) if finished else self.waiting[key]
        text = self.text.format(seed=params.seed)
        written = types.SimpleNamespace(text=text, token_ids=[1, 2, 3], finish_reason="stop", logprobs=None)
        if params.logprobs:  # the drawn token comes first, and is one more where it is not among the most probable
            logprob = types.SimpleNamespace
            written.logprobs = [
                {9: logprob(logprob=-4.0), 5: logprob(logprob=-0.25), 7: logprob(logprob=-1.5)}
                for _ in written.token_ids
            ]
        ids = prompt.values.get("prompt_token_ids")
        return types.SimpleNamespace(
            request_id=key, finished=finished, outputs=[written], prompt_token_ids=ids, num_cached_tokens=None
        )


MADE: list[Engine] = []
COMMIT = "0" * 40
"""Of a hub model, so that nobody is asked for it."""


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(**values: Any) -> Given:
        return Given(values)

    stand_in = types.ModuleType("vllm")
    for name in ("EngineArgs", "SamplingParams", "TokensPrompt"):
        setattr(stand_in, name, make)
    stand_in.LLMEngine = Engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    MADE.clear()


@pytest.mark.usefixtures("vllm")
def test_all_come_back_as_they_finish_and_the_engine_is_never_overfull(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench_plugins.hf.vllm_engine.AHEAD", 16)
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT, "engine": {"max_model_len": 512}}, session())
    requests = asked(30, each=4)
    model = teacher.open(teacher.members()[0])
    found = {completion.key: completion for completion in model.generate(requests)}
    assert found.keys() == {request.key for request in requests}
    assert all(found[r.key].text == f"It is {r.seed}." and found[r.key].reasoning == "Hm." for r in requests)
    assert MADE[0].most == 16
    assert MADE[0].arguments.max_model_len == 512
    usage = found[requests[0].key].usage
    assert usage is not None
    assert usage.prompt_tokens == len("[user] Question 0: how many? [bot]")


@pytest.mark.usefixtures("vllm")
def test_prompt_that_the_engine_refuses_is_named_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "longest", 34)
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT}, session())
    model = teacher.open(teacher.members()[0])
    found = []
    with pytest.raises(StepFailedError, match="2 of 12 requests were refused by the engine; sample 10: the prompt"):
        found.extend(model.generate(asked(12)))
    assert len(found) == 10


@pytest.mark.usefixtures("vllm")
def test_thoughts_that_the_template_opens_and_nothing_ends_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "template", "[user] {content} [bot]<think>\n")
    monkeypatch.setattr(Engine, "text", "Hm, {seed}")
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT}, session())
    (done,) = teacher.open(teacher.members()[0]).generate(asked(1))
    assert (done.text, (done.reasoning or "")[:4]) == ("", "Hm, ")


@pytest.mark.usefixtures("vllm")
def test_log_probabilities_are_those_of_the_most_probable_tokens() -> None:
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT, "top_logprobs": 2}, session())
    assert teacher.top_logprobs == 2
    with_them, without = asked(1, top_logprobs=2), [replace(one, key="other") for one in asked(1)]
    found = {one.key: one.logprobs for one in teacher.open(teacher.members()[0]).generate([*with_them, *without])}
    stored = found[with_them[0].key]
    assert stored is not None
    tokens, alternatives, logprobs = stored.arrays()
    assert tokens.tolist() == [1, 2, 3]
    assert alternatives.tolist() == [[5, 7]] * 3
    assert logprobs.tolist() == [[-0.25, -1.5]] * 3
    assert found["other"] is None


@pytest.mark.usefixtures("vllm")
def test_greedy_has_no_seed_and_base_models_no_template() -> None:
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT, "chat_template": False, "thinking": None}, session())  # type: ignore[arg-type]
    (done,) = teacher.open(teacher.members()[0]).generate(asked(1, temperature=0.0))
    assert done.text == "<think>Hm.</think>It is None."


@pytest.mark.usefixtures("vllm")
def test_the_commit_that_identifies_a_teacher_is_the_one_that_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench_plugins.hf.hub.found", lambda model, *_, **__: Place(model, COMMIT, source="hub"))
    teacher = vllm_teacher("v", {"model": "m", "revision": "main"}, session())
    (member,) = teacher.members()
    assert member.options["revision"] == COMMIT
    teacher.open(member)
    assert MADE[0].arguments.values["revision"] == COMMIT


def test_weights_that_an_offline_run_lacks_are_named_before_it_starts() -> None:
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT}, session(offline=True))
    with pytest.raises(BadInputError, match=r"the weights of m are not all on this machine \(this run is offline\)"):
        teacher.check_ready()


@pytest.mark.usefixtures("vllm")
def test_students_prompt_that_is_too_long_keeps_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Engine, "longest", 20)
    student = causal_student("s", {"model": "m", "revision": COMMIT, "engine": "vllm"}, session())
    model = student.load(tmp_path / "checkpoint", (), "f")
    (long,) = asked(1, max_new_tokens=8)
    (short,) = [replace(request, key="short", prompt="How many?") for request in asked(1, max_new_tokens=30)]
    sent: dict[str, tuple[Any, Any]] = {}
    add = Engine.add_request

    def noted(self: Engine, key: str, prompt: Any, params: Any) -> str:
        sent[key] = prompt, params
        return add(self, key, prompt, params)

    monkeypatch.setattr(Engine, "add_request", noted)
    cut = {completion.key: completion.prompt_cut for completion in model.generate([long, short])}
    assert cut == {long.key: True, "short": False}
    prompt, params = sent[long.key]
    assert prompt.prompt_token_ids == [ord(letter) for letter in long.prompt[-15:]], "5 of 20 are for the answer"
    assert params.max_tokens == 5
    prompt, params = sent["short"]
    assert len(prompt.prompt_token_ids) + params.max_tokens == 20


def test_without_vllm_the_cure_is_named() -> None:
    teacher = vllm_teacher("v", {"model": "m", "revision": COMMIT}, session())
    with pytest.raises(MissingExtraError, match=r"pip install 'rtbench\[vllm\]'"):
        teacher.open(teacher.members()[0])


def test_identity_is_what_texts_depend_on() -> None:
    def fingerprint(**options: Any) -> str:
        return vllm_teacher("v", {"model": "m", "revision": COMMIT, **options}, session()).members()[0].fingerprint

    assert fingerprint(gpus=2) == fingerprint(rationale="both") == fingerprint(top_logprobs=3) == fingerprint()
    assert len({fingerprint(), fingerprint(engine={"quantization": "fp8"}), fingerprint(revision="1" * 40)}) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "model"),
        ({"model": "m", "gpus": 0}, "gpus: 0 must be at least 1"),
        ({"model": "m", "cpus": 0}, "cpus: 0 must be at least 1"),
        ({"model": "m", "trust_remote_code": True}, "`trust_remote_code` is set"),
        ({"model": "m", "rationale": "both", "format": "zero-shot-cot"}, "format: one-stage-cot"),
        ({"model": "m", "max_new_tokens": [1, 0]}, "`max_new_tokens`"),
    ],
)
def test_bad_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        vllm_teacher("v", options, session())


@pytest.mark.usefixtures("vllm")
def test_students_checkpoint_is_written_by_vllm_where_it_and_a_gpu_are_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def loaded(**options: Any) -> Any:
        return causal_student("s", options, session()).load(tmp_path / "checkpoint", (), "f")

    monkeypatch.setattr("rtbench_plugins.hf.options.find_spec", lambda name: name == "vllm")
    monkeypatch.setattr("rtbench.machine.gpu_count", lambda: 1)
    student = causal_student("s", {"config": {}}, session())
    assert (student.engine(trained=True), student.engine(trained=False)) == ("vLLM", "built-in"), "the plan says so"
    model = loaded(model="m", revision=COMMIT)
    requests = asked(5, each=1)
    assert {one.key for one in model.generate(requests)} == {request.key for request in requests}
    assert MADE[0].arguments.values["model"] == str(tmp_path / "checkpoint")
    assert MADE[0].arguments.values["dtype"] == "float32", "as the own loop computes"
    assert MADE[0].arguments.values["revision"] is None
    assert loaded(config={}).fingerprint == "f"
    monkeypatch.setattr("rtbench.machine.gpu_count", lambda: 0)
    with pytest.raises(MissingDataError, match="no such folder"):
        loaded(model="m", revision=COMMIT)
    assert len(MADE) == 2, "without a GPU the own loop opens the folder, which is empty here"
