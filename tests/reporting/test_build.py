from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rtbench_plugins.paper.reference import reported_rows
from rtbench_plugins.reporters.tables import CsvReporter, MarkdownReporter, TableReporter
from rtbench_plugins.reporters.wording import describe

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow, in_percent
from rtbench.schema.scores import Interval
from rtbench.schema.training import CurationYield
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
    assert f"n: tracking_shuffled_objects 15 (of {test['patterns']} patterns)" in cli("report").stdout.replace(
        "\n", " "
    )
    lines = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv").stdout)))
    assert str(test["patterns"]) in {line["patterns"] for line in lines}


def board(reason: str | None = None) -> Leaderboard:
    result = CellResult(
        accuracy=0.5,
        interval=Interval(low=0.4, high=0.6, method="wilson"),
        n=100,
        seeds=1,
        seed_values=(0,),
        extractor_version=3,
        curation=CurationYield(questions=10, completions=10, kept=7, covered=6, removed={"correct": 3}),
    )
    other = CellResult(reason=reason) if reason else CellResult(accuracy=1.0, n=10, seeds=1, seed_values=(0,))
    row = LeaderboardRow(
        kind="measured",
        method="fine-tune-cot",
        teacher="t|eacher",
        student="s",
        degree=8,
        selection="best-test",
        extractor="flexible",
        completions="recorded",
        split="default",
        variant="original",
        results={"a": result, "b": other},
        mean=0.5 if reason else 0.75,
        mean_interval=Interval(low=0.3, high=0.9, method="jeffreys"),
        measured=1 if reason else 2,
    )
    return Leaderboard(
        run="r", matrix="m", description="", version="0", tasks=("a", "b"), rows=(row,), made="2026-11-27"
    )


def test_everything_that_must_stand_beside_a_number_does() -> None:
    for text in (TableReporter().render(board()), MarkdownReporter().render(board())):
        for said in (
            "50.0 [40",
            "extractor: flexible",
            "split: default",
            "n: a 100",
            "best-test",
            "it overstates accuracy",
            "(recorded)",
            "kept 7 of 10 completions",
            "seed: 0",
            "95 % interval (Wilson; for means: Jeffreys)",
            "extractor: flexible v3",
            "rtbench 0, 2026-11-27",
        ):
            assert said in text, said


def test_part_of_the_questions_is_named_with_its_row_and_its_yield() -> None:
    whole = board()
    part = msgspec.structs.replace(whole, rows=(msgspec.structs.replace(whole.rows[0], fraction=0.125),))
    text = TableReporter().render(part)
    assert "12.5% of questions" in text.partition("yield")[0]
    assert "D=8 12.5% of questions a: kept 7" in text


def test_cell_without_a_number_shows_why() -> None:
    for text in (TableReporter().render(board("the dog ate it")), MarkdownReporter().render(board("the dog ate it"))):
        assert "—" in text
        assert "the dog ate it" in text
        assert "50.0 [30–90] (1/2)" in text, "a mean over a part of the tasks says so"


