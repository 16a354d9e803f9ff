"""Texts from outside: what no output interprets, and what a reader still recognises."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rtbench.errors import BadInputError
from rtbench.texts import (
    csv_field,
    json_text,
    latex_text,
    markdown_block,
    markdown_code,
    markdown_text,
    script_json,
    shown,
    shown_in_line,
    shown_with_styles,
    without_halves,
    without_styles,
)

ACTIVE = (
    "\x1b\x07\x08\r\x00\x7f\x85\x9b\u200b\u200e\u202e\u2028\u2066\ufeff\ud800\U000e0041`|*_~[]()<>!#&\\$^{}%=+-@\n\t"
)
TEXTS = st.text(st.one_of(st.sampled_from(ACTIVE), st.characters()), max_size=40)
MARKDOWN = MarkdownIt("commonmark", {"linkify": False}).enable("table").enable("strikethrough")


def obeyed(text: str) -> set[str]:
    """Characters that a terminal obeys, and those that a reader cannot see."""
    allowed = {"\n", "\t"}
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} and c not in allowed} | set(
        re.findall("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\xad]", text)
    )


@settings(max_examples=300)
@given(TEXTS)
def test_nothing_that_is_shown_controls_a_terminal(text: str) -> None:
    assert not obeyed(shown(text))
    assert not obeyed(shown_in_line(text))
    assert "\n" not in shown_in_line(text)
    assert "\t" not in shown_in_line(text)
    assert shown(shown(text)) == shown(text)
    shown(text).encode()


@settings(max_examples=300)
@given(TEXTS)
def test_visible_characters_stay_in_order(text: str) -> None:
    rest = iter(shown_in_line(text))
    assert all(c in rest for c in text if unicodedata.category(c)[0] in "LMNPS" and shown(c) == c)
    letters = "".join(c for c in text if unicodedata.category(c) in {"Ll", "Lu", "Nd", "Po"})
    assert shown(letters) == letters


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]0;T\x07", r"\x1b]0;T\x07"),
        ("\x1bP1$r\x1b\\", r"\x1bP1$r\x1b" + "\\"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x08", r"a\rb\x08"),
        ("\x7f", r"\x7f"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\u2066\u200b", r"\u2066\u200b"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("Größe 三 😀 −1 “x”", "Größe 三 😀 −1 “x”"),
    ],
)
def test_control_characters_are_signs(text: str, sign: str) -> None:
    assert shown(text) == sign


def test_styles_of_a_console_stay_and_other_sequences_do_not() -> None:
    assert shown_with_styles("\x1b[1;32mgood\x1b[0m\x1b[2J") == "\x1b[1;32mgood\x1b[0m\\x1b[2J"


def test_text_without_styles_keeps_what_is_not_ours() -> None:
    assert without_styles("\x1b[1;32mgood\x1b[0m\x1b[2J") == "good\x1b[2J"


@settings(max_examples=300)
@given(TEXTS)
def test_markdown_has_no_active_markup(text: str) -> None:
    """Checked with a parser: one paragraph or cell, in which nothing is a tag, a link, an image, code or emphasis."""
    for document in (f"x {markdown_text(text)}", f"- {markdown_text(text)}"):
        kinds = {token.type for token in MARKDOWN.parse(document)}
        assert kinds <= {
            *("paragraph_open", "paragraph_close", "inline"),
            *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
        }, document
        inline = [child.type for token in MARKDOWN.parse(document) for child in token.children or ()]
        assert set(inline) <= {"text", "text_special"}, document
    table = f"| a | b |\n|---|---|\n| {markdown_text(text)} | end |"
    cells = [token.content for token in MARKDOWN.parse(table) if token.type == "inline"]
    assert len(cells) == 4
    assert cells[-1] == "end", "the text stays in its cell"


@settings(max_examples=200)
@given(TEXTS)
def test_rendered_markdown_reads_as_the_text(text: str) -> None:
    """Only white space is collapsed, and hidden characters are signs."""
    (inline,) = [token for token in MARKDOWN.parse(f"x {markdown_text(text)}") if token.type == "inline"]
    read = "".join(child.content for child in inline.children or ())
    assert read == " ".join(["x", *shown_in_line(" ".join(text.split())).split()])


@settings(max_examples=200)
@given(TEXTS)
def test_code_in_markdown_cannot_be_left(text: str) -> None:
    if text.strip():
        (inline,) = [token for token in MARKDOWN.parse(f"x {markdown_code(text)}") if token.type == "inline"]
        assert [child.type for child in inline.children or ()] == ["text", "code_inline"]
    assert [token.type for token in MARKDOWN.parse(markdown_block(text))] == ["fence"]


SPECIAL = re.compile(r"(?<!\\)[&%$#_{}~^]|\\(?!text\w+\{\}|[&%$#_{}]|to\b|times\b|approx\b|frac12)")


@settings(max_examples=300)
@given(TEXTS)
def test_latex_has_no_active_character(text: str) -> None:
    ours = re.sub(
        r"\\text\w+\{\}|\$(?:-|\\to|\\times|\\approx|\\frac12)\$|^\{[\[*]\}|\\[&%$#_{}]", "", latex_text(text)
    )
    assert not re.search(r"[\\&%$#_{}~^\n]", ours)
    assert not latex_text(text).startswith(("[", "*")), "an argument of the command before it"


@pytest.mark.parametrize("text", [r"\input{/etc/passwd}", "^^5cinput x", r"a\\b & c % d", "$x_1$"])
def test_latex_commands_are_text(text: str) -> None:
    assert r"\input" not in latex_text(text)
    assert "^^" not in latex_text(text)


@settings(max_examples=300)
@given(TEXTS)
def test_csv_field_is_no_formula_and_stays_one_field(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_field(text), "end"])
    ((field, end),) = csv.reader(io.StringIO(out.getvalue()))
    assert end == "end"
    assert not obeyed(field)
    assert field.lstrip()[:1] not in set("=@+-＝＋－＠") or re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", field)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("\r=1", r"'\r=1"),
        ("＝1", "'＝1"),
        ("-3.5", "-3.5"),
        ("+1e-3", "+1e-3"),
        (-3.5, -3.5),
        (None, None),
        ("last-word", "last-word"),
    ],
)
def test_only_formulas_are_marked_in_csv(value: object, field: object) -> None:
    assert csv_field(value) == field


@settings(max_examples=300)
@given(st.text(st.one_of(st.sampled_from(ACTIVE.replace("\ud800", "")), st.characters(exclude_categories=["Cs"]))))
def test_json_keeps_the_exact_text_and_ends_no_script(text: str) -> None:
    for encoded in (json_text(json.dumps(text, ensure_ascii=False)), script_json(text)):
        assert json.loads(encoded) == text
        assert not obeyed(encoded)
    assert not set("<>&\u2028\u2029") & set(script_json(text))


def test_halves_of_characters_are_replaced() -> None:
    assert without_halves("a\ud800b\udfff😀") == "a\ufffdb\ufffd😀"


def test_message_of_an_error_shows_control_characters_as_signs() -> None:
    error = BadInputError("no \x1b[31mfile", where="a\nb\u202e.yaml", next_step="Check\r it.")
    assert str(error) == "a\\nb\\u202e.yaml: no \\x1b[31mfile\nCheck\\r it."
