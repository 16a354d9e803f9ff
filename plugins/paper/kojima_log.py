"""Logs of the zero-shot-CoT repository (Kojima et al. 2022, kojima-takeshi188/zero_shot_cot), read as recordings.

Its ``main.py`` prints, per question, the two-stage prompt with the model's text, and the answer extracted from it::

    *************************
    1st data
    1_th_sampling
    Q: <question>
    A: <trigger of the rationale><rationale> <newline><trigger of the answer><answer>
    pred_before : <answer>
    pred_after : <extracted answer>
    GT : <gold>
    *************************

Older runs print ``pred_before`` without the white space and colons that the model wrote; it is kept as printed.
Later projects log the same through Python's ``logging``: each message begins with ``INFO:root:``, and ``pred :`` is the
extracted answer, so that the answer's text is what follows the last trigger.
Records are in shuffled order and have no index, so they are matched by question text.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from rtbench.api import BadInputError, Record, RecordedEntry, Recording, RecordingFormat, Unmatched, read_bytes, text_in

KEYS = {"zero_shot_cot": "zs_cot", "zero_shot": "zs"}
"""Our recording key for each value of its ``--method``. Logs of the few-shot methods show no end of their
demonstrations."""
ENGINES = {
    "chatgpt": "gpt-3.5-turbo-0613",
    "gpt-4": "gpt-4-0613",
    "gpt3": "text-ada-001",
    "gpt3-medium": "text-babbage-001",
    "gpt3-large": "text-curie-001",
    "gpt3-xl": "text-davinci-002",
}
"""OpenAI engine for each value of its ``--model`` (source: ``decoder_for_gpt3`` in its ``utils.py``)."""
TASKS = {
    "singleeq": "single_eq",
    "commonsensqa": "commonsense_qa",
    "strategyqa": "strategy_qa",
    "bigbench_date": "date_understanding",
    "object_tracking": "tracking_shuffled_objects",
    "last_letters": "last_letter_concatenation",
}
"""Task name for each value of its ``--dataset``, where the two differ."""

_SETTING = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_SIZE = re.compile(r"^data size : (\d+)$", re.MULTILINE)
_START = re.compile(r"^\*{5,}\n\d+st data\n(?:\d+_th_sampling\n)?", re.MULTILINE)
_OTHER_MESSAGE = re.compile(r"^(?:DEBUG|INFO|WARNING|ERROR):(?!root:)[\w.]+:.*\n", re.MULTILINE)
_MESSAGE = re.compile(r"^INFO:root:", re.MULTILINE)
"""What Python's ``logging`` writes before a message."""


class _Settings(Record, frozen=True):
    """Settings of a run, as its log states them."""

    method: str
    model: str
    dataset: str
    cot_trigger: str
    direct_answer_trigger: str
    direct_answer_trigger_for_zeroshot: str = ""


class KojimaLog(RecordingFormat):
    """Files ``*.log``, gzipped or not."""

    name = "zero-shot-CoT log"

    def matches(self, path: Path) -> bool:
        return path.name.removesuffix(".gz").endswith(".log")

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return read_log(path, model=model, key=key, task=task)


def read_log(path: Path, *, model: str | None = None, key: str | None = None, task: str | None = None) -> Recording:
    """Read a log of a zero-shot-CoT run.

    Args:
        path: the log, gzipped or not.
        model: model that wrote the completions; the default is the engine behind the log's model name.
        key: recording key, which says how the completions were requested; the default follows from the log's method.
        task: name of the task; the default follows from the log's data set.

    Raises:
        BadInputError: the file is no such log, has another method, or is truncated; names the file and the line.
    """
    text, messages = _text(path)
    settings = _settings(text, path)
    starts = list(_START.finditer(text))
    ends = [*(match.start() for match in starts), len(text)][1:]
    entries: list[RecordedEntry] = []
    skipped: list[Unmatched] = []
    line, counted = 1, 0
    for start, end in zip(starts, ends, strict=True):
        line += text.count("\n", counted, start.start())
        counted = start.start()
        place = f"line {line}"
        try:
            entries.append(_entry(text[start.end() : end], settings, place, f"{path}, {place}"))
        except BadInputError as error:
            if not messages:
                raise
            skipped.append(Unmatched(where=f"{path}, {place}", reason=error.what))
    _check_count(text, len(entries) + len(skipped), path)
    return Recording(
        path=path,
        model=model or ENGINES.get(settings.model, settings.model),
        key=key or KEYS[settings.method],
        task=task or TASKS.get(settings.dataset, settings.dataset),
        answer_prefix=None,
        entries=tuple(entries),
        skipped=tuple(skipped),
    )


def _text(path: Path) -> tuple[str, bool]:
    """Return a log's text without what ``logging`` adds, and whether it was written by it.

    Such logs have records that were lost, messages of other libraries, and damaged characters, which become U+FFFD so
    that they match no question.
    """
    data = read_bytes(path)
    messages = data.startswith(b"INFO:")
    text = data.decode(errors="replace") if messages else text_in(data, where=str(path))
    if not messages:
        return text, False
    return _MESSAGE.sub("", _OTHER_MESSAGE.sub("", text.replace("\r\n", "\n"))), True


