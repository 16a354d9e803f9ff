"""Lines below a leaderboard about requests whose answers are cut or missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rtbench_plugins.reporters.wording import describe

from rtbench.api import REFUSALS, WARN_ABOVE, Leaderboard, LeaderboardRow, RequestCounts, in_percent, listed

MOST_CELLS = 4
"""Highest number of cells that a line names."""


@dataclass(frozen=True)
class _Affected:
    """A cell, or the rationales of a teacher, with requests of one ending."""

    share: float
    text: str


def request_lines(board: Leaderboard, most: int = MOST_CELLS) -> list[str]:
    """Return how many requests were refused, filtered, or cut by a token limit, by cell.

    A line about cells in which that is more than 1 % of the requests is a warning.

    Args:
        board: the leaderboard.
        most: highest number of cells that a line names.
    """
    answers = list(_answers(board))
    rationales = list(_rationales(board))
    return [
        *_lines(
            "answers cut by the token limit",
            (_cut(name, counts, f", {wrong} of them wrong" if wrong else "") for name, counts, wrong in answers),
            " They are scored as they are.",
            most,
        ),
        *_lines(
            "requests without an answer",
            (_refused(name, counts) for name, counts, _ in answers),
            " They are not scored.",
            most,
        ),
        *_lines("rationales cut by the token limit", (_cut(name, counts, "") for name, counts in rationales), "", most),
        *_lines(
            "requests for rationales without an answer",
            (_refused(name, counts) for name, counts in rationales),
            "",
            most,
        ),
    ]


def _answers(board: Leaderboard) -> Iterator[tuple[str, RequestCounts, int]]:
    """Yield each cell with requests: its name, their counts, and the number of wrong answers that were cut."""
    for row in board.rows:
        for task, result in row.results.items():
            if result.answers is not None and result.answers.sent:
                yield f"{named(row)} on {task}", result.answers, result.wrong_cut


def _rationales(board: Leaderboard) -> Iterator[tuple[str, RequestCounts]]:
    """Yield each teacher's rationales for a degree, fraction and task: their name, and the counts of the requests."""
    seen: dict[str, RequestCounts] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if row.teacher and result.rationales is not None and result.rationales.sent:
                fraction = "" if row.fraction == 1.0 else f" {in_percent(row.fraction, None)}%"
                seen[f"{describe(row)[2]} D={row.degree}{fraction} on {task}"] = result.rationales
    yield from seen.items()


def _cut(name: str, counts: RequestCounts, more: str) -> _Affected:
    share = counts.cut / counts.sent
    return _Affected(share, f"{name} {counts.cut} of {counts.sent} ({_share(share)}){more}")


def _refused(name: str, counts: RequestCounts) -> _Affected:
    share = counts.lost / counts.sent
    kinds = ", ".join(f"{count} {REFUSALS[kind]}" for kind, count in counts.refused.items())
    return _Affected(share, f"{name} {counts.lost} of {counts.sent} ({_share(share)}): {kinds}")


def _share(share: float) -> str:
    """Return a share above 0 in percent, so that a small one does not read as none."""
    return f"{in_percent(share)} %" if share >= 0.0005 else "below 0.1 %"


def _lines(what: str, affected: Iterable[_Affected], end: str, most: int) -> list[str]:
    """Return at most two lines: a warning about the largest shares, and a line about the others."""
    ranked = sorted((one for one in affected if one.share), key=lambda one: -one.share)
    many = [one.text for one in ranked if one.share > WARN_ABOVE]
    few = [one.text for one in ranked if one.share <= WARN_ABOVE]
    lines = [f"Warning: {what}: {listed(many, most, '; ')}.{end}"] if many else []
    return lines + ([f"{what[0].upper()}{what[1:]}: {listed(few, most, '; ')}.{end}"] if few else [])


def named(row: LeaderboardRow) -> str:
    """Return a row's method, student, teacher and degree, without those it does not have."""
    degree = [f"D={row.degree}"] if row.degree else []
    return " ".join([part for part in describe(row)[:3] if part != "–"] + degree)
