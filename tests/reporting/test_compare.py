"""Two runs on the same questions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.reporting.compare import holm, mcnemar
from tests.helpers.cli import DEMO, Cli


@pytest.mark.slow
@settings(deadline=None)  # the first example imports statsmodels
@given(better=st.integers(0, 60), worse=st.integers(0, 60))
def test_mcnemar_is_statsmodels_exact(better: int, worse: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar as other

    assert mcnemar(better, worse) == pytest.approx(min(1.0, other([[5, better], [worse, 5]], exact=True).pvalue))


@pytest.mark.slow  # statsmodels takes seconds to import
@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1), max_size=8))
def test_holm_steps_down(values: list[float]) -> None:
    found = holm(values)
    running = 0.0
    for place, at in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        running = max(running, min(1.0, values[at] * (len(values) - place)))
        assert found[at] == pytest.approx(running)


RUN = """
name: m
tasks: [parity]
methods: [fine-tune-cot]
teachers: [{{name: t, use: counter, errors: {errors}}}]
students: [parrot]
recipe: {{epochs: 1}}
"""


def test_worse_teacher_differs_and_a_run_equals_itself(cli: Cli) -> None:
    for name, errors in (("good", 0.0), ("bad", 0.8)):
        (cli.folder / "m.yaml").write_text(RUN.format(errors=errors))
        cli("run", "--matrix", "m.yaml", "--name", name)
    (teacher,) = [row for row in cli.json("compare", "good", "bad")["rows"] if "/teacher/" in row["name"]]  # type: ignore[index]
    wrong = teacher["worse"]
    assert wrong > 10
    assert (teacher["before"], teacher["after"], teacher["better"]) == (1.0, pytest.approx(1 - wrong / 20), 0)
    assert teacher["verdict"] == "worse"
    assert teacher["p"] == pytest.approx(2 / 2**wrong)
    assert teacher["adjusted"] >= teacher["p"]
    assert teacher["interval"]["high"] < 0
    told = cli("compare", "good", "bad", "--flips", 1).stdout
    assert "worse" in told
    assert "question: Is the number of x" in told
    same: Any = cli.json("compare", "good", "good")["rows"]  # type: ignore[index]
    assert {row["verdict"] for row in same} == {"not distinguishable"}
    assert {row["effect"] for row in same} == {0.0}
    assert {row["p"] for row in same} == {1.0}


def test_runs_without_a_common_cell_are_an_error(cli: Cli) -> None:
    (cli.folder / "m.yaml").write_text(DEMO)
    cli("run", "--matrix", "m.yaml", "--methods", "fine-tune", "--name", "one")
    cli("run", "--matrix", "m.yaml", "--methods", "zero-shot", "--name", "other")
    said = cli("compare", "one", "other", code=2).stderr
    assert "no scored cells in common" in said
    assert "unknown run 'ones'" in cli("compare", "ones", "other", code=2).stderr


SEEDS = """
name: m
tasks: [parity]
methods: [zero-shot, fine-tune-cot]
teachers: [{{name: t, use: counter, errors: {errors}}}]
students: [parrot]
seeds: {seeds}
recipe: {{epochs: 1}}
"""


def test_seeds_are_paired_and_untrained_rows_serve_every_seed(cli: Cli) -> None:
    """Of three seeds and two, the two in common count; the base student's one cell is compared once."""
    for name, errors, seeds in (("good", 0.0, [0, 1, 2]), ("bad", 0.8, [1, 2])):
        (cli.folder / "m.yaml").write_text(SEEDS.format(errors=errors, seeds=seeds))
        cli("run", "--matrix", "m.yaml", "--name", name)
    rows: Any = cli.json("compare", "good", "bad", "--flips", 99)["rows"]  # type: ignore[index]
    scores: Any = {name: cli.json("report", name) for name in ("good", "bad")}
    trained = next(row for row in rows if row["name"].startswith("parity/fine-tune-cot"))
    base = next(row for row in rows if "zero-shot" in row["name"])
    assert (trained["seeds"], trained["p"], trained["unpaired"]) == (2, None, 0), "answers of seeds are not independent"
    assert trained["questions"] == 2 * base["questions"]
    assert {flip["seed"] for flip in trained["flips"]} <= {1, 2}
    assert len(trained["flips"]) == trained["better"] + trained["worse"]
    (after,) = [
        row["results"]["parity"]["accuracy"] for row in scores["bad"]["rows"] if row["method"] == "fine-tune-cot"
    ]
    assert trained["after"] == pytest.approx(after)
    assert (base["effect"], base["verdict"]) == (0.0, "not distinguishable")
