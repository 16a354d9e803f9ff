"""Calendar functions shared by the date twin and the pocket models' pre-training text."""

from __future__ import annotations

from datetime import date, timedelta


def numbers(day: date) -> str:
    """Return a date as ``MM/DD/YYYY``."""
    return f"{day.month:02}/{day.day:02}/{day.year}"


def shift(day: date, unit: str, count: int) -> date:
    """Return the date that is ``count`` units later, or earlier where ``count`` is negative.

    Args:
        day: the first date.
        unit: ``day``, ``week``, ``month`` or ``year``.
        count: number of units.

    Returns:
        The date. A day that does not exist in the month becomes its 28th.
    """
    if unit in {"day", "week"}:
        return day + timedelta(count * (7 if unit == "week" else 1))
    months = 12 * day.year + day.month - 1 + count * (12 if unit == "year" else 1)
    try:
        return date(months // 12, months % 12 + 1, day.day)
    except ValueError:
        return date(months // 12, months % 12 + 1, 28)
