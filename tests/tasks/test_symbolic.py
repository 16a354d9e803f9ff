"""Twins of the symbolic tasks: each question is solved again, from its text alone, by code that shares none of theirs."""

from __future__ import annotations

import random
import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable
from datetime import date
from itertools import islice
from typing import Any

import pytest
from rtbench_tasks.coin_flip.twin import CoinFlipTwin
from rtbench_tasks.date_understanding.twin import DateTwin
from rtbench_tasks.last_letter_concatenation.twin import LastLetterTwin
from rtbench_tasks.tracking_shuffled_objects.twin import TrackingTwin

from rtbench.errors import BadInputError
from rtbench.schema.base import Fold
from rtbench.scoring.answer_rule import RuleOptions
from rtbench.scoring.rules import make_rule
from rtbench.twins import Narrator, Problem, Twin
from tests.helpers.properties import check_explanations, check_extraction, check_folds, pens

Solver = Callable[[str], tuple[str, int]]
"""Question in, answer and number of steps out."""
FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
NUMBERS = {"one": 1, "two": 2}


def solve_coin(question: str) -> tuple[str, int]:
    sentences = re.findall(r"[^.?]+[.?]", question)
    people = [
        s.strip() for s in sentences[1:] if re.match(r"\s*[A-Z][a-z]+ (flips|turns|reverses|does not|leaves) ", s)
    ]
    asked = next(at for at, s in enumerate(sentences) if s.endswith("?"))
    assert len(people) == asked - 1, question
    flips = sum(1 for s in people if re.match(r"\w+ (flips|turns|reverses) ", s))
    return ("yes", "no")[flips % 2], len(people)


def solve_last_letter(question: str) -> tuple[str, int]:
    found = re.search(r'"([^"]+)"', question)
    assert found
    words = found[1].split(" ")
    return "".join(word[len(word) - 1] for word in words).lower(), len(words)


def listed_choices(question: str) -> dict[str, str]:
    """Letter to text, as the question lists them."""
    tail = question.rpartition("Answer choices: ")[2]
    assert tail.endswith(".")
    return dict(re.findall(r"\(([A-F])\) ([^,]+?)(?:, (?=\()|\.$)", tail))


def solve_tracking(question: str) -> tuple[str, int]:
    choices = listed_choices(question)
    story, _, end = question.partition("\nWhich choice is true?")[0].rpartition(". ")
    people, _, _ = story.partition("\n\n")
    has: dict[str, str] = {}
    for part in re.split(r"[.,] ", people.removesuffix(".")):
        for letter, text in choices.items():
            found = re.search(rf"(\w+) (?:has the|works at the|dances with) {text}$", part)
            if found:
                has[found[1]] = letter
    assert sorted(has.values()) == sorted(choices)
    swaps = 0
    for sentence in story.partition("\n\n")[2].split(". ")[1:]:
        a, b = [word for word in re.findall(r"\w+", sentence) if word in has]
        has[a], has[b] = has[b], has[a]
        swaps += 1
    (asked,) = [word for word in re.findall(r"\w+", end) if word in has]
    return has[asked], swaps


def moved(day: date, count: int, unit: str) -> date:
    """Counts months and years one at a time on the calendar, days by ordinals."""
    if unit in ("day", "week"):
        return date.fromordinal(day.toordinal() + count * (7 if unit == "week" else 1))
    year, month = day.year, day.month
    for _ in range(abs(count) * (12 if unit == "year" else 1)):
        month += 1 if count > 0 else -1
        year, month = (year + 1, 1) if month == 13 else (year - 1, 12) if month == 0 else (year, month)
    assert day.day <= 28 or day.day <= monthrange(year, month)[1]
    return date(year, month, day.day)


def stated_date(text: str) -> date:
    found = re.search(r"(\d\d)/(\d\d)/(\d{4})", text)
    if found:
        return date(int(found[3]), int(found[1]), int(found[2]))
    found = re.search(r"([A-Z][a-z]+) (\d+), (\d{4})", text)
    assert found, text
    return date(int(found[3]), MONTHS.index(found[1]) + 1, int(found[2]))


def gap_in(text: str) -> tuple[int, str] | None:
    found = re.search(r"\b(\d+|one|two) (day|week|month|year)s?\b", text, re.IGNORECASE)
    return (NUMBERS.get(found[1].lower()) or int(found[1]), found[2]) if found else None


def direction(text: str) -> int:
    return -1 if re.search(r"\b(ago|before)\b", text) else 1


