from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rtbench.schema.completions import Completion
from rtbench.schema.tasks import RationaleSource
from rtbench.scoring.rationale import rationale_of, split_rationale


def completion(text: str, reasoning: str | None = None) -> Completion:
    return Completion(key="k", task="t", sample_index=0, completion_index=0, prompt="p", text=text, reasoning=reasoning)


@pytest.mark.parametrize(
    ("reasoning", "source", "rationale"),
    [
        (None, None, "1 + 1 = 2."),
        (None, "text", "1 + 1 = 2."),
        (None, "thoughts", ""),
        (None, "both", "1 + 1 = 2."),
        (" Hmm. ", None, "Hmm."),
        (" Hmm. ", "text", "1 + 1 = 2."),
        (" Hmm. ", "thoughts", "Hmm."),
        (" Hmm. ", "both", "Hmm.\n1 + 1 = 2."),
    ],
)
def test_source_says_which_part_is_the_rationale(
    reasoning: str | None, source: RationaleSource | None, rationale: str
) -> None:
    assert rationale_of(completion(" 1 + 1 = 2. So the answer is 2.", reasoning), "-->", source) == rationale


@pytest.mark.parametrize(
    ("text", "prefix", "rationale"),
    [
        ("3 + 2 = 5. The answer is 5.", "The answer is", "3 + 2 = 5."),
        ("One. So the answer is 5", "The answer is", "One."),
        ("First the answer is 4. No. Therefore, the answer is 5.", None, "First the answer is 4. No."),
        ("a b --> 7", "-->", "a b"),
        ("no such sentence", "The answer is", "no such sentence"),
        ("He has 18.\n\n**The answer is 18.**", "The answer is", "He has 18."),
        ("He has 18.\n\n### Answer\nThe answer is 18.", "The answer is", "He has 18."),
        ("He has **18**. **The answer is 18**", "The answer is", "He has **18**."),
        ("x = 3\n\n**Final Answer:**\nThe answer is 3", "The answer is", "x = 3"),
        ("x is the answer: The answer is 3", "The answer is", "x is the answer:"),
        ("- a\n- b\n- The answer is 3", "The answer is", "- a\n- b"),
        ("1. a\n2. b\n3. Therefore, **the answer is** 4", "The answer is", "1. a\n2. b"),
        ("It is 15. $\\text{The answer is } 15$", "The answer is", "It is 15."),
        ("We get \\(3\\).\n\\[\n\\text{The answer is 3}\\]", "The answer is", "We get \\(3\\)."),
        ("He has 18 <answer>The answer is 18</answer>", "The answer is", "He has 18"),
        ("It is 4 > 3. The answer is 4", "The answer is", "It is 4 > 3."),
        ("One. The answer is 5.\n\nQ: And two? Six. The answer is 6.", "The answer is", "One."),
        ("a b --> 7 END\n\nc d --> 8 END", "-->", "a b"),
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
