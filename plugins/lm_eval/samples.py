"""Samples that lm-eval logged (``--log_samples``: ``samples_<task>_<date>.jsonl``) as a recording."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from rtbench.api import ONE_TEXT_PREFIX, BadInputError, RecordedEntry, Recording, RecordingFormat, jsonl_lines

NAME = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl(?:\.gz)?")
_OURS = "rtbench_"
"""What names of exported tasks begin with."""


class _Sample(msgspec.Struct):
    """One line; other fields may be there and are not read."""

    doc_id: int
    doc: dict[str, Any]
    target: str | int | float
    resps: list[list[str]]
    arguments: dict[str, dict[str, Any]] = {}
    filter: str = "none"


class LmEvalSamples(RecordingFormat):
    """``samples_<task>_<date>.jsonl``, gzip or not, as ``lm_eval --log_samples`` names it."""

    name = "lm-eval samples"

    def matches(self, path: Path) -> bool:
        return NAME.fullmatch(path.name) is not None

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return read_samples(path, model=model, key=key, task=task)


def read_samples(path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
    """Reads a file of samples. lm-eval writes a line for each question and filter; the texts are the same in all of them, so
    that those of the first filter count.

    Args:
        path: the file, named as lm-eval names it.
        model: who wrote the texts; the default is the folder's name, as lm-eval makes it.
        key: what to call the recording.
        task: ours; the default is lm-eval's, without ``rtbench_``.

    Raises:
        BadInputError: a line is no such sample, its question cannot be told, or there is none.
    """
    named = NAME.fullmatch(path.name)
    assert named is not None
    decoder = msgspec.json.Decoder(_Sample)
    entries: list[RecordedEntry] = []
    first: str | None = None
    for number, line in jsonl_lines(path):
        where = f"{path}, line {number}"
        try:
            found = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise BadInputError(
                f"no sample of lm-eval: {error}",
                where=where,
                next_step="Samples of generated texts are read, as `lm_eval --log_samples` writes them.",
            ) from None
        first = found.filter if first is None else first
        if found.filter == first:
            entries += _entries(found, f"line {number}", where)
    if not entries:
        raise BadInputError("there are no samples in it", where=str(path))
    return Recording(
        path=path,
        model=model or path.parent.name,
        key=key or "lm-eval",
        task=task or named["task"].removeprefix(_OURS),
        answer_prefix=ONE_TEXT_PREFIX,
        entries=tuple(entries),
    )


def _entries(found: _Sample, place: str, where: str) -> list[RecordedEntry]:
    question = found.doc.get("question")
    if not isinstance(question, str):
        raise BadInputError(
            "its `doc` has no `question`, by which it would be matched",
            where=where,
            next_step="Tasks that `rtbench tasks export` wrote have one.",
        )
    index = found.doc.get("sample_index")
    prompt = found.arguments.get("gen_args_0", {}).get("arg_0")
    return [
        RecordedEntry(
            place=place,
            completion_index=number,
            text=text,
            question=question,
            sample_index=index if isinstance(index, int) else None,
            answer=str(found.target),
            prompt=prompt if isinstance(prompt, str) else None,
        )
        for number, text in enumerate(text for texts in found.resps for text in texts)
    ]
