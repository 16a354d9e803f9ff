"""Names of rows in the words of a reader: "8 rationales", not "D=8". Facts that all rows share are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.api import Leaderboard, LeaderboardRow, in_percent, listed

if TYPE_CHECKING:
    from rtbench.api import CellRecord

_SELECTIONS = {
    "last": "last epoch", "best-test": "best epoch on the test questions", "val": "epoch of the lowest validation loss",
    "val-accuracy": "epoch chosen on held-out questions",
}  # fmt: skip
HEADS = {
    "student": "student", "degree": "rationales", "teacher": "teacher", "completions": "teacher's completions", "temperature": "temperature", "tries": "tries",
    "fraction": "training questions", "tasks": "trained on", "sampling": "sampling", "selection": "epoch",
    "split": "split", "fold": "fold", "source": "questions", "limit": "limit",
}  # fmt: skip
"""Facts that distinguish rows, with their column heads."""


def rationales(degree: int) -> str:
    """Return a degree in words: ``8 rationales``."""
    return f"{degree} rationale{'s' if degree > 1 else ''}"


def facts_of(row: LeaderboardRow) -> dict[str, str]:
    """Return the facts of :data:`HEADS` that a row has, in words."""
    on = {"twin": "generated", "upstream": "published"}
    facts = {
        "student": row.student,
        "degree": None if row.degree is None else rationales(row.degree),
        "teacher": row.teacher,
        "completions": f"{row.completions} completions" if row.completions else None,
        "temperature": None if row.temperature is None else f"temperature {row.temperature:g}",
        "tries": None if row.tries is None else f"up to {row.tries} tries",
        "fraction": f"{in_percent(row.fraction, None)} % of questions" if row.fraction != 1.0 else None,
        "tasks": f"trained on {', '.join(row.train_tasks)}" if row.train_tasks else None,
        "sampling": row.sampling,
        "selection": _SELECTIONS.get(row.selection, row.selection) if row.selection else None,
        "split": f"{row.split} split" if row.split not in {"", "default"} and row.kind != "random" else None,
        "fold": f"on {row.fold}" if row.fold != "test" else None,
        "source": None if row.kind == "random" else f"{on.get(row.source, row.source)} questions",
        "limit": None if row.limit is None else f"first {row.limit} questions",
    }
    return {name: text for name, text in facts.items() if text}


@dataclass(frozen=True)
class Labels:
    """The names of some rows, which differ in a few facts."""

    kept: tuple[str, ...]
    """Facts in which rows differ."""
    shared: Mapping[str, str]
    """Facts that are the same in all rows that have them."""

    @classmethod
    def of(cls, rows: Sequence[LeaderboardRow], *, without: Sequence[str] = ()) -> Labels:
        """Return the names of rows, without facts that the place shows in another way."""
        found = [(row.kind, row.method, facts_of(row)) for row in rows]
        kept: list[str] = []
        shared: dict[str, str] = {}
        for name in HEADS:
            values = {facts[name] for _, _, facts in found if name in facts}
            methods = {(kind, method) for kind, method, facts in found if name in facts}
            partly = any((kind, method) in methods and name not in facts for kind, method, facts in found)
            if name in without or not values:
                continue
            if len(values) > 1 or partly:
                kept.append(name)
            else:
                shared[name] = values.pop()
        return cls(tuple(kept), shared)

    def parts(self, row: LeaderboardRow) -> list[str]:
        """Return the facts that distinguish a row of its method."""
        facts = facts_of(row)
        return [facts[name] for name in self.kept if name in facts]

    def name(self, row: LeaderboardRow) -> str:
        """Return the name of a row: its method, and what distinguishes it."""
        return " · ".join([method_of(row), *self.parts(row)])

    def said(self) -> str:
        """Return what all rows have in common, in a sentence; empty where that is nothing."""
        parts = [f"{name} {text}" if name in {"student", "teacher"} else text for name, text in self.shared.items()]
        return f"In all rows that have one: {'; '.join(parts)}." if parts else ""


def method_of(row: LeaderboardRow, board: Leaderboard | None = None) -> str:
    """Return the method of a row; of a reported row also that it was not measured here."""
    if row.kind != "reported":
        return row.method
    twins = board is not None and any(one.source == "twin" and one.kind == "measured" for one in board.rows)
    return f"{row.method} (reported{', upstream' if twins else ''})"


def short(value: float) -> str:
    """Return a number with three digits: ``135M``."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:g}"


def some(names: Sequence[str], most: int = 3) -> str:
    """Return some names in a sentence: the first ones, and how many others there are."""
    return listed(list(dict.fromkeys(names)), most)


def cell_words(cell: CellRecord) -> list[str]:
    """Return the name of a cell in words: ``fine-tune-cot on multiarith``, ``smollm2-135m``, ``8 rationales``."""
    parts = [
        f"{cell.method} on {cell.task}",
        cell.student,
        f"teacher {cell.teacher}" if cell.teacher else None,
        rationales(cell.degree) if cell.degree is not None else None,
        f"{in_percent(cell.fraction, None)} % of questions" if cell.fraction != 1.0 else None,
        f"trained on {', '.join(cell.train_tasks)}" if cell.train_tasks else None,
        f"{cell.split} split" if cell.split not in {"", "default"} else None,
        f"on {cell.fold}" if cell.fold != "test" else None,
        f"seed {cell.seed}",
    ]
    return [part for part in parts if part]
