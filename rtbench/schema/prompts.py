"""How methods word prompts and labels."""

from __future__ import annotations

from rtbench.schema.base import Family, Record


class Template(Record, frozen=True, omit_defaults=True):
    """Prompt and label for one model family. Fields in braces: ``{question}``, ``{demonstrations}``, ``{rationale}``,
    ``{answer}``; in ``answer_input`` also ``{prompt}`` and ``{reasoning}`` (the first stage's) and ``{trigger}`` (the
    task's answer trigger)."""

    input: str
    label: str | None = None
    answer_input: str | None = None
    """Prompt of a second stage that asks for the answer only."""
    stop: tuple[str, ...] = ()


class PromptFormat(Record, frozen=True, omit_defaults=True):
    """How a method words questions and labels; its content enters the step's key."""

    name: str
    decoder: Template
    encoder_decoder: Template
    answer_prefix: str | None = None
    """What stands before the answer in a completion; extractors look behind it."""
    along: PromptFormat | None = None
    """Learned along with it: each example gives a training row of both. What is asked in tests is the format itself."""
    demonstrations: str | None = None
    """``cot`` or ``answer``: which few-shot demonstrations fill ``{demonstrations}``; None for none."""

    def template(self, family: Family) -> Template:
        return self.decoder if family == "decoder" else self.encoder_decoder
