"""Recordings of completions made elsewhere: read, matched to samples by question text, counted.

Five kinds of file are read:

* JSON Lines of records with ``reasoning_completion`` and ``completion`` (gzip or not), named
  ``<model>__<key>__<task>.jsonl[.gz]``;
* the original project's ``completion_data`` (one JSON document ``{"metadata": …, "data": {index: [record, …]}}``, as
  ``src/data/completion_dataset.py`` of itsnamgyu/reasoning-teacher states it);
* samples that lm-eval logged (``samples_<task>_<date>.jsonl``; :mod:`rtbench.lm_eval_samples`);
* logs of the zero-shot-CoT repository (``*.log``; :mod:`rtbench.kojima_log`);
* plain JSON Lines with ``question`` or ``sample_index``, and ``completion`` or ``text``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.files import jsonl_lines, read_bytes, read_json
from rtbench.interfaces import TaskData
from rtbench.records import FinishReason, Record, Sample

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
ONE_TEXT_PREFIX = "The answer is"
"""What a completion that holds rationale and answer in one text is searched for."""

Kind = Literal["records", "completion_data", "log"]


class RecordedEntry(Record, frozen=True, omit_defaults=True):
    """One recorded completion."""

    place: str
    """Where it stands in its file, for messages: ``line 3``, ``data[12][0]``."""
    completion_index: int
    text: str
    """Rationale and answer in one text; the answer stage's text where ``reasoning`` is given."""
    question: str | None = None
    sample_index: int | None = None
    """Position in the source's own order; believed only where the question agrees, or where there is none."""
    reasoning: str | None = None
    """The rationale, verbatim, of a recording made in two stages."""
    answer: str | None = None
    """Gold answer, where the recording carries it."""
    prompt: str | None = None
    """The prompt of ``text``; None where it was not recorded."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Recording:
    """A file of recorded completions."""

    path: Path
    kind: Kind
    model: str
    key: str
    """What the source calls the way it asked, such as ``zs_cot``."""
    task: str
    answer_prefix: str | None
    """What stands before the answer in a text: nothing where the answer was asked for in a stage of its own, the
    prediction template's prefix for ``completion_data``, "The answer is" for one text with both."""
    entries: tuple[RecordedEntry, ...]


@dataclass(frozen=True)
class Pair:
    """One entry with the sample it belongs to."""

    entry: RecordedEntry
    datasets: tuple[str, ...]
    """Data sets (or variants) that hold the entry's question."""
    sample: Sample
    """The sample, as the first of these has it."""
    completion_index: int
    """The entry's own, or the next free one of the sample where two entries claim one place."""

    @property
    def sample_index(self) -> int:
        return self.sample.index


class Unmatched(Record, frozen=True):
    """One entry that belongs to no sample."""

    where: str
    """File and place in it."""
    reason: str
    question: str | None = None
    sample_index: int | None = None


@dataclass(frozen=True)
class Matched:
    """What became of a recording's entries. Every entry is in exactly one of the two lists."""

    pairs: tuple[Pair, ...]
    unmatched: tuple[Unmatched, ...]
    datasets: dict[str, int]
    """Entries matched, by data set; an entry that several share is counted in each."""


class _Line(msgspec.Struct):
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


class _Metadata(msgspec.Struct):
    base_model: str | None = None
    dataset_key: str | None = None
    completion_key: str | None = None
    prediction_template: str | None = None


class _CompletionData(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, list[_Line]]


