"""Results as tables of pandas. Shares are in percent, differences in percentage points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from rtbench.reporting.compare import RunComparison
    from rtbench.schema.claims import ClaimResult
    from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
    from rtbench.schema.scores import Interval

_WHAT = ("kind", "method", "student", "teacher", "degree", "fraction", "selection", "extractor")
"""Columns that say what a row of the leaderboard is, in every table."""
_WHERE_DIFFERING = (
    "source", "variant", "split", "fold", "limit", "sampling", "temperature", "tries", "completions", "train_tasks", "curators",
)  # fmt: skip
"""Further such columns, where rows differ in them."""


def leaderboard_frame(board: Leaderboard, *, long: bool) -> pd.DataFrame:
    """Return a leaderboard: one row per leaderboard row, or if ``long``, per leaderboard row and task."""
    import pandas as pd

    models = [row for row in board.rows if row.kind != "random"]
    differing = [name for name in _WHERE_DIFFERING if len({getattr(row, name) for row in models}) > 1]
    columns = [*_WHAT, *differing]
    if long:
        rows = [_facts(row, columns) | _result(task, row.results[task]) for row in board.rows for task in row.results]
        frame = pd.DataFrame(rows, columns=[*columns, *_result("", None)])
        whole = ["degree", "n", "patterns", "seeds", "training_rows"]
        frame[whole] = frame[whole].round().astype("Float64").astype("Int64")
        return frame
    tables = [
        _facts(row, columns)
        | {task: _percent(row.results[task].accuracy) if task in row.results else None for task in board.tasks}
        | {"mean": _percent(row.mean)}
        for row in board.rows
    ]
    frame = pd.DataFrame(tables, columns=[*columns, *board.tasks, "mean"])
    numbers = [*board.tasks, "mean"]
    frame[numbers] = frame[numbers].astype(float)
    frame["degree"] = frame["degree"].astype("Int64")
    return frame


def claims_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Return the results of claims, one row per claim and task."""
    import pandas as pd

    rows = [
        {
            "claim": result.claim,
            "task": result.task,
            "verdict": result.verdict,
            "effect": _percent(result.effect),
            **_ends(result.interval),
            "p": result.adjusted,
            "n": result.n,
            "seeds": result.seeds,
            "paper": _percent(result.paper.effect) if result.paper else None,
            "sentence": result.statement,
            "compared": result.compared,
            "reason": result.reason,
        }
        for result in results
    ]
    columns = [
        "claim",
        "task",
        "verdict",
        "effect",
        "low",
        "high",
        "p",
        "n",
        "seeds",
        "paper",
        "sentence",
        "compared",
        "reason",
    ]
    return pd.DataFrame(rows, columns=columns)


def comparison_frame(found: RunComparison) -> pd.DataFrame:
    """Return the comparison of two runs, one row per leaderboard row and task."""
    import pandas as pd

    rows = [
        {
            "row": row.name,
            "task": row.task,
            "before": _percent(row.before),
            "after": _percent(row.after),
            "effect": _percent(row.effect),
            **_ends(row.interval),
            "p": row.adjusted,
            "verdict": row.verdict,
            "questions": row.questions,
            "better": row.better,
            "worse": row.worse,
        }
        for row in found.rows
    ]
    frame = pd.DataFrame(rows)
    frame.attrs["left_out"] = list(found.left_out)
    return frame


def _facts(row: LeaderboardRow, names: Iterable[str]) -> dict[str, Any]:
    facts = {name: getattr(row, name) for name in names}
    return {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in facts.items()}


def _result(task: str, result: CellResult | None) -> dict[str, Any]:
    return {
        "task": task,
        "accuracy": _percent(result.accuracy if result else None),
        **_ends(result.interval if result else None),
        "n": result.n if result else None,
        "patterns": result.patterns if result else None,
        "seeds": result.seeds if result else None,
        "training_rows": result.training_rows if result else None,
        "reason": result.reason if result else None,
    }


def _ends(interval: Interval | None) -> dict[str, float | None]:
    return {
        "low": _percent(interval.low if interval else None),
        "high": _percent(interval.high if interval else None),
    }


def _percent(share: float | None) -> float | None:
    """Return a share in percent; rounded to six decimals, as it is printed."""
    return None if share is None else round(100 * share, 6)