def solve_date(question: str) -> tuple[str, int]:
    choices = listed_choices(question)
    first, *others = re.split(r"(?<=\.) (?=[A-Z])", question.partition("\nWhich choice is true?")[0])
    known: dict[str, date] = {"today": stated_date(first)}
    steps = 1
    gap = gap_in(re.sub(r"\d\d/\d\d/\d{4}|[A-Z][a-z]+ \d+, \d{4}", "", first))
    if re.search("yesterday|tomorrow", first, re.IGNORECASE):
        known["today"] = moved(known["today"], 1 if re.search("yesterday", first, re.IGNORECASE) else -1, "day")
    elif gap:
        known["today"] = moved(known["today"], -direction(first) * gap[0], gap[1])
    else:
        steps = 0

    def when(text: str) -> tuple[date, int]:
        if "tomorrow" in text or "yesterday" in text:
            return moved(known["today"], 1 if "tomorrow" in text else -1, "day"), 1
        base = next((day for name, day in known.items() if f"the {name}" in text), known["today"])
        found = gap_in(text)
        return (moved(base, direction(text) * found[0], found[1]), 1) if found else (base, 0)

    for sentence in others[:-1]:
        named = re.search(r" (had|has) a (\w+) (.*)$", sentence)
        assert named, sentence
        known[named[2]], more = when(named[3])
        assert (named[1] == "had") == (known[named[2]] < known["today"])
        steps += more
    asked, more = when(others[-1])
    text = f"{asked.month:02d}/{asked.day:02d}/{asked.year:04d}"
    (letter,) = [letter for letter, choice in choices.items() if choice == text]
    return letter, steps + more


CASES: dict[str, tuple[Twin[Any], Solver]] = {
    "coin_flip": (CoinFlipTwin(), solve_coin),
    "last_letter_concatenation": (LastLetterTwin(), solve_last_letter),
    "tracking_shuffled_objects": (TrackingTwin(), solve_tracking),
    "date_understanding": (DateTwin(), solve_date),
}
RULES = {
    "coin_flip": RuleOptions(answer_type="yes_no"),
    "last_letter_concatenation": RuleOptions(answer_type="string"),
    "tracking_shuffled_objects": RuleOptions(answer_type="choice", letters="ABC"),
    "date_understanding": RuleOptions(answer_type="choice", letters="ABCDEF"),
}
every_twin = pytest.mark.parametrize("name", CASES)


def some(name: str, count: int = 300, seed: int = 3) -> list[Problem]:
    """Problems of both difficulties."""
    twin = CASES[name][0]
    return [problem for knobs in (twin.knobs, twin.harder) for problem in islice(twin.problems(seed, knobs), count)]


@every_twin
def test_gold_is_what_the_text_says(name: str) -> None:
    _, solve = CASES[name]
    for problem in some(name):
        assert solve(problem.question)[0] == problem.answer, problem.question


@every_twin
def test_explanation_without_mistakes_reaches_the_gold(name: str) -> None:
    twin, _ = CASES[name]
    check_explanations(twin, some(name))


@every_twin
@pytest.mark.parametrize("rule", ["paper", "kojima", "strict", "flexible"])
def test_explanation_without_mistakes_scores_correct(name: str, rule: str) -> None:
    """Behind either usual answer prefix: no sentence of an explanation is taken for the answer's."""
    twin, _ = CASES[name]
    check_extraction(twin, some(name, 40), make_rule(rule, RULES[name], where="test"))


@every_twin
def test_choices_hold_the_gold_once(name: str) -> None:
    for problem in some(name):
        if name in ("coin_flip", "last_letter_concatenation"):
            assert problem.choices == ()
            continue
        assert len(set(problem.choices)) == len(problem.choices)
        assert tuple(listed_choices(problem.question).values()) == problem.choices
        assert 0 <= "ABCDEF".index(problem.answer) < len(problem.choices)


@every_twin
@pytest.mark.parametrize("seed", range(5))
def test_folds_share_no_pattern_and_no_question(name: str, seed: int) -> None:
    twin, _ = CASES[name]
    check_folds(twin, seed)


@every_twin
def test_out_of_distribution_questions_have_more_steps(name: str) -> None:
    twin, solve = CASES[name]
    folds = twin.draw_folds(1)
    most = max(solve(problem.question)[1] for fold in FOLDS[:3] for problem in folds[fold])
    assert min(solve(problem.question)[1] for problem in folds["ood"]) > most


