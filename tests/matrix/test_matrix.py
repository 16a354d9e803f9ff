from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli, MakeCli
from tests.helpers.matrices import TWIN


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
        (("epochs: 2", "selection: last, patience: 2"), "`patience` needs the loss on held-out questions"),
        (("degrees: [1, 4]", "degrees: 4"), "degrees"),
        (("tasks: [parity]", "tasks: [parrity]"), "Did you mean 'parity'"),
        (("teachers: [counter]", "teachers: [{use: counter}]"), "`name` is missing"),
        (("teachers: [counter]", "teachers: [{name: a, use: counter, erors: 1}]"), "Did you mean 'errors'"),
        (("teachers: [counter]", "teachers: [counter, counter]"), "duplicate names of teachers: counter"),
        (("extractor: last-word", "extractor: last"), "Did you mean 'last-word'"),
        (("methods: [zero-shot, fine-tune, fine-tune-cot]", "methods: []"), "no methods"),
        (("students: [parrot]", "students: []\nteacher_rows: false"), "there are no cells"),
        (("students: [parrot]", "students: [{name: x, use: 5}]"), "`use` is not a name"),
        (("recipe: {epochs: 2}", "blocks: 5"), "blocks"),
        (("recipe: {epochs: 2}", "blocks: [5]"), "blocks[0]"),
        (("recipe: {epochs: 2}", "curators: [corect]"), "Did you mean 'correct'"),
        (("recipe: {epochs: 2}", "curators: [{use: correct, strength: 1}]"), "strength"),
        (("degrees: [1, 4]", "degrees: [0]"), "degrees[0]: 0 must be at least 1"),
        (("recipe: {epochs: 2}", "fractions: [1.5]"), "fractions[0]: 1.5 must be at most 1"),
        (("recipe: {epochs: 2}", "seeds: [-1]"), "seeds[0]: -1 must be at least 0"),
        (("recipe: {epochs: 2}", "limit: -5"), "limit"),
        (("recipe: {epochs: 2}", "temperature: -1"), "temperature"),
        (("recipe: {epochs: 2}", "folds: [odd]"), "Did you mean 'ood'"),
        (("recipe: {epochs: 2}", "folds: [train]"), "folds[0]: unknown value 'train'"),
        (("recipe: {epochs: 2}", "source: twins"), "source"),
        (("recipe: {epochs: 2}", "variant: twin-3"), "--source twin --seeds 3"),
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


def test_fractions_are_kept_or_added_where_something_is_trained(cli: Cli) -> None:
    path = matrix(cli, DEMO.replace("degrees: [1, 4]\n", "fractions: [0.5, 1]\n"))
    ours = ("--methods", "zero-shot,fine-tune")
    untrained, half = "parity/zero-shot/parrot/seed0", "parity/fine-tune/parrot/0.5/seed0"
    assert names(cli, path, *ours, "--fractions", "0.5") == [untrained, half]
    added = names(cli, path, *ours, "--fractions", "0.25")
    assert added == [untrained, "parity/fine-tune/parrot/0.25/seed0"]
    assert "--fractions" in cli("plan", "--matrix", path, "--fractions", "2", code=2).stderr
    blocks = "blocks:\n- methods: [zero-shot]\n- {methods: [fine-tune], fractions: [0.25, 0.5]}\n"
    mixed = matrix(
        cli,
        DEMO.replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "").replace("degrees: [1, 4]\n", "") + blocks,
    )
    assert names(cli, mixed, "--fractions", "1,1.0") == [untrained, "parity/fine-tune/parrot/seed0"]
    assert "a fraction is not a number" in cli("plan", "--matrix", path, "--fractions", "half", code=2).stderr


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


def cells(cli: Cli, *options: object) -> set[str]:
    """Method, teacher and degree of a narrowed ``recorded``'s cells; without data they are named all the same."""
    found: Any = cli.json("plan", "--matrix", "recorded", "--tasks", "multiarith", "--offline", *options)
    return {cell["name"].removeprefix("multiarith/").removesuffix("/seed0") for cell in found["cells"]}


