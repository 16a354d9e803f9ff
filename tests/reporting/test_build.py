from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rtbench_plugins.paper.reference import reported_rows
from rtbench_plugins.reporters.wording import describe

from rtbench.reporting.build import build_leaderboard
from rtbench.schema.completions import LedgerAddress
from rtbench.schema.environment import Environment
from rtbench.schema.leaderboard import in_percent
from rtbench.schema.results import CompleteResult, ScoreResult
from rtbench.session import Session
from tests.helpers.claims import Bench, share
from tests.helpers.cli import DEMO, Cli
from tests.helpers.matrices import BUILT_IN, TWIN


def test_leaderboard_counts_patterns_where_questions_share_them(cli: Cli) -> None:
    """Fifteen questions of a twin that has nine patterns in its test fold; the harder fold's are all of their own."""
    path = cli.folder / "m.yaml"
    text = TWIN.replace("multiarith", "tracking_shuffled_objects").replace("[0, 1]", "[0]")
    path.write_text(text + "folds: [test, ood]\nlimit: 15\nrecipe: {epochs: 1}\n")
    found: Any = cli.json("run", "--matrix", path, "--methods", "fine-tune")
    results = {
        row.get("fold", "test"): row["results"]["tracking_shuffled_objects"]
        for row in found["rows"]
        if row["kind"] == "measured"
    }
    test = results["test"]
    assert (test["n"], test["patterns"] < 10, test["interval"]["method"]) == (15, True, "wilson over patterns")
    assert test["effective_n"] < 15
    assert "patterns" not in results["ood"]
    assert results["ood"]["interval"]["method"] == "wilson"
    assert f"n: tracking_shuffled_objects 15 (of {test['patterns']} patterns)" in cli(
        "report", "--verbose"
    ).stdout.replace("\n", " ")
    lines = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv").stdout)))
    assert str(test["patterns"]) in {line["patterns"] for line in lines}


def test_reported_rows_are_the_papers_figures() -> None:
    rows = reported_rows(["multiarith", "coin_flip"])
    found = {
        (row.method, row.student, row.degree): row.results["multiarith"].accuracy
        for row in rows
        if "multiarith" in row.results and row.teacher in {None, "text-davinci-002"}
    }
    assert found["fine-tune", "curie", None] == pytest.approx(0.15)
    assert found["fine-tune-cot", "curie", None] == pytest.approx(0.3333, abs=1e-4)
    assert found["fine-tune-cot", "curie", 64] == pytest.approx(0.5333, abs=1e-4)
    assert all(row.kind == "reported" for row in rows)


def test_reported_rows_have_labels_of_their_own() -> None:
    rows = reported_rows(sorted(BUILT_IN))
    labels = [tuple(describe(row)) for row in rows]
    assert len(labels) > 50
    assert len(set(labels)) == len(labels)


