"""What a plan refuses of steps that this machine cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli
from tests.helpers.runs import rewrite

MATRIX = """
name: wide
source: twin
tasks: [multiarith]
methods: [fine-tune]
students: [{{name: mine, use: hf-causal, config: {{}}, device: {device}, processes: {processes}}}]
limit: 20
recipe: {{epochs: 1, max_new_tokens: 5}}
"""


def planned(cli: Cli, path: Path, *, device: str, processes: int) -> dict[str, Any]:
    path.write_text(MATRIX.format(device=device, processes=processes))
    blind = Cli(cli.folder, cli.environment | {"CUDA_VISIBLE_DEVICES": ""})
    found: dict[str, Any] = blind.json("plan", "--matrix", path)
    return found


def test_more_processes_than_gpus_are_refused_unless_it_is_done(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    (cell,) = planned(cli, path, device="cuda", processes=4)["cells"]
    assert cell["reason"] == "mine needs 4 GPUs; this machine has 0\nLower its `processes`."
    assert planned(cli, path, device="cpu", processes=4)["cells"][0]["reason"] is None, "processes share CPUs"
    found = planned(cli, path, device="cuda", processes=1)
    assert found["cells"][0]["reason"] is None
    (train,) = [step for step in found["steps"] if step["kind"] == "train"]
    done = cli.workspace / "store" / "train" / train["key"]
    done.mkdir(parents=True)
    meta = {"key": train["key"], "kind": "train", "version": 1, "spec": {}, "inputs": [], "result": {}, "files": {}}
    rewrite(done / "meta.json", meta)
    assert planned(cli, path, device="cuda", processes=4)["cells"][0]["reason"] is None


JUDGES = """
from rtbench_parrot import CounterTeacher
from rtbench.api import hookimpl
from rtbench.api import Resources

class Huge(CounterTeacher):
    def resources(self):
        return Resources(least_gb=1e6)

@hookimpl
def rtbench_register_teachers(register):
    register("huge", Huge, summary="a judge that fits nowhere")
"""


def test_judge_that_does_not_fit_is_refused_by_what_it_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    path = tmp_path / "judged.yaml"
    path.write_text(DEMO + "curators: [correct, {use: judge, model: {use: huge}}]\n")
    found: Any = cli.json("plan", "--matrix", path, "--methods", "fine-tune-cot", "--plugin", tmp_path / "judges.py")
    reasons = {cell["reason"] for cell in found["cells"] if "fine-tune-cot" in cell["name"]}
    (said,) = reasons
    assert said.startswith("the judge needs at least 1,000,000.0 GiB of memory to ask it, and this machine has ")


METHOD = """
from rtbench.api import Method, hookimpl
from rtbench_plugins.methods.formats import ZERO_SHOT

class Twice(Method):
    name = "twice"

    def steps(self, cell, build):
        return build.score(cell, None, [build.ask_student(cell, ZERO_SHOT)] * 2)

@hookimpl
def rtbench_register_methods(register):
    register("twice", Twice, summary="scores two sets of completions at once")
"""


def test_method_that_scores_two_sets_at_once_is_refused(cli: Cli, demo: Path) -> None:
    (cli.folder / "twice.py").write_text(METHOD)
    done = cli("plan", "--matrix", demo, "--methods", "twice", "--plugin", "twice.py", code=2)
    assert "method twice scores 2 sets of completions at once" in done.stderr


MISTAKES = {
    "build.test(cell, FORMAT, examples)": "passes a `curate` step as `checkpoint`, not a `train` step",
    "build.test(cell, FORMAT, build.train(cell, FORMAT, asked))": "passes [AskedStep",
    "build.test(cell, FORMAT, build.train(cell, FORMAT, examples, start=examples))": "as `start`, not a `train` step",
    "build.score(cell, None, [examples])": "passes a `curate` step as `completions`, not a `complete` step",
    "build.test(cell, FORMAT, None)": "passes None as `checkpoint`",
}


@pytest.mark.parametrize("wrong", MISTAKES)
def test_wrong_step_is_named_when_it_is_passed(cli: Cli, wrong: str) -> None:
    found = method_error(
        cli, "        return build.test(cell, FORMAT, build.train(cell, FORMAT, examples))", f"        return {wrong}"
    )
    assert found.startswith("error: method mine: its steps() ")
    assert MISTAKES[wrong] in found


def test_method_that_does_not_say_that_it_trains_is_refused(cli: Cli) -> None:
    said = method_error(cli, "uses_degree = trains = True", "uses_degree = True")
    assert "method mine: its `trains` is False, but its steps train" in said


def method_error(cli: Cli, old: str, new: str) -> str:
    """The error of a plan with a new method, after a change of its file."""
    cli("new", "method", "mine")
    path = cli.folder / "mine.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return cli(
        "plan", "--plugin", path, "--methods", "mine", "--tasks", "multiarith", "--source", "twin", code=2
    ).stderr


def test_overlap_is_recorded_for_each_split(cli: Cli, data_dir: Path) -> None:
    """A run of two splits names each; with one split, the task's name is enough."""
    (cli.folder / "m.yaml").write_text(
        "name: m\nmethods: [zero-shot]\nstudents: [parrot]\ntasks: [multiarith]\nextractor: strict\nlimit: 2\n"
        "splits: [default, template]\n"
    )
    cli("run", "--matrix", "m.yaml", "--data-dir", data_dir, "--name", "m")
    overlap = json.loads((cli.workspace / "runs" / "m.json").read_text())["overlap"]
    assert set(overlap) == {"multiarith default", "multiarith template"}
    assert overlap["multiarith template"]["up_to_numbers"] == 0 < overlap["multiarith default"]["up_to_numbers"]
