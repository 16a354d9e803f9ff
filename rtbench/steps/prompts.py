"""Render prompts and labels from templates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from string import Formatter

from rtbench.errors import PluginError, StepFailedError
from rtbench.schema.prompts import PromptFormat, Template
from rtbench.schema.tasks import Demonstration
from rtbench.schema.training import Example, TrainingRow

_FORMATTER = Formatter()


def render(template: str, **fields: str) -> str:
    """Return a template with its fields filled in. Braces in field values are not interpreted.

    Raises:
        PluginError: the template has an unknown field.
    """
    parts: list[str] = []
    for literal, name in _parsed(template):
        parts.append(literal)
        if name is None:
            continue
        if name not in fields:
            raise PluginError(
                f"the template {template!r} has the unknown field {name!r}",
                next_step=f"Fields: {', '.join(sorted(fields))}.",
            )
        parts.append(fields[name])
    return "".join(parts)


@functools.lru_cache(maxsize=256)
def _parsed(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the literal texts, each with the name of the field that follows it."""
    return tuple((literal, name) for literal, name, _, _ in _FORMATTER.parse(template))


def fields_of(template: str) -> set[str]:
    """Return the names of a template's fields.

    Raises:
        ValueError: its braces do not match.
    """
    return {name for _, name in _parsed(template) if name is not None}


def demonstrations_text(prompt_format: PromptFormat, demonstrations: Sequence[Demonstration]) -> str:
    """Return the few-shot part of a prompt: question-answer pairs in the layout of Wei et al. (2022).

    Raises:
        StepFailedError: the format needs demonstrations and the task has none.
    """
    if prompt_format.demonstrations is None:
        return ""
    if not demonstrations:
        raise StepFailedError(
            f"{prompt_format.name} needs demonstrations and the task has none",
            next_step="Add a demonstrations.yaml to the folder of the task's YAML, or remove the method.",
        )
    pairs = [
        f"Q: {d.question}\nA: {d.rationale + ' ' if prompt_format.demonstrations == 'cot' else ''}"
        f"The answer is {d.answer}."
        for d in demonstrations
    ]
    return "\n".join(pairs)


def shots(demonstrations: str) -> int:
    """Return the number of question-answer pairs in a text of :func:`demonstrations_text`."""
    return sum(line.startswith("Q: ") for line in demonstrations.splitlines())


def training_row(template: Template, example: Example) -> TrainingRow:
    """Return prompt and label of one example.

    Texts are stripped first, as in ``Formatter.__call__`` of itsnamgyu/reasoning-teacher.
    """
    if template.label is None:
        raise PluginError(f"the template {template.input!r} has no label and cannot train a student")
    fields = {
        "question": example.question.strip(),
        "answer": example.answer.strip(),
        "rationale": (example.rationale or "").strip(),
    }
    return TrainingRow(
        sample_index=example.sample_index,
        prompt=render(template.input, **fields),
        label=render(template.label, **fields),
    )
