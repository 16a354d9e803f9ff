"""Thoughts of a thinking model, told from its answer by tags."""

from __future__ import annotations

from collections.abc import Sequence

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


def parted(text: str, tags: Tags | None, *, opened: bool = False) -> tuple[str, str | None]:
    """Answer and thoughts; no tags: all of it is answer. Thoughts that never end leave no answer."""
    if tags is None:
        return text, None
    thoughts, answer = split_thoughts(text, tags, opened=opened)
    return (text, None) if thoughts is None else ((answer or "").lstrip("\n"), thoughts)


def cut_at(text: str, stop: Sequence[str]) -> str:
    """The text before its first stop string; the same object where there is none."""
    cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
    return text[: min(cuts)] if cuts else text
