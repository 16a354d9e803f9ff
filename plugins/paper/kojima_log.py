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
Records are in shuffled order and have no index, so they are matched by question text.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rtbench.api import BadInputError, Record, RecordedEntry, Recording, RecordingFormat, read_bytes

KEYS = {"zero_shot_cot": "zs_cot"}
"""Our recording key for each value of its ``--method``. The other methods ask in one stage and print no separate
rationale."""
ENGINES = {
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
_TAIL = re.compile(
    r"\npred_before : (?P<before>.*?)\npred_after : .*?\nGT : (?P<gold>[^\n]*)\n\*{5,}(?:\n|\Z)", re.DOTALL
)


class _Settings(Record, frozen=True):
    """Settings of a run, as its log states them."""

    method: str
    model: str
    dataset: str
    cot_trigger: str
    direct_answer_trigger: str


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
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    settings = _settings(text, path)
    starts = list(_START.finditer(text))
    ends = [*(match.start() for match in starts), len(text)][1:]
    entries: list[RecordedEntry] = []
    line, counted = 1, 0
    for start, end in zip(starts, ends, strict=True):
        line += text.count("\n", counted, start.start())
        counted = start.start()
        place = f"line {line}"
        entries.append(_entry(text[start.end() : end], settings, place, f"{path}, {place}"))
    _check_count(text, len(entries), path)
    return Recording(
        path=path,
        model=model or ENGINES.get(settings.model, settings.model),
        key=key or KEYS[settings.method],
        task=task or TASKS.get(settings.dataset, settings.dataset),
        answer_prefix=None,
        entries=tuple(entries),
    )


def _settings(text: str, path: Path) -> _Settings:
    """Return the settings in the ``Namespace(...)`` line at the start of a log."""
    line = next((line for line in text.split("\n", 5)[:5] if line.startswith("Namespace(")), "")
    stated = {name: str(ast.literal_eval(value)) for name, value in _SETTING.findall(line)}
    missing = [name for name in _Settings.__struct_fields__ if name not in stated]
    if missing:
        raise BadInputError(
            f"not a log of zero-shot-CoT: its first lines do not state {', '.join(missing)}",
            where=str(path),
            next_step="Use a log as published by the zero_shot_cot repository, or JSON Lines (*.jsonl).",
        )
    settings = _Settings(**{name: stated[name] for name in _Settings.__struct_fields__})
    if settings.method not in KEYS:
        raise BadInputError(
            f"a log of the method {settings.method!r}, which has no stage that asks for a rationale only",
            where=str(path),
            next_step=f"Use a log of {' or '.join(KEYS)}.",
        )
    return settings


def _entry(block: str, settings: _Settings, place: str, where: str) -> RecordedEntry:
    """Parse a record, from ``Q:`` to the line of stars that ends it."""
    tail = _TAIL.search(block)
    head, separator, written = block[: tail.start() if tail else 0].partition(f"\nA: {settings.cot_trigger}")
    if tail is None or not separator or not head.startswith("Q: "):
        raise BadInputError(
            "the record is incomplete", where=where, next_step="Download the log again, or remove the record."
        )
    trigger = settings.direct_answer_trigger
    place_of_answer = _answer_stage(written, f" {trigger}", tail["before"])
    if place_of_answer is None:
        raise BadInputError(
            "no answer stage: the answer after its trigger is not the one in `pred_before`",
            where=where,
            next_step="Download the log again, or remove the record.",
        )
    return RecordedEntry(
        place=place,
        question=head.removeprefix("Q: "),
        completion_index=0,
        text=tail["before"],
        reasoning=written[:place_of_answer],
        answer=tail["gold"],
        prompt=trigger.strip(),
    )


def _answer_stage(written: str, trigger: str, answer: str) -> int | None:
    """Return the offset at which the answer stage begins; None where there is none.

    A rationale may contain the trigger itself, so the trigger counts only if the answer follows it.
    """
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
