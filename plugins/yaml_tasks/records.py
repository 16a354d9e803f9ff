"""Turn records with named fields into samples: the files of a task of your own, and data sets of the hub.

Nothing is guessed: a field that is no text, or a gold that can be read in two ways, is an error that names the record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rtbench_plugins.yaml_tasks.samples import LETTERS, LoadedSamples, choice_text, number_text

from rtbench.api import AnswerType, BadInputError, Fold, Record, Sample, TableRow, convert, read_rows
from rtbench.twins import lettered

Reading = Literal["letter", "text", "position", "rank", "label"]
"""How the golds of a choice task are written: a letter, the choice's text, its position from 0, its rank from 1, or the
data's own label of the choice."""
_READINGS: tuple[Reading, ...] = ("letter", "text", "position")
"""The readings that are tried where a task names none."""
_ENOUGH = 8
"""Number of records per choice from which golds without a single 0 are hardly positions from 0."""


class RecordOptions(Record, frozen=True):
    """Names of the fields; None where the records have no such field. ``a.b`` is the field ``b`` of the object ``a``."""

    question: str = "question"
    answer: str = "answer"
    rationale: str | None = None
    choices: str | tuple[str, ...] | None = None
    """Field with the list of choice texts, or several fields with one text each. They are added to the question."""
    group: str | None = None
    fold: str | None = None
    """Field with ``train`` or ``test``."""
    gold: Reading | None = None
    """How golds of choices are written. None: the one reading that fits all records of the file."""


class _Lettered(NamedTuple):
    """A gold answer of a choice task, before it is read, with its record's choices."""

    where: str
    gold: str | int
    choices: tuple[str, ...]
    labels: tuple[str, ...]


def load(path: Path, options: dict[str, Any], answer_type: AnswerType) -> LoadedSamples:
    """Load a file of records: JSON Lines, a JSON list, CSV, TSV or parquet.

    Raises:
        BadInputError: the file cannot be read, or a record is not a sample; the error names the file and the record.
    """
    loaded = samples_of(read_rows(path), options, answer_type, str(path))
    if not loaded.samples:
        raise BadInputError("the file has no records", where=str(path), next_step="Write one record per question.")
    return loaded


def samples_of(
    rows: Iterable[TableRow], options: dict[str, Any], answer_type: AnswerType, source: str
) -> LoadedSamples:
    """Return records as samples, numbered from 0.

    Args:
        rows: the records.
        options: fields of :class:`RecordOptions`.
        answer_type: type of the task's answers.
        source: file or data set, for messages.
    """
    names = convert(options, RecordOptions, where="jsonl options")
    samples: list[Sample] = []
    folds: dict[int, Fold] = {}
    golds: list[_Lettered] = []
    places: list[str] = []
    for index, row in enumerate(rows):
        where = f"{source}, {row.place}"
        places.append(row.place)
        question = text_of(field_of(row.values, names.question, where), names.question, where)
        answer = field_of(row.values, names.answer, where)
        choices: tuple[str, ...] = ()
        if names.choices is not None:
            choices, labels = _choices(row.values, names.choices, where)
            question = lettered(question, choices)
            golds.append(_Lettered(where, _raw_gold(answer, names.answer, where), choices, labels))
            answer = "A"  # replaced when the readings of all golds are known
        samples.append(
            Sample(
                index=index,
                question=question,
                answer=gold_text(answer, answer_type, names.answer, where),
                rationale=_optional(row.values, names.rationale, where),
                choices=choices,
                group=None
                if names.group is None
                else _label(field_of(row.values, names.group, where), names.group, where),
            )
        )
        if names.fold is not None:
            folds[index] = _fold(field_of(row.values, names.fold, where), names.fold, where)
    return LoadedSamples(_with_letters(samples, golds, names.gold), folds, places)


# ---------------------------------------------------------------------------------------------------------- fields


