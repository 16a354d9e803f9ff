"""The small world and its two twins. Questions are answered again from their text alone (``world_reading.py``)."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from rtbench_tasks.common import world
from rtbench_tasks.common.world import FACTS, THINGS, one_fact, texts_of
from rtbench_tasks.commonsense_qa.twin import CommonsenseTwin, paths
from rtbench_tasks.strategy_qa.twin import StrategyTwin

from rtbench.errors import BadInputError
from rtbench.schema.base import Fold
from rtbench.scoring.answer_rule import RuleOptions
from rtbench.scoring.rules import make_rule
from rtbench.twins import Narrator, Problem, Twin
from tests.helpers.properties import check_explanations, check_extraction, check_folds, pens
from tests.helpers.world_reading import ENDS, TABLE, listed_choices, read_commonsense, solve_commonsense, solve_strategy

FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
CASES: dict[str, tuple[Twin[Any], Any]] = {
    "commonsense_qa": (CommonsenseTwin(), solve_commonsense),
    "strategy_qa": (StrategyTwin(), solve_strategy),
}
RULES = {
    "commonsense_qa": RuleOptions(answer_type="choice", letters="ABCDE"),
    "strategy_qa": RuleOptions(answer_type="yes_no"),
}
every_twin = pytest.mark.parametrize("name", CASES)


def some(name: str, count: int = 600, seed: int = 3) -> list[Problem]:
    """Problems of both difficulties."""
    twin = CASES[name][0]
    return [problem for knobs in (twin.knobs, twin.harder) for problem in islice(twin.problems(seed, knobs), count)]


# ------------------------------------------------------------------------------------------------------------ the world


def test_words_are_plain() -> None:
    """Single lower-case words; what one does with a thing may have two; numbers are classes from 1 to 9."""
    for fact in FACTS.values():
        assert re.fullmatch("[a-z]+", fact.subject)
        pattern = "[1-9]" if fact.relation in world.NUMERIC else "[a-z]+ [a-z]+" if fact.relation == "use" else "[a-z]+"
        assert re.fullmatch(pattern, fact.value), fact


def test_every_thing_has_what_comparisons_need() -> None:
    assert len(set(THINGS)) == len(THINGS) >= 60
    for thing in THINGS:
        assert all((relation, thing) in FACTS for relation in ("kind", "place", "size", "weight"))
    for (relation, _), value in TABLE.items():
        if relation == "kind":
            assert ("group", value) in FACTS


@pytest.mark.parametrize("relation", ["use", "gives"])
def test_no_two_things_share_a_value_that_is_asked_backwards(relation: str) -> None:
    told = [value for (name, _), value in TABLE.items() if name == relation]
    assert len(set(told)) == len(told)
    assert all(TABLE[relation, world.subject_of(relation, value)] == value for value in told)


def test_overlaps_speak_of_known_values() -> None:
    """A misspelt word there would let a doubtful choice pass."""
    known = set(TABLE.values())
    for line in world.OVERLAPS:
        assert set(line.split(", ") if "," in line else line.split()) <= known, line


def test_text_before_a_value_determines_it() -> None:
    told: dict[str, str] = {}
    for fact in FACTS.values():
        for text in texts_of(fact):
            assert told.setdefault(text.text_before, text.value) == text.value, text


def test_a_sentence_states_its_fact_and_no_other() -> None:
    for fact in FACTS.values():
        texts = texts_of(fact)
        assert len({text.text_before + text.value for text in texts}) == len(texts) >= 5
        for text in texts:
            whole = text.text_before + text.value + text.text_after
            assert text.value.startswith(" ") and not text.text_before.endswith(" ")
            assert whole[0].isupper() and whole.endswith(".") and whole.count(".") == 1, whole
            assert text.value.endswith((f" {fact.value}", f" {fact.subject}"))
            assert re.search(rf"(?i)\b{fact.subject}\b", whole) and re.search(rf"(?i)\b{fact.value}\b", whole)
            assert " and " not in whole and "{" not in whole


def test_pretraining_text_reaches_every_fact() -> None:
    rng = random.Random(0)
    drawn = {one_fact(rng) for _ in range(30_000)}
    assert all(drawn & set(texts_of(fact)) for fact in FACTS.values())
    assert drawn <= {text for fact in FACTS.values() for text in texts_of(fact)}


def test_pretraining_text_is_the_same_for_the_same_seed() -> None:
    one, two = random.Random(5), random.Random(5)
    assert [one_fact(one) for _ in range(50)] == [one_fact(two) for _ in range(50)]


@every_twin
def test_every_fact_that_a_question_needs_is_in_the_world(name: str) -> None:
    for problem in some(name):
        needed = [tuple(key.split("/")) for key in problem.pattern.split("+")]
        assert set(needed) <= set(FACTS)
        assert len(set(needed)) == CASES[name][1](problem.question)[1]


# ------------------------------------------------------------------------------------------------------------ the twins


@every_twin
def test_gold_is_what_the_text_says(name: str) -> None:
    _, solve = CASES[name]
    for problem in some(name, 1500):
        assert solve(problem.question)[0] == problem.answer, problem.question


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_every_kind_of_question_is_understood(hops: int) -> None:
    twin = CommonsenseTwin()
    routes = set()
    for problem in islice(twin.problems(4, twin.with_knobs({"hops": hops}, where="test")), 1500):
        letter, steps = solve_commonsense(problem.question)
        assert (letter, steps) == (problem.answer, hops)
        routes.add(read_commonsense(problem.question)[1])
    assert routes == {chain for _, chain in ENDS if len(chain.split()) == hops} - {
        "~gives place worker",
        "~gives kind has",
    }


@every_twin
def test_explanation_without_mistakes_reaches_the_gold(name: str) -> None:
    twin, _ = CASES[name]
    check_explanations(twin, some(name))


@every_twin
@pytest.mark.parametrize("rule", ["paper", "kojima", "strict", "flexible"])
def test_explanation_without_mistakes_scores_correct(name: str, rule: str) -> None:
    twin, _ = CASES[name]
    check_extraction(twin, some(name, 60), make_rule(rule, RULES[name], where="test"))


def test_commonsense_explanation_ends_with_choice_and_letter() -> None:
    for at, problem in enumerate(some("commonsense_qa")):
        fine, coarse = pens(at)
        for narrator in (fine, coarse):
            CommonsenseTwin().explain(problem, narrator)
            assert narrator.text.endswith(f"({problem.answer}).")
        gold = problem.choices["ABCDE".index(problem.answer)]
        assert fine.text.endswith(f"{gold} is ({problem.answer}).")


def test_fine_explanation_says_each_fact_by_itself() -> None:
    """As the pre-training text says it; the coarse one is one sentence, but for what it restates."""
    told = {text.text_before + text.value + "." for fact in FACTS.values() for text in texts_of(fact)}
    for name, (twin, solve) in CASES.items():
        for at, problem in enumerate(some(name, 200)):
            fine, coarse = pens(at, verbosity=0)
            twin.explain(problem, fine)
            twin.explain(problem, coarse)
            sentences = re.findall(r"[^.]+\.", fine.text)
            known = [sentence.strip() for sentence in sentences if sentence.strip() in told]
            assert len(known) == solve(problem.question)[1], fine.text
            assert coarse.text.count(".") == 1


def test_choices_hold_the_gold_once() -> None:
    """And nothing beside it that the real world might allow."""
    for problem in some("commonsense_qa", 1500):
        assert len(set(problem.choices)) == 5
        assert tuple(listed_choices(problem.question).values()) == problem.choices
        term, chain = read_commonsense(problem.question)
        gold = problem.choices["ABCDE".index(problem.answer)]
        for choice in set(problem.choices) - {gold}:
            if chain in ("~use", "~gives"):
                assert TABLE[chain[1:], choice] not in world.near(term)
            else:
                assert choice not in world.near(gold)
                assert choice in {value for (relation, _), value in TABLE.items() if relation == chain.split()[-1]}


def test_commonsense_patterns_are_many() -> None:
    assert len({path.pattern for path in paths(1)}) >= 300
    assert len({path.pattern for path in paths(2)}) >= 200


@every_twin
@pytest.mark.parametrize("seed", range(5))
def test_folds_share_no_pattern_and_no_question(name: str, seed: int) -> None:
    twin, _ = CASES[name]
    check_folds(twin, seed)


@every_twin
def test_out_of_distribution_questions_need_more_facts(name: str) -> None:
    twin, solve = CASES[name]
    folds = twin.draw_folds(1)
    most = max(solve(problem.question)[1] for fold in FOLDS[:3] for problem in folds[fold])
    assert {solve(problem.question)[1] for problem in folds["ood"]} == {most + 1}


@every_twin
@pytest.mark.parametrize("mix", [(1.0, 0.0, 0.0), (0.2, 0.4, 0.4)])
def test_mistakes_at_every_step_are_survived(name: str, mix: tuple[float, float, float]) -> None:
    """Where all are slips, no answer is right: a slip never mends an earlier one."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name, 300)):
        for narrator in pens(at, error_rate=1.0, mix=mix):
            answer = twin.explain(problem, narrator)
            assert isinstance(narrator.text, str)
            if mix[0] == 1.0:
                assert narrator.slips > 0
                assert answer != problem.answer
            if narrator.slips == 0:
                assert answer == problem.answer