def read_recording(
    path: Path, *, model: str | None = None, key: str | None = None, task: str | None = None
) -> Recording:
    """Reads a file of recorded completions.

    Args:
        path: the file.
        model: who wrote the completions; the default is what the file or its name says.
        key: how they were asked for; likewise.
        task: the task's name; likewise.

    Raises:
        BadInputError: the file cannot be read; names the file and the line.
        UnknownNameError: its prediction template is none of the original's.
    """
    from rtbench import lm_eval_samples

    name = path.name.removesuffix(".gz")
    if name.endswith(".json"):
        return _read_completion_data(path, model, key, task)
    if lm_eval_samples.NAME.fullmatch(path.name):
        return lm_eval_samples.read_samples(path, model=model, key=key, task=task)
    if name.endswith(".log"):
        from rtbench.kojima_log import read_log

        return read_log(path, model=model, key=key, task=task)
    named = _names_in(path)
    lines = _read_lines(path)
    key = key or named.get("key") or "recorded"
    entries = _numbered([(f"line {number}", line) for number, line in lines], path)
    return Recording(
        path=path,
        kind="records",
        model=model or named.get("model") or path.name.split(".")[0],
        key=key,
        task=_required(task or named.get("task"), path),
        answer_prefix=_prefix(key, lines),
        entries=entries,
    )


def match(recording: Recording, data: Mapping[str, TaskData]) -> Matched:
    """Pairs entries with samples by question text (white space apart). Where several samples share a text, the entry's
    sample index decides; an entry without a question is paired by its sample index alone.

    Args:
        recording: the entries.
        data: the task's data by data set (or variant); the order says which one a sample is taken from first.
    """
    lookups = {name: _lookup(one.samples.values()) for name, one in data.items()}
    pairs: list[Pair] = []
    unmatched: list[Unmatched] = []
    counts = dict.fromkeys(data, 0)
    taken: dict[int, set[int]] = {}
    for entry in recording.entries:
        found: dict[str, Sample] = {}
        reason = "there are no samples at hand"
        for name, one in data.items():
            sample, reason = _sample_of(entry, lookups[name], one, taken)
            if sample is not None:
                found[name] = sample
        if not found:
            where = f"{recording.path}, {entry.place}"
            unmatched.append(
                Unmatched(where=where, reason=reason, question=entry.question, sample_index=entry.sample_index)
            )
            continue
        for name in found:
            counts[name] += 1
        sample = next(iter(found.values()))
        number = _free(entry.completion_index, taken.setdefault(sample.index, set()))
        pairs.append(Pair(entry=entry, datasets=tuple(found), sample=sample, completion_index=number))
    return Matched(
        pairs=tuple(pairs),
        unmatched=tuple(unmatched),
        datasets={name: count for name, count in counts.items() if count},
    )


# ------------------------------------------------------------------------------------------------------------ matching


