"""Records of runs, from which reports are made: the cells of a run, and the keys of their steps.

A record has no results. Those are only in the ledger and the store, so a report can be deleted and made again.
"""

from __future__ import annotations

from pathlib import Path

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.runs import RunRecord
from rtbench.storage.files import read_json, write_json
from rtbench.storage.paths import inside


class Runs:
    """The run records of a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.root = workspace / "runs"

    def names(self) -> list[str]:
        """Return the names of all runs, oldest first."""
        found = sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in found]

    def save(self, record: RunRecord) -> None:
        """Write a run's record; it replaces an earlier record of the same name."""
        write_json(inside(self.root, f"{record.name}.json"), record)

    def load(self, name: str | None = None) -> RunRecord:
        """Return a run by name, or the latest.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run has that name.
        """
        names = self.names()
        if not names:
            raise BadInputError(
                "no run yet", where=str(self.root.parent), next_step="Start one with `rtbench run`, or set --workspace."
            )
        if name is not None and name not in names:
            raise UnknownNameError.of("run", name, names, where=str(self.root))
        record: RunRecord = read_json(self.root / f"{name or names[-1]}.json", RunRecord)
        return record
