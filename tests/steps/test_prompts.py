from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rtbench.errors import PluginError
from rtbench.schema.prompts import Template
from rtbench.schema.training import Example
from rtbench.steps.prompts import render, split_rationale, training_row


def test_hostile_braces_stay_text() -> None:
    assert render("{question} ###", question="{answer} {0} {{x}}") == "{answer} {0} {{x}} ###"


def test_unknown_field_of_a_template_is_an_error() -> None:
    with pytest.raises(PluginError, match="rationael"):
        render("{rationael}", rationale="x")


def test_training_row_strips_as_the_original_does() -> None:
    example = Example(sample_index=1, completion_index=0, question=" q\n", answer=" 7 ", rationale="\n\n r ")
    row = training_row(Template(input="{question} ###", label=" {rationale} --> {answer}"), example)
    assert (row.prompt, row.label) == ("q ###", " r --> 7")


@pytest.mark.parametrize(
    ("text", "prefix", "rationale"),
    [
        ("3 + 2 = 5. The answer is 5.", "The answer is", "3 + 2 = 5."),
        ("One. So the answer is 5", "The answer is", "One."),
        ("First the answer is 4. No. Therefore, the answer is 5.", None, "First the answer is 4. No."),
        ("a b --> 7", "-->", "a b"),
        ("no such sentence", "The answer is", "no such sentence"),
        ("", "-->", ""),
    ],
)
def test_rationale_ends_before_the_last_answer_sentence(text: str, prefix: str | None, rationale: str) -> None:
    assert split_rationale(text, prefix) == rationale


def test_rationales_of_recordings_are_cut_where_the_recordings_cut_them(data_dir: Path) -> None:
    """The recordings state each output cut before its last "the answer is"; ours agrees up to the words that lead
    in ("So", "Therefore") and white space."""
    for name in ("gpt-4__fs_cot__multiarith", "text-davinci-003__fs_cot__date_understanding"):
        cut = 0
        text = gzip.decompress((data_dir / "teacher" / f"{name}.jsonl.gz").read_bytes()).decode()
        for line in text.splitlines():
            record = json.loads(line)
            output = record["reasoning_completion"] + record["completion"]
            ours = split_rationale(output, "The answer is")
            theirs = record["reasoning_completion"].rstrip()
            assert theirs.startswith(ours), record["sample_index"]
            assert len(theirs) - len(ours) <= len("Therefore, "), record["sample_index"]
            cut += ours != output.rstrip()
        assert cut > 300
