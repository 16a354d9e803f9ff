"""How the requests of a cell ended: answered, cut by a token limit, or refused for their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rtbench.schema.leaderboard import RequestCounts
from rtbench.schema.results import CompleteResult, ScoreResult
from rtbench.schema.training import CurationYield

if TYPE_CHECKING:
    from rtbench.schema.base import RefusalKind
    from rtbench.schema.runs import CellRecord
    from rtbench.storage.store import Store

WARN_ABOVE = 0.01
"""Fraction of the requests above which cut or refused ones are a warning."""


def counts_of_answers(cells: Iterable[CellRecord], store: Store) -> RequestCounts:
    """Return how the requests for the scored completions of cells ended. Where epochs were compared, the selected one counts."""
    keys: dict[str, None] = {}
    for cell in cells:
        epoch = store.result(ScoreResult, cell.score).epoch if cell.score is not None and store.scored(cell) else None
        keys |= dict.fromkeys(cell.completions if epoch is None else cell.completions[epoch - 1 : epoch])
    return _counts(keys, store)


def counts_of_rationales(cells: Iterable[CellRecord], store: Store) -> RequestCounts | None:
    """Return how the requests ended from whose completions the training rows were selected; None where there are none.

    Completions that a step has and no curator was given do not count, such as those beyond the degree of a mix.
    """
    curated = dict.fromkeys(cell.examples for cell in cells if cell.examples is not None)
    metas = {key: store.meta("curate", key) for key in curated if store.has("curate", key)}
    joined = [i.key for meta in metas.values() for i in meta.inputs if i.role == "examples"]  # of several tasks
    metas |= {key: store.meta("curate", key) for key in joined if store.has("curate", key)}
    counts: list[RequestCounts] = []
    for key, meta in metas.items():
        if asked := dict.fromkeys(i.key for i in meta.inputs if i.role == "completions"):
            counts.append(_considered(store.result(CurationYield, key), _counts(asked, store)))
    return _summed(counts) if counts else None


def _considered(curation: CurationYield, asked: RequestCounts) -> RequestCounts:
    """Return the counts of the completions that curators were given. Results of older versions have those of all."""
    if curation.cut is None:
        return asked
    return replace(asked, sent=curation.completions + asked.lost, cut=curation.cut)


def _summed(counts: Sequence[RequestCounts]) -> RequestCounts:
    refused: Counter[RefusalKind] = Counter()
    for one in counts:
        refused.update(one.refused)
    return RequestCounts(
        sent=sum(one.sent for one in counts),
        cut=sum(one.cut for one in counts),
        refused=dict(sorted(refused.items())),
    )


def _counts(keys: Iterable[str], store: Store) -> RequestCounts:
    """Return the counts of several ``complete`` steps together. Steps that are no longer in the store do not count."""
    results = [store.result(CompleteResult, key) for key in keys if store.has("complete", key)]
    refused: Counter[RefusalKind] = Counter()
    for result in results:
        refused.update(result.refused)
    return RequestCounts(
        sent=sum(result.completions for result in results) + refused.total(),
        cut=sum(result.cut for result in results),
        refused=dict(sorted(refused.items())),
    )
