from __future__ import annotations

import pytest

from rtbench.errors import PluginError
from rtbench.schema.prompts import Template
from rtbench.schema.training import Example
from rtbench.steps.prompts import render, training_row


def test_hostile_braces_stay_text() -> None:
    assert render("{question} ###", question="{answer} {0} {{x}}") == "{answer} {0} {{x}} ###"


def test_unknown_field_of_a_template_is_an_error() -> None:
    with pytest.raises(PluginError, match="rationael"):
        render("{rationael}", rationale="x")


def test_training_row_strips_as_the_original_does() -> None:
    example = Example(sample_index=1, completion_index=0, question=" q\n", answer=" 7 ", rationale="\n\n r ")
    row = training_row(Template(input="{question} ###", label=" {rationale} --> {answer}"), example)
    assert (row.prompt, row.label) == ("q ###", " r --> 7")