def _lookup(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    by_text: dict[str, list[Sample]] = {}
    for sample in samples:
        by_text.setdefault(_normal(sample.question), []).append(sample)
    return by_text


def _sample_of(
    entry: RecordedEntry, lookup: Mapping[str, list[Sample]], data: TaskData, taken: Mapping[int, set[int]]
) -> tuple[Sample | None, str]:
    """The entry's sample in one variant, or why there is none."""
    if entry.question is None:
        if entry.sample_index is None:
            return None, "the recording has neither a question nor a sample index"
        sample = data.samples.get(entry.sample_index)
        return sample, "" if sample else f"no sample has the index {entry.sample_index}"
    found = lookup.get(_normal(entry.question), [])
    if not found:
        return None, "no sample has this question"
    for sample in found:
        if sample.index == entry.sample_index:
            return sample, ""
    # Which of the samples with one text does not matter where they share the gold, but each is to have its own.
    if len({sample.answer for sample in found}) == 1:
        free = (s for s in found if entry.completion_index not in taken.get(s.index, ()))
        return next(free, found[0]), ""
    return None, f"{len(found)} samples have this question with different golds, and the sample index is none of them"


def _free(wanted: int, taken: set[int]) -> int:
    """``wanted``, or the next number that is not taken."""
    while wanted in taken:
        wanted += 1
    taken.add(wanted)
    return wanted


def _normal(text: str) -> str:
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------------------- reading


def _names_in(path: Path) -> dict[str, str]:
    """Model, key and task from ``<model>__<key>__<task>.jsonl``."""
    stem = re.sub(r"\.jsonl?(\.gz)?$", "", path.name)
    parts = stem.split("__")
    if len(parts) < 3:
        return {}
    return {"model": "__".join(parts[:-2]), "key": parts[-2], "task": parts[-1]}


def _required(task: str | None, path: Path) -> str:
    if not task:
        raise BadInputError(
            "the file does not say which task it is for",
            where=str(path),
            next_step="Give --task, or name the file <model>__<key>__<task>.jsonl.",
        )
    return task


def _read_lines(path: Path) -> list[tuple[int, _Line]]:
    if not read_bytes(path).strip():
        raise BadInputError("the file is empty", where=str(path), next_step="Give one JSON object per line.")
    decoder = msgspec.json.Decoder(_Line)
    out: list[tuple[int, _Line]] = []
    for number, line in jsonl_lines(path):
        try:
            out.append((number, decoder.decode(line)))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            said = str(error).replace("JSON is malformed", "broken JSON")
            raise BadInputError(
                said, where=f"{path}, line {number}", next_step="Mend or remove the line; one JSON object per line."
            ) from None
    return out


def _read_completion_data(path: Path, model: str | None, key: str | None, task: str | None) -> Recording:
    raw: _CompletionData = read_json(path, _CompletionData)
    meta = raw.metadata
    if meta.prediction_template not in PREFIXES:
        known = [template for template in PREFIXES if template]
        raise UnknownNameError.of("prediction template", str(meta.prediction_template), known, where=str(path))
    placed: list[tuple[str, _Line]] = []
    for index, lines in raw.data.items():
        for i, line in enumerate(lines):
            if line.sample_index is None:
                if not index.isdecimal():
                    raise BadInputError(f"{index!r} is no sample index", where=f"{path}, data")
                line.sample_index = int(index)
            if line.completion_index is None:
                line.completion_index = i
            placed.append((f"data[{index}][{i}]", line))
    if not placed:
        raise BadInputError("there are no completions in it", where=f"{path}, data")
    prefix = PREFIXES[meta.prediction_template]
    if meta.prediction_template is None and not all(_two_stages(line) for _, line in placed):
        prefix = ONE_TEXT_PREFIX
    return Recording(
        path=path,
        kind="completion_data",
        model=model or meta.base_model or path.stem,
        key=key or meta.completion_key or meta.prediction_template or "recorded",
        task=_required(task or meta.dataset_key, path),
        answer_prefix=prefix,
        entries=_numbered(placed, path),
    )


def _two_stages(line: _Line) -> bool:
    return line.reasoning_prompt is not None


def _prefix(key: str, lines: list[tuple[int, _Line]]) -> str | None:
    """What stands before the answer in a file's texts. A key that is one of the original's templates says it (``zs``
    and ``ft_token`` have none); any other text may hold a rationale and is searched like a few-shot-CoT completion,
    which finds the last candidate where no prefix stands."""
    if all(_two_stages(line) for _, line in lines):
        return None
    return PREFIXES[key] if key in PREFIXES and key != "zs_cot" else ONE_TEXT_PREFIX


def _numbered(placed: list[tuple[str, _Line]], path: Path) -> tuple[RecordedEntry, ...]:
    """Entries; completions of one question that carry no number are numbered in order."""
    seen: dict[int | str, int] = {}
    entries: list[RecordedEntry] = []
    for place, line in placed:
        if line.question is None and line.sample_index is None:
            raise BadInputError(
                "neither `question` nor `sample_index`", where=f"{path}, {place}", next_step="Give one of them."
            )
        whose: int | str = line.sample_index if line.sample_index is not None else _normal(line.question or "")
        number = seen.get(whose, 0)
        seen[whose] = number + 1
        entries.append(_entry(place, line, number, path))
    return tuple(entries)


def _entry(place: str, line: _Line, number: int, path: Path) -> RecordedEntry:
    completion = line.completion if line.completion is not None else line.text
    if completion is None:
        raise BadInputError(
            "neither `completion` nor `text`", where=f"{path}, {place}", next_step="Give what the model wrote."
        )
    two = _two_stages(line)
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
