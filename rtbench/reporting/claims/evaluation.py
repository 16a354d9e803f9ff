"""Evaluation of a set of claims on a run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import PluginError, listed
from rtbench.reporting.claims.contract import CellComparison, Claim, ClaimSet, UntestedError
from rtbench.reporting.claims.efforts import efforts_of
from rtbench.reporting.claims.evidence import CellPair, Context, Evidence, View
from rtbench.reporting.compare import holm
from rtbench.reporting.endings import WARN_ABOVE, counts_of_answers
from rtbench.schema.claims import ClaimResult, PartialComparison, Verdict
from rtbench.schema.leaderboard import in_percent
from rtbench.stats.intervals import CONFIDENCE
from rtbench.stats.paired import FEW

if TYPE_CHECKING:
    from rtbench.schema.base import Fold
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.stats.paired import Difference
    from rtbench.storage.ledger import Ledger
    from rtbench.storage.store import Store

LEVEL = 1 - CONFIDENCE
"""Level of the tests."""

MOST_CELLS = 3
"""Highest number of cells that a note about cut or missing answers names."""


def evaluate_claims(
    claims: ClaimSet, run: RunRecord, store: Store, fold: Fold, ledger: Ledger | None = None
) -> list[ClaimResult]:
    """Evaluate all claims of a set on all tasks of a run.

    The p values of all tested claims and tasks are adjusted together (Holm 1979), and verdicts follow the adjusted ones.

    Args:
        claims: the set.
        run: record of the run.
        store: has the run's scores and train reports.
        fold: fold on which the students were tested.
        ledger: has the token counts of completions, from which their cost follows; None: results lack money.

    Returns:
        results in the order of the claims, then of the tasks. A task whose students were trained in several ways (with
        several epoch selections, for example) has a result for each.

    Raises:
        BadInputError: a score in the store is damaged.
    """
    evidence = Evidence(run, store, fold, ledger)
    views = [view for task in run.tasks for view in _views(evidence, run, task)]
    # All claims of a task are evaluated together, since they share the bootstrap's draws; then sorted by claim.
    by_view = [[_result(claim.on(view.context.task), view) for claim in claims.claims] for view in views]
    return _judged([results[place] for place in range(len(claims.claims)) for results in by_view])


def _judged(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Return the results with adjusted p values and verdicts."""
    adjusted = iter(holm([result.p for result in results if result.p is not None]))
    margins = iter(holm([result.p_margin for result in results if result.p_margin is not None]))
    judged = []
    for result in results:
        if result.p is None:
            judged.append(result)
            continue
        p_margin = None if result.p_margin is None else round(next(margins), 6)
        found = msgspec.structs.replace(result, adjusted=round(next(adjusted), 6), p_margin=p_margin)
        judged.append(msgspec.structs.replace(found, verdict=verdict_of(found)))
    return judged


def verdict_of(result: ClaimResult) -> Verdict:
    """Return the verdict on a claim whose p values are adjusted.

    A claim of a lead is supported or contradicted by a significant difference from 0, and a claim of no lead by one from
    its margin (a test of noninferiority, Piaggio et al. 2012): a test that finds nothing supports nothing.
    """
    assert result.effect is not None
    beyond, p = result.effect, result.adjusted
    if result.no_lead:
        assert result.margin is not None
        beyond, p = result.margin - result.effect, result.p_margin
    assert p is not None
    if p >= LEVEL or beyond == 0:
        return "inconclusive"
    return "supported" if beyond > 0 else "contradicted"


def _views(evidence: Evidence, run: RunRecord, task: str) -> list[View]:
    contexts = evidence.contexts(task)
    if contexts:
        return [evidence.view(context) for context in contexts]
    cells = [cell for cell in run.cells if cell.task == task] or list(run.cells)
    empty = msgspec.structs.replace(Context.of(cells[0]), task=task, fold=evidence.fold, selection=None)
    return [View(evidence, empty, [], [])]


