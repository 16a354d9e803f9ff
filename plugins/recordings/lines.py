"""Recorded completions in JSON, and their conversion to entries."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from rtbench.api import BadInputError, FinishReason, NotNegative, RecordedEntry, squeezed

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
"""Answer prefixes by prediction template.

Source: ``PREDICTION_PREFIXES`` in the original's ``src/evaluation/evaluator.py``.
"""


class RecordLine(msgspec.Struct):
    """One record of a file; other fields are allowed and ignored."""

    question: str | None = None
    sample_index: NotNegative | None = None
    completion_index: NotNegative | None = None
    answer: str | int | float | bool | None = None
    reasoning_prompt: str | None = None
    reasoning_completion: str | None = None
    prompt: str | None = None
    completion: str | None = None
    text: str | None = None
    finish_reason: str | None = None


def names_in(path: Path) -> dict[str, str]:
    """Return model, key and task from ``<model>__<key>__<task>.jsonl`` and other endings; empty for other names."""
    stem = re.sub(r"(?:\.(?:jsonl?|csv|tsv|parquet))?(?:\.(?:gz|bz2|xz))?$", "", path.name)
    parts = stem.split("__")
    if len(parts) < 3:
        return {}
    return {"model": "__".join(parts[:-2]), "key": parts[-2], "task": parts[-1]}


def finish_of(reason: str | None) -> FinishReason | None:
    """Return a finish reason as ours; None for others and where the source does not say."""
    if reason == "stop":
        return "stop"
    return "length" if reason == "length" else None


def required(task: str | None, path: Path) -> str:
    """Return the name of the file's task.

    Raises:
        BadInputError: it is missing.
    """
    if not task:
        raise BadInputError(
            "the file does not say which task it is for",
            where=str(path),
            next_step="Use --task, or name the file <model>__<key>__<task>.jsonl.",
        )
    return task


def two_stages(line: RecordLine) -> bool:
    """Return whether a record comes from a two-stage prompt."""
    return line.reasoning_prompt is not None


def numbered(placed: list[tuple[str, RecordLine]], path: Path) -> tuple[RecordedEntry, ...]:
    """Return records as entries. Completions of one question without an index are numbered in order.

    Args:
        placed: position in the file, for messages, and record.
        path: the file, for messages.

    Raises:
        BadInputError: a record has neither question nor sample index, or no completion.
    """
    seen: dict[int | str, int] = {}
    entries: list[RecordedEntry] = []
    for place, line in placed:
        if line.question is None and line.sample_index is None:
            raise BadInputError(
                "neither `question` nor `sample_index`", where=f"{path}, {place}", next_step="Add one of them."
            )
        question: int | str = line.sample_index if line.sample_index is not None else squeezed(line.question or "")
        number = seen.get(question, 0)
        seen[question] = number + 1
        entries.append(entry_of(place, line, number, path))
    return tuple(entries)


def entry_of(place: str, line: RecordLine, number: int, path: Path) -> RecordedEntry:
    """Return a record as an entry.

    Args:
        place: position in the file, for messages.
        line: the record.
        number: completion index, where the record has none.
        path: the file, for messages.

    Raises:
        BadInputError: the record has no completion.
    """
    completion = line.completion if line.completion is not None else line.text
    if completion is None:
        raise BadInputError(
            "neither `completion` nor `text`", where=f"{path}, {place}", next_step="Add the model's text."
        )
    two = two_stages(line)
    return RecordedEntry(
        place=place,
        question=line.question,
        sample_index=line.sample_index,
        completion_index=number if line.completion_index is None else line.completion_index,
        text=completion if two else (line.reasoning_completion or "") + completion,
        reasoning=(line.reasoning_completion or "") if two else None,
        answer=_answer(line.answer),
        prompt=line.prompt,
        finish_reason=finish_of(line.finish_reason),
    )


def _answer(value: str | float | bool | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).removesuffix(".0")
