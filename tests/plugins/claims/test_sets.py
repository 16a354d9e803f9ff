"""Sets of claims: from a YAML file, from a plugin, and adjusted together."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from rtbench.storage.runs import Runs
from tests.helpers.claims import Bench, share
from tests.helpers.cli import Cli

LENGTHS = """
name: lengths
title: Long and short rationales
source: Doe 2026, table 3
claims:
  - name: longer
    sentence: long rationales beat short ones
    left: {method: fine-tune-cot, teacher: long}
    right: {method: fine-tune-cot, teacher: short}
    printed: {multiarith: 3.5}
  - name: degree
    sentence: four rationales have no lead of 5 points over one
    left: {degree: 4}
    right: {degree: 1}
    expect: no lead
"""


def written(folder: Path, text: str = LENGTHS) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "claims.yaml"
    path.write_text(text)
    return path


def test_a_file_states_both_sides_and_what_the_source_printed(bench: Bench, cli: Cli) -> None:
    bench.cot(share(60), teacher="long")
    bench.cot(share(20), teacher="short")
    bench.cot(share(21), teacher="short", degree=4)
    bench.record()
    path = written(cli.folder)
    longer, degree = json.loads(cli("claims", "--file", path, "--format", "json").stdout)
    assert (longer["verdict"], longer["effect"]) == ("supported", 0.4)
    assert longer["paper"] == {"effect": 0.035, "said": "Doe 2026, table 3"}
    assert longer["compared"].count("long") == 1, "the same degree and student on both sides"
    assert (degree["verdict"], degree["effect"], degree["no_lead"]) == ("supported", 0.01, True)
    said = cli("claims", "--file", path).stdout
    assert said.startswith("Long and short rationales (bench, test)")
    assert "Long rationales beat short ones on multiarith (claim longer: supported on 1 of 1 task tested)." in said


@pytest.mark.parametrize(
    ("left", "right", "options", "verdict"),
    [
        (share(40), share(40, shift=4), {}, "supported"),
        (share(40), share(60), {}, "supported"),  # behind
        (share(60), share(20), {}, "contradicted"),
        (share(42), share(40), {}, "supported"),  # a lead, but a smaller one
        (share(5)[:12], share(6)[:12], {"seeds": [0]}, "inconclusive"),  # one question of twelve against the lead
        (share(20)[:60], share(20)[:60], {"seeds": [0]}, "inconclusive"),
        (share(21)[:60], share(20)[:60], {"seeds": [0]}, "inconclusive"),
        (share(40), share(40), {}, "supported"),
        (share(45), share(45, shift=30), {"seeds": [0]}, "inconclusive"),  # no difference, but an interval far above 5
        (share(2)[:12], share(2)[:12], {"seeds": [0]}, "inconclusive"),
        (share(40), share(40, shift=4), {"margin": 2.5}, "inconclusive"),
        (share(45), share(45, shift=30), {"seeds": [0], "margin": 30.0}, "supported"),
    ],
)
def test_no_lead_is_supported_only_where_a_lead_of_the_margin_is_excluded(bench, left, right, options, verdict) -> None:
    from rtbench_plugins.claims.files import ClaimEntry, Side, SidesClaim

    from rtbench.reporting.claims.contract import ClaimSet

    margin, seeds = options.get("margin"), options.get("seeds", (0, 1, 2))
    bench.cot(left, teacher="a", seeds=seeds)
    bench.cot(right, teacher="b", seeds=seeds)
    sides = {"left": Side(teacher="a"), "right": Side(teacher="b")}
    claim = SidesClaim(ClaimEntry(name="x", sentence="", expect="no lead", margin=margin, **sides), "")
    (found,) = bench.results(ClaimSet("set", "", [claim]))
    assert (found.verdict, found.margin) == (verdict, 0.05 if margin is None else margin / 100)


def test_teachers_own_answers_are_no_part_of_a_side_of_students(bench: Bench) -> None:
    from rtbench_plugins.claims.files import ClaimEntry, Side, SidesClaim

    from rtbench.reporting.claims.contract import ClaimSet

    for teacher, right in (("long", 60), ("short", 20)):
        bench.cot(share(right), teacher=teacher)
        bench.row(share(90), teacher=teacher)
    students = ClaimEntry(name="x", sentence="", left=Side(teacher="long"), right=Side(teacher="short"))
    teachers = ClaimEntry(
        name="y",
        sentence="",
        left=Side(teacher="long", method="teacher"),
        right=Side(teacher="short", method="teacher"),
    )
    claims = [SidesClaim(one, "") for one in (students, teachers)]
    assert [found.effect for found in bench.results(ClaimSet("set", "", claims))] == [0.4, 0.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("teacher: long", "teachers: long", "teacher"),
        ("expect: no lead", "expect: behind", "no lead"),
        ("expect: no lead", "expect: no lead\n    margin: 0", "margin"),
        ("expect: no lead", "margin: 5", "a margin is for claims of no lead"),
        ("name: degree\n", "name: longer\n", "two claims are named 'longer'"),
        ("    left: {degree: 4}\n", "", "left"),
    ],
)
def test_a_mistake_in_a_file_is_one_message(cli: Cli, bench: Bench, old: str, new: str, message: str) -> None:
    bench.cot(share(60))
    bench.record()
    path = written(cli.folder, LENGTHS.replace(old, new))
    said = cli("claims", "--file", path, code=2).stderr
    assert str(path) in said
    assert message in said


def test_what_a_run_lacks_is_said(bench: Bench, cli: Cli) -> None:
    bench.cot(share(60), teacher="long")
    bench.record()
    said = cli("claims", "--file", written(cli.folder)).stdout
    assert "not tested  longer on multiarith: no cell has method fine-tune-cot teacher short" in said


PLUGIN = """
from rtbench.api import CellComparison, Claim, ClaimSet, UntestedError, hookimpl, match_cells


