"""Notes below the leaderboard, each with the rows that it concerns."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace
from rtbench_plugins.reporters.footnotes import at_k_lines, essentials, notes

from rtbench.api import Leaderboard


@dataclass(frozen=True)
class RowNote:
    """A note, and the places of the rows that it concerns."""

    text: str
    rows: tuple[int, ...]
    """Empty: all rows."""
    essential: bool
    """True where the numbers would mislead without it."""

    @property
    def places(self) -> str:
        """Return the rows as text for a page."""
        return " ".join(map(str, self.rows))


def row_notes(board: Leaderboard) -> list[RowNote]:
    """Return the notes of a leaderboard, each with its rows.

    A note concerns the rows for which alone it is written, and those without which it is not written in these words. Notes
    that no single row changes concern all rows.
    """
    lines = _lines(board)
    essential = {*essentials(board), *(line for line in lines if line.startswith("Warning"))}
    places = range(len(board.rows))
    concerned: dict[str, set[int]] = {line: set() for line in lines}
    for place, row in enumerate(board.rows):
        alone = set(_lines(replace(board, rows=(row,))))
        others = set(_lines(replace(board, rows=tuple(board.rows[at] for at in places if at != place))))
        for line in lines:
            student = next((name for name, text in board.students.items() if line == f"{name}: {text}."), None)
            if (row.student == student) if student else (line in alone or line not in others):
                concerned[line].add(place)
    return [
        RowNote(line, tuple(sorted(rows)) if len(rows) < len(places) else (), line in essential)
        for line, rows in concerned.items()
    ]


def _lines(board: Leaderboard) -> list[str]:
    return [*dict.fromkeys([*essentials(board), *notes(board), *at_k_lines(board)])]
