"""Read samples that lm-eval logged (``--log_samples``: ``samples_<task>_<date>.jsonl``) as a recording."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.reporters.harnesses import PREFIX

from rtbench.api import (
    ONE_TEXT_PREFIX,
    BadInputError,
    RecordedEntry,
    Recording,
    RecordingFormat,
    decode_json,
    jsonl_lines,
)

NAME = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl(?:\.gz)?")


class _LmEvalSample(msgspec.Struct):
    """One line of a file; other fields are allowed and ignored."""

    doc_id: int
    doc: dict[str, Any]
    target: str | int | float | bool
    resps: list[list[str]]
    arguments: Any = None
    filter: str | None = None
    """None in files of 2024, which have the lines of all filters without their names."""


class LmEvalSamples(RecordingFormat):
    """Reader of ``samples_<task>_<date>.jsonl``, with or without gzip, as ``lm_eval --log_samples`` writes it."""

    name = "lm-eval samples"

    def matches(self, path: Path) -> bool:
        return NAME.fullmatch(path.name) is not None

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return read_samples(path, model=model, key=key, task=task)


def read_samples(path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
    """Read a file of samples.

    lm-eval writes one line per question and filter. The texts are the same for all filters, so that only the first
    filter's lines are read.

    Args:
        path: the file, with the name that lm-eval gave it.
        model: model that wrote the texts; None takes the folder's name, as lm-eval writes it.
        key: name of the recording; None means ``lm-eval``.
        task: our task's name; None takes lm-eval's, without ``rtbench_``.

    Raises:
        BadInputError: a line is not a sample or has no question, or the file has no samples.
    """
    name = NAME.fullmatch(path.name)
    assert name is not None
    decoder = msgspec.json.Decoder(_LmEvalSample)
    entries: list[RecordedEntry] = []
    seen: set[int] = set()
    first: str | None = None
    prefixes: list[str | None] = []
    own = name["task"].startswith(PREFIX)
    for number, line in jsonl_lines(path):
        where = f"{path}, line {number}"
        try:
            sample = decode_json(line, decoder, where=where, what="a sample of lm-eval")
        except BadInputError as error:
            raise BadInputError(
                error.what,
                where=where,
                next_step="Use samples of generated texts, as written by `lm_eval --log_samples`.",
            ) from None
        first = sample.filter if first is None else first
        if sample.filter == first and sample.doc_id not in seen:
            seen.add(sample.doc_id)
            prefixes.append(_prefix_in(sample.doc, where))
            entries += _entries(sample, f"line {number}", where, own=own)
    if not entries:
        raise BadInputError("the file has no samples", where=str(path))
    if len(set(prefixes)) > 1:
        raise BadInputError("its samples have different answer prefixes", where=str(path), next_step="Split the file.")
    return Recording(
        path=path,
        model=model or path.parent.name,
        key=key or "lm-eval",
        task=task or (name["task"].removeprefix(PREFIX).partition("__")[0] if own else name["task"]),
        answer_prefix=prefixes[0],
        entries=tuple(entries),
    )


def _entries(sample: _LmEvalSample, place: str, where: str, *, own: bool) -> list[RecordedEntry]:
    question = sample.doc.get("question")
    if not isinstance(question, str):
        raise BadInputError(
            "its `doc` has no `question`, which is needed to match it to a sample",
            where=where,
            next_step="Use tasks that `rtbench tasks export` wrote; they have a question.",
        )
    index = sample.doc.get("sample_index")
    return [
        RecordedEntry(
            place=place,
            completion_index=number,
            text=text,
            question=question,
            sample_index=index if isinstance(index, int) else None,
            answer=str(sample.target) if own else _gold(sample.target),
            prompt=_prompt(sample.arguments),
        )
        for number, text in enumerate(text for texts in sample.resps for text in texts)
    ]


def _prefix_in(doc: dict[str, Any], where: str) -> str | None:
    """Return the answer prefix that an exported task states; the default where it states none."""
    prefix = doc.get("answer_prefix", ONE_TEXT_PREFIX)
    if prefix is not None and not isinstance(prefix, str):
        raise BadInputError(f"its `answer_prefix` is {prefix!r}, not text", where=where, next_step="Fix the sample.")
    return prefix


def _gold(target: str | float | bool) -> str:
    """Return the gold of a task of lm-eval's own, whose target may be a solution with the answer after ``####``."""
    if isinstance(target, bool):
        return "yes" if target else "no"
    return str(target).rpartition("####")[2].strip()


def _prompt(arguments: Any) -> str | None:
    """Return the prompt among the arguments of a request: named since 2025, a list of lists before."""
    if isinstance(arguments, dict):
        arguments = arguments.get("gen_args_0")
        found = arguments.get("arg_0") if isinstance(arguments, dict) else None
    else:
        listed = isinstance(arguments, list) and arguments and isinstance(arguments[0], list) and arguments[0]
        found = arguments[0][0] if listed else None
    return found if isinstance(found, str) else None
