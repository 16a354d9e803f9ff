"""The leaderboard of a stored run, as the command line and the Python API show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.reporting.answers import shown_by
from rtbench.reporting.build import build_leaderboard

if TYPE_CHECKING:
    from rtbench.schema.effort import CostUnit
    from rtbench.schema.leaderboard import Leaderboard
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session


def board_of(
    session: Session,
    record: RunRecord,
    *,
    extractor: str | None = None,
    reference: bool = False,
    per: CostUnit | None = None,
) -> tuple[RunRecord, Leaderboard]:
    """Return a run and its leaderboard.

    Args:
        session: of the run's workspace.
        record: the run.
        extractor: show the scores of another extractor; the returned run does so, too.
        reference: add published rows.
        per: add gains per unit of this cost.

    Raises:
        UnknownNameError: no cell was scored with the extractor.
    """
    kept_by: set[str] = set()
    if extractor is not None:
        kept_by = {cell.extractor for cell in record.cells} - {extractor}
        record = shown_by(session, record, extractor)
    rows = tuple(session.plugins.reference_rows(record.tasks)) if reference else ()
    return record, build_leaderboard(record, session, reference=rows, kept_by=kept_by, per=per)
