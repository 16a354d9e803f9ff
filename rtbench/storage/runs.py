"""What a run leaves behind for the report: which cells there were, and the keys of the steps that answer them.

The record holds no result. Results stand in the ledger and the store alone; deleting a report or re-making it loses
nothing.
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
        """Oldest first."""
        found = sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in found]

    def save(self, record: RunRecord) -> None:
        write_json(inside(self.root, f"{record.name}.json"), record)

    def load(self, name: str | None = None) -> RunRecord:
        """A run by name, or the latest.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run of that name.
        """
        names = self.names()
        if not names:
            raise BadInputError(
                "no run yet", where=str(self.root.parent), next_step="`rtbench run` makes one; or give --workspace."
            )
        if name is not None and name not in names:
            raise UnknownNameError.of("run", name, names, where=str(self.root))
        record: RunRecord = read_json(self.root / f"{name or names[-1]}.json", RunRecord)
        return record
