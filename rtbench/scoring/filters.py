"""Our answer rules as a filter in lm-eval's registry, under the name ``rtbench``. Importing this module imports
lm-eval's filters (a tenth of a second, no torch) and registers ours beside them.

In a task's ``filter_list``::

    - name: strict
      filter:
        - {function: rtbench, rule: strict, answer_type: number}
        - {function: take_first}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lm_eval.api.filter import Filter
from lm_eval.api.registry import filter_registry, register_filter

from rtbench.scoring.rules import Found, RuleOptions, make_rule
from rtbench.storage.files import convert

NAME = "rtbench"
INVALID = "[invalid]"
"""What lm-eval's own filters give where nothing was found."""


class Answer(str):
    """An extracted answer that carries its verdict. To lm-eval it is a string like any other."""

    __slots__ = ("contains_answer", "correct", "found")
    found: Found
    correct: bool
    contains_answer: bool


class AnswerFilter(Filter):  # type: ignore[misc]  # lm_eval ships no types
    """Runs one answer rule on every response.

    Args:
        rule: name in :data:`rtbench.scoring.rules.RULES`.
        answer_prefix: what stands before the answer in the prompt's format; None where nothing does.
        options: fields of :class:`rtbench.scoring.rules.RuleOptions`.
    """

    def __init__(self, rule: str, answer_prefix: str | None = None, **options: Any) -> None:
        super().__init__()
        self.rule = make_rule(rule, convert(options, RuleOptions, where=f"filter {NAME!r}, rule {rule!r}"))
        self.answer_prefix = answer_prefix

    def apply(self, resps: Iterable[Sequence[str]], docs: Sequence[dict[str, Any]]) -> list[list[Answer]]:
        """One answer per response. A doc needs ``answer``, and ``choices`` where the task has some."""
        return [[self._judge(text, doc) for text in texts] for texts, doc in zip(resps, docs, strict=True)]

    def _judge(self, text: str, doc: dict[str, Any]) -> Answer:
        rule, gold = self.rule, doc["answer"]
        found = rule.find(text, self.answer_prefix, doc.get("choices") or ())
        answer = Answer(INVALID if found.extracted is None else found.extracted)
        answer.found = found
        answer.correct = found.extracted is not None and rule.matcher(gold)(found.extracted)
        answer.contains_answer = answer.correct or rule.among(gold)(found.candidates)
        return answer


def register() -> None:
    """Puts the filter into lm-eval's registry; does nothing where it is there."""
    if NAME not in filter_registry:
        register_filter(NAME)(AnswerFilter)


def keep_docs(docs: Any) -> Any:
    """``process_docs`` of exported tasks: changes nothing; that lm-eval imports it registers our filter."""
    return docs


def verdict(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """``process_results`` of exported tasks: the verdict that the answer carries, so that accuracies equal ours; plain
    strings (lm-eval's own filters) are compared as strings."""
    answer = results[0]
    correct = answer.correct if isinstance(answer, Answer) else str(answer).strip() == str(doc["answer"]).strip()
    return {"exact_match": float(correct)}


register()