def test_reported_rows_come_on_demand_only(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    assert "reported" not in cli("report", "--format", "csv").stdout
    names = [row["kind"] for row in json.loads(cli("report", "--format", "json").stdout)["rows"]]
    assert names.count("random") == 1
    assert names.count("teacher") == 1


def test_a_row_shows_its_finished_seeds_and_says_which_are_lacking(cli: Cli) -> None:
    path = cli.folder / "seeds.yaml"
    path.write_text(DEMO.replace("[counter]", "[{name: sloppy, use: counter, errors: 0.5}]") + "seeds: [0, 1, 2]\n")
    first = json.loads(cli("run", "--matrix", path, "--degrees", "4", "--seeds", "1", "--format", "json").stdout)
    cli("runs", "pack", "packed")
    cli("runs", "unpack", "packed", "--matrix", path, "--degrees", "4", "--name", "part")
    rows = json.loads(cli("report", "part", "--format", "json").stdout)["rows"]
    part = next(row for row in rows if row.get("degree") == 4)["results"]["parity"]
    whole = next(row for row in first["rows"] if row.get("degree") == 4)["results"]["parity"]
    assert part["accuracy"] == whole["accuracy"]
    assert (part["seeds"], part["seed_values"]) == (1, [1])
    assert part["reason"] == "seeds 0, 2: not run yet"
    assert "sloppy D=4: seeds 0, 2: not run yet" in " ".join(cli("report", "part").stdout.split())


def test_several_seeds_are_averaged_and_counted(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(DEMO.replace("[counter]", "[{name: sloppy, use: counter, errors: 0.5}]") + "seeds: [0, 1, 2]\n")
    found = json.loads(cli("run", "--matrix", path, "--degrees", "4", "--format", "json").stdout)
    result = next(r for r in found["rows"] if r["method"] == "fine-tune-cot")["results"]["parity"]
    assert result["seeds"] == 3
    assert result["n"] == 20
    assert result["interval"]["method"] == "bootstrap"
    singles = []
    for seed in (0, 1, 2):
        one = json.loads(cli("run", "--matrix", path, "--degrees", "4", "--seeds", seed, "--format", "json").stdout)
        singles.append(next(r for r in one["rows"] if r["method"] == "fine-tune-cot")["results"]["parity"]["accuracy"])
    assert result["accuracy"] == pytest.approx(sum(singles) / 3)
    assert result["interval"]["low"] <= result["accuracy"] <= result["interval"]["high"]


def test_third_party_reporter_renders(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    assert "FINE-TUNE-COT!" in cli("report", "--format", "shout").stdout


# ------------------------------------------------------------------------------------------------ sources and folds


def test_twins_and_folds_have_rows_of_their_own(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(TWIN + "folds: [test, ood]\nlimit: 15\nrecipe: {epochs: 1}\n")

    def rows(*options: object) -> dict[tuple[str, str], Any]:
        found: Any = cli.json("run", "--matrix", path, "--methods", "fine-tune-cot", *options)
        assert {row["source"] for row in found["rows"]} == {"twin"}
        return {(row["kind"], row.get("fold", "test")): row for row in found["rows"]}

    both, singles = rows(), [rows("--seeds", seed) for seed in (0, 1)]
    measured = [("teacher", "test"), ("teacher", "ood"), ("measured", "test"), ("measured", "ood")]
    assert set(both) == {("random", "test"), *measured}
    for key in measured:
        assert both[key]["variant"] == "twin"
        result = both[key]["results"]["multiarith"]
        assert (result["n"], result["seeds"]) == (30, 2), "two seeds with 15 questions each, all different"
        parts = [single[key]["results"]["multiarith"] for single in singles]
        assert result["accuracy"] == pytest.approx(sum(part["accuracy"] for part in parts) / 2)
        if key[0] == "measured":
            assert result["curation"]["questions"] == 30
            assert result["curation"]["kept"] == sum(part["curation"]["kept"] for part in parts)
    assert both["teacher", "ood"]["results"]["multiarith"]["interval"]["method"] == "two-level bootstrap"


def test_record_of_an_older_run_is_still_read(cli: Cli, demo: Path) -> None:
    """Records know neither source nor fold where they have the usual ones."""
    cli("run", "--matrix", demo, "--methods", "fine-tune")
    (path,) = (cli.workspace / "runs").glob("*.json")
    cells = json.loads(path.read_text())["cells"]
    assert not any("source" in cell or "fold" in cell for cell in cells)
    assert ",upstream," in cli("report", "--format", "csv").stdout


def test_one_share_is_printed_alike_everywhere() -> None:
    assert [in_percent(share) for share in (0.5345, 0.5344, 1.0, 0.0)] == ["53.5", "53.4", "100.0", "0.0"]
    assert [in_percent(share, 0) for share in (0.535, 0.07)] == ["54", "7"]
    assert [in_percent(share, None) for share in (0.07, 0.125, 1.0)] == ["7", "12.5", "100"]
    assert [in_percent(share, sign=True) for share in (0.0123, -0.2, 0.0)] == ["+1.2", "-20.0", "+0.0"]


def test_shortened_prompts_are_counted_at_the_selected_epoch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, source="upstream")
    bench.cell("fine-tune", share(50), selection="best-test")
    (cell,) = bench.cells
    for epoch, cut in (1, 30), (2, 5):
        result = CompleteResult(
            address=LedgerAddress(fingerprint="m", dataset="d", prompt="p"),
            requests=100, completions=100, questions=100, prompts_cut=cut,
        )  # fmt: skip
        bench.put("complete", f"epoch-{epoch}", msgspec.to_builtins(result))
    summaries = msgspec.to_builtins(bench.store.result(ScoreResult, "" if cell.score is None else cell.score))
    bench.put("score", "selected", {**summaries, "epoch": 2})
    bench.cells[0] = msgspec.structs.replace(cell, completions=("epoch-1", "epoch-2"), score="selected")
    session = Session(Environment(workspace=str(tmp_path)))
    (row,) = [row for row in build_leaderboard(bench.record(), session).rows if row.method == "fine-tune"]
    assert row.results["multiarith"].prompts_cut == 5
