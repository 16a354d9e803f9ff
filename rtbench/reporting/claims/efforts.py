"""What a claim holds equal: what both sides' students were trained with, and what that cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from rtbench.reporting.claims.evidence import CellPair, Evidence, TrainedWith
from rtbench.schema.claims import Effort
from rtbench.schema.effort import Cost, mean_known, mean_of, total_of


def efforts_of(evidence: Evidence, pairs: Sequence[CellPair]) -> Iterator[Effort]:
    """Yield what both sides were trained with; nothing where some cell is not trained."""
    sides = [
        [evidence.trained_with(cell) for cell in cells]
        for cells in ([pair.left for pair in pairs], [pair.right for pair in pairs])
    ]
    left, right = ([one for one in side if one is not None] for side in sides)
    if len(left) < len(pairs) or len(right) < len(pairs):
        return
    yield Effort(name="questions", left=fmean(x.questions for x in left), right=fmean(x.questions for x in right))
    yield Effort(name="rows", left=fmean(x.effort.rows for x in left), right=fmean(x.effort.rows for x in right))
    for name in ("tokens", "steps"):
        known = [mean_known([getattr(one.effort, name) for one in side]) for side in (left, right)]
        yield Effort(name=name, left=known[0], right=known[1])
    if evidence.knows_money:
        yield from _money(left, right)


def _money(left: Sequence[TrainedWith], right: Sequence[TrainedWith]) -> Iterator[Effort]:
    """Yield the money of teacher plus student; that of each where the sum of a side is not known, but a part is."""
    teacher, student = (
        [mean_of([getattr(one.effort, whose) for one in side]) for side in (left, right)]
        for whose in ("teacher", "student")
    )
    together = [total_of(costs) for costs in zip(teacher, student, strict=True)]
    if all(cost.amount is not None for cost in together) or not any(c.amount for c in (*teacher, *student)):
        yield _effort("money", together)
    else:
        yield _effort("teacher money", teacher)
        yield _effort("student money", student)


def _effort(name: str, sides: Sequence[Cost]) -> Effort:
    """Return an effort in money. Amounts in two currencies cannot be compared, so neither counts as known."""
    both = total_of(sides)
    if both.amount is None and all(cost.amount is not None for cost in sides):
        return Effort(name=name, left=None, right=None)
    currency = next((cost.currency for cost in sides if cost.currency), "")
    return Effort(name=name, left=sides[0].amount, right=sides[1].amount, currency=currency)
