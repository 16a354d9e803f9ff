"""Thoughts of a thinking model, told from its answer by tags."""

from __future__ import annotations

Tags = tuple[str, str]
"""Opening and closing tag."""


def split_thoughts(text: str, tags: Tags, *, opened: bool = False) -> tuple[str | None, str | None]:
    """Thoughts and answer; (None, text) where there are no thoughts, (thoughts, None) where they never end.

    Args:
        text: what the model wrote.
        tags: of its thoughts.
        opened: the prompt ends with the opening tag. A closing tag alone says as much.
    """
    opening, closing = tags
    if closing in text:
        thoughts, _, answer = text.partition(closing)
        return thoughts.replace(opening, "", 1), answer
    if opened or text.lstrip().startswith(opening):
        return text.replace(opening, "", 1), None
    return None, text
