"""New questions of a task's twin, which GRPO asks: apart from the training's own, and the same again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rtbench_plugins.methods.formats import FINE_TUNE_COT
from rtbench_tasks.multiarith.twin import MultiarithTwin

from rtbench.schema.completions import ModelSpec
from rtbench.schema.environment import Environment
from rtbench.schema.objectives import Grpo
from rtbench.schema.steps import TaskSpec, TrainSpec
from rtbench.schema.training import Recipe
from rtbench.session import Session
from rtbench.steps.train import verifier
from rtbench.steps.twin_questions import TwinQuestions
from rtbench.twins import setting_of
from tests.helpers.tasks import MINE, write

MODEL = ModelSpec(role="student", name="m", plugin="hf-causal", fingerprint="f", options={})


def spec_of(variant: str, *, seed: int = 0, name: str = "multiarith") -> TrainSpec:
    task = TaskSpec(name=name, variant=variant, split="default", fingerprint="f", dataset=f"{name}@{variant}")
    return TrainSpec(
        task=task, model=MODEL, family="decoder", format=FINE_TUNE_COT, recipe=Recipe(), seed=seed,
        objective=Grpo(questions="twin"), extractor="flexible", extractor_key="v1", twin="t",
    )  # fmt: skip


@pytest.fixture
def services(tmp_path: Path) -> Session:
    return Session(Environment(workspace=str(tmp_path / "w"), offline=True))


def prompts(drawn: TwinQuestions, *steps: int) -> list[str]:
    return [row.prompt for step in steps for row in drawn.rows(step, 8)]


def test_questions_depend_on_seed_and_step_alone(services: Session) -> None:
    drawn, again = (TwinQuestions(services, spec_of("twin-0")) for _ in range(2))
    found = prompts(drawn, 0, 1, 2)
    assert prompts(again, 2, 1) == found[16:] + found[8:16], "in any order, as after an interruption"
    assert len(set(found)) == 24
    other = prompts(TwinQuestions(services, spec_of("twin-0", seed=1)), 0, 1, 2)
    assert not set(other) & set(found)


@pytest.mark.parametrize("variant", ["twin-3", "twin-3+largest=40"])
def test_questions_keep_clear_of_the_folds_of_a_twins_run(services: Session, variant: str) -> None:
    twin, setting = services.task("multiarith").twin(), setting_of(variant)
    assert twin is not None
    assert setting is not None
    folds = twin.turned(setting).draw_folds(3)
    drawn = TwinQuestions(services, spec_of(variant, seed=3))
    samples = [sample for step in range(30) for _ in [drawn.rows(step, 8)] for sample in drawn.samples.values()]
    assert not {sample.question for sample in samples} & {p.question for found in folds.values() for p in found}
    held_out = {p.pattern for fold in ("validation", "test", "ood") for p in folds[fold]}
    assert not {sample.group for sample in samples} & held_out
    numbers = [int(number) for sample in samples for number in re.findall(r"\d+", sample.question)]
    assert (max(numbers) <= 40) == ("largest" in variant), "the run's knobs are those of the new questions"


def test_published_questions_are_left_out(tmp_path: Path) -> None:
    """Whatever their case and white space, and in whichever fold they are."""
    problems = MultiarithTwin().fresh(0, 9, stream="training/0/0", allows=lambda _: True)
    lines = [{"question": f"Is it {at}?", "answer": str(at)} for at in range(10)]
    for at in (2, 5):
        lines[at]["question"] = f"  {problems[at].question.upper()}\n"
    text = MINE + "    twin: rtbench_tasks.multiarith.twin:MultiarithTwin\n"
    file = write(tmp_path, text, lines)
    services = Session(Environment(workspace=str(tmp_path / "w"), task_files=(str(file),), offline=True))
    drawn = TwinQuestions(services, spec_of("original", name="mine"))
    drawn.rows(0, 7)
    expected = [problem.question for at, problem in enumerate(problems) if at not in {2, 5}]
    assert [sample.question for sample in drawn.samples.values()] == expected
    assert min(drawn.samples) == 10, "the numbers of new questions are nobody else's"


def test_answers_to_drawn_questions_are_rewarded_by_the_tasks_extractor(services: Session) -> None:
    spec = spec_of("twin-0")
    drawn = TwinQuestions(services, spec)
    verify = verifier(services, spec, drawn)
    for step in (0, 1):
        drawn.rows(step, 4)
        texts = [(index, f"So it is. --> {sample.answer}") for index, sample in drawn.samples.items()]
        assert verify(texts) == [True] * 4
        assert verify([(index, text + "1") for index, text in texts]) == [False] * 4
    train = services.task_data("multiarith", "twin-0").fold("default", "train")[0]
    assert verify([(train.index, f"--> {train.answer}")]) == [True], "held-out questions are of the training fold"
