"""Build the leaderboard of a run from its record, the ledger and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import listed
from rtbench.plugin.methods import Method
from rtbench.plugin.services import Services
from rtbench.reporting.accuracy import Scored, precision_of
from rtbench.reporting.efficiency import with_efficiency
from rtbench.reporting.effort import EffortReader
from rtbench.reporting.endings import counts_of_answers, counts_of_rationales
from rtbench.reporting.pareto import with_pareto
from rtbench.reporting.spending import SpendingReader
from rtbench.schema.effort import CostUnit, mean_effort
from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow, Metrics
from rtbench.schema.results import CompleteResult, ScoreResult
from rtbench.schema.runs import CellRecord, RunRecord
from rtbench.schema.scores import AtK, ScoreSummary
from rtbench.schema.training import CurationYield, TrainReport
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.intervals import mean_interval
from rtbench.steps.curate import summed_cuts
from rtbench.steps.spending import summed

if TYPE_CHECKING:
    from rtbench.storage.store import Store


def build_leaderboard(
    run: RunRecord,
    services: Services,
    *,
    reference: Iterable[LeaderboardRow] = (),
    kept_by: Iterable[str] = (),
    per: CostUnit | None = None,
) -> Leaderboard:
    """Return the leaderboard of a run, with one row per group of cells that differ in task and seed only.

    Args:
        run: record of the run, which may show another extractor (:func:`rtbench.reporting.answers.shown_by`).
        services: for the store, the ledger and the methods' ranks.
        reference: published rows to include.
        kept_by: the run's own extractors, where the record shows another one.
        per: unit of cost for which to compute what it gains; None: accuracies only.
    """
    store = services.store
    groups = _grouped(run)
    rows = [_random_row(run)] if run.random else []
    books, bootstrap = SpendingReader(store, services.ledger), Bootstrap()
    efforts = EffortReader(run, store, books)
    results: dict[tuple[object, ...], dict[str, CellResult]] = {key: {} for key in groups}
    for task in run.tasks:  # in this order because cells of one task share the bootstrap's draws
        for row, by_task in groups.items():
            if task in by_task:
                result = _result(by_task[task], store, bootstrap)
                result = _with_spending(result, by_task[task], run, books)
                results[row][task] = _with_effort(result, by_task[task], store, efforts)
    rows += [_row(by_task, results[row]) for row, by_task in groups.items()]
    rows += reference
    ranks = _ranks(services, rows)
    board = Leaderboard(
        run=run.name,
        matrix=run.matrix,
        description=run.description,
        version=run.version,
        made=run.made,
        plugins=run.plugins,
        kept_by=", ".join(sorted(kept_by)),
        tasks=run.tasks,
        rows=tuple(_with_mean(row) for row in sorted(rows, key=lambda row: _order(row, ranks))),
        spending=books.by_teacher(run),
        spending_on_students=books.by_student(run),
        students=run.students,
        overlap=run.overlap,
    )
    return with_pareto(board if per is None else with_efficiency(board, run, store, per))


def _grouped(run: RunRecord) -> dict[tuple[object, ...], dict[str, list[CellRecord]]]:
    """Return the cells of each row by task: rows are told apart by everything but task and seed."""
    groups: dict[tuple[object, ...], dict[str, list[CellRecord]]] = {}
    for cell in run.cells:
        key = (
            cell.method,
            cell.teacher,
            cell.student,
            cell.degree,
            cell.fraction,
            cell.selection,
            cell.extractor,
            cell.recorded,
            cell.source,
            cell.split,
            cell.fold,
            cell.limit,
            cell.temperature,
            cell.sampling,
            cell.tries,
            cell.train_tasks,
        )
        groups.setdefault(key, {}).setdefault(cell.task, []).append(cell)
    return groups


def _ranks(services: Services, rows: Iterable[LeaderboardRow]) -> dict[str, int]:
    """Return the ranks of the rows' methods that are registered."""
    known = services.registry("methods")
    return {name: services.method(name).rank for name in {row.method for row in rows} if name in known}


def _order(row: LeaderboardRow, ranks: Mapping[str, int]) -> tuple[object, ...]:
    """Return the sort key of a row: by student, with a published row after ours of the same student and method."""
    rank = -1 if row.kind == "random" else ranks.get(row.method, Method.rank)
    student = (row.student or "").replace("_", "-")
    published = row.kind == "reported"
    return (student, rank, row.method, row.degree or 0, row.teacher or "", row.fold != "test", row.fold, published)


