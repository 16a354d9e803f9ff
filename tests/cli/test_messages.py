"""What stands beside a number, and ways to look at a run again: the guess, the extractor, the runs there are."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.tasks import MINE, write

MATRIX = "name: m\ntasks: [mine]\nmethods: [fine-tune]\nstudents: [parrot]\nrecipe: {epochs: 1}\n"


def own_task(cli: Cli, answer_type: str, lines: list[dict[str, Any]], more: str = "") -> tuple[str, ...]:
    write(cli.folder, MINE.replace("answer_type: number", f"answer_type: {answer_type}") + more, lines)
    (cli.folder / "m.yaml").write_text(MATRIX)
    return ("--task", "mine.yaml", "--matrix", "m.yaml")


def guess(board: Any) -> float | None:
    found: list[float] = [row["results"]["mine"]["accuracy"] for row in board["rows"] if row["kind"] == "random"]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("answer_type", "lines", "more", "expected"),
    [
        ("choice", [{"choices": ["a", "b", "c", "d"], "answer": "A"}], "    options: {choices: choices}\n", 0.25),
        ("yes_no", [{"answer": "yes"}], "", 0.5),
        ("number", [{"answer": "4"}], "", 0.0),
        ("number", [{"answer": "4"}], "    random_accuracy: 0.1\n", 0.1),
        ("choice", [{"answer": "A"}], "", None),
    ],
)
def test_guess_of_a_task_of_ones_own_goes_by_its_answers(
    cli: Cli, answer_type: str, lines: list[dict[str, Any]], more: str, expected: float | None
) -> None:
    many = [{"question": f"What of {i}?", **line} for i in range(20) for line in lines]
    assert guess(cli.json("run", *own_task(cli, answer_type, many, more))) == expected


def test_task_file_that_the_matrix_does_not_use_is_reported(cli: Cli, demo: Path) -> None:
    own_task(cli, "number", [{"question": f"How many of {i}?", "answer": "4"} for i in range(20)])
    assert "add it with --tasks mine" in cli("plan", "--task", "mine.yaml", "--matrix", demo).stderr


def test_plan_reports_doubled_questions_of_an_own_task(cli: Cli) -> None:
    lines = [{"question": f"How many of {i % 12}?", "answer": "4"} for i in range(20)]
    said = cli("plan", *own_task(cli, "number", lines)).stdout
    found = re.search(r"mine: (\d) test questions are also training questions", said)
    assert found
    assert int(found[1]) > 0
    assert (
        "are also training questions"
        not in cli("plan", *own_task(cli, "number", [{**lines[0], "question": f"{i}?"} for i in range(20)])).stdout
    )


def test_gold_of_the_wrong_type_names_file_and_record(cli: Cli) -> None:
    lines = [{"question": f"How many of {i}?", "answer": "many" if i == 6 else "4"} for i in range(20)]
    said = cli("plan", *own_task(cli, "number", lines), code=2).stderr
    assert "mine.jsonl, line 7: the gold answer 'many' is not of type number" in said


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{name: mine, teacher: openai}", "'mine' is not registered, and `use` is missing (keys: teacher)"),
        ("{name: parot, tasks: [parity]}", "Did you mean 'parrot'"),
    ],
)
def test_invalid_student_is_reported(cli: Cli, entry: str, said: str) -> None:
    (cli.folder / "m.yaml").write_text(f"name: m\ntasks: [parity]\nmethods: [fine-tune]\nstudents: [{entry}]\n")
    assert said in cli("plan", "--matrix", "m.yaml", code=2).stderr


FILTERS = """filter_list:
  - name: first
    filter: [{function: rtbench, rule: flexible, answer_type: number}, {function: take_first}]
  - name: nine
    filter: [{function: regex, regex_pattern: "(9)"}, {function: take_first}]
