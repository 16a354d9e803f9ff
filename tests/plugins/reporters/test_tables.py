"""The leaderboard as a table, Markdown and CSV."""

from __future__ import annotations

import csv
import io

import msgspec
from rtbench_plugins.paper.reference import reported_rows
from rtbench_plugins.reporters.printing import markdown_table
from rtbench_plugins.reporters.tables import CsvReporter, MarkdownReporter, TableReporter

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.money import Spending
from rtbench.schema.scores import Interval
from rtbench.schema.training import CurationYield


def board(reason: str | None = None) -> Leaderboard:
    result = CellResult(
        accuracy=0.5,
        interval=Interval(low=0.4, high=0.6, method="wilson"),
        n=100,
        seeds=1,
        seed_values=(0,),
        extractor_version=3,
        spending=Spending(completions=10, prompt_tokens=9, completion_tokens=8, money=7.0, currency="EUR"),
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


def test_board_states_what_each_number_depends_on() -> None:
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


def test_fraction_of_the_questions_is_in_the_row_and_in_its_yield() -> None:
    whole = board()
    part = msgspec.structs.replace(whole, rows=(msgspec.structs.replace(whole.rows[0], fraction=0.125),))
    text = TableReporter().render(part)
    assert "12.5% of questions" in text.partition("yield")[0]
    assert "D=8 12.5% of questions a: kept 7" in text
    assert "D=8 a 12.5%: 7.00 EUR, 1.00 EUR per kept rationale" in text


def test_cell_without_a_number_shows_why() -> None:
    for text in (TableReporter().render(board("the dog ate it")), MarkdownReporter().render(board("the dog ate it"))):
        assert "—" in text
        assert "the dog ate it" in text
        assert "50.0 [30–90] (1/2)" in text, "a mean over a part of the tasks says so"


def test_hostile_names_do_not_break_a_markdown_table() -> None:
    lines = [line for line in MarkdownReporter().render(board()).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_names_with_brackets_are_shown_as_they_are() -> None:
    (row,) = board().rows
    row = msgspec.structs.replace(row, student="gpt[high]", results={"x[/y]": row.results["a"]}, method="m[bold]")
    odd = msgspec.structs.replace(board(), matrix="[red]m", run="r[/]", tasks=("x[/y]",), rows=(row,))
    text = TableReporter().render(odd)
    for name in ("gpt[high]", "x[/y]", "m[bold]", "[red]m (r[/])"):
        assert name in text


def test_cost_and_cells_without_a_result_have_sections() -> None:
    text, markdown = TableReporter().render(board("none")), MarkdownReporter().render(board("none"))
    assert "cost  t|eacher D=8 a: 7.00 EUR" in text
    assert "no result  b fine-tune-cot" in text
    assert "## Cost\n" in markdown
    assert "## Cells without a result\n" in markdown


def test_markdown_table_escapes_cells_and_aligns_numbers() -> None:
    assert markdown_table(("a|b", "n"), [("x\ny", "1"), ("|", "2")], range(1, 2)) == [
        "| a\\|b | n |",
        "|---|---:|",
        "| x y | 1 |",
        "| \\| | 2 |",
    ]


def test_csv_has_one_line_per_row_and_task() -> None:
    lines = list(csv.DictReader(io.StringIO(CsvReporter().render(board("why,\nso")))))
    assert [(line["task"], line["accuracy"], line["reason"]) for line in lines] == [
        ("a", "0.5", ""),
        ("b", "", "why,\nso"),
        ("mean", "0.5", ""),
    ]


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


def test_source_fold_and_questions_per_seed_are_stated() -> None:
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


def test_papers_figures_are_marked_as_of_other_questions_on_a_twins_board() -> None:
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


def test_rows_below_the_guess_and_limits_are_reported() -> None:
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


def test_another_extractor_that_selected_rationales_is_reported() -> None:
    whole = msgspec.structs.replace(board(), kept_by="strict")
    said = "The extractor shown is not the one by which rationales were kept and epochs were chosen: strict."
    assert said in TableReporter().render(whole)
    rows = tuple(msgspec.structs.replace(row, degree=None, selection="val") for row in whole.rows)
    assert "The extractor shown" not in TableReporter().render(msgspec.structs.replace(whole, rows=rows))
    assert "The extractor shown" not in TableReporter().render(board())
