"""Find a cell of a run by its name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError, UnknownNameError, listed
from rtbench.storage.runs import Runs

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord


def find_cell(session: Services, run: RunRecord, name: str, cells: Sequence[CellRecord] | None = None) -> CellRecord:
    """Return a cell by name, or by a part of its name that no other cell has.

    Args:
        session: for the other runs of the workspace, which are named in the error message if they have the cell.
        run: run to search.
        name: name, or a part of it.
        cells: cells of the run to choose from; None: all cells.

    Raises:
        UnknownNameError: no cell has this name.
        BadInputError: several cells match, or the cell is not in ``cells``.
    """
    among = run.cells if cells is None else cells
    hits = [c for c in among if c.name == name] or [c for c in among if name in c.name]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise BadInputError(
            f"{len(hits)} cells match: {listed([hit.name for hit in hits], 5)}",
            where=name,
            next_step="Give a longer part of the name.",
        )
    if any(name in cell.name for cell in run.cells):
        raise BadInputError("this command does not apply to the cell", where=f"run {run.name}, cell {name}")
    if (other := _run_with(session, run.name, name)) is not None:
        raise UnknownNameError(
            f"unknown cell {name!r}", where=f"run {run.name}", next_step=f"Run {other} has it: use --run {other}."
        )
    listing = f"rtbench show --run {run.name}"
    raise UnknownNameError.of("cell", name, [c.name for c in among], where=f"run {run.name}", listing=listing, most=4)


def _run_with(session: Services, excluded: str, name: str) -> str | None:
    """Return the latest other run that has a cell of this name. Records that cannot be read are skipped."""
    runs = Runs(session.place)
    for other in reversed(runs.names()):
        with contextlib.suppress(BadInputError):
            if other != excluded and any(name == cell.name for cell in runs.load(other).cells):
                return other
    return None
