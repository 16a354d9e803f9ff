"""The conformance suite: all checks of what a plugin or task file provides."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from rtbench.conformance import methods, models, outputs, stand_ins, tasks
from rtbench.conformance.check import Check, CheckFunction, CheckResult, NotCheckedError, Subject, demand, shown_some
from rtbench.errors import MissingExtraError, PluginError, UnknownNameError
from rtbench.plugin.manager import KINDS
from rtbench.plugin.registered import packed
from rtbench.session import Session
from rtbench.storage.paths import resolved

if TYPE_CHECKING:
    from rtbench.schema.environment import Environment

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "vllm",
    "openai",
    "anthropic",
    "accelerate",
    "ray",
    "tensorflow",
    "jax",
    "pandas",
)
"""Packages that no plugin may import when it is loaded."""
CHECKS: Mapping[str, tuple[CheckFunction, ...]] = {
    "tasks": tasks.CHECKS,
    "teachers": models.TEACHER_CHECKS,
    "students": models.STUDENT_CHECKS,
    "methods": methods.METHOD_CHECKS,
    "curators": methods.CURATOR_CHECKS,
    "executors": outputs.EXECUTOR_CHECKS,
    "reporters": outputs.REPORTER_CHECKS,
    "recordings": outputs.RECORDING_CHECKS,
    "matrices": outputs.MATRIX_CHECKS,
    "claims": outputs.CLAIM_CHECKS,
    "commands": outputs.COMMAND_CHECKS,
}
"""Checks by kind of registry."""


@dataclass(frozen=True)
class Stated:
    """What the user states besides the target. Mappings are as in a matrix: ``name``, ``use`` and options."""

    teachers: Sequence[Mapping[str, Any]] = ()
    students: Sequence[Mapping[str, Any]] = ()
    curators: Sequence[Mapping[str, Any]] = ()
    recordings: Sequence[Path] = ()
    live: bool = False
    """Whether models that cost money may be asked."""
    kinds: Sequence[str] = ()
    """Only objects of these kinds; empty: all."""
    task: str | None = None
    """Task whose questions teachers and students are tried on. None: the first task of the same plugin, or else a stand-in."""


@dataclass(frozen=True)
class Suite:
    """All checks of a target."""

    target: str
    checks: Sequence[Check]

    def run(self) -> Iterator[CheckResult]:
        """Make the checks one after the other. A fault that fails several checks of an object is reported once."""
        said: set[tuple[str, str, str]] = set()
        for check in self.checks:
            result = check.run()
            fault = (result.kind, result.name, result.message)
            if result.state == "failed" and fault in said:
                result = dataclasses.replace(result, message="the same error as above", trace="")
            elif result.state == "failed":
                said.add(fault)
            yield result


@contextlib.contextmanager
def open_suite(environment: Environment, target: str, stated: Stated | None = None) -> Iterator[Suite]:
    """Open the checks of a target in a private workspace, which is removed at the end.

    Args:
        environment: plugins and data folders. Its workspace is not used.
        target: a plugin file, a task file, or the name of an installed plugin, distribution or registered object.
        stated: options.

    Raises:
        BadInputError, UnknownNameError: there is no such target.
        PluginError: it cannot be loaded.
    """
    stated = stated or Stated()
    with tempfile.TemporaryDirectory(prefix="rtbench-check-") as folder:
        private = replace(
            environment, workspace=str(Path(folder) / "workspace"), registered=packed(stand_ins.REGISTERED)
        )
        session = Session(_with_file(private, target))
        yield Suite(target, tuple(_checks(session, target, stated)))


def _with_file(environment: Environment, target: str) -> Environment:
    """Return the environment, with the target's file where it is one."""
    path = Path(target)
    if path.suffix == ".py":
        name = str(resolved(path, where=target))
        return replace(environment, plugin_files=tuple(dict.fromkeys((*environment.plugin_files, name))))
    if path.suffix in {".yaml", ".yml"}:
        name = str(resolved(path, where=target))
        return replace(environment, task_files=tuple(dict.fromkeys((*environment.task_files, name))))
    return environment


