"""Find where a text states its answer: after the format's prefix, in a box, after ``####``, or in words."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

_BOX = re.compile(r"\\f?boxed\s*\{")
_NOUN = r"answer|choice|option|response|solution|result|pick|selection"
_IS = r"(?:is|was|equals|would be|will be|should be|must be|has to be|can only be)"
_SAID = re.compile(
    r"(?P<hash>^[ \t]*#{4}(?!#))"
    rf"|\b(?P<noun>{_NOUN})\b"
    rf"(?:(?P<between>[^.!?\n:=,]{{0,60}}?)\b{_IS}(?!\w)|(?P<label>[\s*_\"')]{{0,6}}(?:to [^.!?\n:=,]{{1,40}}?)?[:=][*_]*))"
    r"|(?P<other>答案(?:是|为|：|:)|答えは)",
    re.IGNORECASE | re.MULTILINE,
)
_TASK = re.compile(
    r"\b(?:for|get|find|reach|check|explain|know|give|want|to|at|this|that|our|your|an|one|no)\s+(?:(?:the|final|correct)\s+)*$",
    re.IGNORECASE,
)
_OF_STEPS = frozenset({"result", "solution", "response"})
"""Nouns that also name what a step of a solution comes to."""
_SENTENCE = re.compile(r"(?<=[\w)\]%*\"'][.!?])\s+(?=[A-Z])")
_HINTS = ("nswer", "NSWER", "hoice", "HOICE", "ption", "PTION", "esponse", "olution", "esult", " pick", "Pick",
          "election", "####", "boxed", " correct", " right", " best", " likely", " suitable", " appropriate", "答")  # fmt: skip
"""Texts without any of these have no statement; searching for them is faster than for the patterns."""
_CORRECT = re.compile(
    r"\b(?:is|as|being)\s+(?:the\s+)?(?:most\s+)?(?:correct|right|best|likely|appropriate|suitable|final)"
    rf"(?:\s+(?:{_NOUN}|one|fit)\b|(?=\s*(?:[.,;:!)*_]|$|because\b|since\b|as\b|here\b|for\b)))",
    re.IGNORECASE | re.MULTILINE,
)
"""An option that is called correct; in "is the right midfielder" it is not."""
_SENTENCE_END = re.compile(r"[.!?\n]\s|\n|,\s")
_WORD = re.compile(r"\w")


MOST = 40
"""Number of statements that are considered, from the end. More come from models that cannot stop."""
LONGEST = 600
"""Maximum characters of a statement."""


class Statement(NamedTuple):
    """A place at which a text states its answer."""

    text: str
    """What is stated, up to the end of the text, of its line, or of its box; with its markup."""
    start: int
    of_answer: bool
    """True where it can only be the answer: a box, ``####``, or a sentence about the answer."""
    brief: bool = False
    """True for a box and ``####``, which hold nothing but the answer."""
    of_step: bool = False
    """True where it may be the result of a step: "The result is 40 - 19 = 21"."""


def boxes(text: str) -> list[Statement]:
    """Return the contents of the last boxes, outermost first where they are nested."""
    found: deque[Statement] = deque(maxlen=MOST)
    end = 0
    for match in _BOX.finditer(text) if "boxed" in text or "fbox" in text else ():
        if match.start() < end:
            continue
        depth, at, limit = 1, match.end(), min(len(text), match.end() + LONGEST)
        while at < limit and depth:
            depth += (text[at] == "{") - (text[at] == "}")
            at += 1
        end = at
        content = text[match.end() : at if depth else at - 1]
        found.append(Statement(content, match.start(), of_answer=True, brief=True))
    return list(found)


def statements(text: str) -> list[Statement]:
    """Return the last places at which a text states an answer without the format's prefix, in order of appearance."""
    if not any(hint in text for hint in _HINTS):
        return []
    last_lines = _start_of_last_lines(text)
    said = deque((match for match in _SAID.finditer(text) if _states(match, last_lines)), maxlen=MOST)
    found = boxes(text)
    for match in said:
        brief = match["hash"] is not None
        of_answer = brief or match["other"] is not None or match["noun"].lower() == "answer"
        paragraph = _paragraph(text[match.end() : match.end() + LONGEST])
        of_step = (match["noun"] or "").lower() in _OF_STEPS
        found.append(Statement(paragraph, match.start(), of_answer, brief, of_step))
    for match in deque(_CORRECT.finditer(text), maxlen=MOST):
        found.append(Statement(_before(text, match.start()), match.start(), of_answer=False))
    return sorted(found, key=lambda statement: statement.start)


def _start_of_last_lines(text: str) -> int:
    """Return where the last two lines with words begin."""
    end = len(text.rstrip())
    for _ in range(2):
        end = len(text[: max(0, text.rfind("\n", 0, end))].rstrip())
    return end


def _states(match: re.Match[str], last_lines: int) -> bool:
    """Return whether a match of :data:`_SAID` is a statement, and not the beginning or a step of a solution.

    "The result is 8" states the answer at the end of a text, and a result of a step before it.
    """
    if (match["noun"] or "").lower() in _OF_STEPS and match.start() < last_lines:
        return False
    if match["label"] is None:
        return True
    text = match.string
    if _TASK.search(text, max(0, match.start() - 24), match.start()):
        return False  # "how to get the answer:"
    follows = text[match.end() : match.end() + 3].lstrip(" ")
    return match["noun"].lower() in {"answer", "choice"} or not follows.startswith("\n")  # "the solution:"


def _paragraph(text: str) -> str:
    """Return the first paragraph that has words."""
    head = len(text) - len(text.lstrip("\n\r \t*_:>-"))
    end = text.find("\n\n", head)
    return text if end < 0 else text[:end]


def _before(text: str, end: int) -> str:
    """Return the part of a sentence before ``end``, from its last comma."""
    start = max(0, end - 200)
    for match in _SENTENCE_END.finditer(text, start, end):
        start = match.end()
    return text[start:end]


def opening(statement: str) -> str:
    """Return the beginning of a statement in words: its first sentence, or its first eight words where it is long.

    "Answer: 42 km" states its answer, but "Answer: to find the total, add the 12 boxes" begins a solution.
    """
    line = next((line for line in statement.splitlines() if _WORD.search(line)), "")
    line = _SENTENCE.split(line, maxsplit=1)[0]
    words = line.split()
    if line.rstrip().endswith("?"):  # a repeated question
        return ""
    return line if len(words) <= 12 else " ".join(words[:8])
