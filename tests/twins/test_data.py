"""The twelve tasks' twins, and strangers', as data of the harness."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.lm_eval.export import export_tasks

from rtbench.errors import BadInputError, RtbenchError, UnknownNameError
from rtbench.plugin.tasks import Task
from rtbench.schema.completions import Completion
from rtbench.schema.environment import Environment
from rtbench.scoring.text import choices_in
from rtbench.session import Session
from rtbench.twins import FOLDS, Knobs, Problem, Twin, TwinSetting, twin_data
from tests.helpers.matrices import TASKS
from tests.helpers.sums import SumKnobs, SumTwin


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Environment(workspace=str(tmp_path / "w"), offline=True))


def check_apart(twin: Twin[Any], seed: int, fresh: list[Problem]) -> None:
    """No question of any fold, and no pattern of those that nothing is trained on."""
    folds = twin.draw_folds(seed)
    assert not {p.question for p in fresh} & {p.question for found in folds.values() for p in found}
    held_out = {p.pattern for fold in ("validation", "test", "ood") for p in folds[fold]}
    assert not {p.pattern for p in fresh} & held_out


@pytest.mark.parametrize("name", TASKS)
def test_fresh_questions_keep_clear_of_the_folds_of_their_seed(session: Session, name: str) -> None:
    """Also those that are as hard as the out-of-distribution fold."""
    twin = session.task(name).twin()
    assert twin is not None
    for knobs in (twin.knobs, twin.harder):
        fresh = twin.fresh(0, 500, knobs)
        assert len({problem.question for problem in fresh}) == 500
        check_apart(twin, 0, fresh)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_twin_that_loads_as_its_data(session: Session, name: str) -> None:
    """The golds are checked against the task's answer type while they load; no file is needed."""
    task = session.task(name)
    twin = task.twin()
    assert twin is not None
    assert task.info.twin
    data = session.task_data(name, "twin-3")
    assert list(data.splits) == ["default"]
    indices: list[int] = []
    for fold in FOLDS:
        assert len(data.fold("default", fold)) == twin.sizes[fold]
        indices += data.splits["default"].fold(fold)
    assert indices == list(range(len(data.samples)))
    assert all(sample.group for sample in data.samples.values())
    if task.info.answer_type == "choice":
        assert all(sample.choices == choices_in(sample.question) for sample in data.samples.values())


def test_twins_leave_the_published_data_as_they_are(session: Session) -> None:
    task = session.task("multiarith")
    assert task.info.variants == ("original", "kojima")
    assert task.dataset_id("original") == task.dataset_id("kojima") == "multiarith"
    assert task.dataset_id("twin-3") == "multiarith@twin-3"
    prints = [task.fingerprint(session.files, variant) for variant in ("original", "kojima", "twin-3", "twin-4")]
    assert len(set(prints)) == 3


def test_twin_data_of_the_task_are_the_twins(session: Session) -> None:
    task = session.task("multiarith")
    twin = task.twin()
    assert twin is not None
    data, drawn = session.task_data("multiarith", "twin-3"), twin_data(twin, TwinSetting(seed=3))
    assert data.samples == drawn.samples
    assert {i: p.question for i, p in drawn.problems.items()} == {i: s.question for i, s in data.samples.items()}


