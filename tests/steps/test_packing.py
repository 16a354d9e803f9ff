"""A packed run is the run again: same board, nothing asked or trained, and no prompt in the files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli, MakeCli, undated


def board(cli: Cli, name: str = "demo") -> str:
    return undated(cli("report", name, "--format", "json").stdout)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def rewrite(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))


def packed(cli: Cli, demo: Path, *options: object) -> Path:
    cli("run", "--matrix", demo, *options)
    cli("runs", "pack", "packed")
    return cli.folder / "packed"


def files_of(folder: Path, kind: str) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if lines(path)[0]["kind"] == kind]


def test_an_unpacked_run_has_the_same_board_and_nothing_left_to_do(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo)
    said = there("runs", "unpack", folder, "--matrix", demo).stdout
    assert "run demo: 5 of 5 cells are scored" in said
    assert board(there) == board(here)
    plan = there.json("plan", "--matrix", demo)
    assert plan["to_do"] == 0  # type: ignore[index]
    assert not list(there.workspace.glob("store/train/*/checkpoint"))
    here("runs", "pack", "again", "--run", "demo")
    there("runs", "pack", "again", "--run", "demo")
    one, other = ({path.name: lines(path) for path in (cli.folder / "again").iterdir()} for cli in (here, there))
    assert one == other, "unpacked and packed again, the files say the same"


def test_files_hold_texts_but_no_prompts_and_no_weights(cli: Cli, demo: Path) -> None:
    folder = packed(cli, demo)
    ledger = [
        json.loads(line) for path in cli.workspace.glob("ledger/**/*.jsonl") for line in path.read_text().splitlines()
    ]
    assert all(line["prompt"] for line in ledger)
    written = "".join(gzip.decompress(path.read_bytes()).decode() for path in folder.iterdir())
    assert {line["text"] for line in ledger if line["text"]} <= {
        line["text"] for path in files_of(folder, "complete") for line in lines(path)[1:]
    }
    assert not [line["prompt"] for line in ledger if json.dumps(line["prompt"])[1:-1] in written]
    assert len(files_of(folder, "train")) == 3
    assert all(lines(path)[0]["report"]["steps"] for path in files_of(folder, "train"))


def test_packing_again_adds_what_is_new_and_keeps_the_rest(cli: Cli, demo: Path) -> None:
    folder = packed(cli, demo, "--methods", "zero-shot", "--name", "demo")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    cli("run", "--matrix", demo)
    said = cli("runs", "pack", "packed").stdout
    assert f"{len(before)} were there already" in said
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.items() < after.items()


def test_a_partly_packed_run_is_continued(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo, "--degrees", "1", "--name", "demo")
    there("runs", "unpack", folder, "--matrix", demo, "--degrees", "1")
    said = there("runs", "unpack", folder, "--matrix", demo).stdout
    assert "run demo: 4 of 5 cells are scored" in said
    todo = [step for step in there.json("plan", "--matrix", demo)["steps"] if step["state"] == "to do"]  # type: ignore[index]
    assert [step["kind"] for step in todo].count("train") == 1
    there("run", "--matrix", demo)
    here("run", "--matrix", demo)
    assert board(there) == board(here)


def test_a_new_test_of_an_unpacked_student_trains_it_again(make_cli: MakeCli, demo: Path) -> None:
    """The weights are not packed: a step that needs them repeats the training."""
    here, there = make_cli("here"), make_cli("there")
    there("runs", "unpack", packed(here, demo), "--matrix", demo)
    demo.write_text(DEMO.replace("epochs: 2", "epochs: 2, max_new_tokens: 5"))
    for cli in (here, there):
        cli("run", "--matrix", demo)
    assert board(there) == board(here)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: [*records[:1], {**records[1], "key": "0" * 32}, *records[2:]], "line 2: 0000"),
        (lambda records: [*records[:1], {"text": "no key"}], "line 2: not a packed completion"),
        (lambda records: [{**records[0], "format": 2}, *records[1:]], "line 1: format 2"),
        (lambda records: [{**records[0], "key": "1" * 32}, *records[1:]], "line 1: this is the complete step 1111"),
        (lambda _: [], "line 1: not a packed step"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_error_that_names_the_line(
    make_cli: MakeCli, demo: Path, change: Any, message: str
) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo)
    path = files_of(folder, "complete")[0]
    rewrite(path, change(lines(path)))
    said = there("runs", "unpack", folder, "--matrix", demo, code=2).stderr
    assert f"{path.name}, {message}" in said


def test_a_cut_file_is_one_error(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo)
    path = files_of(folder, "train")[0]
    path.write_bytes(path.read_bytes()[:-9])
    assert "not a complete gzip file" in there("runs", "unpack", folder, "--matrix", demo, code=2).stderr


def test_another_matrix_and_an_empty_folder_are_errors(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo)
    demo.write_text(DEMO.replace("[parity]", "[parity]\nlimit: 3"))
    assert "belongs to the matrix demo" in there("runs", "unpack", folder, "--matrix", demo, code=2).stderr
    empty = there.folder / "empty"
    empty.mkdir()
    assert "no packed steps" in there("runs", "unpack", empty, "--matrix", demo, code=2).stderr
    assert not (there.workspace / "runs").exists()


def test_missing_completions_are_asked_for_by_the_next_run(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), make_cli("there")
    folder = packed(here, demo)
    path = files_of(folder, "complete")[0]
    records = lines(path)
    rewrite(path, records[:-2])
    there("runs", "unpack", folder, "--matrix", demo)
    there("run", "--matrix", demo)
    assert board(there) == board(here)
