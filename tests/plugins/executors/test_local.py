"""Which GPUs the local executor's steps see, on a machine that says it has three."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rtbench_plugins.executors.processes import variables_set

from rtbench.schema.environment import Environment
from rtbench.schema.steps import Step, StepState
from rtbench.session import Session
from rtbench.steps.complete import completions_of
from tests.helpers.matrices import plan_of

PLUGIN = """
import os
from rtbench.api import hookimpl
from rtbench.api import Student, TextModel
from rtbench.api import ModelSpec, Resources, completion_of

class Seer(TextModel):
    fingerprint = ""

    def generate(self, requests):
        for request in requests:
            yield completion_of(request, os.environ["CUDA_VISIBLE_DEVICES"], finish_reason="stop")

class SeerStudent(Student):
    family = "decoder"

    def __init__(self, name, options, services):
        self.name, self.options = name, options

    def model(self):
        return ModelSpec(role="student", plugin="seer", name=self.name, options=self.options, fingerprint=self.name)

    def train(self, job):
        raise NotImplementedError

    def load(self, checkpoint, corpus, fingerprint):
        model = Seer()
        model.fingerprint = fingerprint
        return model

    def resources(self, kind, recipe):
        return Resources(gpus=self.options["gpus"], memory_gb=0.1)

@hookimpl
def rtbench_register_students(register):
    register("seer", SeerStudent, summary="says which GPUs it sees")
"""


class Silent:
    def started(self, step: Step) -> None: ...
    def progressed(self, step: Step, done: int, total: int, unit: str) -> None: ...
    def waits(self, step: Step, why: str) -> None: ...
    def finished(self, step: Step, state: StepState) -> None: ...


def test_a_step_of_several_gpus_sees_them_and_the_next_one_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtbench_plugins.executors.local.gpu_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "seer.py").write_text(PLUGIN)
    students = [{"name": name, "use": "seer", "gpus": gpus} for name, gpus in (("a", 1), ("b", 2), ("c", 3), ("d", 1))]
    matrix = {"tasks": ["coin_flip"], "source": "twin", "methods": ["zero-shot"], "limit": 2, "students": students}
    (tmp_path / "m.yaml").write_text(json.dumps(matrix))
    given = Environment(workspace=str(tmp_path / "w"), plugin_files=(str(tmp_path / "seer.py"),))
    session = Session(given)
    plan = plan_of(session, tmp_path / "m.yaml")
    outcome = session.executor("local", {"workers": 1}).run(plan, session, Silent())
    assert not outcome.failed
    seen = {
        step.spec.model.name: {one.text for one in completions_of(session, step.key)}
        for step in plan.steps.values()
        if step.kind == "complete"
    }
    assert seen == {"a": {"0"}, "b": {"0,1"}, "c": {"0,1,2"}, "d": {"0"}}


def test_environment_variables_are_restored_or_unset_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTBENCH_TEST_SET", "before")
    monkeypatch.delenv("RTBENCH_TEST_UNSET", raising=False)
    names = ("RTBENCH_TEST_SET", "RTBENCH_TEST_UNSET")
    with pytest.raises(ValueError, match="wrong"), variables_set(dict.fromkeys(names, "within")):
        assert [os.environ[name] for name in names] == ["within", "within"]
        raise ValueError("wrong")
    assert [os.environ.get(name) for name in names] == ["before", None]
