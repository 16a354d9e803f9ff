"""Reporter that writes the site: a page for the leaderboard, and for each cell a page and files with its samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from rtbench_plugins.claims.summary import evaluated, summary
from rtbench_plugins.reporters.tables import CsvReporter
from rtbench_plugins.site.chart import MEDIUM, NARROW, WIDE, Chart
from rtbench_plugins.site.charts import charts_of, colours_of
from rtbench_plugins.site.claims import HEADS as CLAIM_HEADS
from rtbench_plugins.site.claims import ClaimsView, claims_view
from rtbench_plugins.site.drawing import inline, symbol
from rtbench_plugins.site.files import HERE, short_names, take, write_assets, write_chart, write_table
from rtbench_plugins.site.labels import cell_words
from rtbench_plugins.site.notes import row_notes
from rtbench_plugins.site.palette import VERDICTS, css_class
from rtbench_plugins.site.rows import board_of
from rtbench_plugins.site.samples import CellPage, write_samples

from rtbench.api import (
    CATEGORIES,
    FolderReporter,
    Interval,
    Leaderboard,
    Scored,
    ScoreResult,
    ScoreSummary,
    close_to_best,
    in_percent,
    precision_of,
    shown,
    without_styles,
    write_atomic,
)

if TYPE_CHECKING:
    from jinja2 import Environment

    from rtbench.api import CellRecord, RunRecord, Services, Store


class SiteReporter(FolderReporter):
    """Reporter that writes a folder with ``index.html``, and folders with cells, data, tables, charts and assets."""

    name = "html"
    takes_reference = True  # reported rows are hidden until a reader shows them

    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write the site, replacing an older one. The page of a cell without a score says why it has none.

        Raises:
            BadInputError: the folder contains something other than a site of rtbench.
        """
        take(folder)
        write_assets(folder)
        templates, names, colours = _templates(), short_names(run.cells), colours_of(leaderboard)
        pages = [
            _write_cell(templates, run, cell, names[cell.name], services, folder, colours=colours, version=leaderboard.version)
            for cell in run.cells
        ]  # fmt: skip
        claims, summaries = _summaries(run, services)
        charts = charts_of(leaderboard, pages)
        for chart in [*charts, *([claims.chart] if claims else [])]:
            write_chart(folder, chart)
        _write_tables(folder, leaderboard, claims)
        part = _scored_part(run, services.store)
        scored = {cell.name for cell in part.cells if cell.score}
        board = board_of(leaderboard, names, close_to_best(part, services.store), scored, colours)
        notes = row_notes(leaderboard)
        visible = {row.place for row in board.rows if not board.hidden(row)}
        text = templates.get_template("index.html").render(
            board=leaderboard, run=run, shown=board, tasks=leaderboard.tasks, notes=notes, visible=visible, charts=charts,
            claims=claims, version=leaderboard.version, summaries=summaries,
        )  # fmt: skip
        write_atomic(folder / "index.html", text.encode())


def _write_cell(
    templates: Environment,
    run: RunRecord,
    cell: CellRecord,
    name: str,
    services: Services,
    folder: Path,
    *,
    colours: dict[str, str],
    version: str,
) -> CellPage:
    """Write the page, the samples and the table of a cell, and return the facts about its samples."""
    page, scored = write_samples(services, cell, name, folder / "data"), _scored(services.store, cell)
    scores = _extractor_scores(services.store, cell, scored)
    text = templates.get_template("cell.html").render(
        run=run, cell=cell, page=page, words=cell_words(cell), categories=CATEGORIES, scored=scored, extractor_scores=scores,
        mark=css_class(colours.get(cell.method, "")), version=version,
    )  # fmt: skip
    (folder / "cells" / f"{name}.html").write_text(text, encoding="utf-8", newline="")
    heads = (
        "extractor",
        "version",
        "correct",
        "n",
        "accuracy",
        "low",
        "high",
        "contains_answer",
        "correct_format",
        "complete",
    )
    rows = [
        (
            one.summary.extractor, one.summary.version, one.summary.correct, one.summary.n, one.summary.accuracy,
            one.interval.low if one.interval else None, one.interval.high if one.interval else None,
            one.summary.contains_answer, one.summary.correct_format, one.summary.complete,
        )
        for one in scores
    ]  # fmt: skip
    if rows:
        write_table(folder / "tables" / f"{name}.csv", heads, rows)
    if page.categories:
        wrong = [(*one, page.samples) for one in page.categories.most_common()]
        write_table(folder / "tables" / f"{name}-wrong.csv", ("category", "answers", "samples"), wrong)
    return page


def _write_tables(folder: Path, leaderboard: Leaderboard, claims: ClaimsView | None) -> None:
    text = f"{CsvReporter().render(leaderboard)}\n"
    (folder / "tables" / "leaderboard.csv").write_text(text, encoding="utf-8", newline="")
    if claims is not None:
        write_table(folder / "tables" / "claims.csv", CLAIM_HEADS, claims.table)


def _summaries(run: RunRecord, services: Services) -> tuple[ClaimsView | None, list[str]]:
    """Return the claims, and the texts of other plugins. Where the plugin of claims is blocked, there are no claims."""
    texts = [without_styles(text) for text in services.summaries(run)]
    tested = evaluated(run, services)
    own = without_styles(summary(tested, run)) if tested is not None else None
    if tested is None or own not in texts:
        return None, texts
    return claims_view(tested), [text for text in texts if text != own]


def _scored_part(run: RunRecord, store: Store) -> RunRecord:
    """Return a run whose cells without a score name none, as those of an unfinished run do."""
    return replace(run, cells=tuple(cell if store.scored(cell) else replace(cell, score=None) for cell in run.cells))


def _templates() -> Environment:
    """Return the environment of the templates. All values that are filled in are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_visible,
    )  # fmt: skip
    templates.filters["in_percent"] = in_percent
    templates.globals.update(drawings=_drawings, symbol=symbol, verdict_mark=_verdict_mark)
    return templates


def _drawings(chart: Chart) -> dict[str, object]:
    """Return a chart as drawings for phones, tablets and larger screens."""
    return {"narrow": inline(chart, NARROW), "medium": inline(chart, MEDIUM), "broad": inline(chart, WIDE)}


def _verdict_mark(verdict: str) -> str:
    return css_class(VERDICTS[verdict])


def _visible(value: object) -> object:
    """Return a value for a page. Hidden characters of texts are shown as signs, also those that change the direction."""
    return shown(value) if type(value) is str else value  # drawings are marked as safe, and have a type of their own


@dataclass(frozen=True)
class _ExtractorScores:
    """An extractor's summary of a cell, with the interval of its accuracy."""

    summary: ScoreSummary
    interval: Interval | None


def _extractor_scores(store: Store, cell: CellRecord, scored: ScoreResult | None) -> list[_ExtractorScores]:
    """Return every extractor's summary of a cell; an empty list where the cell has no score."""
    return [
        _ExtractorScores(one, precision_of([Scored(cell.score or "", one)], store).interval if one.n else None)
        for one in (scored.summaries if scored is not None else ())
    ]


def _scored(store: Store, cell: CellRecord) -> ScoreResult | None:
    """Return the result of a cell's score step; None where the cell has no score."""
    return store.result(ScoreResult, cell.score) if cell.score is not None and store.scored(cell) else None