@every_twin
def test_more_mistakes_give_fewer_right_answers(name: str) -> None:
    twin, _ = CASES[name]
    right = []
    for rate in (0.0, 0.1, 0.3, 0.6):
        answers = [
            (problem.answer, twin.explain(problem, narrator))
            for at, problem in enumerate(some(name, 300))
            for narrator in pens(at, error_rate=rate)
        ]
        right.append(sum(gold == answer for gold, answer in answers) / len(answers))
    assert right[0] == 1.0
    assert right == sorted(right, reverse=True)
    assert 0.7 < right[1] < 0.9


@every_twin
def test_mistakes_change_no_wording(name: str) -> None:
    """Wordings are drawn alike whatever slips, so that two error rates can be compared on the same texts."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name, 200)):
        for clean, slipping in zip(pens(at), pens(at, error_rate=0.3), strict=True):
            twin.explain(problem, clean)
            twin.explain(problem, slipping)
            assert slipping.words.getstate() == clean.words.getstate()
            assert (slipping.text == clean.text) == (slipping.slips == 0)


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize(("name", "least"), [("commonsense_qa", 150), ("strategy_qa", 400)])
def test_one_question_has_hundreds_of_rationales(name: str, least: int, fine: bool) -> None:
    twin, _ = CASES[name]
    for problem in islice(twin.problems(5), 3):
        texts = set()
        for seed in range(2000):
            narrator = Narrator(random.Random(seed), fine=fine)
            twin.explain(problem, narrator)
            texts.add(narrator.text)
        assert len(texts) > least


@pytest.mark.parametrize(("name", "answers"), [("commonsense_qa", tuple("ABCDE")), ("strategy_qa", ("Yes", "No"))])
def test_golds_are_about_even(name: str, answers: tuple[str, ...]) -> None:
    twin, _ = CASES[name]
    for seed in range(3):
        for fold in ("train", "test"):
            counts = Counter(problem.answer for problem in twin.draw_folds(seed)[fold])
            assert set(counts) == set(answers)
            assert max(counts.values()) < sum(counts.values()) * (1 / len(answers) + 0.12)


def test_longer_questions_are_mixed_in_at_their_share() -> None:
    twin = CommonsenseTwin()
    knobs = twin.with_knobs({"longer": 0.3}, where="test")
    steps = Counter(solve_commonsense(problem.question)[1] for problem in islice(twin.problems(2, knobs), 1000))
    assert set(steps) == {1, 2}
    assert 230 < steps[2] < 370


@pytest.mark.parametrize(
    ("name", "knobs"),
    [("commonsense_qa", {"hops": 4}), ("commonsense_qa", {"longer": 1.5}), ("strategy_qa", {"facts": 1})],
)
def test_impossible_knobs_are_refused(name: str, knobs: dict[str, float]) -> None:
    with pytest.raises(BadInputError, match="test"):
        CASES[name][0].with_knobs(knobs, where="test")
