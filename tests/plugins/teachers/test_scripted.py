"""The scripted teacher, asked as any model is."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtbench.errors import RtbenchError, StepFailedError
from rtbench.plugin.models import Teacher
from rtbench.schema.base import Fold
from rtbench.schema.completions import Completion, Sampling
from rtbench.schema.environment import Environment
from rtbench.schema.tasks import Sample
from rtbench.session import Session
from rtbench.steps.prompts import render
from rtbench.storage.ledger import make_request
from tests.helpers.matrices import TASKS

DATASET = "multiarith@twin-0"
EXTRACTORS = ("paper", "kojima", "strict", "flexible")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(Environment(workspace=str(tmp_path_factory.mktemp("w")), offline=True))


def teacher(session: Session, **options: Any) -> Teacher:
    return session.teacher("scripted", "mine", options)


def samples_of(session: Session, task: str, fold: Fold, count: int | None = None) -> list[Sample]:
    return session.task_data(task, "twin-0").fold("default", fold)[:count]


def ask(
    session: Session,
    asked: Teacher,
    samples: list[Sample],
    *,
    task: str = "multiarith",
    n: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    max_new_tokens: int = 512,
) -> list[Completion]:
    (member,) = asked.members()
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    template = asked.format.template(asked.family).input
    requests = [
        make_request(
            member.fingerprint,
            session.task(task).dataset_id("twin-0"),
            sample.index,
            i,
            render(template, question=sample.question.strip(), demonstrations=""),
            sampling,
        )
        for sample in samples
        for i in range(n)
    ]
    found = list(asked.open(member).generate(requests))
    assert [completion.key for completion in found] == [request.key for request in requests]
    return found


def accuracy(
    session: Session, completions: list[Completion], extractor: str = "strict", task: str = "multiarith"
) -> float:
    samples = session.task_data(task, "twin-0").samples
    scores = session.task(task).extractor(extractor).score(completions, samples, "The answer is")
    return sum(score.correct for score in scores) / len(scores)


@pytest.mark.parametrize("granularity", ["fine", "coarse"])
@pytest.mark.parametrize("name", TASKS)
def test_text_without_errors_is_correct_under_every_extractor(session: Session, name: str, granularity: str) -> None:
    samples = session.task_data(name, "twin-0").samples
    for verbosity in (0, 1, 2):
        perfect = teacher(session, error_rate=0.0, granularity=granularity, verbosity=verbosity)
        asked = [*samples_of(session, name, "train", 60), *samples_of(session, name, "ood", 60)]
        texts = ask(session, perfect, asked, task=name, n=2, temperature=0.7)
        assert {text.finish_reason for text in texts} == {"stop"}
        for extractor in EXTRACTORS:
            for text, score in zip(
                texts, session.task(name).extractor(extractor).score(texts, samples, "The answer is"), strict=True
            ):
                gold = samples[text.sample_index].answer
                assert score.correct, f"{extractor}: {score.extracted!r}, not {gold!r}, in {text.text!r}"
                assert score.correct_format


def test_accuracy_is_what_the_error_rate_and_the_steps_make_it(session: Session) -> None:
    """Two steps that each go right with .8: .64 of the answers, and a few more where two slips cancel out; three out of
    distribution."""
    slips = teacher(session, error_rate=0.2, mix={"slip": 1.0})
    test, ood = (
        ask(session, slips, samples_of(session, "multiarith", fold), n=5, temperature=1.0) for fold in ("test", "ood")
    )
    assert accuracy(session, test) == pytest.approx(0.66, abs=0.05)
    assert accuracy(session, ood) == pytest.approx(0.54, abs=0.05)


def test_better_teachers_are_better(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test")
    found = {
        name: accuracy(session, ask(session, session.teacher("scripted", name, dict(entry.options)), questions))
        for name in ("scripted-weak", "scripted", "scripted-perfect")
        for entry in [session.plugins.registries["teachers"].get(name)]
    }
    assert found["scripted-weak"] < found["scripted"] < found["scripted-perfect"] == 1.0


def test_greedy_text_is_one_per_question_whatever_the_seed(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test", 20)
    first = ask(session, teacher(session), questions, n=3)
    second = ask(session, teacher(session), questions, n=3, seed=5)
    assert [c.text for c in first] == [c.text for c in second]
    assert len({c.text for c in first}) == 20


def test_sampled_texts_differ_by_completion_and_seed_and_can_be_repeated(session: Session) -> None:
    question = samples_of(session, "multiarith", "ood", 1)
    drawn = ask(session, teacher(session, error_rate=0.0), question, n=400, temperature=0.7)
    assert len({c.text for c in drawn}) > 200, "hundreds of distinct rationales of one question"
    again = ask(session, teacher(session, error_rate=0.0), question, n=400, temperature=0.7)
    assert [c.text for c in again] == [c.text for c in drawn]
    other = ask(session, teacher(session, error_rate=0.0), question, n=10, temperature=0.7, seed=1)
    assert [c.text for c in other] != [c.text for c in drawn[:10]]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_question_asked_in_another_way_has_another_text(session: Session, temperature: float) -> None:
    asked = teacher(session, error_rate=0.0)
    (member,) = asked.members()
    sample = samples_of(session, "multiarith", "ood", 1)[0]
    sampling = Sampling(max_new_tokens=512, temperature=temperature)
    prompts = [sample.question, *(f"Q: {sample.question} (Hint: {i})\nA:" for i in range(9))]
    requests = [make_request(member.fingerprint, DATASET, sample.index, 0, prompt, sampling) for prompt in prompts]
    assert len({text.text for text in asked.open(member).generate(requests)}) > 8


def test_text_does_not_depend_on_what_else_is_asked(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test", 30)
    together = ask(session, teacher(session, error_rate=0.5), questions, temperature=0.7)
    alone = [ask(session, teacher(session, error_rate=0.5), [one], temperature=0.7)[0] for one in reversed(questions)]
    assert together == alone[::-1]


def test_error_rate_changes_no_wording_before_the_first_mistake(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test", 100)
    perfect, weak = (ask(session, teacher(session, error_rate=rate), questions) for rate in (0.0, 0.25))
    same = sum(a.text == b.text for a, b in zip(perfect, weak, strict=True))
    assert 30 < same < 85


def test_malformed_answer_is_never_stated_as_it_should_be(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test")
    texts = ask(session, teacher(session, error_rate=1.0, mix={"malformed": 1.0}), questions)
    assert {text.finish_reason for text in texts} == {"stop"}
    assert accuracy(session, texts) == 0.0
    assert 0.2 < accuracy(session, texts, "flexible") < 0.8, "some hide a right answer, some have none"
    endings = Counter(" ".join(text.text.split()[-3:]) for text in texts if "answer is" in text.text)
    assert len(endings) >= 3


def test_truncated_text_has_no_answer_and_says_so(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test")
    texts = ask(session, teacher(session, error_rate=1.0, mix={"truncated": 1.0}), questions)
    assert {text.finish_reason for text in texts} == {"length"}
    assert not any("answer is" in text.text for text in texts)


def test_mix_is_the_share_of_each_kind_of_mistake(session: Session) -> None:
    mix = {"slip": 0.5, "malformed": 0.25, "truncated": 0.25}
    questions = samples_of(session, "multiarith", "train")
    texts = ask(session, teacher(session, error_rate=0.1, mix=mix), questions, n=4, temperature=1.0)
    cut = sum(text.finish_reason == "length" for text in texts) / len(texts)
    assert cut == pytest.approx(1 - (1 - 0.025) ** 2, abs=0.015)


def test_text_is_cut_at_the_tokens_asked_for(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test", 20)
    perfect = teacher(session, error_rate=0.0)
    whole, cut = (ask(session, perfect, questions, max_new_tokens=most) for most in (512, 5))
    for one, other in zip(whole, cut, strict=True):
        assert other.finish_reason == "length"
        assert other.text.split() == one.text.split()[:5]


def test_usage_counts_words(session: Session) -> None:
    (text,) = ask(session, teacher(session), samples_of(session, "multiarith", "test", 1))
    assert text.usage is not None
    assert text.usage.completion_tokens == len(text.text.split())
    assert text.usage.prompt_tokens == len(text.prompt.split())


def test_coarse_and_terse_texts_are_shorter(session: Session) -> None:
    questions = samples_of(session, "multiarith", "ood")

    def words(**options: Any) -> int:
        return sum(len(c.text.split()) for c in ask(session, teacher(session, error_rate=0.0, **options), questions))

    assert words(granularity="coarse") < words(granularity="fine")
    assert words(verbosity=0) < words(verbosity=1) < words(verbosity=2)


# --------------------------------------------------------------------------------------------- what it is in a plan


def fingerprint(session: Session, **options: Any) -> str:
    return teacher(session, **options).members()[0].fingerprint


def test_fingerprint_covers_the_options_and_not_the_price(session: Session) -> None:
    changed: list[dict[str, Any]] = [
        {}, {"error_rate": 0.1}, {"mix": {"slip": 1}}, {"granularity": "coarse"}, {"verbosity": 2}, {"seed": 1},
    ]  # fmt: skip
    assert len({fingerprint(session, **options) for options in changed}) == len(changed)
    assert fingerprint(session, price={"input": 1.0, "output": 2.0}) == fingerprint(session)
    assert fingerprint(session, error_rate=0.05) == fingerprint(session), "a default stated is the default"


def test_another_seed_is_another_teacher(session: Session) -> None:
    questions = samples_of(session, "multiarith", "test", 20)
    one, two = (ask(session, teacher(session, seed=seed, error_rate=0.0), questions) for seed in (0, 1))
    assert sum(a.text == b.text for a, b in zip(one, two, strict=True)) < 10


def test_member_can_be_opened_from_its_spec_alone(session: Session, tmp_path: Path) -> None:
    """As a worker process does: another session, and nothing but the spec."""
    weak = session.teacher("scripted", "scripted-weak", {"error_rate": 0.25})
    (member,) = weak.members()
    other = Session(Environment(workspace=str(tmp_path), offline=True))
    rebuilt = other.teacher(member.plugin, member.name, msgspec.to_builtins(member.options))
    assert rebuilt.members() == weak.members()
    questions = samples_of(session, "multiarith", "test", 30)
    assert ask(other, rebuilt, questions) == ask(session, weak, questions)


def test_reason_where_there_is_no_twin(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(
        "task: bare\ndataset_path: json\nmetadata: {version: 1, rtbench: {answer_type: number, files: [{name: x.jsonl}]}}\n"
    )
    bare = session.plugins.load_task(path, offline=True)
    asked = teacher(session)
    (member,) = asked.members()
    assert asked.prepare(member, session.task("multiarith"), "twin-0", session) is None
    assert "--source twin" in (asked.prepare(member, session.task("multiarith"), "original", session) or "")
    assert "bare has none" in (asked.prepare(member, bare, "original", session) or "")


def test_question_that_the_twin_does_not_draw_is_a_fault(session: Session) -> None:
    asked = teacher(session)
    (member,) = asked.members()
    sampling = Sampling(max_new_tokens=9)
    for dataset, index, prompt in ((DATASET, 0, "How many?"), (DATASET, 99_999, ""), ("multiarith", 0, "How many?")):
        request = make_request(member.fingerprint, dataset, index, 0, prompt, sampling)
        with pytest.raises(StepFailedError):
            list(asked.open(member).generate([request]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"eror_rate": 0.1}, "Did you mean 'error_rate'"),
        ({"error_rate": 1.5}, "error_rate"),
        ({"mix": {"slips": 1.0}}, "Did you mean 'slip'"),
        ({"mix": {"slip": 0.5}}, "sum to 0.5"),
        ({"granularity": "medium"}, "granularity"),
        ({"verbosity": 3}, "verbosity"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_wrong_options_are_one_clear_error(session: Session, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RtbenchError, match=r"teacher mine") as error:
        teacher(session, **options)
    assert said in str(error.value)


def test_it_runs_without_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from rtbench.api import Environment, Sampling, make_request, open_services
session = open_services(Environment(workspace={str(tmp_path)!r}, offline=True))
teacher = session.teacher("scripted", "scripted", {{}})
(member,) = teacher.members()
question = session.task_data("multiarith", "twin-0").samples[0].question
request = make_request(member.fingerprint, "multiarith@twin-0", 0, 0, question, Sampling(max_new_tokens=99))
assert len(list(teacher.open(member).generate([request]))) == 1
heavy = {{"torch", "transformers", "lm_eval", "numpy"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