def _result(claim: Claim, view: View) -> ClaimResult:
    """Return a claim's result, without a verdict if it is tested."""
    context = view.context
    result = ClaimResult(
        claim=claim.name,
        statement=claim.sentence,
        task=context.task,
        source=context.source,
        wording=context.wording,
        split=context.split,
        fold=context.fold,
        extractor=context.extractor,
        selection=context.selection,
        sampling=str(context.sampling) if context.sampling else None,
        verdict="not tested",
        no_lead=claim.no_lead,
        margin=claim.margin if claim.no_lead else None,
        expected=claim.expected(context.task),
        paper=claim.reported(context.task),
    )
    if claim.no_lead and not 0 < claim.margin <= 1:
        raise PluginError(
            f"its `margin` is {claim.margin!r}, not a fraction above 0",
            where=f"claim {claim.name}",
            next_step="Write 0.05 for 5 points.",
        )
    try:
        comparison = claim.compare(view)
    except UntestedError as error:
        return msgspec.structs.replace(result, reason=_why(str(error), view))
    measured = view.evidence.measure(comparison.pairs, comparison.confidence, with_p=True, margin=result.margin)
    if measured is None or measured.p is None:
        return msgspec.structs.replace(result, reason="the two sides answered no question in common")
    tried = LEVEL / (1 - comparison.confidence)  # the number of comparisons that this one was chosen among
    return msgspec.structs.replace(
        result,
        effect=measured.effect,
        interval=measured.interval,
        confidence=comparison.confidence,
        p=round(min(1.0, measured.p * tried), 6),
        p_margin=None if measured.p_margin is None else min(1.0, measured.p_margin * tried),
        left=measured.left,
        right=measured.right,
        n=measured.n,
        patterns=measured.patterns,
        seeds=measured.seeds,
        efforts=tuple(efforts_of(view.evidence, comparison.pairs)),
        by_student=tuple(_by_student(view, comparison)),
        by_seed=tuple(_by_seed(view, comparison)),
        also=tuple(comparison.also),
        notes=(*comparison.notes, *_notes(view, comparison, measured, no_lead=claim.no_lead)),
        random_weights=tuple(
            sorted({cell.student for cell in comparison.cells if cell.random_weights and cell.student})
        ),
        cells=tuple(cell.name for cell in comparison.cells),
        compared=compared(comparison),
    )


def _why(reason: str, view: View) -> str:
    """Return why a claim was not tested, with why cells have no result where this may be the cause."""
    context = view.context
    if not view.cells and not view.lost:
        return f"no fine-tuned student answered the fold {context.fold}"
    if not view.lost:
        return reason
    first = view.lost[0].reason or "not run yet"
    return f"{reason} ({len(view.lost)} cells have no result: {first.splitlines()[0]})"


def _by_student(view: View, comparison: CellComparison) -> list[PartialComparison]:
    if comparison.by_student is not None:
        return list(comparison.by_student)
    return _parts(view, comparison, "student", [str(pair.left.student) for pair in comparison.pairs])


def _by_seed(view: View, comparison: CellComparison) -> list[PartialComparison]:
    return _parts(view, comparison, "seed", [str(pair.left.seed) for pair in comparison.pairs])


def _parts(view: View, comparison: CellComparison, axis: str, names: Sequence[str]) -> list[PartialComparison]:
    groups: dict[str, list[CellPair]] = {}
    for name, pair in zip(names, comparison.pairs, strict=True):
        groups.setdefault(name, []).append(pair)
    return [
        part for name, pairs in groups.items() for part in view.evidence.part(axis, name, pairs, comparison.confidence)
    ]