class MoreSeeds(Claim):
    name = "twice"
    sentence = "degree 2 beats degree 1"

    def compare(self, view):
        cells = view.trained("fine-tune-cot")
        twice, once = ([cell for cell in cells if cell.degree == degree] for degree in (2, 1))
        pairs = match_cells(twice, once, ("teacher", "student", "variant", "seed"))
        if not pairs:
            raise UntestedError("no degree 2")
        return CellComparison(pairs)


def mine():
    return ClaimSet("mine", "My claims", [MoreSeeds()])


@hookimpl
def rtbench_register_claims(register):
    register("mine", mine, summary="one claim")
"""


def test_a_plugin_adds_a_set_in_twenty_lines(bench: Bench, cli: Cli) -> None:
    bench.cot(share(60), degree=2)
    bench.cot(share(20), degree=1)
    bench.record()
    path = cli.folder / "mine.py"
    path.write_text(PLUGIN)
    (result,) = json.loads(cli("claims", "--plugin", path, "--set", "mine", "--format", "json").stdout)
    assert (result["claim"], result["verdict"]) == ("twice", "supported")
    assert "mine" in cli("plugins", "--plugin", path).stdout
    assert "did you mean 'mine'" in cli("claims", "--plugin", path, "--set", "mime", code=2).stderr.lower()
    assert "two sets of claims" in cli("claims", "--set", "paper", "--file", path, code=2).stderr


def test_without_the_paper_a_run_has_no_claims_below_its_board(bench: Bench, cli: Cli) -> None:
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    bench.record()
    assert "Rationales beat answers (C1)" in cli("report").stdout
    assert "(C1)" not in cli("report", "-p", "no:paper").stdout
    assert "The paper's claims" in cli("report", "--verbose").stdout
    assert "claims" not in cli("report", "--verbose", "-p", "no:paper").stdout


def test_claims_of_a_missing_plugin_are_named(bench: Bench, cli: Cli) -> None:
    bench.cot(share(60))
    run = bench.record()
    Runs(bench.workspace).save(msgspec.structs.replace(run, claims="mine"))
    for options in ((), ("--verbose",)):
        assert (
            "The claims mine of this run are not tested: no loaded plugin has them." in cli("report", *options).stdout
        )


def test_p_values_are_adjusted_over_the_set_and_decide(bench: Bench) -> None:
    """A difference that would do alone is inconclusive among ten; Holm's values are those of its definition."""
    from rtbench_plugins.claims.files import ClaimEntry, Side, SidesClaim

    from rtbench.reporting.claims.contract import ClaimSet

    def claim(task: str) -> SidesClaim:
        return SidesClaim(ClaimEntry(name=task, sentence="", left=Side(teacher="a"), right=Side(teacher="b")), "")

    bench.cot(share(54), teacher="a", task="one", seeds=[0])
    bench.cot(share(45, shift=12), teacher="b", task="one", seeds=[0])
    (alone,) = bench.results(ClaimSet("set", "", [claim("x")]))
    assert (alone.p, alone.verdict) == (alone.adjusted, "supported")
    for number in range(9):
        bench.cot(share(50), teacher="a", task=f"equal {number}", seeds=[0])
        bench.cot(share(50, shift=10), teacher="b", task=f"equal {number}", seeds=[0])
    results = bench.results(ClaimSet("set", "", [claim("x")]))
    first = next(result for result in results if result.task == "one")
    assert first.p == alone.p
    assert first.adjusted == pytest.approx(min(1.0, 10 * first.p))
    assert first.verdict == "inconclusive"
    assert first.interval == alone.interval, "the interval stays that of the comparison itself"
