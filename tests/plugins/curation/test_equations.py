"""The equation checker, on sentences and on real rationales."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rtbench.scoring.equations import equations_in


@pytest.mark.parametrize(
    "text",
    [
        "16 - 8 = 9",
        "He has 5 apples + 3 apples = 9 apples left.",
        "So 2 + 3 = 5 * 2 = 10.",  # a chain whose first pair is wrong
        "The price is $4.50 x 2 = $8.",
        "20% of 50 is what we look for: 20% of 50 = 12.",
        "10 / 4 = 2",
        "3 times 4 = 13",
        "(2 + 3) * 4 = 14",
        "- 4 + 5 = 10 in a list",
        "1,200 + 300 = 1,600",
        "100 / 3 = 33.4",
        "5/7 = 7/7",
        "16 \u2212 8 = 9",
        "1/4 * 100 = 30%",
        r"\( 4 \times 5 = 21 \)",
        r"\[ \frac{10}{2} = 6 \]",
        r"$2 \cdot 3 = 7$",
        r"$\$4 + \$5 = \$10$",
        "**4 × 5 = 21**",
        "4 * 5 = **21**",
        "5 + 5 equals 11",
        "7 - 2 is equal to 4.",
        "A very long sentence " + "that goes on and on " * 30 + ", so 4 + 5 = 10, and there it ends.",
    ],
)
def test_wrong_equation_is_caught(text: str) -> None:
    assert [found.holds for found in equations_in(text)].count(False) == 1


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("16 - 8 = 8", 1),
        ("5 red apples + 3 apples = 8 apples, and 8 / 2 = 4.", 2),
        ("2 + 3 = 5 * 1 = 5", 2),
        ("$4.50 × 2 = $9", 1),
        ("20% of 50 = 10 and 50 * 20% = 10", 2),
        ("100 / 3 = 33.33", 1),
        ("1 / 4 * 100 = 25% and 1 / 4 = 25%", 2),
        ("1,200 + 300 = 1,500.", 1),
        ("007 + 1 = 8", 1),
        ("3 + 5 = 8\n- 2 + 2 = 4", 2),
        ("2 divided by 4 = .5", 1),
        ("25/12 = 2.0833", 1),
        (r"\( \frac{10}{2} = 5 \)", 1),
        ("He pays $4 and then $4 + $5 = $9", 1),
        ("3 * 4 = 12, 2 * 2 = 4; 4 equals four", 2),
    ],
)
def test_right_equations_hold(text: str, n: int) -> None:
    found = list(equations_in(text))
    assert len(found) == n
    assert all(one.holds for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "x = 5", "20 - 8 = 2x + x", "2^4 * 3^2 * 5 = 720", "The LCM is 3^2 * 5 = 45", "22 months = 504 + 200",
        "2 hours - 10 minutes = 110", "3 * 40 cents = $1.20", "20 feet = 20 * 12 inches", "78 / 18 = 4 1/3",
        "G = S + 30 = 40 + 30", "12/10/2020 = 3", "(4/3)π(s/2)^3 = (1/6)πs^3", "5 / 0 = 7", "a + b = 3", "12 = 12",
        "See 3.4.5 = 6 + 1", "1 + " * 80 + "1 = 3",
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_left_alone(text: str) -> None:
    assert all(found.holds for found in equations_in(text))


def test_hostile_text_comes_to_an_end() -> None:
    for text in ("1 + " * 20_000, "1 " * 20_000 + "= 2", "(" * 20_000, "9" * 20_000 + " + 1 = 2", "1 a b " * 8_000):
        assert len(list(equations_in(text))) <= 1


def test_on_real_rationales_wrong_answers_have_wrong_equations_far_more_often(data_dir: Path) -> None:
    """text-davinci-003 on gsm8k: a rationale that is right in the end seldom says what is not so."""
    flagged = {True: 0, False: 0}
    n = {True: 0, False: 0}
    with gzip.open(data_dir / "teacher" / "text-davinci-003__fs_cot__gsm8k.jsonl.gz", "rt") as lines:
        for line in lines:
            record = json.loads(line)
            text = record["reasoning_completion"] or record["completion"]
            n[record["correct"]] += 1
            flagged[record["correct"]] += any(not found.holds for found in equations_in(text))
    assert n[True] > 500
    assert flagged[True] / n[True] < 0.05
    assert flagged[False] / n[False] > 0.25


@pytest.mark.parametrize("text", ["5 / (1 - 1%) = 5.05", "2^100% + 1 = 3", "√(1 - 50%) = 0.71", "5 / (100 - 100%) = 1"])
def test_percentages_that_cannot_be_computed_otherwise_are_no_error(text: str) -> None:
    list(equations_in(text))
