"""Patterns of others are stopped where they find no end, and otherwise do what ``re`` does."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from rtbench.errors import BadInputError
from rtbench.scoring.patterns import UserPattern

ENDLESS = [
    ("^(a+)+$", "a" * 40 + "!"),
    ("^(a|a)*$", "a" * 40 + "!"),
    ("(x+x+)+y", "x" * 60),
    ("(.*)*=", "a" * 60),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 60),
]
ORDINARY = [
    r"\b[A-Z]\w*|\d+",
    r"\d+",
    r"#### (\-?[0-9\.\,]+)",
    r"(?s).*#### ",
    r"(\d+,)+\d*",
    r"(a)(b)?",
    "",
    r"(\w)\1",
]
TEXTS = ["Ann has 3 apples and Bob 12.", "#### 1,024", "aabbcc ab a", "a\n#### 5\n#### 6", "", "ÄÖ 7"]


@pytest.mark.parametrize(("pattern", "text"), ENDLESS)
def test_pattern_that_finds_no_end_is_stopped(pattern: str, text: str) -> None:
    with pytest.raises(BadInputError, match=r"here: the pattern .* finds no end"):
        UserPattern(pattern, where="here").sub("*", text)


@pytest.mark.parametrize("pattern", ORDINARY)
@pytest.mark.parametrize("text", TEXTS)
def test_results_are_those_of_re(pattern: str, text: str) -> None:
    mine = UserPattern(pattern, where="here")
    expected = (re.sub(pattern, "*", text), re.findall(pattern, text))
    found: list[Any] = [(mine.sub("*", text), mine.findall(text))]
    thread = threading.Thread(target=lambda: found.append((mine.sub("*", text), mine.findall(text))))
    thread.start()
    thread.join()
    assert found == [expected, expected]


@pytest.mark.parametrize(
    ("pattern", "simple"),
    [
        (r"\b[A-Z]\w*|\d+", True),
        (r"a{1,3}b+", True),
        ("(a+)+", False),
        (r"(?:ab|a)*", False),
        (r"(.)\1+", False),
        ("a*b*", False),
    ],
)
def test_patterns_with_nested_or_several_repeats_are_not_simple(pattern: str, simple: bool) -> None:
    assert UserPattern(pattern, where="here").is_simple is simple


@pytest.mark.parametrize("pattern", ["(", "[", "a{2,1}", "(?P<a", "a" * 3_000, "(" * 1_900 + ")" * 50, "*"])
def test_what_is_no_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(BadInputError, match="here: "):
        UserPattern(pattern, where="here")
