"""The table of answer rules. ``paper`` and ``kojima`` reproduce published code; ``strict`` and ``flexible`` are ours.

docs/extraction.md says how they differ.
"""

from __future__ import annotations

from rtbench.errors import UnknownNameError
from rtbench.scoring.answer_rule import AnswerRule, RuleOptions
from rtbench.scoring.own_rules import FlexibleRule, StrictRule
from rtbench.scoring.published_rules import KojimaRule, PaperRule

RULES: dict[str, type[AnswerRule]] = {rule.name: rule for rule in (PaperRule, KojimaRule, StrictRule, FlexibleRule)}


def make_rule(name: str, options: RuleOptions, where: str | None = None) -> AnswerRule:
    """Create a rule by name.

    Raises:
        UnknownNameError: there is no such rule.
    """
    if name not in RULES:
        raise UnknownNameError.of("answer rule", name, RULES, where=where)
    return RULES[name](options)
