"""What the date twin and the pocket models' text share of the calendar."""

from __future__ import annotations

from datetime import date, timedelta


def numbers(day: date) -> str:
    """``MM/DD/YYYY``."""
    return f"{day.month:02}/{day.day:02}/{day.year}"


def shift(day: date, unit: str, count: int) -> date:
    """The date that is so many days, weeks, months or years on, or back; a day that a month lacks becomes its 28th."""
    if unit in {"day", "week"}:
        return day + timedelta(count * (7 if unit == "week" else 1))
    months = 12 * day.year + day.month - 1 + count * (12 if unit == "year" else 1)
    try:
        return date(months // 12, months % 12 + 1, day.day)
    except ValueError:
        return date(months // 12, months % 12 + 1, 28)
