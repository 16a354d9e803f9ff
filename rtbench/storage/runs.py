"""Records of runs, from which reports are made: the cells of a run, and the keys of their steps.

A record has no results. Those are only in the ledger and the store, so a report can be deleted and made again.
"""

from __future__ import annotations

from pathlib import Path

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.runs import RunRecord
from rtbench.storage.paths import inside
from rtbench.storage.place import Place
from rtbench.storage.records import read_record, write_record
from rtbench.storage.writing import sync_folder


class Runs:
    """The run records of a workspace.

    Args:
        workspace: its folder, or the place that it is kept in.
    """

    def __init__(self, workspace: Path | Place) -> None:
        self._place = workspace if isinstance(workspace, Place) else Place(workspace)
        self.root = self._place.root / "runs"

    def names(self) -> list[str]:
        """Return the names of all runs, oldest first."""
        found = sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in found]

    def save(self, record: RunRecord) -> None:
        """Write a run's record; it replaces an earlier record of the same name."""
        path = inside(self.root, f"{record.name}.json")
        write_record(path, record)
        self._place.publish(path)

    def load(self, name: str | None = None) -> RunRecord:
        """Return a run by name, or the latest.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run has that name.
            DamagedError: the record is damaged.
        """
        names = self.names()
        if not names:
            raise BadInputError(
                "no run yet", where=str(self.root.parent), next_step="Start one with `rtbench run`, or set --workspace."
            )
        if name is not None:
            self.check(name)
        path = self.root / f"{name or names[-1]}.json"
        return read_record(path, RunRecord, next_step="`rtbench run` with the same options writes it again.")

    def check(self, name: str) -> None:
        """Check that there is a run of this name.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in (names := self.names()):
            raise UnknownNameError.of("run", name, names, where=str(self.root))

    def remove(self, name: str) -> None:
        """Remove a run's record, damaged or not."""
        path = inside(self.root, f"{name}.json")
        path.unlink()
        sync_folder(self.root)
        self._place.withdraw(path)
