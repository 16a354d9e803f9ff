"""Texts as models write them, and what a careful reader says of them: ``readings/*.jsonl``.

``right`` is the verdict of ``flexible``, ``strict`` that of ``strict``, ``holds`` that of the curator ``equations``
(false: it drops the text). Rows whose verdict is null are open to debate and are not compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtbench.scoring.answer_rule import AnswerType, RuleOptions
from rtbench.scoring.equations import equations_in
from rtbench.scoring.rules import make_rule
from tests.helpers.cli import ROOT

READINGS = Path(__file__).with_name("readings")
CASES = ROOT.parent / "shared" / "cases" / "answers"
TYPES: dict[str, AnswerType] = {"numbers": "number", "choices": "choice", "yes_no": "yes_no", "strings": "string"}


def rows(folder: Path, group: str) -> list[dict[str, Any]]:
    file = folder / f"{group}.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().split("\n") if line.strip()]


def described(row: dict[str, Any]) -> str:
    return f"{row['kind']}: {row['text'][:60]!r}"


@pytest.mark.parametrize("folder", [READINGS, CASES], ids=["own", "cases"])
@pytest.mark.parametrize("group", TYPES)
@pytest.mark.parametrize(("extractor", "field"), [("flexible", "right"), ("strict", "strict")])
def test_verdicts_are_those_of_a_careful_reader(folder: Path, group: str, extractor: str, field: str) -> None:
    rule = make_rule(extractor, RuleOptions(answer_type=TYPES[group]))
    wrong = []
    for row in rows(folder, group):
        found = rule.find(row["text"], row["prefix"], row.get("choices", ()))
        verdict = found.extracted is not None and rule.equal(found.extracted, row["gold"])
        if row[field] is not None and verdict != row[field]:
            wrong.append(f"{described(row)} gold {row['gold']!r}, extracted {found.extracted!r}")
    assert wrong == []


@pytest.mark.parametrize("folder", [READINGS, CASES], ids=["own", "cases"])
def test_equations_are_judged_as_a_careful_reader_does(folder: Path) -> None:
    wrong = []
    for row in rows(folder, "equations"):
        found = list(equations_in(row["text"]))
        if all(equation.holds for equation in found) != (row["holds"] is not False):
            wrong.append(f"{described(row)}: {[(equation.text, equation.holds) for equation in found]}")
    assert wrong == []
