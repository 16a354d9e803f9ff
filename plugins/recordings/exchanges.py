"""Recordings of chats, instructions and batches, whose questions are inside their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtbench_plugins.recordings.lines import finish_of, names_in, required
from rtbench_plugins.recordings.shapes import (
    Shape,
    UnreadableError,
    exchange_of,
    prompt_of,
    replies_of,
    shape_of_file,
)

from rtbench.api import (
    ONE_TEXT_PREFIX,
    BadInputError,
    RecordedEntry,
    Recording,
    RecordingFormat,
    TableRow,
    Unmatched,
    read_rows,
)


class Exchanges(RecordingFormat):
    """Reader of files whose records hold a prompt and a reply.

    Args:
        shape: the shape of the records.
    """

    rank = 500

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.name = shape

    def matches(self, path: Path) -> bool:
        return shape_of_file(path) == self.shape

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        entries: list[RecordedEntry] = []
        skipped: list[Unmatched] = []
        tasks: set[object] = set()
        for row in read_rows(path):
            if isinstance(name := row.values.get("task"), str):  # as our own exports have it
                tasks.add(name)
            try:
                exchange = exchange_of(row.values, self.shape)
            except UnreadableError as error:
                skipped.append(Unmatched(where=f"{path}, {row.place}", reason=str(error)))
                continue
            entries.append(
                RecordedEntry(
                    place=row.place,
                    question=exchange.prompt,
                    in_prompt=True,
                    prompt=exchange.prompt,
                    completion_index=0,
                    text=exchange.text,
                    thinking=exchange.thinking,
                )
            )
        stated = next(iter(tasks)) if len(tasks) == 1 else None
        task = task or (stated if isinstance(stated, str) else None)
        return recording_of(path, entries, skipped, model=model, key=key, task=task)


class Batches(RecordingFormat):
    """Reader of a batch's output, joined with its input by ``custom_id``."""

    name = "batch"
    rank = 400

    def matches(self, path: Path) -> bool:
        return shape_of_file(path) == "batch-output"

    def belongs(self, path: Path) -> bool:
        try:
            return shape_of_file(path) == "batch-input"
        except BadInputError:  # a file of another format
            return False

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        raise BadInputError(
            "the output of a batch holds no questions",
            where=str(path),
            next_step="Name the batch's input file, too: `rtbench import input.jsonl output.jsonl`.",
        )

    def read_with(
        self, path: Path, others: Sequence[Path], *, model: str | None, key: str | None, task: str | None
    ) -> Recording:
        if not others:
            return self.read(path, model=model, key=key, task=task)
        prompts: dict[str, str] = {}
        sources: dict[str, Path] = {}
        for other in others:
            for row in read_rows(other):
                name = _id_of(row, other)
                if name in prompts:
                    raise BadInputError(
                        f"the custom_id {name!r} is in {sources[name]} as well",
                        where=f"{other}, {row.place}",
                        next_step="Import batches with the same ids one at a time.",
                    )
                prompts[name], sources[name] = prompt_of(row.values), other
        seen: set[str] = set()
        answered: set[Path] = set()
        entries: list[RecordedEntry] = []
        skipped: list[Unmatched] = []
        for row in read_rows(path):
            where, name = f"{path}, {row.place}", _id_of(row, path)
            if name not in prompts or name in seen:
                why = (
                    f"the custom_id {name!r} occurs twice" if name in seen else f"no request has the custom_id {name!r}"
                )
                skipped.append(Unmatched(where=where, reason=why))
                continue
            seen.add(name)
            answered.add(sources[name])
            try:
                replies = replies_of(row.values, prompts[name])
            except UnreadableError as error:
                skipped.append(Unmatched(where=where, reason=str(error)))
                continue
            entries += [
                RecordedEntry(
                    place=row.place,
                    question=reply.prompt,
                    in_prompt=True,
                    prompt=reply.prompt,
                    completion_index=reply.number,
                    text=reply.text,
                    thinking=reply.thinking,
                    finish_reason=finish_of(reply.finish_reason),
                )
                for reply in replies
            ]
        skipped += [
            Unmatched(where=str(path), reason=f"the request {name!r} has no response")
            for name in prompts
            if name not in seen and sources[name] in answered  # other inputs belong to other outputs
        ]
        return recording_of(path, entries, skipped, model=model, key=key, task=task)


def _id_of(row: TableRow, path: Path) -> str:
    name = row.values.get("custom_id")
    if not isinstance(name, str):
        raise BadInputError("it has no `custom_id`", where=f"{path}, {row.place}", next_step="Remove the record.")
    return name


def recording_of(
    path: Path,
    entries: Sequence[RecordedEntry],
    skipped: Sequence[Unmatched],
    *,
    model: str | None,
    key: str | None,
    task: str | None,
) -> Recording:
    """Return entries as a recording, with names from the file's name where none are given.

    Raises:
        BadInputError: there are no entries, or the task is not known.
    """
    if not entries:
        reason = f": {skipped[0].reason}" if skipped else ""
        raise BadInputError(f"none of its records holds a question and a reply{reason}", where=str(path))
    names = names_in(path)
    return Recording(
        path=path,
        model=model or names.get("model") or path.name.split(".")[0],
        key=key or names.get("key") or "recorded",
        task=required(task or names.get("task"), path),
        answer_prefix=ONE_TEXT_PREFIX,
        entries=tuple(entries),
        skipped=tuple(skipped),
    )


def sharegpt() -> RecordingFormat:
    """Create the format ``sharegpt``."""
    return Exchanges("sharegpt")


def messages() -> RecordingFormat:
    """Create the format ``messages``."""
    return Exchanges("messages")


def alpaca() -> RecordingFormat:
    """Create the format ``alpaca``."""
    return Exchanges("alpaca")


def prompt_response() -> RecordingFormat:
    """Create the format ``prompt-response``."""
    return Exchanges("prompt-response")
