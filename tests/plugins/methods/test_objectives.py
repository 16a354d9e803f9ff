"""The methods with an objective: their plans, what they refuse, and whole runs with tiny models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rtbench_plugins.hf.loaded import save
from rtbench_plugins.hf.loading import random_base
from rtbench_plugins.hf.options import StudentOptions
from rtbench_tasks.multiarith.twin import MultiarithTwin

from rtbench.errors import RtbenchError
from rtbench.matrix.overrides import Overrides
from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.plugin.plans import Plan
from rtbench.schema.objectives import Grpo
from rtbench.schema.steps import Step, trains
from rtbench.twins import TwinSetting, twin_fingerprint
from tests.helpers.cli import MakeCli
from tests.helpers.runs import run_record, step_meta
from tests.helpers.sessions import session
from tests.helpers.tasks import MINE, write

METHODS = ["fine-tune-cot", "distill-logits", "distill-on-policy", "grpo"]
SIZES = {"n_layer": 1, "n_embd": 32, "n_inner": 64, "n_head": 2}
RECIPE = {"epochs": 2, "max_new_tokens": 5, "objectives": {
    "on_policy": {"max_new_tokens": 5, "epochs": 1}, "grpo": {"group": 2, "max_new_tokens": 5, "learning_rate": 1e-5},
}}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A teacher and a student of one family: other weights, the same tokens."""
    texts = [f"{at} and {at + 1} apples make {2 * at + 1} ###" for at in range(60)]
    found = {}
    for name, seed in (("large", 1), ("small", 2)):
        options = StudentOptions(config=SIZES, vocab_size=320, init_seed=seed)
        folder = tmp_path_factory.mktemp("models") / name
        save(random_base("decoder", options, texts, torch.device("cpu")), folder)
        found[name] = str(folder)
    return found


def written(path: Path, folders: dict[str, str], **changes: Any) -> Path:
    fields: dict[str, Any] = {
        "name": "objectives", "source": "twin", "tasks": ["multiarith"], "methods": METHODS, "limit": 12, "curators": [],
        "teachers": [{"name": "large", "use": "hf", "model": folders["large"], "format": "zero-shot", "max_new_tokens": [8, 8]}],
        "students": [{"name": "small", "use": "hf-causal", "model": folders["small"]}],
        "teacher_rows": False, "recipe": RECIPE,
    } | changes  # fmt: skip
    file = path / "matrix.yaml"
    file.write_text(json.dumps(fields))
    return file


def planned(path: Path, folders: dict[str, str], by: Overrides | None = None, **changes: Any) -> Plan:
    services = session(offline=True).with_workspace(path / "workspace")
    return make_plan(resolve(read_matrix(written(path, folders, **changes)), services, by), services)


def trainings(plan: Plan, method: str) -> list[Step]:
    """The trainings of a method, the last one first."""
    (cell,) = (cell for cell in plan.cells if cell.cell.method == method)
    assert cell.score is not None, cell.reason
    found, stack = [], [cell.score]
    while stack:
        step = stack.pop()
        found += [step] if trains(step) and step not in found else []
        stack += [plan.steps[i.key] for i in step.inputs]
    return found


def test_methods_go_on_from_the_training_of_fine_tune_cot(folders: dict[str, str], tmp_path: Path) -> None:
    plan = planned(tmp_path, folders)
    (shared,) = trainings(plan, "fine-tune-cot")
    (logits,) = trainings(plan, "distill-logits")
    on_policy, first = trainings(plan, "distill-on-policy")
    grpo, also_first = trainings(plan, "grpo")
    assert shared.key == first.key == also_first.key
    assert [i.role for i in logits.inputs] == ["examples"]
    for later in (on_policy, grpo):
        assert [(i.role, i.kind) for i in later.inputs] == [("examples", "curate"), ("start", "train")]
        assert later.inputs[1].key == shared.key
    assert {one.spec.guide.name for one in (logits, on_policy)} == {"large"}
    assert (grpo.spec.guide, grpo.spec.extractor, on_policy.spec.extractor) == (None, "flexible", "")
    assert (on_policy.spec.recipe.epochs, grpo.spec.recipe.epochs, grpo.spec.recipe.learning_rate) == (1, 2, 1e-5)
    assert len({one.key for one in (shared, logits, on_policy, grpo)}) == 4
    assert sum(step.kind == "train" for step in plan.steps.values()) == 4
    memory = {
        one.spec.objective and type(one.spec.objective).__name__: one.resources.memory_gb for one in (shared, logits)
    }
    assert memory["Logits"] >= memory[None] + 1, "the teacher is beside the student"


