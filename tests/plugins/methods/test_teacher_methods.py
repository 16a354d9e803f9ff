"""STaR and distilling step-by-step, as whole runs with the parrot and with the scripted teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.cli import DEMO, Cli

FLAWED = DEMO.replace("teachers: [counter]", "teachers: [{name: flawed, use: counter, errors: 0.5}]").replace(
    "degrees: [1, 4]", "degrees: [1]\ntemperature: 0.7"
)
TWIN = """
name: methods
source: twin
tasks: [multiarith]
methods: [star]
teachers: [scripted-weak]
students: [random-causal]
degrees: [1]
temperature: 0.7
limit: 60
teacher_rows: false
recipe: {epochs: 1, max_new_tokens: 20}
"""


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def steps(cli: Cli, *arguments: object) -> dict[str, Any]:
    found: Any = cli.json("plan", *arguments, "--steps")
    return {step["title"]: step for step in found["steps"]}


def test_star_asks_with_a_hint_only_where_no_answer_was_right(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    options = ("--matrix", path, "--methods", "star")
    planned = steps(cli, *options)
    hinted = planned["complete parity/flawed: train count T0.7 hinted"]
    assert hinted["estimate"]["work"] == 40, "at most: nobody knows yet which ones fail"
    cli("run", *options)
    done = steps(cli, *options)
    store = cli.workspace / "store"

    def index(title: str) -> list[Any]:
        return lines(store / "complete" / done[title]["key"] / "index.jsonl")

    first = {entry["key"]: entry["sample_index"] for entry in index("complete parity/flawed: train count T0.7")}
    again = {entry["sample_index"] for entry in index("complete parity/flawed: train count T0.7 hinted")}
    ledger = [
        json.loads(line)
        for segment in (cli.workspace / "ledger").glob("counter*/**/*.jsonl")
        for line in segment.read_text().splitlines()
    ]
    hints = [line for line in ledger if "(Hint: the answer is" in line["prompt"]]
    assert {line["sample_index"] for line in hints} == again
    assert all(line["prompt"].count("Hint") == 1 for line in hints)
    right = {
        example["sample_index"]
        for example in lines(store / "curate" / done["curate parity/flawed/D1"]["key"] / "examples.jsonl")
    }
    assert 5 < len(again) < 35
    assert set(first.values()) - again <= right
    assert len(right) > 40 - len(again), "some are explained with the answer in hand"


def test_star_trains_again_from_the_base_on_the_students_own(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    cli("run", "--matrix", path, "--methods", "star")
    done = steps(cli, "--matrix", path, "--methods", "star")
    name = "parity/star/flawed/parrot/D1/T0.7/seed0"
    first, second = done[f"train {name}"], done[f"train {name}, round 2"]
    (record,) = [json.loads(path.read_text()) for path in (cli.workspace / "runs").glob("*.json")]
    (cell,) = [cell for cell in record["cells"] if cell["method"] == "star"]
    teachers = done["curate parity/flawed/D1"]["key"]
    assert cell["examples"] == teachers, "the yield and its money are of what the teacher wrote"
    assert first["key"] != second["key"]
    (examples,) = second["inputs"]
    kept = lines(cli.workspace / "store" / "curate" / examples / "examples.jsonl")
    assert kept
    assert {example["source"] for example in kept} == {f"trained-{first['key']}"}


def test_star_with_the_scripted_teacher_and_a_real_training(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TWIN)
    board: Any = cli.json("run", "--matrix", path, code=1)
    row = next(row for row in board["rows"] if row["method"] == "star")
    # A random student writes no right answer of its own, so the second round has nothing to learn from, and says so.
    assert "none kept" in row["results"]["multiarith"]["reason"]
    (hinted,) = (
        step
        for step in steps(cli, "--matrix", path).values()
        if step["title"] == "complete multiarith@twin-0/scripted-weak: train scripted T0.7 hinted"
    )
    asked = lines(cli.workspace / "store" / "complete" / hinted["key"] / "index.jsonl")
    assert 0 < len(asked) < 60


def test_recordings_cannot_be_hinted(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "name: r\ntasks: [svamp]\nvariant: kojima\nmethods: [star]\nteachers: [text-davinci-002]\nstudents: [random-causal]\n"
        "degrees: [1]\nteacher_rows: false\n"
    )
    found: Any = cli.json("plan", "--matrix", path, "--data-dir", data_dir)
    assert all("cannot be asked with a hint" in cell["reason"] for cell in found["cells"])


def test_step_by_step_learns_both_and_is_asked_for_answers(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TWIN.replace("[star]", "[step-by-step, fine-tune-cot]"))
    cli("run", "--matrix", path)
    reports = {}
    for title, step in steps(cli, "--matrix", path).items():
        if step["kind"] == "train":
            meta = json.loads((cli.workspace / "store" / "train" / step["key"] / "meta.json").read_text())
            reports["step" if "step-by-step" in title else "cot"] = meta["result"]
    assert reports["step"]["rows"] == 2 * reports["cot"]["rows"] > 0
    ledger = [
        json.loads(line)
        for segment in (cli.workspace / "ledger").glob("trained*/**/*.jsonl")
        for line in segment.read_text().splitlines()
    ]
    prompts = [line["prompt"] for line in ledger]
    assert any(prompt.startswith("predict: ") for prompt in prompts)
    assert not any(prompt.startswith("explain: ") for prompt in prompts)
