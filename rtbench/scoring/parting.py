"""Part a text into thinking, answer, and what a model wrote after its answer."""

from __future__ import annotations

import functools
import itertools
import re

_NAMES = r"think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis"
_OPEN = re.compile(rf"<(?:{_NAMES})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<seed:think>", re.IGNORECASE)
_CLOSE = re.compile(
    rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|</seed:think>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_END_MARK = re.compile(
    r"<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|end|start_header_id|end_header_id|user|assistant|"
    r"return|endofturn)\|>|<0x0A>|</?s>|(?<=\s)END(?!\S)|<eos>|<bos>|<(?:end|start)_of_turn>|\[/?INST\]|<｜[^｜<>]{1,30}｜>"
)
_BEGINNINGS = ("<|", "s>", "os>", "END", "INST", "_of_turn", "<0x", "<｜")
"""Texts without any of these have no end mark."""
_FOLLOW_UP = re.compile(
    r"\n[ \t]*(?:\*\*|#{1,4} ?)?(?:Q|Question|Problem|Exercise|User|Human|Student|Instruction|Input)(?: ?#?\d+)?(?:\*\*)? ?:"
    r"|\n[ \t]*(?:\*\*|#{1,4} ?)?(?:Example|Exemplar|Sample|Case|Task|Puzzle|Riddle|Test) ?#?\d+(?:\*\*)? ?[:.]"
    r"|\n[ \t]*(?:\*\*|#{1,4} ?)?(?:Another|Next|New|Second) (?:question|problem|example|exercise|task|puzzle)(?:\*\*)? ?:"
    r"|\n[ \t]*#{1,4} ?(?:Instruction|Question|Input|Problem)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")


Tags = tuple[str, str]
"""Opening and closing tag."""


def part_thinking(text: str, tags: Tags | None = None, *, opened: bool = False) -> tuple[str | None, str]:
    """Return the thinking in a text, without its tags, and the rest.

    Thinking ends with the last closing tag, even where the prompt held the opening one. Thinking that was cut has no
    rest: the text after an opening tag that is never closed is all thinking.

    Args:
        text: a model's text.
        tags: its tags; None finds the usual ones.
        opened: the prompt ends with the opening tag, so that a text without a closing tag is all thinking.

    Returns:
        None and the text, where it has no such tags.
    """
    if tags is None and "<" not in text and "[" not in text and "◁" not in text:
        return (text, "") if opened else (None, text)
    opening, closing = (_OPEN, _CLOSE) if tags is None else _patterns(tags)
    last: re.Match[str] | None = None
    for last in closing.finditer(text):  # noqa: B007 - the last match
        pass
    rest = last.end() if last else 0
    cut = opening.search(text, rest)
    if cut is not None:  # cut while thinking
        return opening.sub("", text[:rest] + text[cut.start() :]), text[rest : cut.start()]
    if last is None:
        return (text, "") if opened else (None, text)
    return opening.sub("", text[: last.start()]), text[rest:]


@functools.cache
def _patterns(tags: Tags) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(re.escape(tags[0])), re.compile(re.escape(tags[1]))


def end_of_turn(text: str) -> int:
    """Return where a chat's end mark ends the text; its length where there is none."""
    if "<" not in text and "[" not in text and "END" not in text:
        return len(text)
    if not any(begin in text for begin in _BEGINNINGS):
        return len(text)
    for mark in _END_MARK.finditer(text):
        if _WORD.search(text, 0, mark.start()):
            return mark.start()
    return len(text)


def follow_ups(text: str, most: int) -> list[int]:
    """Return the first places at which the text goes on with another question, as models do that do not stop."""
    if "\n" not in text or (":" not in text and "#" not in text):
        return []
    return [match.start() for match in itertools.islice(_FOLLOW_UP.finditer(text), most)]
