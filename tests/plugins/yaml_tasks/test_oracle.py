"""Own tasks from end to end with a recorded oracle: every answer is right, and every rationale is kept."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli

COUNT = 20
TASK = """
task: own
dataset_path: json
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
metadata:
  version: 1
  rtbench:
    answer_type: TYPE
    files: [{name: FILE}]
    options: {OPTIONS}
"""
MATRIX = """
name: oracle
tasks: [own]
methods: [fine-tune-cot]
teachers: [{name: oracle, use: replay, recordings: [oracle/fs_cot]}]
students: [parrot]
curators: [correct]
"""
WORDS = ("red kite", "O'Neil Street", "north-west wind", "St. Mary's", "Ann and Bob")


def rows(kind: str) -> tuple[str, str, list[dict[str, Any]], list[str]]:
    """Type, options, records, and what the oracle says."""
    if kind == "ten options":
        made = [
            {
                "question": f"Which crate ({i})?",
                "options": [f"crate {i}-{j}" for j in range(10)],
                "answer": "ABCDEFGHIJ"[i % 10],
            }
            for i in range(COUNT)
        ]
        return "choice", "choices: options", made, [f"({row['answer']})" for row in made]
    if kind == "integer options":
        made = [
            {
                "question": f"How many legs have {i % 4 + 1} birds? ({i})",
                "options": ["2", "4", "6", "8"],
                "answer": 2 * (i % 4 + 1),
            }
            for i in range(COUNT)
        ]
        return "choice", "choices: options", made, [f"**{row['answer']}** legs" for row in made]
    made = [{"question": f"What is it called ({i})?", "answer": WORDS[i % len(WORDS)]} for i in range(COUNT)]
    return "string", "question: question", made, [f'"{row["answer"]}", as everyone knows' for row in made]  # fmt: skip


def written(folder: Path, form: str, records: list[dict[str, Any]]) -> str:
    if form == "jsonl":
        (folder / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    elif form == "csv":
        with (folder / "own.csv").open("w", newline="") as file:
            lines = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in record.items()} for record in records]
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(records), folder / "own.parquet")
    return f"own.{form}"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["ten options", "integer options", "two words"])
def test_recorded_oracle_is_always_right(cli: Cli, tmp_path: Path, kind: str, form: str) -> None:
    type_, options, records, said = rows(kind)
    text = TASK.replace("TYPE", type_).replace("OPTIONS", options).replace("FILE", written(tmp_path, form, records))
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "oracle.yaml").write_text(MATRIX)
    path = tmp_path / "oracle__fs_cot__own.jsonl"
    path.write_text(
        "".join(
            json.dumps({"sample_index": i, "completion": f"It is known. The answer is {answer}.", "finish_reason": "stop"}) + "\n"
            for i, answer in enumerate(said)
        )
    )  # fmt: skip
    task = ("--task", tmp_path / "own.yaml")
    scored: Any = cli.json("score", path, *task)
    assert (scored["correct"], scored["n"]) == (COUNT, COUNT)
    cli("import", path, *task)
    cli("run", "--matrix", tmp_path / "oracle.yaml", *task)
    board: Any = cli.json("report", "oracle", *task)
    (teacher,) = (row["results"]["own"] for row in board["rows"] if row["kind"] == "teacher")
    assert teacher["accuracy"] == 1.0
    stages = cli.json("curate", "--with", "correct", *task)
    assert isinstance(stages, dict)
    assert [stage["removed"] for stage in stages["curators"]] == [0, 0]