def test_a_matrix_of_several_blocks_can_be_narrowed_on_every_axis(cli: Cli) -> None:
    causal = ("--students", "random-causal")
    everything = {
        "zero-shot/random-causal",
        "fine-tune/random-causal",
        "fine-tune-cot/text-davinci-002/random-causal/D1",
        "fine-tune-cot/pooled/random-causal/D4",
        "teacher/text-davinci-002",
    }
    untaught = {"zero-shot/random-causal", "fine-tune/random-causal"}
    one = {"fine-tune-cot/text-davinci-002/random-causal/D1", "teacher/text-davinci-002"}
    pooled = {"fine-tune-cot/pooled/random-causal/D4"}
    assert cells(cli, *causal) == everything
    assert cells(cli, *causal, "--teachers", "pooled") == untaught | pooled
    assert cells(cli, *causal, "--teachers", "text-davinci-002") == untaught | one
    assert cells(cli, *causal, "--degrees", "4") == untaught | pooled
    assert cells(cli, *causal, "--degrees", "1") == untaught | one
    assert cells(cli, *causal, "--methods", "fine-tune-cot") == one | pooled
    assert cells(cli, *causal, "--methods", "self-consistency") == {
        "self-consistency/text-davinci-002/random-causal/D1",
        "teacher/text-davinci-002",
    }
    assert cells(cli, "--students", "gpt2", "--methods", "fine-tune") == {"fine-tune/gpt2"}
    assert cells(cli, *causal, "--teachers", "counter", "--methods", "fine-tune-cot") == {
        "fine-tune-cot/counter/random-causal/D1",
        "teacher/counter",
    }


def test_a_new_task_gets_every_method_of_the_matrix_once(cli: Cli) -> None:
    options = ("--tasks", "parity", "--students", "parrot", "--extractor", "last-word", "--offline")
    found: Any = cli.json("plan", "--matrix", "recorded", *options)
    assert sorted(cell["name"] for cell in found["cells"]) == [
        "parity/fine-tune-cot/text-davinci-002/parrot/D1/seed0",
        "parity/fine-tune/parrot/seed0",
        "parity/teacher/text-davinci-002/seed0",
        "parity/zero-shot/parrot/seed0",
    ]


def test_one_name_for_two_things_is_an_error(cli: Cli) -> None:
    text = DEMO.replace("teachers: [counter]\n", "").replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "")
    text += "blocks:\n- methods: [fine-tune-cot]\n  teachers: [{name: a, use: counter}]\n"
    text += "- methods: [fine-tune-cot]\n  teachers: [{name: a, use: counter, errors: 0.5}]\n"
    assert (
        "two blocks use the name 'a' for different teachers"
        in cli("plan", "--matrix", matrix(cli, text), code=2).stderr
    )


def test_blocks_with_recipes_of_their_own_may_share_teacher_rows(cli: Cli) -> None:
    text = DEMO.replace("degrees: [1, 4]\n", "").replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "")
    text += "blocks:\n- {methods: [fine-tune-cot], degrees: [1], recipe: {epochs: 4}}\n"
    text += "- {methods: [fine-tune-cot], degrees: [2], recipe: {epochs: 2}}\n"
    assert len(names(cli, matrix(cli, text))) == 3


def test_a_recording_is_not_asked_for_more_than_it_holds(make_cli: MakeCli, data_dir: Path) -> None:
    """Six degrees trained on one and the same rationale would be six false rows."""
    cli = make_cli(data=data_dir)
    found: Any = cli.json("plan", "--matrix", "quickstart", "--tasks", "multiarith", "--degrees", "1,8")
    reasons = {cell["name"]: cell["reason"] for cell in found["cells"]}
    assert reasons["multiarith/fine-tune-cot/text-davinci-002/random-causal/D1/seed0"] is None
    assert "at most 1" in reasons["multiarith/fine-tune-cot/text-davinci-002/random-causal/D8/seed0"]


STUDIES = ["paper-diverse", "paper-datasize", "paper-teachers", "paper-template", "paper-filtering", "paper-length"]


@pytest.mark.parametrize("name", ["paper", *STUDIES, "modern", "recorded", "quickstart"])
def test_built_in_matrices_plan_without_data(cli: Cli, name: str) -> None:
    """Without data no cell can run, and each says so; the matrix itself must be sound."""
    found = cli.json("plan", "--matrix", name, "--offline")
    assert found["cells"]  # type: ignore[index]
    assert all("--data-dir" in cell["reason"] for cell in found["cells"])  # type: ignore[index]


@pytest.mark.parametrize("name", ["pocket", "pocket-full"])
def test_pocket_matrices_need_nothing(cli: Cli, name: str) -> None:
    found: Any = cli.json("plan", "--matrix", name, "--offline")
    assert {cell["reason"] for cell in found["cells"]} == {None}


# ------------------------------------------------------------------------------------------------- sources and folds


def plan(cli: Cli, text: str, *options: object) -> Any:
    return cli.json("plan", "--matrix", matrix(cli, text), "--offline", *options)


def steps(found: Any, kind: str) -> list[str]:
    return [step["title"] for step in found["steps"] if step["kind"] == kind]