def mine(folder: Path, twin: str, more: str = "") -> Task:
    path = folder / "mine.yaml"
    path.write_text(
        "task: mine\ndataset_path: json\n"
        f"metadata: {{version: 1, rtbench: {{answer_type: number, twin: '{twin}', files: [{{name: mine.jsonl}}]{more}}}}}\n"
    )
    session = Session(Environment(workspace=str(folder / "w"), offline=True, task_files=(str(path),)))
    return session.task("mine")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with twins, as ``--plugin FILE.py`` would load it."""
    made = types.ModuleType("mine_twins")

    class Worded(SumTwin):
        def draw(self, rng: random.Random, knobs: SumKnobs) -> Problem:
            return Problem(question=f"How many? {rng.random()}", answer="many", pattern=str(rng.random()), facts=())

    class Bare(Twin[SumKnobs]):
        draw, explain = SumTwin.draw, SumTwin.explain

    class NoHarder(Bare):
        knobs = SumKnobs()

    class Mixed(SumTwin):
        harder = Knobs()

    class NoKnobs(SumTwin):
        knobs = {"terms": 2}

    vars(made).update(SumTwin=SumTwin, Worded=Worded, Other=dict, number=7)
    vars(made).update(Bare=Bare, NoHarder=NoHarder, Mixed=Mixed, NoKnobs=NoKnobs)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made.__name__


def test_strangers_task_has_its_own_twin(tmp_path: Path, module: str) -> None:
    task = mine(tmp_path, f"{module}:SumTwin")
    session = Session(Environment(workspace=str(tmp_path), offline=True))
    assert len(task.load(session.files, "twin-0").fold("default", "ood")) == 200


@pytest.mark.parametrize(
    "twin",
    ["os:abort", "builtins:exit", "sys:exit", "antigravity:x", "this:s", "webbrowser:open", "os.path:join", "a b:C", "os:system(1)",
     "subprocess:Popen", "rtbench.twins:setting_of", "rtbench_tasks.nothing:Twin", "..x:Twin", "json.tool:main"],
)  # fmt: skip
def test_what_is_no_twin_is_neither_imported_nor_called(tmp_path: Path, twin: str) -> None:
    before = set(sys.modules)
    with pytest.raises(BadInputError, match=r"mine\.yaml: metadata\.rtbench\.twin"):
        mine(tmp_path, twin).twin()
    assert {"antigravity", "this", "webbrowser", "json.tool"} & (set(sys.modules) - before) == set()


@pytest.mark.parametrize("twin", ["nowhere:Twin", "mine_twins:Missing", "mine_twins:Other", "mine_twins:number", "x"])
def test_twin_that_cannot_be_made_is_one_clear_error(tmp_path: Path, module: str, twin: str) -> None:
    task = mine(tmp_path, twin)
    with pytest.raises(BadInputError, match=r"mine\.yaml: metadata\.rtbench\.twin"):
        task.twin()


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        ("Bare", "no `knobs`"),
        ("NoHarder", "no `harder`"),
        ("NoKnobs", "a dict as `knobs`"),
        ("Mixed", "different classes"),
    ],
)
def test_twin_without_its_knobs_is_one_clear_error(tmp_path: Path, module: str, twin: str, said: str) -> None:
    with pytest.raises(BadInputError, match=r"mine\.yaml: metadata\.rtbench\.twin") as error:
        mine(tmp_path, f"{module}:{twin}").twin()
    assert said in str(error.value)


def test_twin_whose_golds_are_of_the_wrong_type_is_an_error(tmp_path: Path, module: str) -> None:
    task = mine(tmp_path, f"{module}:Worded")
    session = Session(Environment(workspace=str(tmp_path), offline=True))
    with pytest.raises(BadInputError, match="'many' is not of type number"):
        task.load(session.files, "twin-0")


def test_more_choices_than_the_task_has_letters_are_scored(session: Session) -> None:
    data = session.task_data("tracking_shuffled_objects", "twin-0+people=5")
    samples = list(data.samples.values())
    assert {sample.answer for sample in samples} == set("ABCDE")
    for name in ("paper", "kojima", "strict", "flexible"):
        answers = [Completion("", "", s.index, 0, "", f"The answer is ({s.answer}).") for s in samples]
        extractor = session.task("tracking_shuffled_objects").extractor(name)
        assert all(score.correct for score in extractor.score(answers, data.samples, "The answer is"))


def test_knob_that_makes_answers_the_task_cannot_score_is_named(session: Session) -> None:
    knob = "options=false"
    with pytest.raises(BadInputError, match=rf"of type choice \(ABC\), with the knobs {knob}") as error:
        session.task_data("tracking_shuffled_objects", f"twin-0+{knob}")
    assert "rtbench tasks twin tracking_shuffled_objects" in str(error.value)
    assert "answer_type" not in str(error.value)


def test_no_variant_may_be_called_like_a_twin(tmp_path: Path, module: str) -> None:
    with pytest.raises(RtbenchError, match="name of a twin's data"):
        mine(tmp_path, f"{module}:SumTwin", ", variants: [original, twin-1]")


def test_task_without_a_twin_has_no_twins_variant(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(
        "task: bare\ndataset_path: json\nmetadata: {version: 1, rtbench: {answer_type: number, files: [{name: x.jsonl}]}}\n"
    )
    session = Session(Environment(workspace=str(tmp_path / "w"), offline=True, task_files=(str(path),)))
    task = session.task("bare")
    assert task.twin() is None
    assert not task.info.twin
    with pytest.raises(UnknownNameError, match="variant of task bare"):
        task.load(session.files, "twin-0")


def test_twins_folds_are_exported_for_lm_eval(session: Session, tmp_path: Path) -> None:
    export_tasks([session.task("multiarith")], tmp_path / "out", "twin-2", "default", session.files)
    lines = {
        fold: (tmp_path / "out" / "rtbench_multiarith" / f"{fold}.jsonl").read_text().splitlines()
        for fold in ("train", "test")
    }
    assert {fold: len(found) for fold, found in lines.items()} == {"train": 600, "test": 200}