"""


def test_board_claims_and_site_by_another_extractor(cli: Cli) -> None:
    """The parrot says again what it has learned; one extractor finds it, the other finds nines alone."""
    lines = [{"question": f"How many of {i}?", "answer": "4"} for i in range(20)]
    arguments = own_task(cli, "number", lines)
    text = (cli.folder / "mine.yaml").read_text()
    (cli.folder / "mine.yaml").write_text(text.replace("metadata:", FILTERS + "metadata:"))
    cli("run", *arguments, "--extractor", "first")

    def shown(*options: object) -> tuple[str, float]:
        board: Any = cli.json("report", *options)
        (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
        return row["extractor"], row["results"]["mine"]["accuracy"]

    assert shown() == ("first", 1.0)
    assert shown("--extractor", "nine") == ("nine", 0.0)
    assert "Another extractor" not in cli("report", "--extractor", "nine").stdout, "it decided nothing here"
    assert "Another extractor" not in cli("report", "--extractor", "first").stdout
    assert shown() == ("first", 1.0), "nothing was changed"
    assert "Did you mean 'first'? Available: first, flexible," in cli("report", "--extractor", "frist", code=2).stderr
    assert "extractor: nine" in cli("report", "--extractor", "nine", "--format", "md").stdout
    assert {one["extractor"] for one in cli.json("claims", "--extractor", "nine")} == {"nine"}  # type: ignore[attr-defined]
    page = cli("report", "--extractor", "nine", "--html", "site").stdout.strip()
    assert "extractor: nine" in (cli.folder / page).read_text()


def test_runs_are_listed_and_a_cell_of_another_run_is_found(cli: Cli, demo: Path) -> None:
    assert cli.json("runs") == []
    cli("run", "--matrix", demo, "--name", "one")
    cli("run", "--matrix", demo, "--methods", "zero-shot", "--name", "two")
    first, second = cli.json("runs")  # type: ignore[misc]
    assert (first["run"], first["matrix"], first["tasks"]) == ("one", "demo", ["parity"])
    assert (first["cells"], first["scored"]) == (5, 5)
    assert (second["run"], second["cells"]) == ("two", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", first["made"])
    assert "two" in cli("runs").stdout.splitlines()[-1]
    name = next(one["name"] for one in cli.json("show", "--run", "one") if one["method"] == "fine-tune")  # type: ignore[attr-defined]
    assert "Run one has it: use --run one." in cli("show", name, code=2).stderr
    assert "this command does not apply to the cell" in cli("curate", name, "--run", "one", code=2).stderr
    assert "(`rtbench show --run two` lists them)" in cli("show", "nothing", code=2).stderr
    (cli.workspace / "runs" / "one.json").write_text("{}")
    assert "unknown cell" in cli("show", name, "--run", "two", code=2).stderr, (
        "a record that cannot be read is no reason"
    )
    listing = cli("runs", code=2)
    assert "cannot be read" in listing.stdout
    assert str(cli.workspace / "runs" / "one.json") in listing.stderr


def test_csv_says_which_run_seeds_and_extractor_it_is_of(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--seeds", "3,5", "--name", "mine")
    lines = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv").stdout)))
    assert {line["run"] for line in lines} == {"mine"}
    assert {line["seed_values"] for line in lines if line["method"] == "fine-tune" and line["task"] == "parity"} == {
        "3 5"
    }
    measured = [line for line in lines if line["kind"] == "measured"]
    assert {line["extractor_version"] for line in measured if line["task"] == "parity"} == {"1"}
    assert {line["n"] for line in measured} == {"20"}
    assert "seeds: 3, 5 or 3, depending on the row" in " ".join(cli("report").stdout.split())
    told = re.search(
        r"Training rows: fine-tune (\d+); fine-tune-cot D=1 (\d+); fine-tune-cot D=4 (\d+)\.",
        cli("report", "--verbose").stdout,
    )
    assert told
    trained = [line["training_rows"] for line in measured if line["task"] == "parity" and line["training_rows"]]
    assert sorted(told.groups(), key=int) == sorted(trained, key=int)
    assert int(told[3]) > int(told[2]) > 0


def test_plan_of_nothing_that_can_run_says_so(cli: Cli, demo: Path) -> None:
    assert "no cell can run" in cli("plan", "--matrix", demo, "--source", "twin").stdout
    said = cli("run", "--matrix", demo, "--source", "twin", code=2).stderr
    assert "no cell can run:\n  parity has no twin" in said


def test_budget_without_effect_is_reported(cli: Cli, demo: Path) -> None:
    assert "--budget has no effect" in cli("run", "--matrix", demo, "--budget", "5").stderr
    assert (
        "Without a currency, the amount is in US dollars"
        in cli("run", "--matrix", demo, "--budget", "five", code=2).stderr
    )


def test_doctor_says_what_can_be_run(cli: Cli) -> None:
    assert "rtbench run: yes" in cli("doctor").stdout


def test_verifying_files_that_are_not_there_is_an_error(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("data", "verify", "--data-dir", tmp_path / "empty", code=2)
    assert "none of the files was found locally" in done.stderr
    assert f"--data-dir {tmp_path / 'empty'}" in done.stderr


def test_epochs_asked_for_count_where_the_matrix_counts_steps(cli: Cli, demo: Path) -> None:
    demo.write_text(demo.read_text().replace("recipe: {epochs: 2}", "recipe: {steps: 7}"))
    board: Any = cli.json("run", "--matrix", demo, "--methods", "fine-tune", "--epochs", "1")
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["results"]["parity"]["recipe"]["epochs"] == 1
    assert row["results"]["parity"]["recipe"].get("steps") is None


def test_runs_of_other_limits_are_compared_with_a_word_of_it(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "fine-tune", "--name", "whole")
    cli("run", "--matrix", demo, "--methods", "fine-tune", "--name", "trial", "--limit", "10")
    said = "Questions used of each fold, also in training: all in whole, the first 10 in trial."
    assert said in cli("compare", "whole", "trial").stdout
    assert "also in training" not in cli("compare", "whole", "whole").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--budget", "25xyz"), "unknown currency 'XYZ'"),
        (("plan", "--seeds", ""), "--seeds: the list is empty\nWrite 0,1."),
        (("rnu",), "(`rtbench --help` lists them)"),
    ],
)
def test_slips_are_reported_with_what_is_allowed(cli: Cli, demo: Path, arguments: tuple[str, ...], said: str) -> None:
    matrix = ("--matrix", demo) if arguments[0] != "rnu" else ()
    assert said in cli(*arguments, *matrix, code=2).stderr
    assert not (cli.workspace / "runs").exists()


def test_slips_in_files_and_the_environment_are_reported(cli: Cli, demo: Path) -> None:
    arguments = own_task(cli, "number", [{"questoin": "How many?", "answer": "4"}] * 20)
    assert (
        "line 1: the record has no field 'question' (it has: questoin, answer)"
        in cli("plan", *arguments, code=2).stderr
    )
    demo.write_text(demo.read_text().replace("tasks: [parity]", "tasks: []"))
    assert "tasks: an empty list" in cli("plan", "--matrix", demo, code=2).stderr
    elsewhere = Cli(cli.folder, cli.environment | {"RTBENCH_DATA_DIR": "/nowhere"})
    assert "RTBENCH_DATA_DIR /nowhere: no such folder" in elsewhere("doctor", code=2).stderr


def test_format_that_is_a_folder_is_refused_before_anything_runs(cli: Cli, demo: Path) -> None:
    said = cli("run", "--matrix", demo, "--format", "html", code=2).stderr
    assert "html is a folder, not a text" in said
    assert "rtbench report --format html --out DIR" in said
    assert not cli.workspace.exists() or not list(cli.workspace.glob("runs/*"))


def test_options_of_files_are_refused_for_runs(cli: Cli) -> None:
    for option in (["--scores"], ["--variant", "original"], ["--answer-prefix", "none"], ["--task", "parity"]):
        assert f"{option[0]} is only for files" in cli("score", "--run", "r", *option, code=2).stderr


def test_empty_list_names_the_option_as_it_is_written(cli: Cli) -> None:
    assert "--tasks: the list is empty" in cli("tasks", "overlap", "--tasks", ",", code=2).stderr
    assert "--report-to: the list is empty" in cli("run", "--report-to", ",", code=2).stderr
    assert "'²' is not an integer" in cli("run", "--degrees", "²", code=2).stderr


def test_run_without_scores_is_an_error_everywhere(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--name", "r")
    for path in (cli.workspace / "store" / "score").iterdir():
        path.rename(cli.folder / path.name)
    for command in (["errors", "--run", "r"], ["score", "--run", "r"]):
        assert "no cell has scores" in cli(*command, code=2).stderr


def test_traceback_of_a_failed_step_is_shown_on_request(cli: Cli, demo: Path) -> None:
    (cli.folder / "bad.py").write_text(
        "from rtbench_parrot import CounterTeacher\nfrom rtbench.api import hookimpl\n"
        "import msgspec\nclass Bad(CounterTeacher):\n"
        "    def members(self):\n"
        "        return [msgspec.structs.replace(super().members()[0], plugin='bad', fingerprint='bad')]\n"
        "    def open(self, member): raise KeyError('oops')\n"
        "@hookimpl\ndef rtbench_register_teachers(register): register('bad', Bad, summary='bad')\n"
    )
    demo.write_text(demo.read_text().replace("[counter]", "[bad]"))
    options = ("--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "1", "--plugin", "bad.py")
    assert "Traceback" not in cli("run", *options, code=1).stderr
    assert "in open" in cli("run", *options, "--traceback", code=1).stderr


def test_matrix_without_cells_names_what_it_lacks(cli: Cli) -> None:
    matrix = "name: m\ntasks: [parity]\nmethods: [{}]\n{}"
    (cli.folder / "m.yaml").write_text(matrix.format("fine-tune-cot", "students: [parrot]\n"))
    assert (
        "its methods need teachers, and it has none\nAdd `teachers:`"
        in cli("plan", "--matrix", "m.yaml", code=2).stderr
    )
    (cli.folder / "m.yaml").write_text(matrix.format("fine-tune", ""))
    assert "its methods need students, and it has none" in cli("plan", "--matrix", "m.yaml", code=2).stderr
    (cli.folder / "m.yaml").write_text(matrix.format("fine-tune-cot", ""))
    assert "its methods need teachers and students, and it" in cli("plan", "--matrix", "m.yaml", code=2).stderr


def test_wrong_and_right_exclude_each_other(cli: Cli) -> None:
    assert "--wrong and --right exclude each other" in cli("show", "--wrong", "--right", code=2).stderr


def test_run_of_an_own_task_is_scored_again_with_its_file(cli: Cli) -> None:
    lines = [{"question": f"How many of {i}?", "answer": "4"} for i in range(20)]
    cli("run", *own_task(cli, "number", lines), "--name", "mine")
    assert "0" in cli("score", "--run", "mine").stdout, "the run remembers the file"
    (cli.folder / "mine.yaml").rename(cli.folder / "moved.yaml")
    assert "give the file again" in cli("score", "--run", "mine", code=2).stderr
    assert "0" in cli("score", "--run", "mine", "--task", "moved.yaml").stdout
