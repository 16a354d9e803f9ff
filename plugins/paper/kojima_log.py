"""Logs of the zero-shot-CoT repository (Kojima et al. 2022, kojima-takeshi188/zero_shot_cot), read as recordings.

``main.py`` there prints, per question, the two-stage prompt with what the model wrote, and the answer it found::

    *************************
    1st data
    1_th_sampling
    Q: <question>
    A: <trigger of the rationale><rationale> <newline><trigger of the answer><answer>
    pred_before : <answer>
    pred_after : <answer found>
    GT : <gold>
    *************************

Older runs print ``pred_before`` without the white space and colons that the model wrote; it is kept as it stands there.
Records come in shuffled order and carry no index: they are matched by question text.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rtbench.api import BadInputError, Record, RecordedEntry, Recording, RecordingFormat, read_bytes

KEYS = {"zero_shot_cot": "zs_cot"}
"""Its ``--method`` to our recording keys; the other methods ask in one stage and print no rationale of their own."""
ENGINES = {
    "gpt3": "text-ada-001",
    "gpt3-medium": "text-babbage-001",
    "gpt3-large": "text-curie-001",
    "gpt3-xl": "text-davinci-002",
}
"""Its ``--model`` to the engine asked (``decoder_for_gpt3`` in its ``utils.py``)."""
TASKS = {
    "singleeq": "single_eq",
    "commonsensqa": "commonsense_qa",
    "strategyqa": "strategy_qa",
    "bigbench_date": "date_understanding",
    "object_tracking": "tracking_shuffled_objects",
    "last_letters": "last_letter_concatenation",
}
"""Its ``--dataset`` to task names, where the two differ."""

_SETTING = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_SIZE = re.compile(r"^data size : (\d+)$", re.MULTILINE)
_START = re.compile(r"^\*{5,}\n\d+st data\n(?:\d+_th_sampling\n)?", re.MULTILINE)
_TAIL = re.compile(
    r"\npred_before : (?P<before>.*?)\npred_after : .*?\nGT : (?P<gold>[^\n]*)\n\*{5,}(?:\n|\Z)", re.DOTALL
)


class _Settings(Record, frozen=True):
    """What a log says of its run."""

    method: str
    model: str
    dataset: str
    cot_trigger: str
    direct_answer_trigger: str


class KojimaLog(RecordingFormat):
    """``*.log``, gzip or not."""

    name = "zero-shot-CoT log"

    def matches(self, path: Path) -> bool:
        return path.name.removesuffix(".gz").endswith(".log")

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return read_log(path, model=model, key=key, task=task)


def read_log(path: Path, *, model: str | None = None, key: str | None = None, task: str | None = None) -> Recording:
    """Reads a log of a zero-shot-CoT run.

    Args:
        path: the log, gzip or not.
        model: who wrote the completions; the default is the engine behind the log's model name.
        key: how they were asked for; the default follows from the log's method.
        task: the task's name; the default follows from the log's data set.

    Raises:
        BadInputError: it is no such log, of another method, or broken off; names the file and the line.
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
    """The ``Namespace(...)`` line that a run begins with."""
    line = next((line for line in text.split("\n", 5)[:5] if line.startswith("Namespace(")), "")
    given = {name: str(ast.literal_eval(value)) for name, value in _SETTING.findall(line)}
    missing = [name for name in _Settings.__struct_fields__ if name not in given]
    if missing:
        raise BadInputError(
            f"not a log of zero-shot-CoT: its first lines do not state {', '.join(missing)}",
            where=str(path),
            next_step="Give a log as the zero_shot_cot repository publishes it, or JSON Lines (*.jsonl).",
        )
    settings = _Settings(**{name: given[name] for name in _Settings.__struct_fields__})
    if settings.method not in KEYS:
        raise BadInputError(
            f"a log of the method {settings.method!r}, which holds no rationales asked for in a stage of their own",
            where=str(path),
            next_step=f"Give a log of {' or '.join(KEYS)}.",
        )
    return settings


def _entry(block: str, settings: _Settings, place: str, where: str) -> RecordedEntry:
    """One record, from ``Q:`` to the line of stars that ends it."""
    tail = _TAIL.search(block)
    head, asked, written = block[: tail.start() if tail else 0].partition(f"\nA: {settings.cot_trigger}")
    if tail is None or not asked or not head.startswith("Q: "):
        raise BadInputError("the record breaks off", where=where, next_step="Get the log again, or remove the record.")
    trigger = settings.direct_answer_trigger
    place_of_answer = _answer_stage(written, f" {trigger}", tail["before"])
    if place_of_answer is None:
        raise BadInputError(
            "no answer stage: the answer after its trigger is not the one in `pred_before`",
            where=where,
            next_step="Get the log again, or remove the record.",
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
    """Where the answer stage begins. A rationale may word the trigger itself: what follows decides."""
    at = written.rfind(trigger)
    while at >= 0:
        if _bare(written[at + len(trigger) :]) == _bare(answer):
            return at
        at = written.rfind(trigger, 0, at)
    return None


def _bare(text: str) -> str:
    return re.sub(r"[\s:]", "", text)


def _check_count(text: str, found: int, path: Path) -> None:
    size = _SIZE.search(text)
    if not found or (size is not None and found != int(size[1])):
        said = f" of the {size[1]} that its head names" if size else ""
        raise BadInputError(
            f"{found} records{said}",
            where=str(path),
            next_step="The log broke off or was changed; get it again.",
        )
