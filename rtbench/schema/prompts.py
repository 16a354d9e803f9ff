"""Formats of prompts and labels."""

from __future__ import annotations

from rtbench.schema.base import Family, Record


class Template(Record, frozen=True, omit_defaults=True):
    """Prompt and label for one model family.

    Fields in braces: ``{question}``, ``{demonstrations}``, ``{rationale}``, ``{answer}``; in ``answer_input`` also
    ``{prompt}`` and ``{reasoning}`` (the first stage's) and ``{trigger}`` (the task's answer trigger).
    """

    input: str
    label: str | None = None
    answer_input: str | None = None
    """Prompt of a second stage that asks only for the answer."""
    stop: tuple[str, ...] = ()


class PromptFormat(Record, frozen=True, omit_defaults=True):
    """A method's format of questions and labels. Its content enters step keys."""

    name: str
    decoder: Template
    encoder_decoder: Template
    answer_prefix: str | None = None
    """Text before the answer in a completion; extractors look after it."""
    along: PromptFormat | None = None
    """A second format to train on: each example gives one training row per format. Tests use this format only."""
    demonstrations: str | None = None
    """Few-shot demonstrations that fill ``{demonstrations}``: ``cot``, ``answer``, or None for none."""

    def template(self, family: Family) -> Template:
        """Return the template for a model family."""
        return self.decoder if family == "decoder" else self.encoder_decoder
