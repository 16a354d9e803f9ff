from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.claims import Bench, share
from tests.helpers.cli import DEMO, Cli


@pytest.fixture
def run(bench: Bench, cli: Cli) -> Bench:
    """One claim is supported, one inconclusive, the rest lack what they need; where the command line looks for it."""
    assert bench.workspace == cli.workspace
    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    bench.cot(share(60), degree=8)
    bench.record()
    return bench


def test_json_is_a_list_of_claims_with_what_they_rest_on(run: Bench, cli: Cli) -> None:
    found = cli.json("claims")
    assert isinstance(found, list)
    assert [(one["claim"], one["verdict"]) for one in found] == [
        ("C1", "supported"),
        ("C2", "inconclusive"),
        ("C3", "not tested"),
        ("C4", "not tested"),
        ("C5", "not tested"),
        ("C6", "not tested"),
    ]
    first = found[0]
    assert first["task"] == "multiarith"
    assert first["effect"] == pytest.approx(0.4)
    assert first["interval"]["low"] < 0.4 < first["interval"]["high"]
    assert len(first["cells"]) == 6
    assert [part["name"] for part in first["by_student"]] == ["small"]
    assert [part["effect"] for part in first["by_seed"]] == pytest.approx([0.4] * 3)
    assert all({"claim", "task", "verdict", "effect", "interval", "cells"} <= one.keys() for one in found)
    assert all(one["reason"] for one in found[2:])


def test_table_has_claim_effect_interval_paper_and_cells(run: Bench, cli: Cli) -> None:
    said = cli("claims", "bench").stdout
    line = next(line for line in said.splitlines() if line.split()[:2] == ["C1", "multiarith"]).split()
    assert line[2:4] == ["supported", "+40.0"]
    assert line[-3:] == ["100×3", "–", "+18.3"]
    assert "Rationales beat answers on multiarith (claim C1: supported on 1 of 1 task tested)." in said
    assert (
        "No task shows that several rationales per question beat one (claim C2: supported on 0 of 1 task tested); "
        "inconclusive on multiarith." in said
    )
    assert "not tested  C3 on multiarith: all students have the same size" in said
    assert "C1 multiarith: multiarith/fine-tune-cot/main/small/D1/" in said
    assert "paper: ft_cot curie 33.3 − ft curie 15.0 (tab:performance)" in said


def test_number_of_patterns_follows_the_number_of_questions(bench: Bench, cli: Cli) -> None:
    bench.seeds("fine-tune", share(20), patterns=25)
    bench.cot(share(60), patterns=25)
    bench.record()
    line = next(line for line in cli("claims").stdout.splitlines() if line.split()[:2] == ["C1", "multiarith"]).split()
    assert line[-3:] == ["100×3", "75", "+18.3"]
    assert [one["patterns"] for one in cli.json("claims") if one["claim"] == "C1"] == [75]  # type: ignore[union-attr]


def test_opposite_that_is_supported_means_no_lead_of_the_margin(bench: Bench, cli: Cli) -> None:
    """Tables say so; in JSON the verdict is one of four words."""
    bench.seeds("fine-tune", share(42), task="strategy_qa")
    bench.cot(share(40), task="strategy_qa")
    bench.record()
    for said in (cli("claims").stdout, cli("claims", "--format", "md").stdout):
        assert "supported (no lead of 5)" in said
        assert "Rationales have no lead of 5 points over answers on strategy_qa (claim C1 opposite: supported" in said
        assert "supported where the effect is below 5 points" in said
    assert "p of a difference of 5 points: <.001" in said
    found = cli.json("claims")
    assert isinstance(found, list)
    assert [one["verdict"] for one in found if one["claim"] == "C1 opposite"] == ["supported"]


def test_markdown_is_one_table_with_details(run: Bench, cli: Cli) -> None:
    lines = cli("claims", "--format", "md").stdout.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 4
    assert any(line.startswith("- C1 multiarith: 60.0 − 20.0 %") for line in lines)


def test_fold_without_cells_is_no_error(run: Bench, cli: Cli) -> None:
    assert "answered the fold ood" in cli("claims", "--fold", "ood").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bnech"], "Did you mean 'bench'"),
        (["--fold", "train"], "'train' is not one of"),
        (["--format", "csv"], "'csv' is not one of"),
        (["--workspace", "elsewhere"], "no run yet"),
    ],
)
def test_bad_input_is_exit_code_2(run: Bench, cli: Cli, arguments: list[str], said: str) -> None:
    assert said in cli("claims", *arguments, code=2).stderr


def test_damaged_score_is_named(run: Bench, cli: Cli) -> None:
    path = next(run.store.root.glob("score/*/scores-flexible.jsonl"))
    path.write_text("{")
    assert str(path) in cli("claims", code=2).stderr


def test_damaged_score_costs_the_report_its_claims_only(run: Bench, cli: Cli) -> None:
    """With one seed the leaderboard itself needs the summaries only."""
    run.cells = [cell for cell in run.cells if cell.seed == 0]
    run.record()
    (run.store.path("score", str(run.cells[0].score)) / "scores-flexible.jsonl").write_text("{")
    done = cli("report")
    assert "fine-tune-cot" in done.stdout
    assert "The paper's claims" not in done.stdout
    assert "warning: plugin 'claims'" in done.stderr


def test_claims_follow_the_table_of_a_run_and_its_report(cli: Cli) -> None:
    """With the third-party task, teacher and student; other formats stay as they are."""
    path = cli.folder / "m.yaml"
    path.write_text(DEMO)
    done = cli("run", "--matrix", path, "--verbose").stdout
    assert done.index("mean") < done.index("The paper's claims (demo, test)")
    assert "Not tested whether larger students are more accurate (claim C3)." in done
    assert cli("report", "--verbose").stdout == done == cli("report", "--format", "table").stdout
    assert "```\nThe paper's claims (demo, test)" in cli("report", "--format", "md").stdout
    assert "claims" not in cli("report", "--format", "csv").stdout
    json.loads(cli("report", "--format", "json").stdout)


def test_run_that_tests_no_claim_says_nothing_of_them(cli: Cli, demo: Path) -> None:
    done = cli("run", "--matrix", demo, "--methods", "zero-shot")
    assert "claims" not in done.stdout


def test_contradicted_and_inconclusive_lines_have_different_words(bench: Bench, cli: Cli) -> None:
    bench.seeds("fine-tune", share(60))
    bench.cot(share(20))
    bench.cot(share(20), degree=8)
    bench.record()
    said = cli("claims", "bench").stdout
    lines = {line.split()[0]: line for line in said.splitlines() if line.split()[1:2] == ["multiarith"]}
    assert "contradicted" in lines["C1"]
    assert "inconclusive" in lines["C2"]
    assert (
        "No task shows that rationales beat answers (claim C1: supported on 0 of 1 task tested); contradicted on "
        "multiarith." in said
    )
    verdicts = {one["verdict"] for one in cli.json("claims", "bench")}  # type: ignore[attr-defined]
    assert verdicts == {"contradicted", "inconclusive", "not tested"}


def test_students_with_random_weights_are_named_as_no_test(bench: Bench, cli: Cli) -> None:
    import msgspec

    bench.seeds("fine-tune", share(20))
    bench.cot(share(60))
    assert "random weights" not in (bench.record() and cli("claims", "bench").stdout)
    bench.cells = [msgspec.structs.replace(cell, random_weights=True) for cell in bench.cells]
    bench.record()
    assert "small: random weights before training, so this is no test of the claims." in cli("claims").stdout
    assert "small: random weights before training; a smoke test" in cli("report", "bench").stdout
