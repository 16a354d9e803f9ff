"""Twins of the arithmetic tasks: each question is solved again, from its text alone (see reading.py)."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from rtbench_tasks.addsub.twin import AddsubTwin
from rtbench_tasks.aqua.twin import LETTERS, AquaTwin
from rtbench_tasks.common.arithmetic import Line, Solution, pattern
from rtbench_tasks.common.stories import StoryShape, between, tell
from rtbench_tasks.gsm8k.twin import Gsm8kTwin
from rtbench_tasks.multiarith.twin import MultiarithTwin
from rtbench_tasks.single_eq.twin import SingleEqTwin
from rtbench_tasks.svamp.twin import SvampTwin

from rtbench.errors import BadInputError
from rtbench.schema.base import Fold
from rtbench.scoring.answer_rule import RuleOptions
from rtbench.scoring.rules import make_rule
from rtbench.twins import Narrator, Problem, Twin
from tests.helpers import reading
from tests.helpers.properties import check_explanations, check_extraction, check_folds, pens

FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
CASES: dict[str, tuple[Twin[Any], reading.Rules]] = {
    "single_eq": (SingleEqTwin(), reading.SINGLE_EQ),
    "addsub": (AddsubTwin(), reading.ADDSUB),
    "svamp": (SvampTwin(), reading.SVAMP),
    "multiarith": (MultiarithTwin(), reading.MULTIARITH),
    "gsm8k": (Gsm8kTwin(), reading.GSM8K),
    "aqua": (AquaTwin(), reading.AQUA),
}
STEPS = {"single_eq": (1, 1), "addsub": (1, 2), "svamp": (1, 1), "multiarith": (2, 2), "gsm8k": (3, 4), "aqua": (2, 2)}
"""Fewest and most in distribution."""
REAL_LENGTHS = {"single_eq": 27.2, "addsub": 31.5, "svamp": 31.8, "multiarith": 31.8, "gsm8k": 45.3, "aqua": 51.8}
"""Mean words of the real tasks' questions, choices included, split at white space."""
every_twin = pytest.mark.parametrize("name", CASES)


def stem(problem: Problem) -> str:
    return problem.question.partition(" Answer choices: ")[0]


def gold_number(problem: Problem) -> int:
    return int(problem.choices[LETTERS.index(problem.answer)] if problem.choices else problem.answer)


def some(name: str, count: int = 300, seed: int = 3) -> list[Problem]:
    """Problems of both difficulties."""
    twin = CASES[name][0]
    return [problem for knobs in (twin.knobs, twin.harder) for problem in islice(twin.problems(seed, knobs), count)]


def equations(text: str) -> list[tuple[str, int]]:
    """Left and right sides of all equations in a text."""
    found = re.findall(r"([\d()][\d ()*/+-]*?) = (-?\d+)", text)
    return [(left, int(right)) for left, right in found]


def steps_of(twin: Twin[Any], problem: Problem) -> int:
    narrator = Narrator(random.Random(0), verbosity=0)
    twin.explain(problem, narrator)
    return len(equations(narrator.text))


@every_twin
def test_gold_is_what_the_text_says(name: str) -> None:
    for problem in some(name, 1000):
        assert reading.read(stem(problem), CASES[name][1]) == gold_number(problem), problem.question


@every_twin
def test_explanation_without_mistakes_reaches_the_gold(name: str) -> None:
    twin, _ = CASES[name]
    check_explanations(twin, some(name))


@every_twin
def test_equations_of_explanations_without_mistakes_are_true(name: str) -> None:
    """A fine one has an equation of two numbers for each step; a coarse one has a single one, parentheses and all."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name)):
        fine, coarse = pens(at)
        twin.explain(problem, fine)
        twin.explain(problem, coarse)
        said = equations(fine.text)
        assert all(re.fullmatch(r"\d+ [-+*/] \d+", left) for left, _ in said), fine.text
        assert all(eval(left) == right for left, right in said), fine.text  # own text, digits and operators only
        (line,) = equations(coarse.text)
        assert eval(line[0]) == line[1] == gold_number(problem), coarse.text
        assert len(re.findall(r"[-+*/]", line[0])) >= len(said)


@every_twin
@pytest.mark.parametrize("rule", ["paper", "kojima", "strict", "flexible"])
def test_explanation_without_mistakes_scores_correct(name: str, rule: str) -> None:
    """Behind either usual answer prefix: no number or letter of an explanation is taken for the answer's."""
    twin, _ = CASES[name]
    options = RuleOptions(answer_type="choice" if name == "aqua" else "number")
    check_extraction(twin, some(name, 40), make_rule(rule, options, where="test"))


