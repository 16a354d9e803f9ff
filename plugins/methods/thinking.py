"""Separation of a model's thinking from its answer, by tags."""

from __future__ import annotations

from collections.abc import Sequence

Tags = tuple[str, str]
"""Opening and closing tag."""


def parted(text: str, tags: Tags | None, *, opened: bool = False) -> tuple[str, str | None]:
    """Return answer and thinking of a text.

    Args:
        text: the model's text.
        tags: opening and closing tag of its thinking; None: all of the text is the answer.
        opened: the prompt ends with the opening tag. A closing tag without an opening tag implies this.

    Returns:
        (text, None) where there is no thinking. The answer is empty where the thinking does not end.
    """
    if tags is None:
        return text, None
    opening, closing = tags
    if closing in text:
        thinking, _, answer = text.partition(closing)
        return answer.lstrip("\n"), thinking.replace(opening, "", 1)
    if opened or text.lstrip().startswith(opening):
        return "", text.replace(opening, "", 1)
    return text, None


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the text before its first stop string; the same object where there is none."""
    cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
    return text[: min(cuts)] if cuts else text