def field_of(values: dict[str, Any], name: str, where: str) -> Any:
    """Return a field by its name, or by a path of names with dots.

    Raises:
        BadInputError: the record has no such field.
    """
    if name in values:
        return values[name]
    inner: Any = values
    for part in name.split("."):
        if not isinstance(inner, dict) or part not in inner:
            lists = [
                key for key, value in values.items() if isinstance(value, list) and value and isinstance(value[0], dict)
            ]
            if len(values) == len(lists) == 1:
                raise BadInputError(
                    f"the file is one object with the list {lists[0]!r}",
                    where=where,
                    next_step="Write the list itself, or one object per line.",
                )
            has = inner if isinstance(inner, dict) else values
            raise BadInputError(
                f"the record has no field {name!r} (it has: {', '.join(map(str, has)) or 'none'})",
                where=where,
                next_step=f"Fix the record, or write another field's name instead of {name!r} in the task's YAML.",
            )
        inner = inner[part]
    return inner


def text_of(value: Any, name: str, where: str) -> str:
    """Return the text of a field, without white space around it.

    Raises:
        BadInputError: it is null, empty, or no text.
    """
    if not isinstance(value, str):
        raise BadInputError(f"{name!r} is {_described(value)}, not text", where=where, next_step="Fix the record.")
    text = value.strip()
    if not text:
        raise BadInputError(f"{name!r} is empty", where=where, next_step="Fix the record, or remove it.")
    return text


def gold_text(value: Any, answer_type: AnswerType, name: str, where: str) -> str:
    """Return a gold answer as text. Numbers become text, and true and false become yes and no for tasks of that type.

    Raises:
        BadInputError: it is null, empty, a list or an object.
    """
    if isinstance(value, bool) and answer_type == "yes_no":
        return "yes" if value else "no"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return number_text(value)
    if value is None:
        raise BadInputError(
            f"{name!r} is null: there is no gold answer", where=where, next_step="Fix the record, or remove it."
        )
    return text_of(value, name, where)