def test_settings_of_objectives_change_their_own_trainings_alone(folders: dict[str, str], tmp_path: Path) -> None:
    def keys(**objectives: Any) -> dict[str, str]:
        recipe = RECIPE | {"objectives": objectives} if objectives else {"epochs": 2, "max_new_tokens": 5}
        plan = planned(tmp_path, folders, recipe=recipe)
        return {method: trainings(plan, method)[0].key for method in METHODS}

    plain = keys()
    assert keys(logits={"alpha": 0.5}, grpo={"group": 8}, on_policy={"epochs": 2}) == plain, "as the defaults are"
    for name, settings in (("logits", {"alpha": 0.9}), ("on_policy", {"beta": 1.0}), ("grpo", {"epochs": 1})):
        changed = keys(**{name: settings})
        differing = {method for method in METHODS if changed[method] != plain[method]}
        assert differing == {{"logits": "distill-logits", "on_policy": "distill-on-policy"}.get(name, name)}


def test_twins_questions_change_the_key_with_the_twin(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training(**settings: Any) -> Step:
        return trainings(
            planned(tmp_path, folders, methods=["grpo"], recipe={"objectives": {"grpo": settings}}), "grpo"
        )[0]

    plain, twin = training(), training(questions="twin")
    assert training(questions="train").key == plain.key, "as the default is"
    assert (plain.spec.twin, plain.spec.objective) == ("", Grpo())
    assert twin.key != plain.key
    assert twin.spec.twin != ""
    assert training(questions="twin").key == twin.key
    monkeypatch.setattr(MultiarithTwin, "version", 2)
    assert training(questions="twin").spec.twin != twin.spec.twin


def test_published_questions_are_trained_on_with_the_twins_own_knobs(
    folders: dict[str, str], tmp_path: Path, data_dir: Path
) -> None:
    """Its identity is not that of the published data, so it is stated; each seed has its own."""
    recipe = RECIPE | {"objectives": {"grpo": {"questions": "twin"}}}
    services = session(offline=True, data_dir=str(data_dir)).with_workspace(tmp_path / "workspace")
    path = written(tmp_path, folders, source="upstream", methods=["grpo"], recipe=recipe, seeds=[0, 1])
    plan = make_plan(resolve(read_matrix(path), services), services)
    stated = {step.spec.seed: step.spec.twin for step in plan.steps.values() if trains(step) and step.spec.twin}
    assert stated == {seed: twin_fingerprint("multiarith", MultiarithTwin(), TwinSetting(seed=seed)) for seed in (0, 1)}


def test_a_task_without_a_twin_has_no_questions_to_add(folders: dict[str, str], tmp_path: Path) -> None:
    file = write(tmp_path, MINE, [{"question": f"What is {at} + 1?", "answer": str(at + 1)} for at in range(20)])
    services = session(offline=True, task_files=(str(file),)).with_workspace(tmp_path / "workspace")
    changes = {"source": "upstream", "tasks": ["mine"], "recipe": {"objectives": {"grpo": {"questions": "twin"}}}}
    plan = make_plan(resolve(read_matrix(written(tmp_path, folders, **changes)), services), services)
    found = reasons(plan)
    assert found["fine-tune-cot"] is found["distill-on-policy"] is None
    assert "mine has no twin" in str(found["grpo"])
    assert "`questions: train`" in str(found["grpo"])


def test_number_of_epochs_on_the_command_line_is_that_of_all_trainings(folders: dict[str, str], tmp_path: Path) -> None:
    plan = planned(tmp_path, folders, Overrides(epochs=3))
    assert {step.spec.recipe.epochs for step in plan.steps.values() if trains(step)} == {3}


def reasons(plan: Plan) -> dict[str, str | None]:
    return {cell.cell.method: cell.reason for cell in plan.cells}


def test_the_epoch_of_the_first_training_is_not_selected_by_test_answers(
    folders: dict[str, str], tmp_path: Path
) -> None:
    recipe = RECIPE | {"selection": "best-test", "epochs": 3}
    found = reasons(planned(tmp_path, folders, recipe=recipe))
    assert found["distill-logits"] is None
    for method in ("distill-on-policy", "grpo"):
        assert "`selection: best-test`" in str(found[method])


def test_both_trainings_select_their_epoch_by_held_out_answers(folders: dict[str, str], tmp_path: Path) -> None:
    recipe = RECIPE | {"selection": "val-accuracy", "epochs": 3}
    plan = planned(tmp_path, folders, methods=["distill-on-policy"], recipe=recipe)
    (cell,) = plan.cells
    assert cell.score is not None
    (tested,) = [plan.steps[i.key] for i in cell.score.inputs]
    last = plan.steps[tested.inputs_as("checkpoint")[0].key]
    selections = [
        plan.steps[step.inputs_as(role)[0].key] for step, role in ((tested, "selection"), (last, "start-selection"))
    ]
    assert [len(step.inputs) for step in selections] == [1, 3], "the objective has one epoch, the first training three"
    assert last.spec.held_out == plan.steps[last.inputs_as("start")[0].key].spec.held_out


def test_cells_say_why_they_cannot_run(folders: dict[str, str], tmp_path: Path) -> None:
    scripted = reasons(planned(tmp_path, folders, teachers=["scripted"]))
    assert scripted["fine-tune-cot"] is scripted["grpo"] is None
    for method in ("distill-logits", "distill-on-policy"):
        assert scripted[method] is not None
        assert scripted[method].startswith("scripted gives no probabilities of tokens")
        assert "fine-tune-cot" in scripted[method]
    pool = {"name": "pool", "use": "mix", "sources": [{"use": "scripted"}, {"use": "scripted-weak"}]}
    mixed = reasons(planned(tmp_path, folders, teachers=[pool]))
    assert "made of 2 models" in (mixed["distill-logits"] or "")
    two = {"name": "small", "use": "hf-causal", "model": folders["small"], "processes": 2, "device": "cpu"}
    several = reasons(planned(tmp_path, folders, students=[two]))
    assert several["fine-tune-cot"] is None
    assert several["grpo"] == "small cannot be trained with the objective grpo in 2 processes"
    api = {"name": "tuned", "use": "openai-finetune", "model": "m", "base_url": "http://localhost:9/v1"}
    remote = reasons(planned(tmp_path, folders, students=[api]))
    assert remote["distill-logits"] == "tuned cannot be trained with the objective logits"
    assert remote["grpo"] == "tuned cannot go on from another training's weights"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grpo": {"grup": 8}}, "Did you mean 'group'"),
        ({"grpo": {"group": 1}}, "must be at least 2"),
        ({"grpo": {"questions": "twins"}}, "Did you mean 'twin'"),
        ({"on_policy": {"questions": "twin"}}, "on_policy: unknown key 'questions'"),
        ({"on_policy": {"beta": 1.5}}, "must be at most 1"),
        ({"on_policy": {"epochs": 1, "steps": 3}}, "cannot be used together"),
    ],
)
def test_wrong_settings_are_refused(
    folders: dict[str, str], tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(RtbenchError, match=message):
        planned(tmp_path, folders, recipe={"objectives": settings})


@pytest.mark.slow
def test_whole_run_of_all_methods(folders: dict[str, str], make_cli: MakeCli) -> None:
    cli = make_cli(site=None)
    path = written(cli.folder, folders)
    board: Any = cli.json("run", "--matrix", path)
    shown = cli("report", "objectives", "--format", "md").stdout
    assert "Objective on-policy: epochs 1, max new tokens 5." in shown
    assert "Objective grpo: learning rate 1e-05, group 2, max new tokens 5." in shown
    rows = {row["method"]: row for row in board["rows"] if row["method"] in METHODS}
    assert set(rows) == set(METHODS)
    trainings = {cell["method"]: cell.get("trainings", [cell["checkpoint"]]) for cell in run_record(cli)["cells"]}
    for method, row in rows.items():
        reports = [step_meta(cli, "train", key)["result"] for key in trainings[method]]
        assert len(reports) == (1 if method in METHODS[:2] else 2), "the others begin with a fine-tuned checkpoint"
        for name in ("tokens", "steps"):
            assert row["effort"][name] == sum(report[name] for report in reports) > 0
    plan: Any = cli.json("plan", "--matrix", path, "--steps")
    assert {step["state"] for step in plan["steps"]} == {"cached"}
    histories = {}
    for step in plan["steps"]:
        if step["kind"] == "train":
            meta = json.loads((cli.workspace / "store" / "train" / step["key"] / "meta.json").read_text())
            objective = meta["spec"].get("objective") or {"type": "none"}
            histories[objective["type"]] = meta["result"]["history"]
    assert set(histories) == {"none", "logits", "on-policy", "grpo"}
    for name, figures in (
        ("none", set()),
        ("logits", {"kl", "cross_entropy"}),
        ("on-policy", {"kl"}),
        ("grpo", {"reward"}),
    ):
        assert figures <= set(histories[name][0])


@pytest.mark.slow
def test_whole_run_on_twins_questions(folders: dict[str, str], make_cli: MakeCli) -> None:
    cli = make_cli(site=None)
    recipe = RECIPE | {"objectives": {"grpo": {"group": 2, "max_new_tokens": 5, "questions": "twin"}}}
    path = written(cli.folder, folders, methods=["fine-tune-cot", "grpo"], recipe=recipe)
    cli("run", "--matrix", path)
    assert "Objective grpo: group 2, max new tokens 5, questions twin." in cli("report", "--format", "md").stdout
    plan: Any = cli.json("plan", "--matrix", path, "--steps")
    assert {step["state"] for step in plan["steps"]} == {"cached"}
    file = cli.folder / "claims.yaml"
    file.write_text(REWARDS)
    (claim,) = json.loads(cli("claims", "--file", file, "--format", "json").stdout)
    (questions,) = [one for one in claim["efforts"] if one["name"] == "questions"]
    assert (questions["left"], questions["right"]) == (12 + 2 * 11, 12), "one is held out, and new ones are asked twice"


REWARDS = """
name: rewards
title: Rewards
source: this test
claims:
  - {name: rewards, sentence: rewards help, left: {method: grpo}, right: {method: fine-tune-cot}}
"""


CHAIN = """
from rtbench.api import AskedStep, Logits, Method, hookimpl
from rtbench_plugins.methods.formats import FINE_TUNE

class Chain(Method):
    name = "chain"
    trains = True

    def steps(self, cell, build):
        first = build.train(cell, FINE_TUNE, build.curate(cell))
        own = build.ask_student(cell, FINE_TUNE, checkpoint=first, fold="train")
        examples = build.curate(cell, [AskedStep(own, None)], own=True)
        trained = build.train(cell, FINE_TUNE, examples, note="again", objective=Logits(alpha=1.0), guide=own)
        return build.test(cell, FINE_TUNE, trained)

@hookimpl
def rtbench_register_methods(register):
    register("chain", Chain, summary="learns the probabilities of a student that was trained before")
"""


@pytest.mark.slow
def test_trained_student_guides_another_training(folders: dict[str, str], make_cli: MakeCli) -> None:
    """A guide with a checkpoint: its training is an input, and its trained weights are what is learnt."""
    cli = make_cli(site=None)
    (cli.folder / "chain.py").write_text(CHAIN)
    path = written(cli.folder, folders, methods=["chain"], teachers=[])
    cli("run", "--matrix", path, "--plugin", "chain.py")
    plan: Any = cli.json("plan", "--matrix", path, "--plugin", "chain.py", "--steps")
    first, again = sorted((step for step in plan["steps"] if step["kind"] == "train"), key=lambda s: len(s["inputs"]))
    meta = json.loads((cli.workspace / "store" / "train" / again["key"] / "meta.json").read_text())
    assert {i["role"]: i["key"] for i in meta["inputs"]}["guide"] == first["key"]
    assert meta["result"]["history"][0]["kl"] > 0, "the student begins with its base, not with the guide's weights"