def test_hostile_names_do_not_break_a_markdown_table() -> None:
    lines = [line for line in MarkdownReporter().render(board()).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_csv_has_one_line_per_row_and_task() -> None:
    lines = list(csv.DictReader(io.StringIO(CsvReporter().render(board("why,\nso")))))
    assert [(line["task"], line["accuracy"], line["reason"]) for line in lines] == [
        ("a", "0.5", ""),
        ("b", "", "why,\nso"),
        ("mean", "0.5", ""),
    ]


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


def twin_board(*more: LeaderboardRow) -> Leaderboard:
    def row(fold: str) -> LeaderboardRow:
        interval = Interval(low=0.4, high=0.6, method="two-level bootstrap")
        result = CellResult(accuracy=0.5, interval=interval, n=600, seeds=3, seed_values=(0, 1, 4))
        return LeaderboardRow(
            kind="measured",
            method="fine-tune",
            student="s",
            extractor="flexible",
            source="twin",
            variant="twin",
            split="default",
            fold=fold,  # type: ignore[arg-type]
            results={"multiarith": result},
        )

    rows = (row("test"), row("ood"), *more)
    return Leaderboard(run="r", matrix="m", description="", version="0", tasks=("multiarith",), rows=rows)


def test_source_fold_and_questions_per_seed_stand_beside_the_numbers() -> None:
    for text in (TableReporter().render(twin_board()), MarkdownReporter().render(twin_board())):
        for said in (
            "fine-tune on ood",
            "source: twin; split: default",
            "n: multiarith 600 (3 seeds × 200)",
            "n on ood: multiarith 600 (3 seeds × 200)",
            "ood: questions harder",
            "95 % interval (bootstrap over seeds, then questions)",
            "seeds: 0, 1, 4",
        ):
            assert said in text, said
        assert "wording" not in text
        assert "on test" not in text
    assert "source: upstream (wording: original)" in MarkdownReporter().render(board())
    lines = list(csv.DictReader(io.StringIO(CsvReporter().render(twin_board()))))
    assert {(line["source"], line["variant"], line["fold"]) for line in lines} == {
        ("twin", "twin", "test"),
        ("twin", "twin", "ood"),
    }


def test_papers_figures_are_marked_as_of_other_questions_beside_a_twins() -> None:
    reported = reported_rows(["multiarith"])
    assert {(row.kind, row.source, row.variant) for row in reported} == {("reported", "upstream", "")}
    for render in (TableReporter().render, MarkdownReporter().render):
        text = render(twin_board(*reported))
        assert "fine-tune (reported, upstream)" in text
        assert "(reported)" not in text
        assert "do not compare them with rows on a twin's questions" in text
        assert "best-test (only in the paper's rows): the epoch with the highest test accuracy" in text
        assert "fine-tune (reported)" in render(
            Leaderboard(run="r", matrix="m", description="", version="0", tasks=("multiarith",), rows=reported)
        )


def test_record_of_an_older_run_is_still_read(cli: Cli, demo: Path) -> None:
    """Records know neither source nor fold where they have the usual ones."""
    cli("run", "--matrix", demo, "--methods", "fine-tune")
    (path,) = (cli.workspace / "runs").glob("*.json")
    cells = json.loads(path.read_text())["cells"]
    assert not any("source" in cell or "fold" in cell for cell in cells)
    assert ",upstream," in cli("report", "--format", "csv").stdout


def test_rows_below_the_guess_and_parts_under_a_limit_are_told() -> None:
    def row(method: str, accuracy: float, high: float, **facts: object) -> LeaderboardRow:
        result = CellResult(accuracy=accuracy, interval=Interval(low=0.0, high=high, method="wilson"), n=100)
        return LeaderboardRow(
            kind="measured", method=method, student="s", extractor="e", results={"a": result}, **facts
        )  # type: ignore[arg-type]

    guess = LeaderboardRow(kind="random", method="random", results={"a": CellResult(accuracy=0.5)})
    low = [row("zero-shot", 0.1, 0.2, selection=selection) for selection in (None, "val")]
    rows = (guess, *low, row("fine-tune", 0.45, 0.55, fraction=0.5, limit=20))
    text = TableReporter().render(
        Leaderboard(run="r", matrix="m", description="", version="0", tasks=("a",), rows=rows)
    )
    assert "Worse than guessing: zero-shot s on a. A completion without an answer counts as wrong" in text
    assert (
        "Only the first 20 questions of each fold were used (of a fraction of the training questions, the first" in text
    )


def test_what_another_extractor_than_the_shown_one_decided_is_told() -> None:
    import msgspec

    whole = msgspec.structs.replace(board(), kept_by="strict")
    said = "The extractor shown is not the one by which rationales were kept and epochs were chosen: strict."
    assert said in TableReporter().render(whole)
    rows = tuple(msgspec.structs.replace(row, degree=None, selection="val") for row in whole.rows)
    assert "The extractor shown" not in TableReporter().render(msgspec.structs.replace(whole, rows=rows))
    assert "The extractor shown" not in TableReporter().render(board())


def test_one_share_is_printed_alike_everywhere() -> None:
    assert [in_percent(share) for share in (0.5345, 0.5344, 1.0, 0.0)] == ["53.5", "53.4", "100.0", "0.0"]
    assert [in_percent(share, 0) for share in (0.535, 0.07)] == ["54", "7"]
    assert [in_percent(share, None) for share in (0.07, 0.125, 1.0)] == ["7", "12.5", "100"]
    assert [in_percent(share, sign=True) for share in (0.0123, -0.2, 0.0)] == ["+1.2", "-20.0", "+0.0"]
