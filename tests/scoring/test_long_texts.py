"""Texts of a megabyte, from models that cannot stop: reading them takes time in proportion to their length.

The limit is a hundred times what they take; only a search that grows with the square of the length breaks it.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.scoring.answer_rule import AnswerType, RuleOptions
from rtbench.scoring.equations import equations_in
from rtbench.scoring.rules import RULES, make_rule
from rtbench.scoring.strings import stated_string

LENGTH = 1_000_000
LIMIT = 60.0
"""Seconds of CPU time."""
CHOICES = ("river", "mountain", "office desk", "a boat", "sky")
PIECES = (
    "The answer is ", "1,", "(A) ", "\\boxed{", "$", "\\frac{", "}", "a-", "yes ", "\n\nQ: ", "####", "1 000 ", "**", "_x",
    "<b", "<think>", "</think>", "office desk ", "answer: ", "((", "1/", "-", "'", '"', "½", "答案是", "1+", "A ", "not ", "&",
    "x=", " \n", "<|im_end|>", "1.", ".", "= ", "\\sqrt{", "≈ ", "END ", "\u202e",
)  # fmt: skip
fragments = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.text(alphabet="aA1 .,-=()*\\{}<>\n/'\"", min_size=1, max_size=8),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    fragment=fragments,
    kind=st.sampled_from(["number", "choice", "yes_no", "string"]),
    rule=st.sampled_from(sorted(RULES)),
    prefix=st.sampled_from([None, "The answer is"]),
)
def test_megabyte_is_read_in_linear_time(fragment: str, kind: AnswerType, rule: str, prefix: str | None) -> None:
    text = fragment * (LENGTH // len(fragment))
    found = make_rule(rule, RuleOptions(answer_type=kind))
    begin = time.process_time()
    found.find(text, prefix, CHOICES if kind == "choice" else ())
    assert time.process_time() - begin < LIMIT


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(fragment=fragments)
def test_equations_of_a_megabyte_are_checked_in_linear_time(fragment: str) -> None:
    begin = time.process_time()
    sum(1 for _ in equations_in(fragment * (LENGTH // len(fragment))))
    assert time.process_time() - begin < 2 * LIMIT


def test_answer_in_front_of_a_long_text_is_found() -> None:
    rule = make_rule("strict", RuleOptions(answer_type="number"))
    assert rule.find("The answer is 5. " + "and so on " * 50_000, "The answer is", ()).extracted == "5"
    assert rule.find("5. " + "and so on " * 50_000, None, ()).extracted == "5"
    flexible = make_rule("flexible", RuleOptions(answer_type="number"))
    assert flexible.find("and so on " * 50_000 + r"\boxed{7}", "The answer is", ()).extracted == "7"


@pytest.mark.parametrize(
    "text",
    [
        "1+1 = 2" + "\n" * 100_000 + "z",
        "/" + "1" * 100_000,
        "1," * 50_000 + "/3",
        "The answer is " + "\t" * 100_000 + "x",
        "\n" * 100_000 + "answer ####",
    ],
)
def test_runs_of_one_mark_are_read_in_linear_time(text: str) -> None:
    begin = time.process_time()
    rule = make_rule("flexible", RuleOptions(answer_type="number"))
    rule.contained("1234")(rule.find(text, "The answer is", ()))
    sum(1 for _ in equations_in(text))
    assert time.process_time() - begin < LIMIT


@pytest.mark.parametrize("kind", ["number", "choice", "yes_no", "string"])
@pytest.mark.parametrize("rule", ["strict", "flexible"])
@pytest.mark.parametrize(
    "text",
    [
        "-->" * 40_000,
        "-" * 100_000,
        "=" * 100_000 + "x",
        "The answer is a" + " " * 100_000 + "b",
        "The answer is 5" + "\t" * 100_000 + "6",
        "The answer is 5" + "\\(" * 50_000 + "6",
        "5 " * 50_000,
        "(A) " * 25_000,
        "((" * 50_000,
        "river " * 16_000,
    ],
    ids=lambda text: f"{text[:18]}",
)
def test_repeated_marks_are_read_in_linear_time(text: str, rule: str, kind: AnswerType) -> None:
    begin = time.process_time()
    found = make_rule(rule, RuleOptions(answer_type=kind)).find(text, "The answer is", ("5", "river", "sky"))
    assert time.process_time() - begin < LIMIT
    assert found.extracted is None or len(found.extracted) <= len(text)


@pytest.mark.parametrize("text", [" " * 100_000, "1 + 1" + "\t" * 100_000 + "= 2", "(" + " " * 100_000 + "= 1"])
def test_equations_among_spaces_are_read_in_linear_time(text: str) -> None:
    begin = time.process_time()
    sum(1 for _ in equations_in(text + "equals ="))
    assert time.process_time() - begin < LIMIT


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("k, e, n → ken", "ken"),
        ("k, e, n --> ken", "ken"),
        ("a => b ->", "b -"),
        ("k-e-n -> ken => ", "ken"),
        ("=-> x", "x"),
        ("red-green", "red-green"),
        ("the word is 'ken'  (from Ken)", "ken"),
        ("paris   because it is", "paris"),
    ],
)
def test_statement_is_read_after_its_last_arrow(statement: str, answer: str) -> None:
    assert stated_string(statement) == answer


@pytest.mark.parametrize(
    "number",
    ["9" * 400, "9" * 5000, "9" * 400 + "/3", "5/0." + "0" * 310 + "1", "9" * 400 + " 1/2", "1 " + "1" * 5000 + "/2"],
    ids=["400", "5000", "divided", "divisor", "mixed", "numerator"],
)
@pytest.mark.parametrize("gold", ["5.5", "7", "- 5"])
def test_number_beyond_what_a_float_holds_is_wrong_and_no_error(number: str, gold: str) -> None:
    for name in ("strict", "flexible"):
        rule = make_rule(name, RuleOptions(answer_type="number"))
        found = rule.find(f"The answer is {number}", "The answer is", ())
        assert found.extracted is None or not rule.equal(found.extracted, gold)
        assert not rule.contained(gold)(found) or gold in number
