"""Separation of a model's thinking from its answer, by tags."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench.api import Prefill, Tags, part_thinking

__all__ = ["Tags", "begun", "cut_at", "parted"]


def begun(prefill: Prefill, tags: Tags | None, *, opened: bool = False) -> str:
    """Return the beginning of an answer as text, with its thinking closed.

    Args:
        prefill: what has been written.
        tags: opening and closing tag of thinking.
        opened: the prompt ends with the opening tag.
    """
    if prefill.thinking is None or tags is None:
        return prefill.text
    opening, closing = tags
    return f"{'' if opened else opening}{prefill.thinking.rstrip()}\n{closing}\n\n{prefill.text}"


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
    thinking, answer = part_thinking(text, tags, opened=opened)
    return (text, None) if thinking is None else (answer.lstrip("\n"), thinking)


def cut_at(text: str, stop: Sequence[str]) -> str:
    """Return the text before its first stop string; the same object where there is none."""
    cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
    return text[: min(cuts)] if cuts else text