def _described(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return f"not a number ({value})"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return f"{kinds.get(type(value), type(value).__name__)} ({str(value)[:40]})"


def _optional(values: dict[str, Any], name: str | None, where: str) -> str | None:
    if name is None:
        return None
    value = field_of(values, name, where)
    return None if value is None or value == "" else text_of(value, name, where)


def _label(value: Any, name: str, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(value, name, where)


def _fold(value: Any, name: str, where: str) -> Fold:
    if value == "train":
        return "train"
    if value == "test":
        return "test"
    raise BadInputError(f"{name!r} is {value!r}, not train or test", where=where, next_step="Fix the record.")


# --------------------------------------------------------------------------------------------------------- choices


def _choices(values: dict[str, Any], names: str | Sequence[str], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts of a record's choices, and their labels where the data have them."""
    labels: Any = ()
    if isinstance(names, str):
        found, shown = field_of(values, names, where), names
        if isinstance(found, dict) and isinstance(found.get("text"), list):  # as many data sets of the hub have them
            found, labels = found["text"], found.get("label", ())
        elif isinstance(found, str):  # a cell of a table
            found = _list_in(found)
        if not isinstance(found, list):
            raise BadInputError(f"{names!r} is not a list of texts", where=where, next_step=_LIST_HINT)
    else:
        found, shown = [field_of(values, name, where) for name in names], ", ".join(names)
        while found and found[-1] is None:  # questions of a table may have fewer choices
            found.pop()
    texts = tuple(_choice(item, shown, where) for item in found)
    if not 2 <= len(texts) <= len(LETTERS):
        raise BadInputError(
            f"{len(texts)} choices; a question has 2 to {len(LETTERS)}, lettered A to Z",
            where=where,
            next_step="Fix the record, or remove it.",
        )
    return texts, tuple(map(str, labels)) if isinstance(labels, list) and len(labels) == len(texts) else ()


_LIST_HINT = "Write a list of texts, or name one field per choice: `choices: [option_a, option_b]`."


def _list_in(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def _choice(value: Any, name: str, where: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return number_text(value)
    if not isinstance(value, str) or not choice_text(value):
        what = "an empty text" if isinstance(value, str) else _described(value)
        raise BadInputError(f"a choice in {name!r} is {what}, not text", where=where, next_step="Fix the record.")
    return choice_text(value)


def _raw_gold(value: Any, name: str, where: str) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return gold_text(value, "choice", name, where)


def _with_letters(samples: list[Sample], golds: Sequence[_Lettered], stated: Reading | None) -> list[Sample]:
    """Return the samples with the letters of their golds, which are read in one way throughout the file."""
    import msgspec

    if not golds:
        return samples
    letters = _letters(golds, stated)
    return [msgspec.structs.replace(one, answer=letter) for one, letter in zip(samples, letters, strict=True)]


def _letters(golds: Sequence[_Lettered], stated: Reading | None) -> list[str]:
    readings: Sequence[Reading] = (stated,) if stated else _READINGS
    if stated is None and all(gold.labels for gold in golds):
        readings = ("label", *readings)
    read = {reading: [_letter(gold, reading) for gold in golds] for reading in readings}
    fitting = {reading: letters for reading, letters in read.items() if None not in letters}
    if not fitting:
        raise _no_reading(golds, read, stated)
    if "label" in fitting:
        return [letter for letter in fitting["label"] if letter]
    first, *others = fitting.items()
    for reading, letters in others:
        for gold, one, other in zip(golds, first[1], letters, strict=True):
            if one != other:
                raise BadInputError(
                    f"the answer {gold.gold!r} is choice {one} as a {first[0]}, but {other} as a {reading}, "
                    "and so for the whole file",
                    where=gold.where,
                    next_step=f"Say which it is: `gold: {first[0]}` or `gold: {reading}` under `options`.",
                )
    if stated is None and set(fitting) == {"position"}:
        _check_positions(golds, first[1])
    return [letter for letter in first[1] if letter]


def _letter(gold: _Lettered, reading: Reading) -> str | None:
    """Return the letter that a gold means in one reading; None where it means none."""
    value, choices = gold.gold, gold.choices
    text = choice_text(str(value))
    if reading == "text":
        return LETTERS[choices.index(text)] if text in choices else None
    if reading == "label":
        return LETTERS[gold.labels.index(str(value))] if str(value) in gold.labels else None
    if reading == "letter":
        return text.upper() if len(text) == 1 and text.upper() in LETTERS[: len(choices)] else None
    if not isinstance(value, int) and not (text.isascii() and text.isdecimal() and len(text) < 4):
        return None
    place = int(text) - (reading == "rank")
    return LETTERS[place] if 0 <= place < len(choices) else None


def _no_reading(
    golds: Sequence[_Lettered], read: dict[Reading, list[str | None]], stated: Reading | None
) -> BadInputError:
    """Return the error for the first record that fits no reading, or where two records need different ones."""
    if stated is not None:
        place = read[stated].index(None)
        return BadInputError(
            f"the answer {golds[place].gold!r} is not the {stated} of a choice",
            where=golds[place].where,
            next_step="Fix the record, or `gold` under `options`.",
        )
    for place, gold in enumerate(golds):
        if all(letters[place] is None for letters in read.values()):
            ranks = all(_letter(one, "rank") for one in golds)
            more = " If it is the place counted from 1, add `gold: rank` under `options`." if ranks else ""
            return BadInputError(
                f"the answer {gold.gold!r} is not the letter, position or text of a choice",
                where=gold.where,
                next_step=f"Write a letter, the position from 0, or the choice's text.{more}",
            )
    best = max(read, key=lambda reading: len(read[reading]) - read[reading].count(None))
    place = read[best].index(None)
    other = next(reading for reading in read if read[reading][place] is not None)
    return BadInputError(
        f"the answer {golds[place].gold!r} is the {other} of a choice, but other records have its {best}",
        where=golds[place].where,
        next_step="Write the answers of a file in one way.",
    )


def _check_positions(golds: Sequence[_Lettered], letters: Sequence[str | None]) -> None:
    """Raise an error where positions from 0 are suspicious: the first choice is never right."""
    if "A" not in letters and len(golds) >= _ENOUGH * max(len(gold.choices) for gold in golds):
        raise BadInputError(
            "no answer of the file is 0: they may be counted from 1",
            where=golds[0].where,
            next_step="Say which it is: `gold: position` (from 0) or `gold: rank` (from 1) under `options`.",
        )
