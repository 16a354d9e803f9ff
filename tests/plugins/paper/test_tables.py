"""The paper's tables beside measured rows."""

from __future__ import annotations

from rtbench_plugins.paper.tables import PaperCell, as_markdown, paper_tables

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval

RESULT = CellResult(accuracy=0.25, interval=Interval(low=0.2, high=0.3, method="wilson"), n=180)


def board(*rows: LeaderboardRow) -> Leaderboard:
    return Leaderboard(run="r", matrix="m", description="", version="1", tasks=("multiarith",), rows=rows)


def row(**fields: object) -> LeaderboardRow:
    stated = {"kind": "measured", "method": "fine-tune-cot", "teacher": "text-davinci-002", "student": "gpt2-large",
              "split": "default", "results": {"multiarith": RESULT}}  # fmt: skip
    return LeaderboardRow(**{**stated, **fields})  # type: ignore[arg-type]


def cells(measured: Leaderboard, table: str) -> dict[str, PaperCell]:
    (found,) = [one for one in paper_tables(measured) if one.name == table]
    at = found.tasks.index("multiarith")
    return {label: cell for label, row in found.rows if (cell := row[at]) is not None}


def filled(measured: Leaderboard, table: str) -> set[str]:
    return {label for label, cell in cells(measured, table).items() if cell.measured is not None}


def test_published_figure_joins_the_row_that_measures_the_same() -> None:
    greedy = "fine-tune-cot gpt2-large from text-davinci-002"
    assert filled(board(row(degree=1)), "tab:performance_gpt2") == {greedy}
    assert filled(board(row(degree=64)), "tab:performance_gpt2") == {f"{greedy} D=64"}
    assert filled(board(row(degree=64)), "fig:diverse_reasoning") == {f"{greedy} D=64"}
    assert filled(board(row(degree=1, student="gpt2")), "tab:performance_gpt2") == {greedy.replace("-large", "")}
    teacher = row(kind="teacher", method="teacher", student=None)
    assert filled(board(teacher), "tab:performance_gpt2") == {"teacher text-davinci-002"}


def test_row_of_another_kind_gets_no_published_figure() -> None:
    others = [
        row(degree=1, source="twin"), row(degree=1, fold="ood"), row(degree=1, split="template"), row(degree=3),
        row(degree=1, teacher="gpt-4"), row(degree=1, fraction=0.5), row(degree=1, method="fine-tune"),
    ]  # fmt: skip
    assert not filled(board(*others), "tab:performance_gpt2")
    (why,) = {cell.why for cell in cells(board(*others), "tab:performance_gpt2").values()}
    assert why == "this run has no such row"


def test_fractions_of_the_training_questions_are_distinct() -> None:
    part = row(method="fine-tune", student="curie", teacher=None, fraction=0.0762)
    assert filled(board(part), "fig:dataset_size") == {"fine-tune curie 32 questions"}
    whole = row(method="fine-tune", student="curie", teacher=None)
    assert filled(board(whole), "fig:dataset_size") == {"fine-tune curie 420 questions"}


def test_both_figures_are_printed_with_n_and_what_is_missing_with_its_reason() -> None:
    printed = as_markdown(
        paper_tables(board(row(degree=1, extractor="paper"))), board(row(degree=1, extractor="paper"))
    )
    assert "/ 25.0 [20–30] n=180 |" in printed
    assert "extractor paper" in printed
    failed = board(row(degree=1, results={"multiarith": CellResult(reason="it failed")}))
    assert "not measured: fine-tune-cot gpt2-large from text-davinci-002 on multiarith: it failed" in as_markdown(
        paper_tables(failed), failed
    )


def test_studies_without_printed_figures_show_what_was_measured() -> None:
    plain, apart = row(degree=1), row(degree=1, split="template")
    tables = {one.name: one for one in paper_tables(board(plain, apart))}
    assert [
        label.endswith(f"{split} split")
        for (label, _), split in zip(tables["template splits"].rows, ("default", "template"), strict=True)
    ] == [True, True]
    assert tables["sample filtering"].rows == ()
    text = as_markdown(paper_tables(board(plain, apart)), board(plain, apart))
    assert "fine-tune-cot gpt2-large from text-davinci-002 D=1 template split | – / 25.0 [20–30] n=180" in text
    assert "rtbench run --matrix paper-filtering" in text
    assert {one.name: one.rows for one in paper_tables(board(plain))}["template splits"] == ()
