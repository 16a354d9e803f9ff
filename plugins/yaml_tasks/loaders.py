# ruff: noqa: ARG001 - all loaders have the same signature, even where they do not use all parameters
"""Loaders of upstream formats: they read a file into samples. A task's YAML names one of :data:`NAMES`.

Variant ``original`` words questions as the Fine-tune-CoT repository does (``notebooks/old/Data Preparation.ipynb`` of
itsnamgyu/reasoning-teacher), variant ``kojima`` as the zero-shot-CoT repository does (``data_reader`` in ``utils.py``
of kojima-takeshi188/zero_shot_cot). Raise :data:`VERSION` when the resulting samples change.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.yaml_tasks.records import RecordOptions
from rtbench_plugins.yaml_tasks.samples import LETTERS, LoadedSamples, choice_text, number_text

from rtbench.api import Record, Sample, convert, read_json, read_jsonl
from rtbench.twins import lettered

VERSION = 1
RECORDS = "jsonl"
"""Name of the loader of records with named fields (:mod:`rtbench_plugins.yaml_tasks.records`)."""


Loader = Callable[[Path, dict[str, Any], str], LoadedSamples]
"""``loader(path, options, variant)``."""


class _Raw(msgspec.Struct):
    """Base of upstream records; other fields are allowed and ignored."""


# ------------------------------------------------------------------------------------------------- questions in words


def _in_words_kojima(stem: str, choices: Sequence[str]) -> str:
    listed = "".join(f" ({LETTERS[i]}) {choice}" for i, choice in enumerate(choices))
    return f"{stem} Answer Choices:{listed}"


# ---------------------------------------------------------------------------------------------------------- arithmetic


class _MathWord(_Raw):
    sQuestion: str  # noqa: N815 - upstream's name
    lSolutions: list[str | float]  # noqa: N815 - upstream's name


def math_word_json(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load SingleEq, AddSub or MultiArith: one JSON list."""
    return _plain(
        Sample(index=i, question=raw.sQuestion.strip(), answer=number_text(raw.lSolutions[0]))
        for i, raw in enumerate(read_json(path, list[_MathWord]))
    )


class _Svamp(_Raw):
    Body: str
    Question: str
    Answer: str | float


