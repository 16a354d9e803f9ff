"""What files for other harnesses (lm-eval, inspect_ai) have in common."""

from __future__ import annotations

import math

PREFIX = "rtbench_"
"""Beginning of our tasks' names in other harnesses."""


def task_name(task: str) -> str:
    """Return a task's name in other harnesses."""
    return f"{PREFIX}{task}"


def standard_error(accuracy: float, n: int) -> float | None:
    """Return the sample standard error of an accuracy over ``n`` answers, as both harnesses compute it: with n - 1.

    Returns:
        None for fewer than two answers.
    """
    return math.sqrt(accuracy * (1 - accuracy) / (n - 1)) if n > 1 else None
