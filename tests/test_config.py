from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DEMO, Cli


def matrix(cli: Cli, text: str) -> Path:
    path = cli.folder / "m.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("methods:", "mehtods:"), "Did you mean 'methods'"),
        (("epochs: 2", "epoch: 2"), "Did you mean 'epochs'"),
        (("epochs: 2", "epochs: two"), "epochs"),
        (("epochs: 2", "epochs: 0"), "at least 1"),
        (("epochs: 2", "selection: best"), "Did you mean 'best-test'"),
        (("degrees: [1, 4]", "degrees: 4"), "degrees"),
        (("tasks: [parity]", "tasks: [parrity]"), "Did you mean 'parity'"),
        (("teachers: [counter]", "teachers: [{use: counter}]"), "needs a name"),
        (("teachers: [counter]", "teachers: [{name: a, use: counter, erors: 1}]"), "Did you mean 'errors'"),
        (("teachers: [counter]", "teachers: [counter, counter]"), "named twice"),
        (("extractor: last-word", "extractor: last"), "Did you mean 'last-word'"),
        (("methods: [zero-shot, fine-tune, fine-tune-cot]", "methods: []"), "no methods"),
    ],
)
def test_a_wrong_matrix_is_one_clear_error(cli: Cli, change: tuple[str, str], said: str) -> None:
    assert change[0] in DEMO
    error = cli("plan", "--matrix", matrix(cli, DEMO.replace(*change)), code=2).stderr
    assert said in error
    assert error.startswith("error: ")
    assert not cli.workspace.exists()


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("- a\n", "mapping"), ("a: [", "line")])
def test_a_file_that_is_no_matrix_is_one_clear_error(cli: Cli, text: str, said: str) -> None:
    assert said in cli("plan", "--matrix", matrix(cli, text), code=2).stderr


def test_a_missing_matrix_is_one_clear_error(cli: Cli) -> None:
    assert "no such file" in cli("plan", "--matrix", "missing.yaml", code=2).stderr
    assert "Did you mean 'recorded'" in cli("plan", "--matrix", "recordet", code=2).stderr


def names(cli: Cli, path: Path, *options: object) -> list[str]:
    found = cli.json("plan", "--matrix", path, *options)
    return [cell["name"] for cell in found["cells"]]  # type: ignore[index]


def test_every_axis_can_be_narrowed(cli: Cli, demo: Path) -> None:
    assert names(cli, demo, "--methods", "fine-tune") == ["parity/fine-tune/parrot/seed0"]
    assert names(cli, demo, "--methods", "fine-tune", "--seeds", "3,4") == [
        "parity/fine-tune/parrot/seed3",
        "parity/fine-tune/parrot/seed4",
    ]
    assert names(cli, demo, "--methods", "fine-tune-cot", "--degrees", "2") == [
        "parity/fine-tune-cot/counter/parrot/D2/seed0",
        "parity/teacher/counter/seed0",
    ]


def test_a_method_without_a_teacher_has_one_cell_whatever_the_degrees(cli: Cli, demo: Path) -> None:
    assert names(cli, demo).count("parity/fine-tune/parrot/seed0") == 1


def test_equal_cells_of_two_blocks_count_once(cli: Cli) -> None:
    text = DEMO.replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "")
    text += "blocks:\n- methods: [fine-tune]\n- methods: [fine-tune, zero-shot]\n"
    assert sorted(names(cli, matrix(cli, text))) == ["parity/fine-tune/parrot/seed0", "parity/zero-shot/parrot/seed0"]


def test_a_block_overrides_what_it_states_and_inherits_the_rest(cli: Cli) -> None:
    text = DEMO.replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "")
    text += "blocks:\n- methods: [fine-tune]\n- methods: [fine-tune]\n  seeds: [5]\n  recipe: {epochs: 3}\n"
    assert names(cli, matrix(cli, text)) == ["parity/fine-tune/parrot/seed0", "parity/fine-tune/parrot/seed5"]


@pytest.mark.parametrize("name", ["paper", "recorded", "quickstart"])
def test_built_in_matrices_plan_without_data(cli: Cli, name: str) -> None:
    """Without data no cell can run, and each says so; the matrix itself must be sound."""
    found = cli.json("plan", "--matrix", name, "--offline")
    assert found["cells"]  # type: ignore[index]
    assert all("--data-dir" in cell["reason"] for cell in found["cells"])  # type: ignore[index]
