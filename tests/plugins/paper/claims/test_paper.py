"""The paper's own differences, checked against its tables."""

from __future__ import annotations

import msgspec
import pytest
from rtbench_plugins.paper.claims.figures import MAIN, Paper


@pytest.mark.parametrize(
    ("claim", "task", "points", "said"),
    [
        ("C1", "multiarith", 18.33, "ft_cot curie 33.3 − ft curie 15.0 (tab:performance)"),
        ("C1", "commonsense_qa", -19.41, "ft_cot curie 56.8 − ft curie 76.2 (tab:performance)"),
        ("C2", "multiarith", 20.0, "ft_cot_diverse curie D=64 53.3 − ft_cot curie 33.3 (tab:performance)"),
        ("C3", "tracking_shuffled_objects", None, "ft_cot curie 64.4 − ft_cot ada"),
        ("C4", "multiarith", 22.22, "of text-davinci-003 30.0 − ft_cot curie of davinci 7.8"),
        ("C5", "date_understanding", 60.36, "258 questions 60.4 − ft_cot curie 8 questions 0.0"),
        ("C6", "tracking_shuffled_objects", None, "zs_cot_teacher text-davinci-002"),
    ],
)
def test_differences_are_the_papers(claim: str, task: str, points: float | None, said: str) -> None:
    found = Paper().reported(claim, task)
    assert found is not None
    assert said in found.said
    if points is not None:
        assert 100 * found.effect == pytest.approx(points, abs=0.011)


def test_opposite_tasks_are_those_of_the_papers_tables() -> None:
    paper = Paper()
    tasks = dict.fromkeys(row.task for row in paper.rows)
    assert {task for task in tasks if paper.expects_opposite(task)} == {
        "single_eq", "addsub", "svamp", "commonsense_qa", "strategy_qa",
    }  # fmt: skip
    assert paper.expectation("C1", "svamp") == "fine-tune ahead"
    assert paper.expectation("C1", "gsm8k") == "fine-tune-cot ahead"


def test_opposite_never_contradicts_the_figure_beside_it() -> None:
    """On coin_flip T5 and the smaller GPT-3 students are at 100 % with answers alone, and the one that is printed is not."""
    paper = Paper()
    found = paper.reported("C1", "coin_flip")
    assert found is not None
    assert found.said == "ft_cot curie 98.7 − ft curie 72.0 (tab:performance)"
    assert not paper.expects_opposite("coin_flip")


@pytest.mark.parametrize(("answers_alone", "opposite"), [(96.0, True), (94.0, False), (98.67, True)])
def test_student_near_full_with_both_leaves_no_room(answers_alone: float, *, opposite: bool) -> None:
    """Were the printed student's 72 % on coin_flip something else."""
    paper = Paper()
    place = next(
        i for i, row in enumerate(paper.rows) if (row.task, row.method, row.table) == ("coin_flip", "ft", MAIN)
    )
    paper.rows[place] = msgspec.structs.replace(paper.rows[place], accuracy=answers_alone)
    assert paper.expects_opposite("coin_flip") is opposite


@pytest.mark.parametrize("claim", ["C1", "C2", "C3", "C4", "C5", "C6"])
def test_task_that_the_paper_does_not_have_has_no_figure(claim: str) -> None:
    paper = Paper()
    assert paper.reported(claim, "parity") is None
    assert not paper.expects_opposite("parity")
