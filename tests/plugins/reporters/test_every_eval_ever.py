"""A run as records of Every Eval Ever (schemas 0.3.0; the whole was validated with them when it was written)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli

PLACE = re.compile(r"data/rtbench/rtbench/[\w.-]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
AGGREGATE = {
    "schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library",
    "evaluation_results",
}  # fmt: skip
SAMPLE = {
    "schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type", "input",
    "answer_attribution", "evaluation",
}  # fmt: skip
"""Fields that the schemas require."""


@pytest.fixture
def written(cli: Cli, demo: Path) -> tuple[Cli, Path]:
    cli("run", "--matrix", demo)
    cli("report", "--format", "every-eval-ever", "--out", "out")
    return cli, cli.folder / "out"


def read(folder: Path) -> list[tuple[Path, Any, list[Any]]]:
    found = []
    for path in sorted(folder.rglob("*.json")):
        lines = path.with_name(f"{path.stem}_samples.jsonl").read_text().splitlines()
        found.append((path, json.loads(path.read_text()), [json.loads(line) for line in lines]))
    return found


def test_each_scored_cell_has_a_record_and_its_samples(written: tuple[Cli, Path]) -> None:
    cli, out = written
    records = read(out)
    cells = list(json.loads(cli("show", "--format", "json").stdout))
    assert len(records) == len(cells) > 0
    for path, record, lines in records:
        assert PLACE.fullmatch(path.relative_to(out).with_suffix("").as_posix())
        assert set(record) >= AGGREGATE
        assert all(set(line) >= SAMPLE for line in lines)
        details = record["detailed_evaluation_results"]
        samples = out / details["file_path"]
        assert details["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
        assert details["total_rows"] == len(lines)
        assert {line["evaluation_id"] for line in lines} == {record["evaluation_id"]}
        result = record["evaluation_results"][0]
        right = [line["evaluation"]["is_correct"] for line in lines]
        assert result["score_details"]["score"] == pytest.approx(sum(right) / len(right))
        interval = result["score_details"]["uncertainty"]["confidence_interval"]
        assert interval["lower"] <= result["score_details"]["score"] <= interval["upper"]
    assert len({record["evaluation_id"] for _, record, _ in records}) == len(records)
    assert all(
        isinstance(value, str) for _, r, _ in records for value in r["model_info"]["additional_details"].values()
    )


def test_the_same_run_is_written_to_the_same_files(written: tuple[Cli, Path]) -> None:
    cli, out = written
    cli("report", "--format", "every-eval-ever", "--out", "again")
    assert {p.relative_to(out) for p in out.rglob("*.json*")} == {
        p.relative_to(cli.folder / "again") for p in (cli.folder / "again").rglob("*.json*")
    }
