"""Prompt and label formats of the methods.

Labels end with the student's own end-of-sequence token, which the student adds; that is the original's ``append_eos``.

Source: the paper's appendix B and the original project's ``src/data/format.py`` (templates ``zs``, ``zs_cot``,
``fs_cot``, ``ft_token``, ``ft_cot_token``).
"""

from __future__ import annotations

from typing import Literal

from rtbench.api import BadInputError, PromptFormat, RationaleSource, Template

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

TeacherFormat = Literal["zero-shot-cot", "one-stage-cot", "zero-shot", "few-shot-cot"]
TEACHER_FORMATS: dict[str, PromptFormat] = {
    known.name: known for known in (ZERO_SHOT_COT, ONE_STAGE_COT, ZERO_SHOT, FEW_SHOT_COT)
}
"""Formats in which teachers may be asked, by name."""


def check_asking(
    format_: TeacherFormat, rationale: RationaleSource | None, max_new_tokens: tuple[int, int], *, where: str
) -> None:
    """Check the options for asking a teacher, whatever its backend.

    Args:
        format_: name of the prompt format.
        rationale: part of a completion that students learn from; None means the default.
        max_new_tokens: tokens for the rationale and for the answer stage.
        where: source of the options, for messages.

    Raises:
        BadInputError: a number is too small, or ``rationale`` asks for thinking with a two-stage format.
    """
    if min(max_new_tokens) < 1:
        raise BadInputError(f"`max_new_tokens` is {list(max_new_tokens)} and must be at least 1 each", where=where)
    if rationale not in {None, "text"} and format_ == "zero-shot-cot":
        raise BadInputError(
            f"`rationale: {rationale}` cannot be used with two stages, where the first stage's text is the rationale",
            where=where,
            next_step="Add `format: one-stage-cot`.",
        )


def learns_from(format_: TeacherFormat, rationale: RationaleSource | None) -> RationaleSource | None:
    """Return a teacher's :attr:`rtbench.plugin.models.Teacher.learns_from`.

    It is None with two stages, where the rationale is the first stage's text.
    """
    return None if format_ == "zero-shot-cot" else rationale


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
