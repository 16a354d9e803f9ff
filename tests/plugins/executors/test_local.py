"""Which GPUs the local executor's steps see, on a machine that says it has three."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rtbench_plugins.executors.processes import variables_set

from rtbench.machine import cpu_count
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


THREADS = (
    PLUGIN.replace('request, os.environ["CUDA_VISIBLE_DEVICES"]', "request, busy()")
    .replace("import os\n", "import os, time\n")
    .replace(
        "class Seer(TextModel)",
        """def busy():
    began = time.time()
    time.sleep(0.4)
    return f"{began} {time.time()} {os.environ['RTBENCH_THREADS']}"

class Seer(TextModel)""",
    )
    .replace('gpus=self.options["gpus"]', 'cpus=self.options["cpus"]')
)


@pytest.mark.parametrize(("students", "cpus", "workers"), [(1, 1, None), (5, 1, None), (5, 1, 6), (3, 2, None)])
def test_steps_never_use_more_threads_than_there_are_cores(
    tmp_path: Path, students: int, cpus: int, workers: int | None
) -> None:
    """A step that runs alone uses all cores."""
    (tmp_path / "seer.py").write_text(THREADS)
    named = [{"name": f"s{at}", "use": "seer", "cpus": cpus} for at in range(students)]
    matrix = {"tasks": ["multiarith"], "source": "twin", "methods": ["zero-shot"], "students": named, "limit": 1}
    (tmp_path / "m.yaml").write_text(json.dumps(matrix))
    session = Session(Environment(workspace=str(tmp_path / "w"), plugin_files=(str(tmp_path / "seer.py"),)))
    plan = plan_of(session, tmp_path / "m.yaml")
    executor = session.executor("local", {} if workers is None else {"workers": workers})
    assert bool(executor.notes()) == ((workers or 0) > cpu_count())
    outcome = executor.run(plan, session, Silent())
    assert {state.state for state in outcome.states.values()} == {"done"}
    texts = [
        completion.text.split()
        for step in plan.steps.values()
        if step.kind == "complete"
        for completion in completions_of(session, step.key)
    ]
    spans = [(float(began), float(ended), int(threads)) for began, ended, threads in texts]
    used = [sum(t for b, e, t in spans if b <= began < e) for began, _, _ in spans]
    assert max(used) <= cpu_count()
    if students == 1:
        assert spans[0][2] == cpu_count()


def test_steps_that_wait_for_other_machines_run_at_once_on_any_number_of_cores(tmp_path: Path) -> None:
    """Each step waits until four have begun."""
    waits = (
        "def busy():\n"
        f"    folder = {str(tmp_path)!r}\n"
        "    open(os.path.join(folder, f'{os.getpid()}.begun'), 'w').close()\n"
        "    until = time.time() + 600\n"
        "    while time.time() < until and (n := sum(f.endswith('.begun') for f in os.listdir(folder))) < 4:\n"
        "        time.sleep(0.05)\n"
        "    return str(n)\n\nclass Seer(TextModel)"
    )
    text = THREADS.partition("def busy")[0] + waits + THREADS.partition("class Seer(TextModel)")[2]
    (tmp_path / "seer.py").write_text(text)
    named = [{"name": f"s{at}", "use": "seer", "cpus": 0} for at in range(4)]
    matrix = {"tasks": ["multiarith"], "source": "twin", "methods": ["zero-shot"], "students": named, "limit": 1}
    (tmp_path / "m.yaml").write_text(json.dumps(matrix))
    session = Session(Environment(workspace=str(tmp_path / "w"), plugin_files=(str(tmp_path / "seer.py"),)))
    plan = plan_of(session, tmp_path / "m.yaml")
    assert not session.executor("local", {"workers": 4}).run(plan, session, Silent()).failed
    texts = {
        one.text for step in plan.steps.values() if step.kind == "complete" for one in completions_of(session, step.key)
    }
    assert texts == {"4"}


def test_environment_variables_are_restored_or_unset_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTBENCH_TEST_SET", "before")
    monkeypatch.delenv("RTBENCH_TEST_UNSET", raising=False)
    names = ("RTBENCH_TEST_SET", "RTBENCH_TEST_UNSET")
    with pytest.raises(ValueError, match="wrong"), variables_set(dict.fromkeys(names, "within")):
        assert [os.environ[name] for name in names] == ["within", "within"]
        raise ValueError("wrong")
    assert [os.environ.get(name) for name in names] == ["before", None]
