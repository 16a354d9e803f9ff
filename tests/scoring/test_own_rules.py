"""What ``strict`` and ``flexible`` read in texts as models write them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.scoring.answer_rule import AnswerType, RuleOptions
from rtbench.scoring.rules import make_rule

PREFIX = "The answer is"
PLACES = ("river", "mountain", "office desk", "a boat", "sky")


def verdict(
    kind: AnswerType, text: str, gold: str, *, prefix: str | None, choices: Sequence[str] = (), rule: str = "flexible"
) -> bool:
    reader = make_rule(rule, RuleOptions(answer_type=kind))
    extracted = reader.find(text, prefix, choices).extracted
    return extracted is not None and reader.equal(extracted, gold)


NUMBER: list[tuple[str, str | None, str, bool]] = [
    ("So \\[ x = \\boxed{\\dfrac{3}{4}} \\]", PREFIX, "0.75", True),
    ("Thus the final result is $\\boxed{12\\text{ apples}}$. I checked 3 times.", PREFIX, "12", True),
    ("The answer is $1{,}234.5$.", PREFIX, "1234.5", True),
    ("The answer is €1.234.567", PREFIX, "1234567", True),
    ("The answer is 1.5 x 10^3", PREFIX, "1500", True),
    ("The answer is -$1,200", PREFIX, "-1200", True),
    ("The answer is ($45)", PREFIX, "45", True),
    ("The answer is £3½ ", PREFIX, "3.5", True),
    ("The answer is 3½.", PREFIX, "3.5", True),
    ("The answer is ½.", PREFIX, "0.5", True),
    ("The answer is 12,345,678.", PREFIX, "12345679", False),
    ("The answer is 24. Because 6 + 20 = 26.", PREFIX, "24", True),
    ("24. Because 6 + 20 = 26", None, "24", True),
    ("18. Check: 18 = 9 + 9", None, "18", True),
    ("**Final Answer:** $18", PREFIX, "18", True),
    ("### Final Answer\n\n42", PREFIX, "42", True),
    ("The final answer is: $\\boxed{-7}$", PREFIX, "-7", True),
    ("Answer: \\(\\frac{2}{3}\\)", PREFIX, "2", False),
    ("The answer is AED 1,500", PREFIX, "1500", True),
    ("The answer is ≈ 3.14.", PREFIX, "3.14", True),
    ("The answer is 10^3 = 1000", PREFIX, "1000", True),
    ("The answer is 2^5.", PREFIX, "2", False),
    ("The answer is √49 = 7.", PREFIX, "7", True),
    ("The answer is 7th.", PREFIX, "7", True),
    ("The answer is 1st", PREFIX, "1", True),
    ("The answer is #4.", PREFIX, "4", True),
    ("The answer is\n\n$$\n\\begin{aligned} x &= 4 + 5 \\\\ &= 9 \\end{aligned}\n$$", PREFIX, "9", True),
    ("The answer is zero (0)", PREFIX, "0", True),
    ("<answer>42</answer>", PREFIX, "42", True),
    ("The correct value is 17, so the answer must be 17.", PREFIX, "17", True),
    ("The answer is 20%.", PREFIX, "20", True),
    ("The answer is 0.5%.", PREFIX, "5", False),
    ("The answer is 1,5", PREFIX, "1.5", True),
    ("The answer is 100000000000000000001", PREFIX, "100000000000000000000", False),
    ("The answer is 3:45", PREFIX, "3", False),
    ("The answer is 5×4=20", PREFIX, "20", True),
    ("The answer is 5*4 = 20 apples", PREFIX, "20", True),
    ("The answer is 20 = 5*4", PREFIX, "20", True),
    ("The answer is x=20", PREFIX, "20", True),
    ('The answer is "42"', PREFIX, "42", True),
    ("The answer is (C) 42", PREFIX, "42", True),
    ("The answer is -5°C", PREFIX, "-5", True),
    ("The answer is 12-15", PREFIX, "-15", False),
    ("Therefore, 12 is the correct answer, not 15.", PREFIX, "12", True),
    ("The answer is 1/3 (about 0.33).", PREFIX, "0.33333333", True),
    ("The answer is 7 out of 10", PREFIX, "7", True),
    ("The answer is $5.", PREFIX, "5", True),
    ("The answer is \\$5.50 per kg", PREFIX, "5.5", True),
    ("The answer is 3,14", PREFIX, "3", False),
]


@pytest.mark.parametrize(("text", "prefix", "gold", "right"), NUMBER)
def test_numbers(text: str, prefix: str | None, gold: str, right: bool) -> None:
    assert verdict("number", text, gold, prefix=prefix) == right


CHOICE: list[tuple[str, str | None, Sequence[str], str, bool]] = [
    ("Considering (A) to (E), the answer that fits is \\(\\boxed{\\mathbf{(C)}}\\).", PREFIX, PLACES, "C", True),
    ("(A) is no good. (B) is better. Thus (B) is the best choice. (E) is unrelated.", PREFIX, PLACES, "B", True),
    ("Answer: B. mountain", PREFIX, PLACES, "B", True),
    ("**Answer:** B", PREFIX, PLACES, "B", True),
    ("The answer is most likely B, mountain.", PREFIX, PLACES, "B", True),
    ("The answer is the mountain.", PREFIX, PLACES, "B", True),
    ('The answer is "office desk" (C).', PREFIX, PLACES, "C", True),
    ("The answer is not A but C.", PREFIX, PLACES, "C", True),
    ("The answer is A boat.", PREFIX, PLACES, "D", True),
    ("The answer is a boat", PREFIX, PLACES, "D", True),
    ("I think the best option here is C", PREFIX, PLACES, "C", True),
    ("The answer is I.", PREFIX, "abcdefghij", "I", True),
    ("The answer is I believe D.", PREFIX, "xyzwvutsrq", "D", True),
    ("The answer is {C}.", PREFIX, PLACES, "C", True),
    ("The answer is option (b).", PREFIX, PLACES, "B", True),
    ("The answer is (b) mountain", PREFIX, PLACES, "B", True),
    ("The answer is: Ⓑ", PREFIX, PLACES, "B", True),
    ("Option B", None, PLACES, "B", True),
    ("b", None, PLACES, "B", True),
    ("B: mountain", None, PLACES, "B", True),
    ("B.", None, PLACES, "B", True),
    ("A mountain has peaks, so B.", None, PLACES, "B", True),
    ("A river flows. The answer is E.", None, PLACES, "E", True),
    ("The correct answer is:\n\n(D) a boat", PREFIX, PLACES, "D", True),
    ("My final answer: **C**. Let me know if you want (A) explained.", PREFIX, PLACES, "C", True),
    (
        "Answer choices: (A) river (B) mountain (C) office desk (D) a boat (E) sky. People write at one, so office desk.",
        PREFIX,
        PLACES,
        "C",
        True,
    ),
    ("The answer is (B)\n\n(C) would be wrong since ...", PREFIX, PLACES, "B", True),
]


@pytest.mark.parametrize(("text", "prefix", "choices", "gold", "right"), CHOICE)
def test_choices(text: str, prefix: str | None, choices: Sequence[str], gold: str, right: bool) -> None:
    assert verdict("choice", text, gold, prefix=prefix, choices=tuple(choices)) == right


YES_NO: list[tuple[str, str | None, str, bool]] = [
    ("The answer is: **yes**, it can.", PREFIX, "yes", True),
    ("Thus, the answer is no.\n\nQuestion: Is it yes?\nThe answer is yes.", PREFIX, "no", True),
    ("So the final answer is \\boxed{No}.", PREFIX, "no", True),
    ("Yes. There is no doubt about it.", PREFIX, "yes", True),
    ("No, because nobody could. There is yes-man behaviour.", PREFIX, "no", True),
    ("No one could do that, so the answer would be no", PREFIX, "no", True),
    ("There is no evidence. So: yes", PREFIX, "yes", True),
    ("It is not possible. No.", PREFIX, "no", True),
    ("The answer is no—it cannot.", PREFIX, "no", True),
    ("The answer is YES.", PREFIX, "no", False),
    ("<think>no?</think>\nThe answer is yes", PREFIX, "yes", True),
]


@pytest.mark.parametrize(("text", "prefix", "gold", "right"), YES_NO)
def test_yes_and_no(text: str, prefix: str | None, gold: str, right: bool) -> None:
    assert verdict("yes_no", text, gold, prefix=prefix) == right


STRING: list[tuple[str, str | None, str, bool]] = [
    ('The answer is "New York City".', PREFIX, "New York City", True),
    ("The answer is New York City, since it has 5 boroughs.", PREFIX, "New York City", True),
    ("The answer is: **rahi**", PREFIX, "rahi", True),
    ('So the answer is r-a-h-i, i.e. "rahi".', PREFIX, "rahi", True),
    ('Concatenated: "rahi". The answer is rahi', PREFIX, "rahi", True),
    ("The answer is 'rahi'", PREFIX, "rahi", True),
    ("\\boxed{\\text{rahi}}", PREFIX, "rahi", True),
    ("The answer is O'Neil.", PREFIX, "O'Neil", True),
    ("The answer is U.S.A.", PREFIX, "U.S.A.", True),
    ("The answer is 10 km/h.", PREFIX, "10 km/h", True),
    ("The answer is the Eiffel Tower.", PREFIX, "Eiffel Tower", True),
    ("The answer is:\n> rahi", PREFIX, "rahi", True),
    ("Final answer: rahi", PREFIX, "rahi", True),
    ("The answer is C++.", PREFIX, "C++", True),
    ("The answer is -5.", PREFIX, "5", False),
    ("The answer is 1.5.", PREFIX, "1.5", True),
    ("The answer is rahi</s>", PREFIX, "rahi", True),
    ("The answer is rock and roll.", PREFIX, "rock and roll", True),
    ("The answer is Dr. Strange.", PREFIX, "Dr. Strange", True),
    ("The answer is (rahi).", PREFIX, "rahi", True),
    ('The answer is "rahi", not "ihar".', PREFIX, "ihar", False),
]


@pytest.mark.parametrize(("text", "prefix", "gold", "right"), STRING)
def test_strings(text: str, prefix: str | None, gold: str, right: bool) -> None:
    assert verdict("string", text, gold, prefix=prefix) == right


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("So 12. The answer is 12.", "12", True),
        ("\\boxed{12}", "12", False),
        ("Final answer: 12", "12", False),
        ("The answer is twelve, 12 in digits.", "12", True),
        ("The answer is 1/2.", "1", False),
    ],
)
def test_strict_reads_only_behind_the_prefix(text: str, gold: str, right: bool) -> None:
    assert verdict("number", text, gold, prefix=PREFIX, rule="strict") == right


_PARTS = st.sampled_from(
    ["The answer is ", "1,", "(A) ", "\\boxed{", "$", "\\frac{", "}", "a-", "yes ", "no ", "\n\nQ: ", "####", "1 000 ", "**", "_",
     "<b>", "<think>", "</think>", "office desk ", "answer: ", "((", "1/", "-", "'", '"', "²", "½", "１", "\u202e", "答案是"]
)  # fmt: skip


@given(st.lists(_PARTS, min_size=1, max_size=8), st.sampled_from(["number", "choice", "yes_no", "string"]))
@settings(max_examples=150, deadline=None)
def test_no_text_is_too_odd_to_read(parts: list[str], kind: AnswerType) -> None:
    for rule in ("strict", "flexible"):
        found = make_rule(rule, RuleOptions(answer_type=kind)).find("".join(parts) * 20, PREFIX, PLACES)
        assert found.extracted is None or isinstance(found.extracted, str)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Q4. 30 / 5?\nThe result is 6.\n\nQ5. Minus 12?\nThe result is 8.\n\nThe final value is 6 * 8 = 48.\n\nIt is 48.", "48"),
        ("One way to arrive at this answer is to add. If each has 7 and 3, each basket has 7 + 3 = 10.", "10"),
        ("7 + 1 = 8.\nSo the result is 8, from 7 and 1.", "8"),
    ],
)  # fmt: skip
def test_result_of_a_step_is_not_the_answer(text: str, answer: str) -> None:
    assert make_rule("flexible", RuleOptions(answer_type="number")).find(text, "The answer is", ()).extracted == answer


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("9{,}500", "9500"), (r"9\,500", "9500"), ("12,50,000", "1250000"), ("1'250'000", "1250000"),
        ("1 250 000", "1250000"), ("1.250.000", "1250000"), ("1,250", "1250"), ("12,5", "12.5"), ("1.250,50", "1250.50"),
        ("1.250", "1.250"), ("2 1/2", "2.5"), (r"\frac{3}{4}", "0.75"), ("½", "0.5"), ("369/17", "21.7058823529"),
        ("3 × 10^4", "30000"), ("1.5e3", "1500"), ("2^5", "32"), ("−5", "-5"), ("-$5", "-5"), (r"\(-5\)", "-5"),
        ("–12", "-12"), ("-**14**", "-14"), ("- 5", "-5"), ("$5", "5"), ("5 USD", "5"), ("₹1,50,000", "150000"),
        ("25%", "25"), ("5 km", "5"), ("5 million", "5"), ("24 - 6 = 18", "18"), ("(76 - 25)", "51"), ("x = 3", "3"),
        ("18. Check: 18 = 9 + 9", "18"), ("2:00 pm", "2"), ("2:45 pm", None), ("Q1", None),
        ("unknown; 5 are left", None), ("N/A", None), ("1,000,001", "1000001"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["strict", "flexible"])
def test_numbers_are_read_as_the_docs_say(rule: str, written: str, read: str | None) -> None:
    """The table of docs/extraction.md."""
    found = make_rule(rule, RuleOptions(answer_type="number")).find(f"The answer is {written}", "The answer is", ())
    assert found.extracted == read


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("40 - 19 = 21. The result is 40 - 19 = 21. 21 is (E).", "E"),
        ("The answer is 40 - 19 = 21.", "E"),
        ("The answer is 19.", "A"),
        ("It is 40 - 19 = 21, so the answer is 21 (E)", "E"),
    ],
)
def test_choice_is_the_result_of_an_equation_and_not_its_term(text: str, letter: str) -> None:
    rule = make_rule("flexible", RuleOptions(answer_type="choice"))
    assert rule.find(text, "The answer is", ("19", "11", "31", "2", "21")).extracted == letter


@given(
    st.lists(
        st.sampled_from(
            ["12", "1,2", "1 200", "12.0", "1/12", "2^5", "½", " ", "x", "12e1", "3×10", "१२", "\n", ". ", "-12"]
        ),
        max_size=8,
    ).map("".join),
    st.sampled_from(["12", "1200", "32", "0.5", "-12", "120"]),
)
def test_contained_whole_numbers_are_those_among_the_candidates(text: str, gold: str) -> None:
    """The short cut gives what the search for all candidates does."""
    rule = make_rule("flexible", RuleOptions(answer_type="number"))
    found = rule.find(text, PREFIX, ())
    assert rule.contained(gold)(found) == any(rule.equal(candidate, gold) for candidate in found.candidates)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Bob is the right winger and Ann is the goalkeeper. Claire is playing (A) left winger.", "A"),
        ("(B) is right because (C) is far away. (D) is closer.", "B"),
        ("So (B) is the best choice; (C) is far away.", "B"),
        ("(B) is the most likely, (C) is far away", "B"),
    ],
)
def test_option_that_is_called_correct_is_stated(text: str, letter: str) -> None:
    rule = make_rule("flexible", RuleOptions(answer_type="choice"))
    assert rule.find(text, "The answer is", ("left wing", "right wing", "goal", "bench")).extracted == letter


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("San Diego", "San Diego"),
        ("New York.", "New York"),
        ("**San Diego**", "San Diego"),
        ("I recommend **El Paso**.", "El Paso"),
        ("<think>Hm. Dallas?</think>Fort Worth", "Fort Worth"),
        ("So the word is ken.", "ken"),
        ("Let me see.\n\nkena", "kena"),
        ('Together this is "osla".', "osla"),
    ],
)
def test_line_that_is_only_a_name_is_the_answer(text: str, answer: str) -> None:
    assert make_rule("flexible", RuleOptions(answer_type="string")).find(text, PREFIX, ()).extracted == answer
