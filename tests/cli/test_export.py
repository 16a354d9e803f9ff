"""``rtbench export rationales``: what students learned from, in files that other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli

MATRIX = """
name: small
source: twin
tasks: [multiarith]
teachers: [{name: brief, use: scripted, verbosity: 0}]
methods: [fine-tune, fine-tune-cot]
degrees: [1, 2]
students: [parrot]
limit: 6
"""
FIELDS = {"task", "fold", "teacher", "teachers", "kept", "completions", "covered", "questions", "licence", "degree", "answer"}  # fmt: skip


@pytest.fixture
def run(cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "small.yaml").write_text(MATRIX)
    cli("run", "--matrix", tmp_path / "small.yaml")
    return cli


def load(path: Path) -> list[dict[str, Any]]:
    import datasets

    kind = "parquet" if path.suffix == ".parquet" else "json"
    data = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
    return list(data)


@pytest.mark.slow
def test_every_format_is_read_by_datasets(run: Cli, tmp_path: Path) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for format_, name in (("jsonl", "jsonl"), ("parquet", "parquet"), ("alpaca", "json"), ("sharegpt", "json"), ("messages", "json")):  # fmt: skip
        out = tmp_path / format_
        run("export", "rationales", "small", "--format", format_, "--out", out)
        found[format_] = load(out / f"rationales.{name}")
        assert all(set(row) >= FIELDS for row in found[format_])
    rows = found["jsonl"]
    assert found["parquet"] == rows
    assert {row["fold"] for row in rows} == {"train"}
    assert {row["degree"] for row in rows} == {1, 2}
    keys = [(row["dataset"], row["sample_index"], row["completion_index"], row["rationale"]) for row in rows]
    assert len(keys) == len(set(keys)), "the greedy rationale of degree 1 may be another than the first of degree 2"
    assert sum(row["completions"] == 12 for row in rows) == rows[0]["kept"]
    assert found["alpaca"][0]["instruction"] == rows[0]["question"]
    reply = f"{rows[0]['rationale']}\nThe answer is {rows[0]['answer']}."
    assert found["alpaca"][0]["output"] == reply
    assert [turn["value"] for turn in found["sharegpt"][0]["conversations"]] == [rows[0]["question"], reply]
    assert [turn["role"] for turn in found["messages"][0]["messages"]] == ["user", "assistant"]


@pytest.mark.slow
def test_completions_of_several_teachers_are_exported_once(cli: Cli, tmp_path: Path) -> None:
    """Under the first teacher with the largest degree, and with the names of all whose students learned from them."""
    blocks = """
blocks:
  - degrees: [1, 2]
  - teachers: [{name: capped, use: scripted, verbosity: 0}]
    degrees: [3]
    curators: [correct, {use: cap, most: 1}]
  - teachers: [{name: verbose, use: scripted, verbosity: 2}]
    degrees: [1]
"""
    (tmp_path / "small.yaml").write_text(MATRIX.replace("degrees: [1, 2]\n", "") + blocks)
    cli("run", "--matrix", tmp_path / "small.yaml")
    cli("export", "rationales", "--out", tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "rationales.jsonl").read_text().splitlines()]
    kinds = [row["source"] for row in rows if "verbose" in row["teachers"]]
    assert len(set(kinds)) == 1
    shared = [row for row in rows if row["source"] not in kinds]
    places = [(row["sample_index"], row["completion_index"], row["rationale"]) for row in shared]
    assert len(places) == len(set(places))
    by_first = {(row["teacher"], *row["teachers"]) for row in shared}
    assert ("capped", "capped", "brief") in by_first
    assert {first for first, *_ in by_first} == {"capped", "brief"}
    for row in shared:
        assert row["teacher"] == row["teachers"][0]
        assert row["completions"] in ({18} if row["teacher"] == "capped" else {6, 12})
    assert {row["degree"] for row in shared if "brief" in row["teachers"]} == {1, 2}
    assert {row["degree"] for row in shared if row["teachers"] == ["capped"]} <= {3}


@pytest.mark.slow
def test_llama_factory_finds_the_columns(run: Cli, tmp_path: Path) -> None:
    """Its ``dataset_info.json`` names the file and the columns, which are there."""
    for format_ in ("alpaca", "sharegpt", "messages"):
        out = tmp_path / format_
        run("export", "rationales", "--format", format_, "--out", out)
        (entry,) = json.loads((out / "dataset_info.json").read_text()).values()
        rows = json.loads((out / entry["file_name"]).read_text())
        assert set(entry["columns"].values()) <= set(rows[0])
        tags = entry.get("tags", {"role_tag": "from", "content_tag": "value"})
        for turn in rows[0].get(entry["columns"].get("messages", ""), ()):
            assert {tags["role_tag"], tags["content_tag"]} == set(turn)


@pytest.mark.slow
def test_what_was_exported_is_scored(run: Cli, tmp_path: Path) -> None:
    run("export", "rationales", "--format", "sharegpt", "--out", tmp_path / "out")
    scored = run.json("score", tmp_path / "out" / "rationales.json", "--task", "multiarith", "--variant", "twin-0")
    assert isinstance(scored, dict)
    assert scored["accuracy"] == 1.0


@pytest.mark.slow
def test_nothing_is_overwritten_and_no_rationales_are_an_error(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    assert "is not empty" in run("export", "rationales", "--out", tmp_path / "full", code=2).stderr
    assert "unknown cell" in run("export", "rationales", "--cell", "x", code=2).stderr
