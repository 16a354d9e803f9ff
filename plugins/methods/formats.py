"""Prompt and label formats of the methods.

Labels end with the student's own end-of-sequence token, which the student adds; that is the original's ``append_eos``.

Source: the paper's appendix B and the original project's ``src/data/format.py`` (templates ``zs``, ``zs_cot``,
``fs_cot``, ``ft_token``, ``ft_cot_token``).
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import (
    MOST_ALTERNATIVES,
    BadInputError,
    PromptFormat,
    RationaleSource,
    Template,
    content_key,
    fields_of,
)

ZERO_SHOT = PromptFormat(
    name="zero-shot",
    decoder=Template(input="Q: {question}\n\nA:"),
    encoder_decoder=Template(input="question: {question}"),
)

_COT = Template(
    input="Q: {question}\nA: Let's think step by step.",
    answer_input="{prompt}{reasoning}\n{trigger}",
)
ZERO_SHOT_COT = PromptFormat(name="zero-shot-cot", decoder=_COT, encoder_decoder=_COT)
"""Two stages as in Kojima et al. (2022). The original supports only decoders; ours uses the same text for
encoder-decoder models."""

_ONE_STAGE = Template(
    input="{question}\n\nReason step by step. End with a line of its own that says: The answer is ANSWER. (ANSWER is a "
    "number, Yes or No, the letter of a choice, or a word, as the question asks.)"
)
ONE_STAGE_COT = PromptFormat(
    name="one-stage-cot", decoder=_ONE_STAGE, encoder_decoder=_ONE_STAGE, answer_prefix="The answer is"
)
"""For chat and reasoning models: one call that states the form of the answer. The wording is ours."""

_FEW_SHOT = Template(input="{demonstrations}\nQ: {question}\nA:", stop=("\nQ:",))
FEW_SHOT = PromptFormat(
    name="few-shot",
    decoder=_FEW_SHOT,
    encoder_decoder=_FEW_SHOT,
    answer_prefix="The answer is",
    demonstrations="answer",
)
FEW_SHOT_COT = PromptFormat(
    name="few-shot-cot",
    decoder=_FEW_SHOT,
    encoder_decoder=_FEW_SHOT,
    answer_prefix="The answer is",
    demonstrations="cot",
)

TopLogprobs = Annotated[int, Meta(ge=0, le=MOST_ALTERNATIVES)]
"""Number of log-probabilities that are stored at each token."""
TeacherFormat = Literal["zero-shot-cot", "one-stage-cot", "zero-shot", "few-shot-cot"]
TEACHER_FORMATS: dict[str, PromptFormat] = {
    known.name: known for known in (ZERO_SHOT_COT, ONE_STAGE_COT, ZERO_SHOT, FEW_SHOT_COT)
}
"""Formats in which teachers may be asked, by name."""


class AskingOptions(Protocol):
    """The options of a teacher that say how it is asked, whatever its backend."""

    @property
    def format(self) -> TeacherFormat:
        """Return the name of the prompt format."""

    @property
    def prompt(self) -> str | None:
        """Return the teacher's own prompt; None: that of the format."""

    @property
    def answer_prefix(self) -> str:
        """Return the text before the answer in replies to its own prompt."""

    @property
    def rationale(self) -> RationaleSource | None:
        """Return the part of a completion that students learn from; None: the default."""

    @property
    def max_new_tokens(self) -> tuple[int, int]:
        """Return the most tokens of the rationale and of the answer stage."""

    @property
    def max_thinking_tokens(self) -> int | None:
        """Return the number of tokens after which thinking is ended; None: no limit."""

    @property
    def top_logprobs(self) -> int:
        """Return the number of log-probabilities that are stored at each token; 0: none."""

    @property
    def thinking(self) -> Tags | None:
        """Return the tags around thinking; None: it is not separated."""


ANSWER_PREFIX = "The answer is"
"""Text before the answer in replies to a teacher's own prompt, unless it states another."""


