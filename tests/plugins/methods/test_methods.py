from __future__ import annotations

import pytest
from rtbench_plugins.methods import formats

from rtbench.schema.base import Family
from rtbench.schema.tasks import Demonstration
from rtbench.schema.training import Example
from rtbench.steps.prompts import demonstrations_text, render, training_row

EXAMPLE = Example(sample_index=0, completion_index=0, question="How many?", answer="7", rationale="3 + 4 = 7.")


@pytest.mark.parametrize(
    ("name", "family", "prompt", "label"),
    [
        ("FINE_TUNE", "decoder", "How many? ###", " 7"),
        ("FINE_TUNE", "encoder_decoder", "How many?", "7"),
        ("FINE_TUNE_COT", "decoder", "How many? ###", " 3 + 4 = 7. --> 7"),
        ("FINE_TUNE_COT", "encoder_decoder", "How many?", "3 + 4 = 7. --> 7"),
    ],
)
def test_training_formats_are_the_papers(name: str, family: Family, prompt: str, label: str) -> None:
    row = training_row(getattr(formats, name).template(family), EXAMPLE)
    assert (row.prompt, row.label) == (prompt, label)


def test_zero_shot_cot_asks_in_two_stages_as_the_paper_does() -> None:
    template = formats.ZERO_SHOT_COT.decoder
    first = render(template.input, question="How many?")
    assert first == "Q: How many?\nA: Let's think step by step."
    assert template.answer_input is not None
    second = render(template.answer_input, prompt=first, reasoning=" 3 + 4 = 7.", trigger="Therefore, the answer is")
    assert second == first + " 3 + 4 = 7.\nTherefore, the answer is"


def test_zero_shot_is_the_papers() -> None:
    assert render(formats.ZERO_SHOT.decoder.input, question="x") == "Q: x\n\nA:"
    assert render(formats.ZERO_SHOT.encoder_decoder.input, question="x") == "question: x"


def test_few_shot_prompts_hold_demonstrations_with_and_without_rationales() -> None:
    shown = [Demonstration(question="1 + 1?", rationale="One and one is two.", answer="2")]
    assert demonstrations_text(formats.FEW_SHOT_COT, shown) == "Q: 1 + 1?\nA: One and one is two. The answer is 2."
    assert demonstrations_text(formats.FEW_SHOT, shown) == "Q: 1 + 1?\nA: The answer is 2."
