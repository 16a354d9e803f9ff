"""Matrix files that nobody means are one error with the file's name, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtbench.errors import RtbenchError
from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.schema.environment import Environment
from rtbench.session import Session

GOOD = """name: m
source: twin
tasks: [multiarith]
teachers: [{name: brief, use: scripted, verbosity: 0}]
methods: [fine-tune-cot]
students: []
limit: 5
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(Environment(workspace=str(tmp_path_factory.mktemp("odd")), offline=True))


def test_the_matrix_that_the_others_change_is_right(tmp_path: Path, session: Session) -> None:
    (tmp_path / "m.yaml").write_text(GOOD)
    assert resolve(read_matrix(tmp_path / "m.yaml"), session).name == "m"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("limit: 5", "limit: 2020-13-45", "m.yaml, limit"),
        ("limit: 5", "limit: 1:30", "m.yaml, limit"),
        ("limit: 5", "limit: 0b_", "m.yaml, limit"),
        ("limit: 5", "limit: .inf", "m.yaml, line 7"),
        ("limit: 5", "limit: " + "9" * 40, "m.yaml, limit"),
        ("limit: 5", "limit: !!binary aGk=", "m.yaml, line 7"),
        ("limit: 5", "seeds: [4294967296]", "m.yaml, seeds[0]"),
        ("limit: 5", "degrees: [1000000]", "m.yaml, degrees[0]"),
        ("limit: 5", "temperature: 1e999", "m.yaml, line 7"),
        ("limit: 5", "fractions: [.nan]", "m.yaml, line 7"),
        ("limit: 5", "recipe: {steps: 1" + "0" * 30 + "}", "m.yaml, recipe.steps"),
        ("limit: 5", "limit: 5\nlimit: 7", "m.yaml, line 8"),
        ("limit: 5", "recipe: {epochs: 1, steps: 2, epochs: 3}", "m.yaml, line 7"),
        ("limit: 5", "5: 5", "is not text"),
        ("limit: 5", "? [a]\n: 5", "m.yaml, line 7"),
        ("limit: 5", "limit: 5\n---\nlimit: 6", "m.yaml, line"),
        ("limit: 5", "\tlimit: 5", "m.yaml, line"),
        ("verbosity: 0", "verbosity: 0, x: &x [*x]", "m.yaml, line 4"),
        ("verbosity: 0", "verbosity: " + "[" * 60 + "]" * 60, "m.yaml, line 4"),
        ("verbosity: 0", "verbosity: 1" + "0" * 30, "m.yaml, teachers[0].verbosity"),
        ("name: brief", 'name: "x[/red]"', "teachers[0], name"),
        ("name: brief", 'name: "a\\nb"', "teachers[0], name"),
        ("name: brief", 'name: "a\\x1bb"', "teachers[0], name"),
        ("name: brief", "name: -x", "teachers[0], name"),
        ("name: brief", "name: ../x", "teachers[0], name"),
        ("name: brief", "name: " + "n" * 300, "teachers[0], name"),
        ("students: []", 'students: [{name: x, use: hf-causal, model: "a\\0b"}]', "m.yaml, line 6"),
        ("name: m\n", "name: ..\n", "m.yaml, name"),
        (GOOD, "- a\n- b\n", "m.yaml: a matrix must be a mapping"),
        (GOOD, "just text", "m.yaml: a matrix must be a mapping"),
        (GOOD, "# nothing\n", "m.yaml: a matrix must be a mapping"),
    ],
)
def test_odd_matrix_is_one_error_that_names_it(tmp_path: Path, session: Session, old: str, new: str, said: str) -> None:
    assert old in GOOD
    (tmp_path / "m.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(RtbenchError) as error:
        resolve(read_matrix(tmp_path / "m.yaml"), session)
    assert said in str(error.value)
