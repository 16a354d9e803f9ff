"""Functions shared by the twins for writing sentences."""

from __future__ import annotations

from collections.abc import Sequence


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str], last: str = " and ") -> str:
    """Return parts as ``a, b and c``; ``last`` is the text before the last of several parts."""
    return last.join((*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]))


def yes_no(holds: bool) -> str:
    """Return ``yes`` or ``no``."""
    return "yes" if holds else "no"