def _settings(text: str, path: Path) -> _Settings:
    """Return the settings in the ``Namespace(...)`` line at the start of a log."""
    numbered = enumerate(text.split("\n", 5)[:5], 1)
    number, line = next(((at, line) for at, line in numbered if line.startswith("Namespace(")), (1, ""))
    try:
        stated = {name: str(ast.literal_eval(value)) for name, value in _SETTING.findall(line)}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise BadInputError(
            "a setting is not valid Python", where=f"{path}, line {number}", next_step="Download the log again."
        ) from None
    known = _Settings.__struct_fields__
    missing = [name for name in known[: -len(_Settings.__struct_defaults__)] if name not in stated]
    if missing:
        raise BadInputError(
            f"not a log of zero-shot-CoT: its first lines do not state {', '.join(missing)}",
            where=str(path),
            next_step="Use a log as published by the zero_shot_cot repository, or JSON Lines (*.jsonl).",
        )
    settings = _Settings(**{name: stated[name] for name in known if name in stated})
    if settings.method not in KEYS:
        raise BadInputError(
            f"a log of the method {settings.method!r}, whose records are not read",
            where=str(path),
            next_step=f"Use a log of {' or '.join(KEYS)}.",
        )
    return settings


class _Tail(NamedTuple):
    """The lines at the end of a record."""

    start: int
    before: str | None
    """Text of the answer, where it is logged."""
    gold: str


def _tail_of(block: str) -> _Tail | None:
    """Return the lines at the end of a record, ``pred…`` and ``GT :``, found from the end; None where they are not there."""
    gold = block.rfind("\nGT : ")
    end = block.find("\n", gold + 1)
    if gold < 0 or end < 0 or not block.startswith("*****", end + 1):
        return None
    after = block.rfind("\npred_after : ", 0, gold)
    if after >= 0:
        before = block.rfind("\npred_before : ", 0, after)
        return _Tail(before, block[before + 15 : after], block[gold + 6 : end]) if before >= 0 else None
    pred = block.rfind("\npred : ", 0, gold)
    return _Tail(pred, None, block[gold + 6 : end]) if pred >= 0 else None


def _entry(block: str, settings: _Settings, place: str, where: str) -> RecordedEntry:
    """Parse a record, from ``Q:`` to the line of stars that ends it."""
    tail = _tail_of(block)
    body = block[: tail.start] if tail else ""
    question, trigger = _parts(settings)
    head, separator, written = body.partition(f"\nA: {trigger}" if trigger else "\nA:")
    if tail is None or not separator or not head.startswith("Q: "):
        raise BadInputError(
            "the record is incomplete", where=where, next_step="Download the log again, or remove the record."
        )
    entry = RecordedEntry(
        place=place, question=head.removeprefix("Q: "), completion_index=0, text=written, answer=tail.gold
    )
    if not question:
        return entry
    place_of_answer = _answer_stage(written, f" {question}", tail.before)
    if place_of_answer is None:
        raise BadInputError(
            "no answer stage: the answer after its trigger is not the one in `pred_before`",
            where=where,
            next_step="Download the log again, or remove the record.",
        )
    answer = tail.before
    if answer is None:
        answer = written[place_of_answer + 1 + len(question) :]
    return msgspec.structs.replace(entry, text=answer, reasoning=written[:place_of_answer], prompt=question.strip())


def _parts(settings: _Settings) -> tuple[str, str]:
    """Return the trigger of the answer stage, empty where there is one stage, and the text after ``A: ``."""
    if settings.method == "zero_shot_cot":
        return settings.direct_answer_trigger, settings.cot_trigger
    return "", settings.direct_answer_trigger_for_zeroshot if settings.method == "zero_shot" else ""


def _answer_stage(written: str, trigger: str, answer: str | None) -> int | None:
    """Return the offset at which the answer stage begins; None where there is none.

    A rationale may contain the trigger itself, so the trigger counts only if the answer follows it. Where the answer's
    text is not logged, the last trigger counts.
    """
    if answer is None:
        at = written.rfind(trigger)
        return at if at >= 0 else None
    at = written.rfind(trigger)
    while at >= 0:
        if _bare(written[at + len(trigger) :]) == _bare(answer):
            return at
        at = written.rfind(trigger, 0, at)
    return None


def _bare(text: str) -> str:
    return re.sub(r"[\s:]", "", text)


def _check_count(text: str, count: int, path: Path) -> None:
    size = _SIZE.search(text)
    if not count or (size is not None and count != int(size[1])):
        expected = f" of the {size[1]} that its head states" if size else ""
        raise BadInputError(
            f"{count} records{expected}",
            where=str(path),
            next_step="The log is truncated or was changed; download it again.",
        )
