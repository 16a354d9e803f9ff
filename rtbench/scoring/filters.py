"""Our answer rules as a filter in lm-eval's registry, under the name ``rtbench``.

Importing this module imports lm-eval's filters (a tenth of a second, no torch) and registers ours.

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

from rtbench.scoring.answer_rule import Found, RuleOptions
from rtbench.scoring.rules import make_rule
from rtbench.storage.plain_data import convert

NAME = "rtbench"
INVALID = "[invalid]"
"""Result of lm-eval's own filters where they find nothing."""


class Answer(str):
    """An extracted answer with its score. To lm-eval it is an ordinary string."""

    __slots__ = ("contains_answer", "correct", "found")
    found: Found
    correct: bool
    contains_answer: bool


class AnswerFilter(Filter):  # type: ignore[misc]  # lm_eval ships no types
    """A filter that runs one answer rule on every response.

    Args:
        rule: name in :data:`rtbench.scoring.rules.RULES`.
        answer_prefix: text before the answer in the prompt's format; None where there is none.
        options: fields of :class:`rtbench.scoring.answer_rule.RuleOptions`.
    """

    def __init__(self, rule: str, answer_prefix: str | None = None, **options: Any) -> None:
        super().__init__()
        self.rule = make_rule(rule, convert(options, RuleOptions, where=f"filter {NAME!r}, rule {rule!r}"))
        self.answer_prefix = answer_prefix

    def apply(self, resps: Iterable[Sequence[str]], docs: Sequence[dict[str, Any]]) -> list[list[Answer]]:
        """Return one answer per response. A doc needs ``answer``, and ``choices`` where the task has choices."""
        return [[self._scored(text, doc) for text in texts] for texts, doc in zip(resps, docs, strict=True)]

    def _scored(self, text: str, doc: dict[str, Any]) -> Answer:
        rule, gold = self.rule, doc["answer"]
        found = rule.find(text, self.answer_prefix, doc.get("choices") or ())
        answer = Answer(INVALID if found.extracted is None else found.extracted)
        answer.found = found
        answer.correct = found.extracted is not None and rule.matcher(gold)(found.extracted)
        answer.contains_answer = answer.correct or rule.contained(gold)(found)
        return answer


def register() -> None:
    """Add the filter to lm-eval's registry; do nothing where it is registered already."""
    if NAME not in filter_registry:
        register_filter(NAME)(AnswerFilter)


def keep_docs(docs: Any) -> Any:
    """Return the docs unchanged: ``process_docs`` of exported tasks, whose import by lm-eval registers our filter."""
    return docs


def verdict(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return the score of an answer: ``process_results`` of exported tasks, so that accuracies equal ours.

    Plain strings (from lm-eval's own filters) are compared as strings.
    """
    answer = results[0]
    correct = answer.correct if isinstance(answer, Answer) else str(answer).strip() == str(doc["answer"]).strip()
    return {"exact_match": float(correct)}


register()
