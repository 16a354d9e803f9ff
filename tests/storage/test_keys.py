from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.helpers.cli import Cli

TASK = """
task: mine
dataset_path: json
doc_to_text: "Q: {{question}}"
doc_to_target: "{{answer}}"
metadata:
  version: 1
  rtbench:
    answer_type: number
    files: [{name: mine.jsonl}]
"""
MATRIX = """
name: m
tasks: [mine]
methods: [fine-tune]
students: [parrot]
recipe: {epochs: 1}
"""


def to_do(cli: Cli) -> list[str]:
    found: Any = cli.json("plan", "--task", "mine.yaml", "--matrix", "m.yaml")
    return [step["kind"] for step in found["steps"] if step["state"] == "to do"]


def test_what_changes_a_result_changes_its_key_and_nothing_else_does(cli: Cli) -> None:
    def write(task: str = TASK, matrix: str = MATRIX, question: str = "What is 1 + {}?") -> None:
        (cli.folder / "mine.yaml").write_text(task)
        (cli.folder / "m.yaml").write_text(matrix)
        lines = [f'{{"question": "{question.format(n)}", "answer": "{n + 1}"}}\n' for n in range(20)]
        (cli.folder / "mine.jsonl").write_text("".join(lines))

    write()
    cli("run", "--task", "mine.yaml", "--matrix", "m.yaml")
    assert to_do(cli) == []

    write(matrix=MATRIX.replace("name: m", "name: other\ndescription: new words"))
    assert to_do(cli) == [], "a name or description changes nothing"
    write(matrix=MATRIX.replace("epochs: 1", "epochs: 1, max_new_tokens: 9"))
    assert to_do(cli) == ["complete", "score"], "how long a test completion may get does not change the training"
    write(matrix=MATRIX.replace("epochs: 1", "epochs: 2"))
    assert to_do(cli) == ["train", "complete", "score"]
    write(matrix=MATRIX.replace("[parrot]", "[{name: parrot, use: parrot, accent: broad}]"))
    assert to_do(cli) == ["train", "complete", "score"], "another base is another student"
    write(matrix=MATRIX.replace("[parrot]", "[{name: polly, use: parrot}]"))
    assert to_do(cli) == [], "the same base under another name is the same work"
    write(
        TASK.replace(
            "metadata:",
            "filter_list:\n- {name: last, filter: [{function: regex, regex_pattern: '(\\d+)'}, {function: take_first}]}\n"
            "metadata:",
        )
    )
    assert to_do(cli) == ["score"], "another extractor only re-scores"
    write(question="How much is 1 + {}?")
    assert to_do(cli) == ["curate", "train", "complete", "score"], "other data are another experiment"
    write()
    assert to_do(cli) == []


def test_keys_do_not_depend_on_where_the_workspace_is(cli: Cli, tmp_path: Path, demo: Path) -> None:
    def keys(*options: object) -> list[str]:
        found: Any = cli.json("plan", "--matrix", demo, *options)
        return [step["key"] for step in found["steps"]]

    assert keys() == keys("--workspace", tmp_path / "elsewhere")
