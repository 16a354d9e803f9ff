"""One session: plugins, tasks, models, ledger and store of one command or one worker process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, PluginError
from rtbench.machine import Machine, here
from rtbench.plugin.curators import Curator
from rtbench.plugin.execution import Executor
from rtbench.plugin.manager import HookResults, PluginManager
from rtbench.plugin.methods import Method
from rtbench.plugin.models import Student, Teacher
from rtbench.plugin.registry import Registry, make
from rtbench.plugin.reporting import Reporter
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Progress, no_progress
from rtbench.schema.completions import ModelSpec
from rtbench.schema.environment import Environment
from rtbench.schema.runs import RunRecord
from rtbench.schema.tasks import TaskData
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import Ledger
from rtbench.storage.store import Store


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class Session:
    """Makes services out of an environment: the :class:`rtbench.plugin.services.Services` that everything else is given.

    Args:
        environment: folders, plugins and switches.
        machine: where models are trained and asked; None: this one.
        progress: follows downloads, in bytes.
        warn: is told what went wrong in plugins that a run can do without.

    Raises:
        PluginError: a plugin cannot be loaded.
        BadInputError: a task file cannot be read, or takes the name of a registered task.
    """

    def __init__(
        self,
        environment: Environment,
        machine: Machine | None = None,
        progress: Progress = no_progress,
        warn: Callable[[str], None] = _to_stderr,
    ) -> None:
        self.environment = environment
        self._machine = machine
        self._progress = progress
        self._warn = warn
        self.plugins = PluginManager(environment.blocked, [Path(p) for p in environment.plugin_files])
        self.workspace = Path(environment.workspace)
        self.ledger = Ledger(self.workspace / "ledger")
        self.store = Store(self.workspace / "store")
        self._tasks: dict[str, Task] = {}
        self._data: dict[tuple[str, str], TaskData] = {}
        self._methods: dict[str, Method] = {}
        self._models: dict[tuple[str, str, str, str], Any] = {}
        self.own_tasks = [self.add_task_file(Path(path)) for path in environment.task_files]
        """Names of the tasks given as files."""

    def having(self, *, machine: Machine | None = None, **changes: Any) -> Session:
        """Return a session that shares plugins, tasks and loaded data with this one.

        Args:
            machine: where models are trained and asked; None: as here.
            changes: fields of the environment that differ.
        """
        other = object.__new__(Session)
        other.__dict__.update(self.__dict__)
        other.environment = replace(self.environment, **changes)
        other._machine = machine or self._machine
        other._models = {}  # they were told of the other machine
        return other

    @property
    def machine(self) -> Machine:
        if self._machine is None:
            self._machine = here()
        return self._machine

    @property
    def trust_remote_code(self) -> bool:
        return self.environment.trust_remote_code

    @property
    def offline(self) -> bool:
        return self.environment.offline

    @property
    def budget(self) -> Budget | None:
        return None if self.environment.budget is None else Budget(self.environment.budget)

    @cached_property
    def files(self) -> DataFiles:
        given = self.environment
        return DataFiles(
            Path(given.data_dir) if given.data_dir else None,
            Path(given.cache_dir) if given.cache_dir else None,
            offline=given.offline,
            progress=self._progress,
        )

    @property
    def recordings(self) -> Path | None:
        """Folder with recorded completions: the one given, or ``teacher`` in or beside the data folder."""
        if self.environment.recordings:
            return Path(self.environment.recordings)
        if self.environment.data_dir:
            data = Path(self.environment.data_dir)
            for folder in (data / "teacher", data.parent / "teacher"):
                if folder.is_dir():
                    return folder
        return None

    # ---- names to things

    def registry(self, kind: str) -> Registry:
        return self.plugins.registries[kind]

    def task(self, name: str, *, where: str | None = None) -> Task:
        if name not in self._tasks:
            self._tasks[name] = self._make("tasks", name, Task, where=where)
        return self._tasks[name]

    def task_data(self, name: str, variant: str) -> TaskData:
        if (name, variant) not in self._data:
            self._data[name, variant] = self.task(name).load(self.files, variant)
        return self._data[name, variant]

    def method(self, name: str, *, where: str | None = None) -> Method:
        if name not in self._methods:
            found: Method = self._make("methods", name, Method, where=where)
            if found.name != name:
                raise PluginError(f"method {name!r} calls itself {found.name!r}", next_step="Use one name.")
            self._methods[name] = found
        return self._methods[name]

    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher:
        found: Teacher = self._model("teachers", Teacher, plugin, name, options)
        return found

    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student:
        found: Student = self._model("students", Student, plugin, name, options)
        return found

    def source(self, model: ModelSpec) -> Teacher | Student:
        of = self.teacher if model.role == "teacher" else self.student
        return of(model.plugin, model.name, model.options)

    def curator(self, name: str, options: dict[str, Any]) -> Curator:
        found: Curator = self._make("curators", name, Curator, options)
        return found

    def executor(self, name: str, options: dict[str, Any]) -> Executor:
        """Return the executor registered under a name, with its options."""
        found: Executor = self._make("executors", name, Executor, options, where="--executor")
        return found

    def reporter(self, name: str) -> Reporter:
        """Return the reporter registered under a name."""
        found: Reporter = self._make("reporters", name, Reporter, where="--format")
        return found

    # ---- what plugins say

    def summaries(self, run: RunRecord) -> list[str]:
        return self._values(self.plugins.run_summaries(run, self))

    def machine_facts(self) -> dict[str, str]:
        """Return what plugins know of this machine, by name."""
        return {name: said for found in self._values(self.plugins.machine_facts()) for name, said in found.items()}

    def _values(self, results: HookResults) -> list[Any]:
        for error in results.errors:
            self._warn(f"warning: {error}")
        return results.values

    def _model(self, axis: str, base: type, plugin: str, name: str, options: dict[str, Any]) -> Any:
        key = (axis, plugin, name, repr(sorted(options.items(), key=lambda item: item[0])))
        if key not in self._models:
            self._models[key] = self._make(axis, plugin, base, name, options, self)
        return self._models[key]

    def _make(self, kind: str, name: str, base: type, *arguments: Any, where: str | None = None) -> Any:
        registry = self.registry(kind)
        return make(registry.get(name, where=where), registry.kind, base, *arguments)

    def add_task_file(self, path: Path) -> str:
        """Register the task of a file given with ``--task``.

        Returns:
            The task's name.

        Raises:
            BadInputError: the name is taken, or the file is no task.
        """
        task = self.plugins.load_task(path)
        registry = self.registry("tasks")
        if task.info.name in registry:
            raise BadInputError(
                f"the task name {task.info.name!r} is taken by plugin {registry.get(task.info.name).origin!r}",
                where=f"--task {path}",
                next_step=f"Rename it, or block the other: -p no:{registry.get(task.info.name).origin}",
            )
        registry.registrar(f"--task {path.name}")(task.info.name, lambda: task, summary=task.info.title)
        return task.info.name