@every_twin
def test_numbers_stay_within_the_knob_and_nothing_is_one(name: str) -> None:
    """Nouns are in the plural throughout, so a 1 would be bad grammar."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name)):
        narrator = Narrator(random.Random(at), verbosity=2)
        twin.explain(problem, narrator)
        numbers = [int(number) for number in re.findall(r"\d+", f"{stem(problem)} {narrator.text}")]
        assert min(numbers) >= 2
        assert max(numbers) <= twin.knobs.largest


@every_twin
def test_factors_and_divisors_are_known_by_heart(name: str) -> None:
    twin, _ = CASES[name]
    for problem in some(name):
        narrator = Narrator(random.Random(0))
        twin.explain(problem, narrator)
        for left, _ in equations(narrator.text):
            a, op, b = left.split()
            assert op != "*" or min(int(a), int(b)) <= 9
            assert op != "/" or 2 <= int(b) <= 9


@every_twin
@pytest.mark.parametrize("seed", range(5))
def test_folds_share_no_pattern_and_no_question(name: str, seed: int) -> None:
    twin, _ = CASES[name]
    check_folds(twin, seed)


@every_twin
def test_steps_are_as_announced_and_more_out_of_distribution(name: str) -> None:
    twin, _ = CASES[name]
    folds = twin.draw_folds(1)
    counts = {steps_of(twin, problem) for fold in FOLDS[:3] for problem in folds[fold]}
    assert counts == set(range(STEPS[name][0], STEPS[name][1] + 1))
    assert min(steps_of(twin, problem) for problem in folds["ood"]) > max(counts)


@every_twin
@pytest.mark.parametrize("mix", [(1.0, 0.0, 0.0), (0.2, 0.4, 0.4)])
def test_mistakes_at_every_step_are_survived(name: str, mix: tuple[float, float, float]) -> None:
    """Where all are slips, most answers are wrong; a malformed or truncated text keeps its answer."""
    twin, _ = CASES[name]
    right = total = 0
    for at, problem in enumerate(some(name, 200)):
        for narrator in pens(at, error_rate=1.0, mix=mix):
            answer = twin.explain(problem, narrator)
            assert isinstance(narrator.text, str)
            right += answer == problem.answer
            total += 1
            assert narrator.slips > 0 or (answer == problem.answer and mix[0] < 1)
    if mix[0] == 1:
        assert right < 0.25 * total


@every_twin
def test_later_steps_build_on_a_slip(name: str) -> None:
    """A fine explanation with slips has wrong equations, and what they came to stands in the next ones."""
    twin, _ = CASES[name]
    built_on = 0
    for at, problem in enumerate(islice(twin.problems(4, twin.harder), 100)):
        narrator = Narrator(random.Random(at), random.Random(-at), verbosity=0, error_rate=1.0)
        twin.explain(problem, narrator)
        said = equations(narrator.text)
        used = " ".join(left for left, _ in said).split()
        # Only results that no other number of the text could be mistaken for.
        results = [right for _, right in said[:-1] if str(right) not in re.findall(r"\d+", problem.question)]
        built_on += any(str(right) in used for right in results)
    assert built_on > 80


@every_twin
def test_mistakes_change_no_wording(name: str) -> None:
    """Wordings are drawn alike whatever slips, so that two error rates can be compared on the same texts."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name, 60)):
        for clean, slipping in zip(pens(at), pens(at, error_rate=0.3), strict=True):
            twin.explain(problem, clean)
            twin.explain(problem, slipping)
            assert slipping.words.getstate() == clean.words.getstate()
            assert slipping.slips > 0 or slipping.text == clean.text


@every_twin
@pytest.mark.parametrize("fine", [True, False])
def test_one_question_has_many_rationales(name: str, fine: bool) -> None:
    """Hundreds, and dozens where there is a single step to speak of."""
    twin, _ = CASES[name]
    for problem in islice(twin.problems(5), 3):
        texts = set()
        for seed in range(2000):
            narrator = Narrator(random.Random(seed), fine=fine)
            twin.explain(problem, narrator)
            texts.add(narrator.text)
        assert len(texts) >= (30 if STEPS[name][0] == 1 else 200)


@every_twin
def test_questions_are_about_as_long_as_the_real_ones(name: str) -> None:
    """AQuA's twin has no long numbers, units or formulas, and is shorter."""
    drawn = list(islice(CASES[name][0].problems(6), 500))
    mean = sum(len(problem.question.split()) for problem in drawn) / len(drawn)
    assert (0.6 if name == "aqua" else 0.85) * REAL_LENGTHS[name] < mean < 1.15 * REAL_LENGTHS[name]


def test_aqua_choices_hold_the_gold_once() -> None:
    for problem in some("aqua"):
        listed = re.findall(r"\(([A-E])\) (\d+)(?=, |\.$)", problem.question)
        assert tuple(text for _, text in listed) == problem.choices
        assert "".join(letter for letter, _ in listed) == LETTERS
        assert len(set(problem.choices)) == 5
        assert dict(listed)[problem.answer] == str(reading.read(stem(problem), reading.AQUA))