def _checks(session: Session, target: str, stated: Stated) -> Iterator[Check]:
    plugins, objects = _provided(session, target)
    if unknown := [kind for kind in stated.kinds if kind not in KINDS]:
        raise UnknownNameError.of("kind", unknown[0], KINDS, where="--kind")
    for plugin in plugins if not stated.kinds else ():
        subject = Subject("plugins", plugin, session)
        yield from (Check(subject, function) for function in PLUGIN_CHECKS)
    on = stated.task or next((name for kind, name in objects if kind == "tasks"), stand_ins.TASK)
    session.registry("tasks").get(on, where="--on")
    for kind, name in objects:
        if stated.kinds and kind not in stated.kinds:
            continue
        for subject in _subjects(session, kind, name, stated, on):
            yield from (Check(subject, function) for function in CHECKS[kind])


def _provided(session: Session, target: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the plugins that a target names, and the kinds and names of the objects that it provides."""
    path = Path(target)
    if path.suffix in {".yaml", ".yml"}:
        return [], [("tasks", session.own_tasks[-1])]
    origins = session.plugins.origins
    if path.suffix == ".py":
        plugins = [path.stem]
    elif target in origins:
        plugins = [target]
    else:
        plugins = [name for name, origin in origins.items() if origin.origin == target]
    objects = [
        (kind, one) for name in plugins for kind, names in session.plugins.provides(name).items() for one in names
    ]
    if plugins:
        return plugins, objects
    own = {(one.kind, one.name) for one in stand_ins.REGISTERED}
    objects = [(kind, target) for kind in KINDS if target in session.registry(kind) and (kind, target) not in own]
    if not objects:
        known = [*origins, *dict.fromkeys(origin.origin for origin in origins.values())]
        raise UnknownNameError.of("plugin", target, known, where="rtbench check", listing="rtbench plugins")
    return [], objects


def _subjects(session: Session, kind: str, name: str, stated: Stated, task: str) -> Iterator[Subject]:
    """Yield an object as it is registered, or with the options that the user states; then only those of its kind are checked."""
    given: Sequence[Mapping[str, Any]] = (
        getattr(stated, kind, ()) if kind in {"teachers", "students", "curators"} else ()
    )
    mine = [dict(one) for one in given if one.get("use", one.get("name")) == name]
    for one in mine if given else [{}]:
        label = str(one.pop("name", ""))
        one.pop("use", None)
        if kind == "curators":  # only models have names of their own
            label = ""
        student = stated.students[0] if kind == "methods" and stated.students else None
        yield Subject(
            kind, name, session, one, label, task=task, live=stated.live, files=stated.recordings, student=student
        )


def loads_fast(subject: Subject) -> None:
    """Imports no heavy package when it is loaded."""
    environment = subject.session.environment
    origin = subject.session.plugins.origins[subject.name]
    code = (
        "import sys, json; from pathlib import Path; from rtbench.plugin.manager import PluginManager\n"
        "name, files, heavy = json.loads(sys.argv[1])\n"
        "others = [f for f in files if Path(f).stem != name]\n"
        "PluginManager([name] if others == files else [], [Path(f) for f in others])\n"
        "before = set(sys.modules)\n"
        "PluginManager([], [Path(f) for f in files])\n"
        "print(json.dumps([h for h in heavy if h in sys.modules and h not in before]))\n"
    )
    question = json.dumps([subject.name, list(environment.plugin_files), HEAVY])
    done = subprocess.run([sys.executable, "-c", code, question], capture_output=True, text=True, check=False)  # noqa: S603 - this Python
    if done.returncode != 0:
        raise NotCheckedError(f"a new process cannot load {origin.origin}: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    demand(not found, f"loading it imports {shown_some(found)}: import them inside the functions that need them")


def targets_can_be_imported(subject: Subject) -> None:
    """Registers names with summaries, whose targets can be imported."""
    for kind, names in subject.session.plugins.provides(subject.name).items():
        for name in names:
            entry = subject.session.registry(kind).get(name)
            if isinstance(entry.target, Path):
                demand(entry.target.is_file(), f"{name!r} points at {entry.target}, which is not a file")
                continue
            try:
                entry.resolve()
            except PluginError as error:
                if isinstance(error.__cause__, ModuleNotFoundError | MissingExtraError):
                    continue  # an extra
                raise
            demand(
                entry.summary or kind in {"commands", "matrices"},
                f"{name!r} ({kind}) has no summary: register(name, target, summary=…)",
            )


PLUGIN_CHECKS: tuple[CheckFunction, ...] = (loads_fast, targets_can_be_imported)
"""Checks of a plugin itself."""