def test_each_seed_of_a_twin_asks_everyone_questions_of_its_own(cli: Cli) -> None:
    """The untrained and the teacher's row too; nothing is shared between seeds, and no data are needed."""
    found = plan(cli, TWIN)
    assert [cell["name"] for cell in found["cells"]] == [
        f"multiarith/{method}/seed{seed}"
        for method in ("zero-shot/parrot", "fine-tune/parrot", "fine-tune-cot/scripted/parrot/D1", "teacher/scripted")
        for seed in (0, 1)
    ]
    assert all(cell["reason"] is None for cell in found["cells"])
    by_seed = [{step["key"] for step in plan(cli, TWIN, "--seeds", seed)["steps"]} for seed in (0, 1)]
    assert not by_seed[0] & by_seed[1]
    assert by_seed[0] | by_seed[1] == {step["key"] for step in found["steps"]}


def test_knobs_of_a_matrix_turn_the_twins_questions(cli: Cli) -> None:
    """Train and test questions get the knobs, the harder fold its own, and the leaderboard says so."""
    path = matrix(
        cli, TWIN + "knobs: {multiarith: {steps: 4}}\nood_knobs: {multiarith: {steps: 5}}\nfolds: [test, ood]\n"
    )
    cli("run", "--matrix", path, "--methods", "fine-tune", "--seeds", "1", "--limit", "5")
    board = cli.json("report")
    assert {row["variant"] for row in board["rows"] if row["kind"] == "measured"} == {
        "twin (multiarith steps=4 ood.steps=5)"
    }  # type: ignore[index]
    assert (
        "Knobs changed from their defaults: multiarith steps=4 ood.steps=5." in cli("report", "--format", "md").stdout
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("knobs: {multiarith: {step: 4}}", "Did you mean 'steps'"),
        ("ood_knobs: {multiarith: {steps: 99}}", "ood_knobs: multiarith"),
        ("knobs: {multiarit: {steps: 4}}", "Did you mean 'multiarith'"),
        ("knobs: {multiarith: {steps: 4}}\nsource: upstream", "can only be used with twins"),
    ],
)
def test_knobs_that_cannot_be_are_an_error(cli: Cli, more: str, says: str) -> None:
    text = TWIN.replace("source: twin\n", "" if "source" in more else "source: twin\n")
    assert says in cli("plan", "--matrix", matrix(cli, text + more + "\n"), code=2).stderr


def test_upstream_seeds_share_what_does_not_depend_on_them(cli: Cli, demo: Path) -> None:
    assert names(cli, demo, "--methods", "zero-shot", "--seeds", "0,1") == ["parity/zero-shot/parrot/seed0"]


def test_one_training_serves_every_fold(cli: Cli) -> None:
    both = plan(cli, TWIN + "folds: [test, ood, validation]\n", "--seeds", "0", "--degrees", "1,4")
    one = plan(cli, TWIN, "--seeds", "0", "--degrees", "1,4")
    for kind in ("train", "curate"):
        assert steps(both, kind) == steps(one, kind)
        assert {s["key"] for s in both["steps"] if s["kind"] == kind} == {
            s["key"] for s in one["steps"] if s["kind"] == kind
        }
    assert len(both["cells"]) == len(steps(both, "score")) == 3 * len(one["cells"])
    asked = [title for title in steps(both, "complete") if "train" in title.split(":")[1]]
    assert len(asked) == 2, "the rationales of the training fold, once per degree"
    assert {step["key"] for step in one["steps"]} < {step["key"] for step in both["steps"]}
    assert "multiarith/fine-tune/parrot/ood/seed0" in [cell["name"] for cell in both["cells"]]


def test_folds_and_source_are_chosen_on_the_command_line(cli: Cli) -> None:
    found = plan(cli, TWIN.replace("source: twin\n", ""), "--source", "twin", "--folds", "ood", "--seeds", "2")
    assert [cell["name"] for cell in found["cells"]][:2] == [
        "multiarith/zero-shot/parrot/ood/seed2",
        "multiarith/fine-tune/parrot/ood/seed2",
    ]
    assert all(cell["reason"] is None for cell in found["cells"])
    assert "Did you mean 'ood'" in cli("plan", "--matrix", matrix(cli, TWIN), "--folds", "odd", code=2).stderr
    assert "'twins' is not" in cli("plan", "--matrix", matrix(cli, TWIN), "--source", "twins", code=2).stderr


def test_blocks_keep_their_folds_and_can_be_narrowed(cli: Cli) -> None:
    text = TWIN.replace("methods: [zero-shot, fine-tune, fine-tune-cot]\n", "").replace("[0, 1]", "[0]")
    text += "blocks:\n- {methods: [zero-shot]}\n- {methods: [fine-tune], folds: [test, ood]}\n"

    def cells_of(*options: object) -> list[str]:
        return [cell["name"].removeprefix("multiarith/") for cell in plan(cli, text, *options)["cells"]]

    assert cells_of() == ["zero-shot/parrot/seed0", "fine-tune/parrot/seed0", "fine-tune/parrot/ood/seed0"]
    assert cells_of("--folds", "ood") == ["fine-tune/parrot/ood/seed0"]
    assert cells_of("--folds", "validation") == [
        "zero-shot/parrot/validation/seed0",
        "fine-tune/parrot/validation/seed0",
    ]