def _with_mean(row: LeaderboardRow) -> LeaderboardRow:
    """Return a row with its mean over the tasks that have a number."""
    measured = [
        (r.accuracy, r.n if r.effective_n is None else r.effective_n)
        for r in row.results.values()
        if r.accuracy is not None
    ]
    if not measured:
        return row
    # Random guesses and published numbers are not based on answers of ours, and so have no interval.
    interval = mean_interval(measured) if all(n for _, n in measured) else None
    if len(measured) == 1:
        interval = next(r.interval for r in row.results.values() if r.accuracy is not None)
    mean = sum(accuracy for accuracy, _ in measured) / len(measured)
    efforts = [r.effort for r in row.results.values() if r.accuracy is not None and r.effort is not None]
    effort = mean_effort(efforts) if len(efforts) == len(measured) else None
    return msgspec.structs.replace(row, mean=mean, mean_interval=interval, measured=len(measured), effort=effort)


def _random_row(run: RunRecord) -> LeaderboardRow:
    results = {task: CellResult(accuracy=run.random[task]) for task in run.tasks if task in run.random}
    sources = {cell.source for cell in run.cells}
    return LeaderboardRow(
        kind="random", method="random", source=sources.pop() if len(sources) == 1 else "upstream", results=results
    )


def _row(by_task: Mapping[str, Sequence[CellRecord]], results: dict[str, CellResult]) -> LeaderboardRow:
    first = next(iter(by_task.values()))[0]
    variants = {cell.variant for cells in by_task.values() for cell in cells}
    return LeaderboardRow(
        kind="teacher" if first.of_teacher else "measured",
        method=first.method,
        teacher=first.teacher,
        student=first.student,
        series=first.series,
        random_weights=first.random_weights,
        degree=first.degree,
        fraction=first.fraction,
        selection=first.selection,
        extractor=first.extractor,
        completions=("recorded" if first.recorded else "live") if first.teacher else None,
        source=first.source,
        variant=_twin_variant(by_task) if first.source == "twin" else "/".join(sorted(variants)),
        split=first.split,
        fold=first.fold,
        limit=first.limit,
        temperature=first.temperature,
        tries=first.tries,
        train_tasks=first.train_tasks,
        curators=first.curators,
        sampling=str(first.sampling) if first.sampling else None,
        results=results,
    )


def _twin_variant(by_task: Mapping[str, Sequence[CellRecord]]) -> str:
    """Return ``twin``, with the changed knobs by task."""
    changed = {task: cells[0].variant.split("+")[1:] for task, cells in by_task.items()}
    text = "; ".join(f"{task} {' '.join(knobs)}" for task, knobs in changed.items() if knobs)
    return f"twin ({text})" if text else "twin"


def _result(planned: Sequence[CellRecord], store: Store, bootstrap: Bootstrap) -> CellResult:
    """Return the result of a row on one task, from the cells of its seeds that are scored."""
    names = tuple(cell.name for cell in planned)
    cells: list[CellRecord] = []
    lacking: list[CellRecord] = []
    for cell in planned:
        (cells if store.scored(cell) else lacking).append(cell)
    reason = _why_lacking(lacking, some=bool(cells))
    if not cells:
        return CellResult(reason=reason, cells=names)
    results = [store.result(ScoreResult, cell.score) for cell in cells if cell.score]
    summaries = [result.summaries for result in results]
    primary = [next(s for s in of_seed if s.extractor == cells[0].extractor) for of_seed in summaries]
    # Where each seed has its own questions (twins), their numbers add up. Otherwise all seeds answer the same ones.
    counted = primary if _own_questions(cells) else primary[:1]
    n = sum(s.n for s in counted)
    if n == 0:
        return CellResult(reason="no question of the fold has a completion", cells=names)
    single = len(cells) == 1
    trained = [report for cell in cells if (report := _training(cell, store)) is not None]
    scored = [Scored(cell.score, summary) for cell, summary in zip(cells, primary, strict=True) if cell.score]
    precision = precision_of(scored, store, bootstrap, own_questions=_own_questions(cells))
    return CellResult(
        accuracy=sum(s.accuracy for s in primary) / len(primary),
        interval=precision.interval,
        n=n,
        patterns=precision.patterns,
        effective_n=precision.effective_n,
        missing=sum(s.missing for s in counted),
        answers=counts_of_answers(cells, store),
        wrong_cut=sum(s.wrong_cut for s in primary),
        rationales=counts_of_rationales(cells, store),
        seeds=len(cells),
        seed_values=tuple(sorted(cell.seed for cell in cells)),
        extractor_version=primary[0].version,
        training_rows=round(fmean(report.rows for report in trained)) if trained else None,
        metrics=_metrics(primary, results),
        summaries=tuple(summaries[0]) if single else (),
        curation=_curation(_drawn_apart(cells), store),
        epoch=_epoch(cells[0], store, results[0]) if single else None,
        parameters=trained[0].parameters if trained else None,
        rows_cut=max((report.truncated for report in trained), default=0),
        prompts_cut=max(_prompts_cut(cell, result, store) for cell, result in zip(cells, results, strict=True)),
        recipe=cells[0].recipe,
        cells=names,
        reason=reason,
    )


