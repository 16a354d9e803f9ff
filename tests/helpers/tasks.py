"""Tasks of tests' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MINE = """
task: mine
dataset_path: json
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
metadata:
  version: 1
  rtbench:
    answer_type: number
    files: [{name: mine.jsonl}]
"""


def write(folder: Path, text: str, lines: list[dict[str, Any]]) -> Path:
    (folder / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.yaml"