def _notes(view: View, comparison: CellComparison, measured: Difference, *, no_lead: bool) -> list[str]:
    """Return the caveats of a measured difference."""
    notes: list[str] = []
    if no_lead and measured.interval.high < 0:
        notes.append("the other side is ahead: the interval is below 0")
    if no_lead and measured.interval.low > 0:
        notes.append("there is a lead: the interval is above 0")
    if 0 < measured.changed < FEW:
        notes.append(f"the two sides differ on only {measured.changed} answers")
    if measured.patterns < min(FEW * measured.seeds, measured.n):
        notes.append(f"the {measured.n} questions have only {measured.patterns} different patterns")
    per_seed = {len(list(pairs)) for _, pairs in _seeds(comparison.pairs)}
    if len(per_seed) > 1:
        notes.append("some seeds lack some of the students")
    unpaired = sum(
        len(view.evidence.scores(p.left).keys() ^ view.evidence.scores(p.right).keys()) for p in comparison.pairs
    )
    if unpaired:
        notes.append(f"{unpaired} answers have no counterpart and are left out")
    if view.whole < 1:
        notes.append(
            f"students trained on a fraction of {view.whole:g} of the training questions, the largest in the run"
        )
    return notes + _recipes(comparison.pairs) + _endings(view, comparison)


def _endings(view: View, comparison: CellComparison) -> list[str]:
    """Return the cells with many answers that a token limit cut, and with many refused requests, as at most two notes."""
    counts = {cell.name: counts_of_answers([cell], view.evidence.store) for cell in comparison.cells}
    cut = {name: count.cut / count.sent for name, count in counts.items() if count.sent}
    refused = {name: count.lost / count.sent for name, count in counts.items() if count.sent}
    return [
        *_shares(cut, "of the answers of {} were cut by the token limit"),
        *_shares(refused, "of the requests of {} have no answer and are left out"),
    ]


def _shares(by_cell: Mapping[str, float], sentence: str) -> list[str]:
    """Return a note with the largest shares above the limit of a warning; an empty list where there is none."""
    ranked = sorted(by_cell, key=lambda name: -by_cell[name])
    many = [f"{in_percent(by_cell[name])} % {sentence.format(name)}" for name in ranked if by_cell[name] > WARN_ABOVE]
    return [listed(many, MOST_CELLS)] if many else []


def _seeds(pairs: Sequence[CellPair]) -> list[tuple[int, list[CellPair]]]:
    ranked = sorted(pairs, key=lambda pair: pair.left.seed)
    return [(seed, list(group)) for seed, group in itertools.groupby(ranked, key=lambda pair: pair.left.seed)]


def _recipes(pairs: Sequence[CellPair]) -> list[str]:
    """Return the hyper-parameters in which the two sides differ, as at most one note."""
    differing: dict[str, None] = {}
    for pair in pairs:
        left, right = pair.left.recipe, pair.right.recipe
        if left is None or right is None:
            continue
        for name in left.__struct_fields__:
            if getattr(left, name) != getattr(right, name):
                differing[f"{name} {getattr(left, name)} against {getattr(right, name)}"] = None
    return [f"recipes differ: {', '.join(differing)}"] if differing else []


def compared(comparison: CellComparison) -> str:
    """Return the cells in short: left side − right side, with the parts of names that vary in braces."""
    sides = [[pair.left for pair in comparison.pairs], [pair.right for pair in comparison.pairs]]
    return " − ".join(_short(side) for side in sides)


def _short(cells: Sequence[CellRecord]) -> str:
    shapes: dict[int, set[tuple[str, ...]]] = {}
    for cell in cells:
        parts = tuple(cell.name.split("/"))
        shapes.setdefault(len(parts), set()).add(parts)
    short: list[str] = []
    for names in shapes.values():
        places = [sorted(set(values), key=_natural) for values in zip(*names, strict=True)]
        if set(itertools.product(*places)) == names:
            short.append("/".join(v[0] if len(v) == 1 else "{" + ",".join(v) + "}" for v in places))
        else:
            short += ["/".join(parts) for parts in sorted(names)]
    return " + ".join(short)


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts D8 before D32."""
    import re

    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
