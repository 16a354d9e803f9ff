"""Recorded completions as JSON holds them, and the entries they become."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rtbench.api import BadInputError, FinishReason, RecordedEntry, squeezed

PREFIXES: dict[str | None, str | None] = {
    None: None,
    "zs": None,
    "ft_natural": None,
    "ft_token": None,
    "fs_cot": "The answer is",
    "zs_cot": None,
    "ft_cot_natural": "Therefore, the answer is",
    "ft_cot_token": "-->",
}
"""``PREDICTION_PREFIXES`` of the original's ``src/evaluation/evaluator.py``, by prediction template."""


class RecordLine(msgspec.Struct):
    """One record as it stands in a file; other fields may be there and are not read."""

    question: str | None = None
    sample_index: int | None = None
    completion_index: int | None = None
    answer: str | int | float | bool | None = None
    reasoning_prompt: str | None = None
    reasoning_completion: str | None = None
    prompt: str | None = None
    completion: str | None = None
    text: str | None = None
    finish_reason: str | None = None


def required(task: str | None, path: Path) -> str:
    if not task:
        raise BadInputError(
            "the file does not say which task it is for",
            where=str(path),
            next_step="Give --task, or name the file <model>__<key>__<task>.jsonl.",
        )
    return task


def two_stages(line: RecordLine) -> bool:
    return line.reasoning_prompt is not None


def numbered(placed: list[tuple[str, RecordLine]], path: Path) -> tuple[RecordedEntry, ...]:
    """Entries; completions of one question that carry no number are numbered in order."""
    seen: dict[int | str, int] = {}
    entries: list[RecordedEntry] = []
    for place, line in placed:
        if line.question is None and line.sample_index is None:
            raise BadInputError(
                "neither `question` nor `sample_index`", where=f"{path}, {place}", next_step="Give one of them."
            )
        whose: int | str = line.sample_index if line.sample_index is not None else squeezed(line.question or "")
        number = seen.get(whose, 0)
        seen[whose] = number + 1
        entries.append(entry_of(place, line, number, path))
    return tuple(entries)


def entry_of(place: str, line: RecordLine, number: int, path: Path) -> RecordedEntry:
    completion = line.completion if line.completion is not None else line.text
    if completion is None:
        raise BadInputError(
            "neither `completion` nor `text`", where=f"{path}, {place}", next_step="Give what the model wrote."
        )
    two = two_stages(line)
    finish: FinishReason | None = None
    if line.finish_reason == "stop":
        finish = "stop"
    elif line.finish_reason == "length":
        finish = "length"
    return RecordedEntry(
        place=place,
        question=line.question,
        sample_index=line.sample_index,
        completion_index=number if line.completion_index is None else line.completion_index,
        text=completion if two else (line.reasoning_completion or "") + completion,
        reasoning=(line.reasoning_completion or "") if two else None,
        answer=_answer(line.answer),
        prompt=line.prompt,
        finish_reason=finish,
    )


def _answer(value: str | float | bool | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).removesuffix(".0")
