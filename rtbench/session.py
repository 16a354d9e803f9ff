"""One session: plugins, tasks, models, ledger and store of one command or one worker process."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench import interfaces
from rtbench.budget import Budget
from rtbench.errors import BadInputError, PluginError
from rtbench.interfaces import Environment
from rtbench.ledger import Ledger
from rtbench.machine import Machine, here
from rtbench.plugins import PluginManager
from rtbench.registry import make
from rtbench.store import Store

if TYPE_CHECKING:
    from rtbench.data import DataFiles
    from rtbench.interfaces import (
        Curator,
        DemonstrationSource,
        Executor,
        Method,
        PromptFormat,
        Reporter,
        Student,
        Task,
        TaskData,
        Teacher,
    )
    from rtbench.records import ModelSpec
    from rtbench.specs import CurateSpec


class Session:
    """What commands and steps work with; implements :class:`rtbench.interfaces.Services`."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._machine: Machine | None = None
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

    @property
    def machine(self) -> Machine:
        """Where models are trained and asked: here, unless an executor says otherwise."""
        if self._machine is None:
            self._machine = here()
        return self._machine

    @machine.setter
    def machine(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def trust_remote_code(self) -> bool:
        return self.environment.trust_remote_code

    @property
    def offline(self) -> bool:
        return self.environment.offline

    @property
    def budget(self) -> Budget | None:
        """What the run may spend."""
        return None if self.environment.budget is None else Budget(self.environment.budget)

    @cached_property
    def files(self) -> DataFiles:
        from rtbench.data import DataFiles

        given = self.environment
        return DataFiles(
            Path(given.data_dir) if given.data_dir else None,
            Path(given.cache_dir) if given.cache_dir else None,
            offline=given.offline,
        )

    @property
    def recordings(self) -> Path | None:
        """Folder with recorded completions: the one given, or ``teacher`` beside or under the data folder."""
        if self.environment.recordings:
            return Path(self.environment.recordings)
        if self.environment.data_dir:
            data = Path(self.environment.data_dir)
            for folder in (data / "teacher", data.parent / "teacher"):
                if folder.is_dir():
                    return folder
        return None

    # ---- names to things

    def task(self, name: str, *, where: str | None = None) -> Task:
        if name not in self._tasks:
            self._tasks[name] = self._make("tasks", name, interfaces.Task, where=where)
        return self._tasks[name]

    def task_data(self, name: str, variant: str) -> TaskData:
        """A task's samples, loaded once per session."""
        if (name, variant) not in self._data:
            self._data[name, variant] = self.task(name).load(self.files, variant)
        return self._data[name, variant]

    def method(self, name: str, *, where: str | None = None) -> Method:
        if name not in self._methods:
            found: Method = self._make("methods", name, interfaces.Method, where=where)
            if found.name != name:
                raise PluginError(f"method {name!r} calls itself {found.name!r}", next_step="Use one name.")
            self._methods[name] = found
        return self._methods[name]

    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher:
        found: Teacher = self._model("teachers", interfaces.Teacher, plugin, name, options)
        return found

    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student:
        found: Student = self._model("students", interfaces.Student, plugin, name, options)
        return found

    def source(self, model: ModelSpec) -> Teacher | Student:
        """The teacher or student that a step's model was named by."""
        of = self.teacher if model.role == "teacher" else self.student
        return of(model.plugin, model.name, model.options)

    def curator(self, name: str, options: dict[str, Any]) -> Curator:
        found: Curator = self._make("curators", name, interfaces.Curator, options)
        return found

    def curators(self, spec: CurateSpec) -> list[Curator]:
        """A step's curators, in order."""
        return [self.curator(name, options) for name, options in spec.stated()]

    def judges(self, spec: CurateSpec) -> list[Teacher]:
        """The models that a step's curators ask."""
        asked = (curator.asks(self) for curator in self.curators(spec))
        return [teacher for teacher in asked if teacher is not None]

    def executor(self, name: str, options: dict[str, Any]) -> Executor:
        found: Executor = self._make("executors", name, interfaces.Executor, options, where="--executor")
        return found

    def reporter(self, name: str) -> Reporter:
        found: Reporter = self._make("reporters", name, interfaces.Reporter, where="--format")
        return found

    def _model(self, axis: str, base: type, plugin: str, name: str, options: dict[str, Any]) -> Any:
        key = (axis, plugin, name, repr(sorted(options.items(), key=lambda item: item[0])))
        if key not in self._models:
            self._models[key] = self._make(axis, plugin, base, name, options, self)
        return self._models[key]

    def _make(self, kind: str, name: str, base: type, *arguments: Any, where: str | None = None) -> Any:
        registry = self.plugins.registries[kind]
        return make(registry.get(name, where=where), registry.kind, base, *arguments)

    def demonstrations(self, task: str, prompt_format: PromptFormat, source: DemonstrationSource, split: str) -> str:
        """The few-shot part of a task's prompts."""
        from rtbench.prompts import demonstrations_text

        return demonstrations_text(prompt_format, self.task(task).demonstrations(self.files, source, split))

    def add_task_file(self, path: Path) -> str:
        """Registers the task of a file given with --task; returns its name."""
        task = self.plugins.load_task(path)
        registry = self.plugins.registries["tasks"]
        if task.info.name in registry:
            raise BadInputError(
                f"the task name {task.info.name!r} is taken by plugin {registry.get(task.info.name).origin!r}",
                where=f"--task {path}",
                next_step=f"Rename it, or block the other: -p no:{registry.get(task.info.name).origin}",
            )
        registry.registrar(f"--task {path.name}")(task.info.name, lambda: task, summary=task.info.title)
        return task.info.name
