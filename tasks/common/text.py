"""What the twins share in writing sentences."""

from __future__ import annotations

from collections.abc import Sequence


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str], last: str = " and ") -> str:
    """``a, b and c``; ``last`` stands before the last of several."""
    return last.join((*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]))


def yes_no(holds: bool) -> str:
    """The answer to a question whether something holds."""
    return "yes" if holds else "no"