def svamp(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load SVAMP. Body and question are joined by one space."""
    return _plain(
        Sample(index=i, question=f"{raw.Body.strip()} {raw.Question.strip()}", answer=number_text(raw.Answer))
        for i, raw in enumerate(read_json(path, list[_Svamp]))
    )


class _Gsm8k(_Raw):
    question: str
    answer: str


def gsm8k(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load GSM8K. The solution ends with ``#### gold``; thousands separators in golds are kept."""

    def samples() -> Iterator[Sample]:
        for i, raw in enumerate(read_jsonl(path, _Gsm8k)):
            rationale, _, answer = raw.answer.partition("####")
            yield Sample(index=i, question=raw.question.strip(), answer=answer.strip(), rationale=rationale.strip())

    return _plain(samples())


# ------------------------------------------------------------------------------------------------------------- choices


class _Aqua(_Raw):
    question: str
    options: list[str]
    rationale: str
    correct: str


def aqua(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load AQuA. Options are written ``A)text``; kojima puts spaces around every parenthesis in the options."""

    def samples() -> Iterator[Sample]:
        for i, raw in enumerate(read_jsonl(path, _Aqua)):
            texts = [re.sub(r"^[A-E]\)", "", option).strip() for option in raw.options]
            stem = raw.question.strip()
            if variant == "kojima":
                listed = ("(" + "(".join(raw.options)).replace("(", " (").replace(")", ") ")
                question = f"{stem} Answer Choices:{listed}"
            else:
                question = lettered(stem, texts)
            yield Sample(
                index=i,
                question=question,
                answer=raw.correct,
                rationale=raw.rationale.strip(),
                choices=tuple(choice_text(text) for text in texts),
            )

    return _plain(samples())


class _CsqaChoice(_Raw):
    label: str
    text: str


class _CsqaQuestion(_Raw):
    stem: str
    choices: list[_CsqaChoice]


class _Csqa(_Raw):
    question: _CsqaQuestion
    answerKey: str  # noqa: N815 - upstream's name


def commonsense_qa(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load CommonsenseQA: one JSON object per line."""

    def samples() -> Iterator[Sample]:
        for i, raw in enumerate(read_jsonl(path, _Csqa)):
            stem = raw.question.stem.strip()
            texts = [choice.text for choice in raw.question.choices]
            if variant == "kojima":
                question = _in_words_kojima(stem, texts)
            else:
                question = lettered(stem, [text.strip() for text in texts])
            yield Sample(index=i, question=question, answer=raw.answerKey, choices=tuple(choice_text(t) for t in texts))

    return _plain(samples())


class _BigBenchExample(_Raw):
    input: str
    target_scores: dict[str, float]
    target: str = ""


class _BigBench(_Raw):
    examples: list[_BigBenchExample]


class NoLoaderOptions(Record, frozen=True):
    """Options of loaders that have none."""


class _BigBenchOptions(Record, frozen=True):
    shuffle: bool = False
    """True to shuffle the choices: the source lists the correct one first, and both repositories shuffle, each in its
    own way."""
    ask_which: bool = False
    """True where kojima asks "Which choice is true ?" on a separate line."""


def bigbench_choices(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load a BIG-bench multiple-choice task.

    ``original`` puts choice j at position ``RandomState(0).permutation(n)[j]``, with one draw per question; ``kojima``
    shuffles each list three times with one ``random.Random(1)``.
    """
    chosen = convert(options, _BigBenchOptions, where="bigbench_choices options")
    place = _kojima_order() if variant == "kojima" else _original_order()

    def samples() -> Iterator[Sample]:
        for i, raw in enumerate(read_json(path, _BigBench).examples):
            listed = list(raw.target_scores)
            if chosen.shuffle:
                listed = place(listed)
            gold = LETTERS[max(range(len(listed)), key=lambda j: raw.target_scores[listed[j]])]
            stem = raw.input.strip()
            if variant == "kojima":
                stem += " \nWhich choice is true ?" if chosen.ask_which else ""
                question = _in_words_kojima(stem, listed)
            else:
                question = lettered(f"{stem}\nWhich choice is true?", [choice_text(text) for text in listed])
            yield Sample(index=i, question=question, answer=gold, choices=tuple(choice_text(t) for t in listed))

    return _plain(samples())


def _kojima_order() -> Callable[[list[str]], list[str]]:
    source = random.Random(1)  # noqa: S311 - reproduces a published order

    def order(listed: list[str]) -> list[str]:
        for _ in range(3):
            source.shuffle(listed)
        return listed

    return order


def _original_order() -> Callable[[list[str]], list[str]]:
    import numpy as np

    state = np.random.RandomState(0)

    def order(listed: list[str]) -> list[str]:
        out = [""] * len(listed)
        for text, place in zip(listed, state.permutation(len(listed)), strict=True):
            out[place] = text
        return out

    return order


# ------------------------------------------------------------------------------------------------------ yes/no, strings


def strategy_qa(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load StrategyQA from BIG-bench. The target is ``Yes. rationale`` or ``No. rationale``."""

    def samples() -> Iterator[Sample]:
        for i, raw in enumerate(read_json(path, _BigBench).examples):
            answer = "Yes" if raw.target_scores.get("Yes") == 1 else "No"
            rationale = re.sub(r"^(?:Yes|No)\. ", "", raw.target).strip()
            if variant == "kojima":
                answer = answer.lower()
            yield Sample(index=i, question=raw.input.strip(), answer=answer, rationale=rationale)

    return _plain(samples())


class _RawExample(_Raw):
    question: str
    answer: str


class _RawExamples(_Raw):
    examples: list[_RawExample]


def examples_json(path: Path, options: dict[str, Any], variant: str) -> LoadedSamples:
    """Load Coin Flip or Last Letter Concatenation: ``{"examples": [{"question", "answer"}]}``."""
    return _plain(
        Sample(index=i, question=raw.question, answer=raw.answer)
        for i, raw in enumerate(read_json(path, _RawExamples).examples)
    )


def _plain(samples: Iterator[Sample]) -> LoadedSamples:
    return LoadedSamples(list(samples), {})


OPTIONS: dict[str, type[Record]] = {"bigbench_choices": _BigBenchOptions, RECORDS: RecordOptions}
"""Types of the loaders' ``options``; other loaders have none."""

UPSTREAM: dict[str, Loader] = {
    "aqua": aqua,
    "bigbench_choices": bigbench_choices,
    "commonsense_qa": commonsense_qa,
    "examples_json": examples_json,
    "gsm8k": gsm8k,
    "math_word_json": math_word_json,
    "strategy_qa": strategy_qa,
    "svamp": svamp,
}
"""Loaders of the formats of upstream files."""
NAMES = (RECORDS, *UPSTREAM)
