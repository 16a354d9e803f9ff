"""The rationale of a completion: what students learn from, what `show` prints, and what `rationale_words` counts."""

from __future__ import annotations

import re

from rtbench.schema.completions import Completion
from rtbench.schema.tasks import RationaleSource
from rtbench.scoring.parting import end_of_turn, follow_ups

_ANSWER_SENTENCE = re.compile(r"(?:\b(?:so|therefore|thus|hence),?[\s*_]+)?\bthe (?:final )?answer is\b", re.IGNORECASE)
_OPENED = re.compile(
    r"(?:(?:^|(?<=\s))(?:[*_`$\"'(\[{]+|<[A-Za-z]{1,12}>|\\[(\[]|\\(?:text|textbf|mathbf|boxed)\{|[=-]>|[→∴⇒])+"
    r"|(?:^|\n)[ \t]*(?:[-+>]|\d{1,2}[.)]|#{1,6}[^\n]*)"
    r"|(?:(?:^|\n)[ \t]*|(?<=[.!?]\s))[*_]*(?:final\s+)?(?:answer|solution|conclusion|result)[*_]*\s?:[*_]*)\s*$",
    re.IGNORECASE,
)
"""Markup that a text opens at its end: a bold mark, a bracket, a list mark, a heading, or a line such as ``Answer:``."""
_FOLLOW_UPS = 4
"""Number of further questions before which an answer is searched."""
_LINE = 200
"""Maximum characters of opened markup."""


def rationale_of(completion: Completion, answer_prefix: str | None, source: RationaleSource | None = None) -> str:
    """Return a completion's rationale, without its answer and without the white space around it.

    Args:
        completion: its ``reasoning`` is the first stage of two, or the thinking of a model that thinks.
        answer_prefix: text before the answer in the completion's text; None where its format has none.
        source: which part counts. None: ``reasoning`` where there is any, otherwise the text.
    """
    text, reasoning = split_rationale(completion.text, answer_prefix).strip(), (completion.reasoning or "").strip()
    if source == "text":
        return text
    if source == "both":
        return "\n".join(part for part in (reasoning, text) if part)
    if source == "thoughts":
        return reasoning
    return text if completion.reasoning is None else reasoning


def split_rationale(text: str, answer_prefix: str | None) -> str:
    """Return the part of a text that comes before its answer, without what a model wrote after its answer.

    That is the part before the *last* answer sentence ("The answer is …", with its "So" or "Therefore"), or before the
    last ``answer_prefix``, whichever is later, without markup that is opened there. A text without either is all
    rationale.
    """
    text = _without_run_on(text, answer_prefix)
    cuts = [match.start() for match in _ANSWER_SENTENCE.finditer(text)]
    if answer_prefix and (at := text.rfind(answer_prefix)) >= 0 and not any(at - 16 <= cut <= at for cut in cuts):
        cuts.append(at)
    return _closed(text[: max(cuts)]) if cuts else text.rstrip()


def _without_run_on(text: str, answer_prefix: str | None) -> str:
    """Return a text without the further questions that a model asked itself after its answer."""
    text = text[: end_of_turn(text)]
    for at in follow_ups(text, _FOLLOW_UPS):
        if (answer_prefix and answer_prefix in text[:at]) or _ANSWER_SENTENCE.search(text, 0, at):
            return text[:at]
    return text


def _closed(text: str) -> str:
    """Return a text without markup that it opens at its end, which belongs to the answer's sentence."""
    text = text.rstrip()
    while (opened := _OPENED.search(text[-_LINE:])) is not None:
        text = text[: len(text) - len(text[-_LINE:]) + opened.start()].rstrip()
    return text