@every_twin
@pytest.mark.parametrize("mix", [(1.0, 0.0, 0.0), (0.2, 0.4, 0.4)])
def test_mistakes_at_every_step_are_survived(name: str, mix: tuple[float, float, float]) -> None:
    """Where all are slips, most answers are wrong; a malformed or truncated text keeps its answer."""
    twin, _ = CASES[name]
    right = total = 0
    for at, problem in enumerate(some(name, 150)):
        for narrator in pens(at, error_rate=1.0, mix=mix):
            answer = twin.explain(problem, narrator)
            assert isinstance(narrator.text, str)
            right += answer == problem.answer
            total += 1
            if mix[0] == 1.0:
                assert narrator.slips > 0
            if narrator.slips == 0:
                assert answer == problem.answer
    if mix[0] == 1.0:
        assert right < 0.4 * total


@every_twin
def test_mistakes_change_no_wording(name: str) -> None:
    """Wordings are drawn alike whatever slips, so that two error rates can be compared on the same texts."""
    twin, _ = CASES[name]
    for at, problem in enumerate(some(name, 60)):
        for clean, slipping in zip(pens(at), pens(at, error_rate=0.3), strict=True):
            twin.explain(problem, clean)
            twin.explain(problem, slipping)
            assert slipping.words.getstate() == clean.words.getstate()
            assert (slipping.text == clean.text) == (slipping.slips == 0)


@every_twin
@pytest.mark.parametrize("fine", [True, False])
def test_one_question_has_hundreds_of_rationales(name: str, fine: bool) -> None:
    twin, _ = CASES[name]
    for problem in islice(twin.problems(5), 2):
        texts = set()
        for seed in range(2000):
            narrator = Narrator(random.Random(seed), fine=fine)
            twin.explain(problem, narrator)
            texts.add(narrator.text)
        assert len(texts) > 500


@pytest.mark.parametrize(
    ("name", "answers"),
    [("coin_flip", ("yes", "no")), ("tracking_shuffled_objects", "ABC"), ("date_understanding", "ABCDEF")],
)
def test_golds_are_about_even(name: str, answers: tuple[str, ...]) -> None:
    """In every fold that is trained or tested on, so that no constant answer beats chance by much."""
    twin, _ = CASES[name]
    for seed in range(3):
        for fold in ("train", "test"):
            counts = Counter(problem.answer for problem in twin.draw_folds(seed)[fold])
            assert set(counts) == set(answers)
            # Coin patterns are few (about 80 in a test fold), so a fold's parity varies more than its questions would.
            assert max(counts.values()) < sum(counts.values()) * (1 / len(answers) + 0.12)


def test_tracking_without_options_is_answered_by_the_object() -> None:
    twin = TrackingTwin()
    knobs = twin.with_knobs({"options": False}, where="test")
    for at, problem in enumerate(islice(twin.problems(2, knobs), 200)):
        assert problem.choices == ()
        assert "Answer choices" not in problem.question
        assert problem.question.endswith("?")
        assert problem.answer in problem.question
        for narrator in pens(at):
            assert twin.explain(problem, narrator) == problem.answer


def test_more_people_than_letters_of_the_task_can_be_asked_for() -> None:
    twin = TrackingTwin()
    for problem in islice(twin.problems(2, twin.with_knobs({"people": 5, "swaps": 7}, where="test")), 100):
        assert len(problem.choices) == 5
        assert solve_tracking(problem.question) == (problem.answer, 7)


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("coin_flip", {"people": 0}),
        ("last_letter_concatenation", {"words": 65}),
        ("tracking_shuffled_objects", {"people": 2}),
        ("date_understanding", {"choices": 7}),
    ],
)
def test_impossible_knobs_are_refused(name: str, knobs: dict[str, int]) -> None:
    with pytest.raises(BadInputError, match="test"):
        CASES[name][0].with_knobs(knobs, where="test")


@pytest.mark.parametrize(
    ("name", "knob"), [("coin_flip", "people"), ("last_letter_concatenation", "words"), ("date_understanding", "steps")]
)
def test_a_knob_below_the_standard_minimum_is_met(name: str, knob: str) -> None:
    """The smallest number gives way to the largest."""
    twin, solve = CASES[name]
    for problem in islice(twin.problems(2, twin.with_knobs({knob: 1}, where="test")), 50):
        assert solve(problem.question) == (problem.answer, 1)


def test_dates_stay_between_1990_and_2030() -> None:
    for problem in some("date_understanding"):
        gold = problem.choices["ABCDEF".index(problem.answer)]
        assert 1990 <= int(gold[-4:]) <= 2030
