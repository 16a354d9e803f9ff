"""The rationale of a completion: what students learn from, what `show` prints, and what `rationale_words` counts."""

from __future__ import annotations

import re

from rtbench.schema.completions import Completion
from rtbench.schema.tasks import RationaleSource

_ANSWER_SENTENCE = re.compile(r"(?:\b(?:so|therefore|thus|hence),?\s+)?\bthe (?:final )?answer is\b", re.IGNORECASE)


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
    """Return the part of a text that comes before its answer.

    That is the part before the *last* answer sentence ("The answer is …", with its "So" or "Therefore"), or before the
    last ``answer_prefix``, whichever is later. A text without either is all rationale.
    """
    cuts = [match.start() for match in _ANSWER_SENTENCE.finditer(text)]
    if answer_prefix and (at := text.rfind(answer_prefix)) >= 0 and not any(at - 16 <= cut <= at for cut in cuts):
        cuts.append(at)
    return text[: max(cuts)].rstrip() if cuts else text.rstrip()