def _why_lacking(cells: Sequence[CellRecord], *, some: bool) -> str | None:
    """Return why cells have no scores, and which seeds they are where ``some`` others have scores; None without cells."""
    if not cells:
        return None
    reason = cells[0].reason or "not run yet"
    seeds = [str(cell.seed) for cell in cells]
    return f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds, 3)}: {reason}" if some else reason


def _metrics(primary: Sequence[ScoreSummary], results: Sequence[ScoreResult]) -> Metrics:
    """Return the means over seeds; of pass@k and maj@k only for values of k that all seeds have.

    Scores of older versions lack some of these measures.
    """
    words = [result.rationale_words for result in results if result.rationale_words is not None]
    return Metrics(
        contains_answer=fmean(one.contains_answer for one in primary),
        correct_format=fmean(one.correct_format for one in primary),
        complete=fmean(one.complete for one in primary),
        rationale_words=fmean(words) if words else None,
        at_k=tuple(
            AtK(k=at[0].k, pass_at_k=fmean(a.pass_at_k for a in at), maj_at_k=fmean(a.maj_at_k for a in at))
            for at in zip(*(one.at_k for one in primary), strict=False)
            if len({a.k for a in at}) == 1
        ),
    )


def _with_spending(
    result: CellResult, cells: Sequence[CellRecord], run: RunRecord, books: SpendingReader
) -> CellResult:
    """Return a result with the cost of the cells' rationales, where the teacher has a price."""
    keys = {key for cell in cells if cell.examples is not None for key in cell.asked}
    if result.accuracy is None or not keys:
        return result
    return msgspec.structs.replace(result, spending=books.spent_on_teacher(cells[0].teacher or "", keys, run))


def _with_effort(result: CellResult, cells: Sequence[CellRecord], store: Store, efforts: EffortReader) -> CellResult:
    """Return a result with what the students of its scored cells were trained with; unchanged where a report is missing."""
    scored = sorted((cell for cell in cells if store.scored(cell)), key=lambda cell: cell.seed)
    found = [effort for cell in scored if (effort := efforts.of(cell)) is not None]
    if result.accuracy is None or not found or len(found) < len(scored):
        return result
    return msgspec.structs.replace(
        result, effort=mean_effort(found), effort_by_seed=tuple(found) if len(found) > 1 else ()
    )


def _own_questions(cells: Sequence[CellRecord]) -> bool:
    """Return whether each seed has its own questions."""
    return len({cell.variant for cell in cells}) == len(cells)


def _drawn_apart(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """Return one cell for each set of rationales that was drawn by itself: for other questions, or anew for a seed."""
    by_draw = {(cell.variant, cell.asked, cell.examples if cell.mentored else None): cell for cell in reversed(cells)}
    return list(reversed(by_draw.values()))


def _prompts_cut(cell: CellRecord, result: ScoreResult, store: Store) -> int:
    """Return how many prompts of the scored completions were shortened; with several epochs, of the selected one."""
    scored = cell.completions if result.epoch is None else cell.completions[result.epoch - 1 : result.epoch]
    return sum(store.result(CompleteResult, key).prompts_cut for key in scored)


def _curation(cells: Sequence[CellRecord], store: Store) -> CurationYield | None:
    """Return the curation yields of all cells together; None where nothing was curated."""
    keys = [cell.examples for cell in cells if cell.examples is not None and store.has("curate", cell.examples)]
    yields = [store.result(CurationYield, key) for key in keys]
    if not yields:
        return None
    first = yields[0]
    return CurationYield(
        questions=sum(one.questions for one in yields),
        completions=sum(one.completions for one in yields),
        kept=sum(one.kept for one in yields),
        covered=sum(one.covered for one in yields),
        removed={name: sum(one.removed.get(name, 0) for one in yields) for name in first.removed},
        judged={name: summed([one.judged[name] for one in yields if name in one.judged]) for name in first.judged},
        cut=summed_cuts(yields),
    )


def _epoch(cell: CellRecord, store: Store, result: ScoreResult) -> int | None:
    """Return the epoch whose weights were scored; None where nothing was trained."""
    if result.epoch is not None:
        return result.epoch
    if cell.selected_by is not None and store.has("score", cell.selected_by):
        return store.result(ScoreResult, cell.selected_by).epoch
    report = _training(cell, store)
    return None if report is None else report.selected


def _training(cell: CellRecord, store: Store) -> TrainReport | None:
    """Return the report of a cell's training; None where nothing was trained."""
    if cell.checkpoint is None or not store.has("train", cell.checkpoint):
        return None
    return store.result(TrainReport, cell.checkpoint)