def test_aqua_gold_is_given_away_neither_by_letter_nor_by_rank() -> None:
    drawn = list(islice(AquaTwin().problems(1), 4000))
    letters = Counter(problem.answer for problem in drawn)
    ranks = Counter(sorted(map(int, problem.choices)).index(gold_number(problem)) for problem in drawn)
    for counts in (letters, ranks):
        assert len(counts) == 5
        assert max(counts.values()) < 0.27 * len(drawn)


def test_aqua_ends_with_number_and_letter() -> None:
    """Also where a slip led to a number that is no option: then the closest one is taken."""
    twin = AquaTwin()
    for at, problem in enumerate(some("aqua", 100)):
        for narrator in (*pens(at), *pens(at, error_rate=0.5)):
            letter = twin.explain(problem, narrator)
            last = re.search(r"(\d+) is \(([A-E])\)\.$", narrator.text)
            assert last is not None and last[2] == letter
            assert last[1] in problem.choices
            assert narrator.slips > 0 or problem.choices[LETTERS.index(letter)] == last[1]


def test_svamp_has_numbers_that_the_answer_does_not_need() -> None:
    twin = SvampTwin()
    for knobs, extra in ((twin.knobs, 1), (twin.harder, 2)):
        for problem in islice(twin.problems(1, knobs), 200):
            assert len(re.findall(r"\d+", problem.question)) == steps_of(twin, problem) + 1 + extra


def solved(numbers: dict[str, int], *lines: str) -> str:
    return pattern(Solution(numbers, tuple(Line(line, "there are") for line in lines), {}))


def test_patterns_ignore_order_and_grouping_of_sums_and_products() -> None:
    two, three = {"a": 3, "b": 5}, {"a": 12, "b": 3, "c": 4}
    assert solved(two, "u = a + b") == solved(two, "u = b + a") == solved({"p": 5, "q": 3}, "r = p + q")
    assert solved(two, "u = a * b") == solved(two, "u = b * a")
    assert solved(two, "u = a - b") != solved(two, "u = b - a")
    assert len({solved(two, f"u = b {op} a") for op in "+-*/"}) == 4
    assert solved(three, "u = b + c", "v = a + u") == solved(three, "u = a + c", "v = u + b")
    assert solved(three, "u = b + c", "v = a - u") == solved(three, "u = a - c", "v = u - b")
    assert solved(three, "u = a / b", "v = u * c") == solved(three, "u = a * c", "v = u / b")
    assert solved(three, "u = a + b", "v = u * c") != solved(three, "u = a * c", "v = u + b")


@every_twin
def test_pattern_holds_numbers_and_operations_only(name: str) -> None:
    for problem in some(name, 100):
        assert re.fullmatch(r"[\d()+*/-]+", problem.pattern)
        assert eval(problem.pattern) == gold_number(problem)


@every_twin
def test_impossible_knobs_are_refused(name: str) -> None:
    for given in ({"largest": 5}, {"addends" if name == "addsub" else "steps": 99}):
        with pytest.raises(BadInputError, match="test"):
            CASES[name][0].with_knobs(given, where="test")


@pytest.mark.parametrize("name", ["single_eq", "svamp", "multiarith", "gsm8k", "aqua"])
def test_all_numbers_of_steps_can_be_asked_for(name: str) -> None:
    twin, rules = CASES[name]
    for steps in range(STEPS[name][0], STEPS[name][1] + 3):
        knobs = twin.with_knobs({"steps": steps}, where="test")
        for problem in islice(twin.problems(2, knobs), 50):
            assert reading.read(stem(problem), rules) == gold_number(problem)
            assert min(steps, STEPS[name][0]) <= steps_of(twin, problem) <= steps


def test_addsub_takes_as_many_numbers_as_asked_for() -> None:
    twin = AddsubTwin()
    for addends in range(2, 7):
        knobs = twin.with_knobs({"addends": addends, "fewest": addends}, where="test")
        for problem in islice(twin.problems(2, knobs), 50):
            assert reading.read(problem.question, reading.ADDSUB) == gold_number(problem)
            assert steps_of(twin, problem) == addends - 1


def test_numbers_that_cannot_be_found_are_reported() -> None:
    """Whoever writes a shape whose numbers never fit, or turns down ``largest`` too far, is told so."""
    shape = StoryShape(
        numbers=between(x=(2, 9), y=(20, 30)),
        lines=(Line("u = x - y", "there are"),),
        bodies=("There were {x} cups, and {y} are gone.",),
        asks=("How many are left?",),
    )
    with pytest.raises(BadInputError, match="largest"):
        tell(random.Random(0), shape, {}, 100)
