"""Rules that find an answer in a completion and compare it with the gold. Pure text work, no heavy import.

Four rules stand side by side. ``paper`` and ``kojima`` reproduce published code, faults included; ``strict`` and
``flexible`` are ours. docs/extraction.md says how they differ.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.records import Record

AnswerType = Literal["number", "choice", "yes_no", "string"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_CAPITALS = re.compile(r"[A-Z]+")
_SEPARATORS = re.compile(r"[\"'\n.\s:,]")
_STRIPPED = re.compile(r"[\"'\n.\s]")


class RuleOptions(Record, frozen=True, omit_defaults=True):
    """What a rule must know of a task."""

    answer_type: AnswerType
    letters: str = "ABCDE"
    """Choice letters."""
    tolerance: float | None = None
    """``paper`` only: numbers within this distance are equal; None compares them as strings."""
    lower_gold: bool = True
    """``paper`` and ``kojima``: golds of yes/no tasks are lower-cased before the comparison."""

    def __post_init__(self) -> None:
        if not _CAPITALS.fullmatch(self.letters):
            raise ValueError(f"`letters` must be capital letters such as ABCDE, not {self.letters!r}")


@dataclass(frozen=True)
class Found:
    """What a rule found in one completion."""

    extracted: str | None
    """None: no candidate."""
    candidates: tuple[str, ...]
    """Everything that could be an answer, in order of appearance."""
    correct_format: bool
    """The answer prefix is there, or none was asked for."""


class AnswerRule(ABC):
    """Finds answers of one type and compares them with golds.

    Args:
        options: what the rule must know of the task.
    """

    name: str
    version: int
    cites: str

    def __init__(self, options: RuleOptions) -> None:
        self.options = options

    @abstractmethod
    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        """Finds the answer. ``prefix``: what stands before it in the prompt's format; ``choices``: texts in letter
        order, empty where the task has none."""

    @abstractmethod
    def equal(self, extracted: str, gold: str) -> bool:
        """Whether a candidate is the gold answer.

        Raises:
            BadInputError: the gold is no answer of the task's type.
        """

    @abstractmethod
    def canonical(self, extracted: str) -> str:
        """One spelling for candidates that are the same answer by :meth:`equal`. What ``equal`` tells apart never
        shares a spelling; numbers that differ by rounding alone share one unless a rounding edge lies between them."""


# -------------------------------------------------------------------------------------------------- published rules


class _Published(AnswerRule):
    """What the two published rules share: candidates are all matches of one pattern."""

    number: re.Pattern[str]

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        self._letters = re.compile(f"[{options.letters}]")

    def candidates(self, text: str) -> list[str]:
        if self.options.answer_type == "choice":
            return self._letters.findall(text)
        if self.options.answer_type == "number":
            return self.number.findall(text.replace(",", ""))
        if self.options.answer_type == "yes_no":
            return [word for word in _SEPARATORS.sub(" ", text.lower()).split(" ") if word in {"yes", "no"}]
        return [_STRIPPED.sub("", text)]


class PaperRule(_Published):
    """``Evaluator`` of ``src/evaluation/evaluator.py``, itsnamgyu/reasoning-teacher: behind the *first* prefix the first
    candidate; the last one where the prefix is missing; the first where the format has none."""

    name = "paper"
    version = 1
    cites = "itsnamgyu/reasoning-teacher, src/evaluation/evaluator.py (Ho et al. 2023)"
    number = re.compile(r"-?\d+(?:\.\d+)?")

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        at = 0 if prefix is None else text.find(prefix)
        candidates = self.candidates(text[at + len(prefix or "") :] if at >= 0 else text)
        picked = (candidates[0] if at >= 0 else candidates[-1]) if candidates else None
        return Found(picked, tuple(candidates), at >= 0)

    def equal(self, extracted: str, gold: str) -> bool:
        kind = self.options.answer_type
        if kind == "yes_no" and self.options.lower_gold:
            gold = gold.lower()
        if kind == "number":
            gold = gold.replace(",", "")
            if self.options.tolerance is not None:
                return abs(float(extracted) - _as_number(gold)) <= self.options.tolerance
        return extracted == gold

    def canonical(self, extracted: str) -> str:
        tolerance = self.options.tolerance
        value = _finite(extracted) if self.options.answer_type == "number" and tolerance is not None else None
        if value is None or tolerance is None:
            return extracted
        digits = max(0, math.ceil(-math.log10(tolerance))) if tolerance > 0 else None
        return _written(value if digits is None else round(value, digits))


class KojimaRule(_Published):
    """``answer_cleansing`` of ``utils.py``, kojima-takeshi188/zero_shot_cot: behind the *last* prefix the first
    candidate; the last one where the prefix is missing; one closing period is dropped; compared as strings, so a gold
    with a thousands separator is never met. No candidate gives the empty string."""

    name = "kojima"
    version = 1
    cites = "kojima-takeshi188/zero_shot_cot, utils.py and main.py (Kojima et al. 2022)"
    number = re.compile(r"-?\d+\.?\d*")

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        found = True
        if prefix is not None:
            parts = text.split(prefix)
            text, found = parts[-1], len(parts) > 1
        candidates = [candidate.removesuffix(".") for candidate in self.candidates(text)]
        picked = (candidates[0] if found else candidates[-1]) if candidates else ""
        return Found(picked, tuple(candidates), found)

    def equal(self, extracted: str, gold: str) -> bool:
        gold = gold.strip()
        if self.options.answer_type == "yes_no" and self.options.lower_gold:
            gold = gold.lower()
        return extracted == gold

    def canonical(self, extracted: str) -> str:
        return extracted


# --------------------------------------------------------------------------------------------------------- our rules

# A sign counts only where it cannot be a minus between two terms or a hyphen; digits inside a word ("Q1") are no number.
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]])-(?=[$€£.\d]))?[$€£]?(?<![A-Za-z_\d])(?<!\d\.)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
)
_YES_NO = re.compile(r"\byes or no\b|\byes/no\b|(?<![\w-])(yes|no)(?![\w-])", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“]([^\"”\n]+)[\"”]")
_JOINTS = re.compile(r"[\s\-.,'\"*]+")
_LEADING_ZERO = re.compile(r"\b0+(?=\d)")
_TERM = re.compile(r"[\d\s.()]*\d\s*[-+*/][-+*/\d\s.()]*")
_LONGEST_TERM = 200
"""Characters. Runs such as ``1+1+1+…`` are what a small student writes when it cannot stop; parsing them nests deeply."""
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_WORD = re.compile(r"\w")
_SPELLED = re.compile(r"^\W*\w(?:\W+\w)+\W*$")


class StrictRule(AnswerRule):
    """The first candidate behind the last prefix (any case); nothing where the format's prefix is missing. Numbers are
    compared as numbers; a choice letter must stand alone or in brackets."""

    name = "strict"
    version = 1
    cites = "rtbench, docs/extraction.md"

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        both = options.letters + options.letters.lower()
        capitals = options.letters
        # "A" before a lower-case word is the article, unless the word goes on about the letter.
        article = r"(?!(?<=A)\s+(?!is\b|was\b|because\b|since\b|as\b|and\b|or\b)[a-z])"
        self._token = re.compile(
            rf"\((?P<in>[{both}])\)|(?<![A-Za-z0-9'’\-])(?P<half>[{capitals}])\)"
            rf"|(?<![A-Za-z0-9'’\-&])(?P<bare>[{capitals}])(?![A-Za-z0-9'’\-&]){article}"
        )

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        rest = behind(text, prefix)
        candidates = self._candidates(text, choices)
        picked = None if rest is None else self._first(rest, choices)
        return Found(picked, tuple(candidates), rest is not None)

    def _first(self, text: str, choices: Sequence[str]) -> str | None:
        if self.options.answer_type == "choice":
            return _first_of(*self._letters(text))
        candidates = self._candidates(text, choices)
        return candidates[0] if candidates else None

    def _candidates(self, text: str, choices: Sequence[str]) -> list[str]:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            return bracketed + bare
        if kind == "number":
            return _numbers(text)
        if kind == "yes_no":
            return [match.group(1).lower() for match in _YES_NO.finditer(text) if match.group(1)]
        lines = [_STRIPPED.sub("", line) for line in text.splitlines()]
        return [line for line in lines if line]

    def _letters(self, text: str) -> tuple[list[str], list[str]]:
        """Letters in brackets, and letters that stand alone."""
        bracketed: list[str] = []
        bare: list[str] = []
        for match in self._token.finditer(text):
            if match["bare"]:
                bare.append(match["bare"])
            else:
                bracketed.append((match["in"] or match["half"]).upper())
        return bracketed, bare

    def equal(self, extracted: str, gold: str) -> bool:
        if self.options.answer_type == "number":
            return math.isclose(float(extracted), _as_number(gold), rel_tol=1e-6, abs_tol=1e-6)
        return extracted.strip().casefold() == gold.strip().casefold()

    def canonical(self, extracted: str) -> str:
        value = _finite(extracted) if self.options.answer_type == "number" else None
        if value is None:
            return extracted.strip().casefold()
        # Seven digits, or six decimals below 1: never coarser than the tolerances of `equal`.
        return _written(round(value, 6) if abs(value) < 1 else float(f"{value:.7g}"))


class FlexibleRule(StrictRule):
    """As ``strict``, but falls back to the last candidate anywhere where no answer is stated behind a prefix, reads a choice
    given by its text, the result of an answer given as a calculation, and a string spelled letter by letter."""

    name = "flexible"
    version = 1

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        self._closing = re.compile(rf"(?:^|:)\s*([{options.letters.lower()}])\s*[.)]?\s*$")

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        rest = behind(text, prefix)
        candidates = self._candidates(text, choices)
        # An answer that is stated but is none (a date that is no choice, "unknown") stays none: only where nothing is
        # stated does the rest of the text count.
        stated = rest is not None and _WORD.search(rest) is not None
        picked = self._first(rest, choices) if rest is not None and stated else self._last(text, choices)
        return Found(picked, tuple(candidates), rest is not None)

    def _first(self, text: str, choices: Sequence[str]) -> str | None:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            leading = self._token.match(text.lstrip(" \t\n:*"))
            opening = [leading["bare"]] if leading and leading["bare"] else []
            closing = self._closing.search(text)
            alone = [closing[1].upper()] if closing else []
            return _first_of(bracketed, opening, alone, texts_to_letters(text, choices), bare)
        lines = [line for line in text.splitlines() if line.strip()]
        if kind == "string":
            return _string_in(lines[0]) if lines else None
        if kind == "number" and lines and (value := _computed(lines[0])) is not None:
            return value
        return super()._first(text, choices)

    def _last(self, text: str, choices: Sequence[str]) -> str | None:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            return _first_of(bracketed[::-1], texts_to_letters(text, choices)[::-1], bare[::-1])
        if kind == "string":
            lines = [line for line in text.splitlines() if line.strip()]
            return _string_in(lines[-1]) if lines else None
        candidates = self._candidates(text, choices)
        return candidates[-1] if candidates else None

    def _candidates(self, text: str, choices: Sequence[str]) -> list[str]:
        out = super()._candidates(text, choices)
        if self.options.answer_type == "choice":
            out += texts_to_letters(text, choices)
        if self.options.answer_type == "string":
            out = [found for line in text.splitlines() if (found := _string_in(line))]
        return out

    def equal(self, extracted: str, gold: str) -> bool:
        if self.options.answer_type == "string":
            return _JOINTS.sub("", extracted).casefold() == _JOINTS.sub("", gold).casefold()
        return super().equal(extracted, gold)

    def canonical(self, extracted: str) -> str:
        if self.options.answer_type == "string":
            return _JOINTS.sub("", extracted).casefold()
        return super().canonical(extracted)


def behind(text: str, prefix: str | None) -> str | None:
    """What stands behind the last prefix, in any case; all where there is no prefix to look for; None where it is
    missing."""
    if prefix is None:
        return text
    at = text.casefold().rfind(prefix.casefold())
    # casefold may change lengths outside ASCII; then the exact prefix is looked for.
    if len(text.casefold()) != len(text):
        at = text.rfind(prefix)
    return None if at < 0 else text[at + len(prefix) :]


def texts_to_letters(text: str, choices: Sequence[str]) -> list[str]:
    """Letters of the choices whose text stands in ``text``, in order of appearance. Of choices that overlap the longer
    counts; of choices with one text the first."""
    if not choices:
        return []
    hay = _normal(text)
    found: list[tuple[int, int, str]] = []
    seen: set[str] = set()
    for letter, choice in zip(LETTERS, choices, strict=False):
        needle = _normal(choice)
        if not needle or needle in seen:
            continue
        seen.add(needle)
        at = hay.find(needle)
        while at >= 0:
            end = at + len(needle)
            if not _inside_word(hay, at, end):
                found.append((at, end, letter))
            at = hay.find(needle, at + 1)
    kept = [
        (start, letter)
        for start, end, letter in found
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in found)
    ]
    return [letter for _, letter in sorted(kept)]


def _inside_word(hay: str, start: int, end: int) -> bool:
    """The piece is cut out of a longer word or number."""
    head = start > 0 and hay[start - 1].isalnum() and hay[start].isalnum()
    tail = end < len(hay) and hay[end].isalnum() and hay[end - 1].isalnum()
    if not tail and end < len(hay) - 1 and hay[end] in ".,/" and hay[end - 1].isdigit():
        tail = hay[end + 1].isdigit()
    return head or tail


def _normal(text: str) -> str:
    """Lower case, single spaces, no zero before a number (05/01/2021 is 5/1/2021)."""
    return _LEADING_ZERO.sub("", " ".join(text.casefold().split()))


def choices_in(question: str, letters: str = LETTERS) -> tuple[str, ...]:
    """Texts of the choices that a question states as ``(A) … (B) …``; empty where it states none. For completions whose
    task data are not at hand."""
    marker = question.casefold().rfind("answer choices:")
    text = question[marker + len("answer choices:") :] if marker >= 0 else question
    cuts: list[int] = []
    at = 0
    for letter in letters:
        at = text.find(f"({letter})", at)
        if at < 0:
            break
        cuts.append(at)
        at += 3
    ends = [*cuts[1:], len(text)]
    return tuple(
        " ".join(text[start + 3 : end].split()).removesuffix(",").removesuffix(".").strip()
        for start, end in zip(cuts, ends, strict=True)
    )


def _string_in(line: str) -> str | None:
    """The string a line gives as its answer: the last quoted one, letters spelled one by one joined, else the last
    word."""
    if quoted := _QUOTED.findall(line):
        return _JOINTS.sub("", quoted[-1]) or None
    if _SPELLED.match(line):
        return _JOINTS.sub("", line) or None
    words = [word for word in (_STRIPPED.sub("", word) for word in line.split()) if word.strip(":*()[]")]
    return words[-1].strip(":*()[]") if words else None


def _numbers(text: str) -> list[str]:
    return [
        (match["sign"] or "") + match["digits"].replace(",", "") for match in _NUMBER.finditer(text.replace("−", "-"))
    ]


def _computed(line: str) -> str | None:
    """What an answer given as a calculation comes to: the right side of an equation, or the value of a term. None where
    the line is neither."""
    left, equals, right = line.rpartition("=")
    if equals and _numbers(left):
        found = _numbers(right)
        return found[0] if found else None
    term = line.strip().rstrip(".").replace("$", "").replace(",", "")
    if len(term) > _LONGEST_TERM or not _TERM.fullmatch(term):
        return None
    try:
        value = _value(ast.parse(term.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None
    return f"{value:.12g}"


def _value(node: ast.expr) -> float:
    """Value of a term of numbers and the four operations; nothing else is ever evaluated."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(ast.dump(node))


def _finite(extracted: str) -> float | None:
    """The number, or None where it is none that can be rounded."""
    try:
        value = float(extracted)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _written(value: float) -> str:
    return repr(value + 0.0).removesuffix(".0")  # adding zero makes -0.0 the same as 0.0


def _as_number(gold: str) -> float:
    try:
        return float(gold.replace(",", "").strip().removeprefix("$"))
    except ValueError:
        raise BadInputError(
            f"the gold answer {gold!r} is no number",
            next_step="Mend the data, or give the task another `answer_type`.",
        ) from None


def _first_of(*lists: Sequence[str]) -> str | None:
    return next((items[0] for items in lists if items), None)


RULES: dict[str, type[AnswerRule]] = {rule.name: rule for rule in (PaperRule, KojimaRule, StrictRule, FlexibleRule)}


def make_rule(name: str, options: RuleOptions, where: str | None = None) -> AnswerRule:
    """Raises UnknownNameError."""
    if name not in RULES:
        raise UnknownNameError.of("answer rule", name, RULES, where=where)
    return RULES[name](options)
