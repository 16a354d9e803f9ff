"""What is held equal between the two sides of a claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtbench.schema.claims import Effort
from tests.helpers.cli import Cli
from tests.helpers.prices import bill, set_prices, written_by_counter

CLAIMS = """
name: money
title: Degrees
source: this test
claims:
  - name: degree
    sentence: four rationales beat one
    left: {method: fine-tune-cot, degree: 4}
    right: {method: fine-tune-cot, degree: 1}
"""


def efforts(cli: Cli, path: Path) -> dict[str, Any]:
    (claim,) = json.loads(cli("claims", "--file", path, "--format", "json").stdout)
    return {one["name"]: one for one in claim["efforts"]}


@pytest.fixture
def claims(cli: Cli, demo: Path) -> Path:
    """The file of the claims, beside a run that tests them."""
    cli("run", "--matrix", demo, "--methods", "fine-tune-cot")
    path = cli.folder / "claims.yaml"
    path.write_text(CLAIMS)
    return path


def test_money_that_is_not_known_is_said(cli: Cli, claims: Path) -> None:
    found = efforts(cli, claims)
    assert list(found) == ["questions", "rows", "tokens", "steps", "money"]
    assert (found["money"]["left"], found["money"]["right"]) == (None, None)
    assert "not known: money" in cli("claims", "--file", claims).stdout


def test_each_sides_money_is_that_of_teacher_plus_student(cli: Cli, claims: Path) -> None:
    set_prices(cli, teacher={"input": 2.0, "output": 10.0})
    found = efforts(cli, claims)
    assert list(found)[4:] == ["teacher money", "student money"], "one part is known"
    amounts = []
    for degree in (4, 1):
        read, written = written_by_counter(cli, degree)
        amounts.append((2 * read + 10 * written) / 1e6)
    money = found["teacher money"]
    assert [money["left"], money["right"]] == pytest.approx(amounts)
    assert money["currency"] == "USD"
    said = cli("claims", "--file", claims).stdout
    assert "not known: student money" in said
    assert " USD against " in said
    bill(cli, 100.0)
    money = efforts(cli, claims)["money"]
    assert [money["left"], money["right"]] == pytest.approx([100 + amount for amount in amounts])
    assert (
        f"money ({100 + amounts[0]:.2f} USD)"
        in cli("claims", "--file", claims).stdout.partition("equal in training: ")[2]
    )


def test_equal_means_within_a_hundredth_and_known() -> None:
    assert Effort(name="money", left=1.0, right=0.991, currency="USD").equal
    assert not Effort(name="money", left=1.0, right=0.98, currency="USD").equal
    for left, right in ((None, None), (1.0, None)):
        effort = Effort(name="money", left=left, right=right)
        assert not effort.equal
        assert not effort.known
