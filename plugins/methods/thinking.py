"""Separation of a model's thinking from its answer, by tags."""

from __future__ import annotations

from collections.abc import Sequence

Tags = tuple[str, str]
"""Opening and closing tag."""


def split_thoughts(text: str, tags: Tags, *, opened: bool = False) -> tuple[str | None, str | None]:
    """Return thinking and answer of a text.

    Args:
        text: the model's text.
        tags: opening and closing tag of its thinking.
        opened: the prompt ends with the opening tag. A closing tag without an opening tag implies this.

    Returns:
        (None, text) where there is no thinking; (thinking, None) where the thinking does not end.
    """
    opening, closing = tags
    if closing in text:
        thoughts, _, answer = text.partition(closing)
        return thoughts.replace(opening, "", 1), answer
    if opened or text.lstrip().startswith(opening):
        return text.replace(opening, "", 1), None
    return None, text


def parted(text: str, tags: Tags | None, *, opened: bool = False) -> tuple[str, str | None]:
    """Return answer and thinking of a text.

    Without tags, all of the text is the answer. The answer is empty where the thinking does not end.
    """
    if tags is None:
        return text, None
    thoughts, answer = split_thoughts(text, tags, opened=opened)
    return (text, None) if thoughts is None else ((answer or "").lstrip("\n"), thoughts)


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the text before its first stop string; the same object where there is none."""
    cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
    return text[: min(cuts)] if cuts else text