def check_asking(options: AskingOptions, *, where: str) -> None:
    """Check the options that say how a teacher is asked.

    Args:
        options: of a teacher.
        where: source of the options, for messages.

    Raises:
        BadInputError: a number is too small, ``rationale`` asks for thinking with a two-stage format, or the prompt lacks a
            field or has an unknown one.
    """
    if min(options.max_new_tokens) < 1:
        raise BadInputError(
            f"`max_new_tokens` is {list(options.max_new_tokens)} and must be at least 1 each", where=where
        )
    check_thinking(options.max_thinking_tokens, options.max_new_tokens[0], options.thinking, where=where)
    if options.top_logprobs and options.max_thinking_tokens is not None:
        raise BadInputError(
            "`top_logprobs` and `max_thinking_tokens` cannot be used together",
            where=where,
            next_step="An answer with a thinking budget is asked for in two parts. Remove one of them.",
        )
    if options.rationale not in {None, "text"} and options.format == "zero-shot-cot" and options.prompt is None:
        raise BadInputError(
            f"`rationale: {options.rationale}` cannot be used with two stages, where the first stage's text is the rationale",
            where=where,
            next_step="Add `format: one-stage-cot`.",
        )
    if options.prompt is not None:
        cure = "Its fields are {question}, {answer} and {rationale}; write {{ and }} for braces."
        try:
            fields = fields_of(options.prompt)
        except ValueError as error:
            raise BadInputError(f"`prompt` is not a template: {error}", where=where, next_step=cure) from None
        if unknown := sorted(fields - {"question", "answer", "rationale"}):
            raise BadInputError(f"`prompt` has the unknown field {{{unknown[0]}}}", where=where, next_step=cure)
        if not fields & {"question", "rationale"}:
            raise BadInputError("`prompt` has no {question}", where=where, next_step=cure)


def check_thinking(budget: int | None, most: int, tags: Tags | None, *, where: str) -> None:
    """Check a thinking budget.

    Raises:
        BadInputError: it leaves no tokens for the answer, or thinking is not separated from the text.
    """
    if budget is None:
        return
    if not 0 < budget < most:
        raise BadInputError(
            f"`max_thinking_tokens` is {budget}, and must be at least 1 and less than `max_new_tokens` ({most})",
            where=where,
            next_step="Leave tokens for the answer: both together are at most `max_new_tokens`.",
        )
    if tags is None:
        raise BadInputError(
            "`max_thinking_tokens` needs the tags of thinking, and `thinking` is null",
            where=where,
            next_step='Write `thinking: ["<think>", "</think>"]`, or the tags of your model.',
        )


def format_of(options: AskingOptions) -> PromptFormat:
    """Return the format in which a teacher is asked."""
    if options.prompt is None:
        return TEACHER_FORMATS[options.format]
    template = Template(input=options.prompt)
    name = f"prompt-{content_key('prompt', options.prompt, options.answer_prefix)[:8]}"
    return PromptFormat(name=name, decoder=template, encoder_decoder=template, answer_prefix=options.answer_prefix)


def sees_answers(options: AskingOptions) -> bool:
    """Return whether the teacher's own prompt states the gold answer."""
    return options.prompt is not None and "answer" in fields_of(options.prompt)


def learns_from(options: AskingOptions) -> RationaleSource | None:
    """Return a teacher's :attr:`rtbench.plugin.models.Teacher.learns_from`.

    It is None with two stages, where the rationale is the first stage's text.
    """
    return None if options.format == "zero-shot-cot" and options.prompt is None else options.rationale


FINE_TUNE = PromptFormat(
    name="fine-tune",
    decoder=Template(input="{question} ###", label=" {answer}"),
    encoder_decoder=Template(input="{question}", label="{answer}"),
)
FINE_TUNE_COT = PromptFormat(
    name="fine-tune-cot",
    decoder=Template(input="{question} ###", label=" {rationale} --> {answer}"),
    encoder_decoder=Template(input="{question}", label="{rationale} --> {answer}"),
    answer_prefix="-->",
)
DISTILL_STEP_BY_STEP = PromptFormat(
    name="step-by-step",
    decoder=Template(input="predict: {question} ###", label=" {answer}"),
    encoder_decoder=Template(input="predict: {question}", label="{answer}"),
    along=PromptFormat(
        name="step-by-step-explain",
        decoder=Template(input="explain: {question} ###", label=" {rationale}"),
        encoder_decoder=Template(input="explain: {question}", label="{rationale}"),
    ),
)
"""Two formats that differ by the prefixes ``predict: `` and ``explain: ``.

Source: google-research/distilling-step-by-step, ``data_utils.py`` and ``run.py``.
"""