def test_cell_says_why_it_has_no_such_questions(cli: Cli, demo: Path) -> None:
    def reasons(*options: object) -> set[str]:
        found: Any = cli.json("plan", "--matrix", demo, "--methods", "fine-tune", *options)
        return {cell["reason"] for cell in found["cells"]}

    assert reasons("--folds", "ood") == {"parity has no ood fold"}
    assert reasons("--source", "twin") == {"parity has no twin; use --source upstream for its own data"}
    found = plan(cli, TWIN, "--split", "template")
    assert {cell["reason"] for cell in found["cells"]} == {"multiarith's twin has no split 'template' (has: default)"}


def test_splits_are_an_axis(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    path = cli.folder / "m.yaml"
    path.write_text(
        "{name: m, tasks: [multiarith, svamp], methods: [fine-tune], students: [parrot], splits: [default, template]}"
    )
    cells = {cell["name"]: cell["reason"] for cell in plan(cli, path.read_text())["cells"]}
    assert set(cells) == {
        f"{task}/fine-tune/parrot{split}/seed0" for task in ("multiarith", "svamp") for split in ("", "/template")
    }
    assert cells["multiarith/fine-tune/parrot/template/seed0"] is None
    assert "svamp has no split 'template'" in cells["svamp/fine-tune/parrot/template/seed0"]
    assert len(plan(cli, path.read_text(), "--split", "template")["cells"]) == 2
    path.write_text(path.read_text().replace("template", "templates"))
    assert "unknown split 'templates'" in cli("plan", "--matrix", path, code=2).stderr


def test_unknown_split_and_unserved_task_are_reported_with_the_nearest_name(cli: Cli, demo: Path) -> None:
    said = cli("plan", "--matrix", demo, "--split", "defalt", code=2).stderr
    assert "unknown split 'defalt'\nDid you mean 'default'?" in said
    path = matrix(cli, TWIN.replace("students: [parrot]", "students: [{name: parrot, tasks: [multiarit]}]"))
    said = cli("plan", "--matrix", path, code=2).stderr
    assert "students[0], tasks: unknown task 'multiarit'\nDid you mean 'multiarith'?" in said


def test_scripted_teacher_on_published_questions_says_what_to_do(cli: Cli, demo: Path) -> None:
    found: Any = cli.json("plan", "--matrix", demo, "--teachers", "scripted", "--methods", "fine-tune-cot")
    assert all("scripted explains procedural twins" in cell["reason"] for cell in found["cells"])


def test_recording_has_nothing_for_a_twin(cli: Cli) -> None:
    found: Any = cli.json(
        "plan", "--matrix", "quickstart", "--source", "twin", "--methods", "fine-tune-cot", "--tasks", "multiarith"
    )
    assert all("is a recording" in cell["reason"] for cell in found["cells"])
    assert not cli.workspace.exists()


def test_papers_demonstrations_need_no_data_beside_a_twin(make_cli: MakeCli, data_dir: Path) -> None:
    """None of them can lie in a twin's test fold, so all are shown."""
    cli = make_cli(data=data_dir)
    text = TWIN.replace("[zero-shot, fine-tune, fine-tune-cot]", "[few-shot-cot]")
    found: dict[str, Any] = {
        how: plan(cli, text + f"demonstrations: {how}\n", "--seeds", "0")["steps"]
        for how in ("paper", "paper-as-published", "own")
    }
    keys = {how: [step["key"] for step in made] for how, made in found.items()}
    assert keys["paper"] == keys["paper-as-published"] != keys["own"]


def test_method_that_scores_another_fold_than_the_cells_is_named(cli: Cli) -> None:
    plugin = cli.folder / "fixed.py"
    plugin.write_text(
        "from rtbench.api import hookimpl\nfrom rtbench.api import Method\n"
        "class Fixed(Method):\n    name = 'fixed'\n    uses_teacher = True\n    uses_student = False\n"
        "    def steps(self, cell, build):\n"
        "        step, prefix = build.ask_teacher(cell, fold='test')[0]\n"
        "        return build.score(cell, prefix, [step])\n"
        "@hookimpl\ndef rtbench_register_methods(register): register('fixed', Fixed)\n"
    )
    path = matrix(cli, TWIN.replace("[zero-shot, fine-tune, fine-tune-cot]", "[fixed]"))
    cli("plan", "--plugin", plugin, "--matrix", path)
    said = cli("plan", "--plugin", plugin, "--matrix", path, "--folds", "ood", code=2).stderr
    assert "method fixed scores completions of the test fold as ood" in said
    assert "fold=cell.fold" in said
