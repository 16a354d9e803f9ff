"""Session: the plugins, tasks, models, ledger and store of one command or worker process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, PluginError, RtbenchError
from rtbench.machine import Machine, here
from rtbench.plugin.curators import Curator
from rtbench.plugin.execution import Executor
from rtbench.plugin.hookspecs import PROJECT
from rtbench.plugin.manager import HookResults, PluginManager
from rtbench.plugin.methods import Method
from rtbench.plugin.models import Student, Teacher
from rtbench.plugin.registered import Registered, unpacked
from rtbench.plugin.registry import Registry, make
from rtbench.plugin.reporting import Reporter
from rtbench.plugin.tasks import Task
from rtbench.schema.completions import ModelSpec
from rtbench.schema.environment import Environment
from rtbench.schema.money import BudgetCap
from rtbench.schema.progress import Progress, no_progress
from rtbench.schema.runs import GivenFile, RunRecord
from rtbench.schema.tasks import TaskData
from rtbench.storage.budget import Budget
from rtbench.storage.files import file_digest
from rtbench.storage.given_files import is_remembered, was_given
from rtbench.storage.ledger import Ledger
from rtbench.storage.place import Place
from rtbench.storage.places import place_of
from rtbench.storage.runs import Runs
from rtbench.storage.store import Store
from rtbench.storage.workspace import format_of
from rtbench.texts import shown


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{shown(text)}\n")


class Session:
    """Implements :class:`rtbench.plugin.services.Services` for an environment.

    Args:
        environment: folders, plugins and options.
        machine: machine on which models are trained and asked; None: this machine.
        progress: called during downloads with the number of bytes received.
        warn: called with warnings, such as errors of plugins that are not essential to a run.
        registered: objects that the program has registered; None: those of the environment.

    Raises:
        PluginError: a plugin cannot be loaded.
        BadInputError: a task file cannot be read, its task has the name of a registered task, or the workspace has a newer
            format.
    """

    def __init__(
        self,
        environment: Environment,
        machine: Machine | None = None,
        progress: Progress = no_progress,
        warn: Callable[[str], None] = _to_stderr,
        registered: Sequence[Registered] | None = None,
    ) -> None:
        self.environment = environment
        self._machine = machine
        self._progress = progress
        self.warn = warn
        objects = unpacked(environment.registered) if registered is None else registered
        self.plugins = PluginManager(environment.blocked, [Path(p) for p in environment.plugin_files], objects)
        self.keep_in(place_of(environment))
        self._tasks: dict[str, Task] = {}
        self._data: dict[tuple[str, str], TaskData] = {}
        self._methods: dict[str, Method] = {}
        self._account: Budget | None = None
        self._loaded = {*environment.plugin_files, *environment.task_files}
        """Paths of the loaded plugin and task files; shared with copies of this session."""
        self._models: dict[tuple[str, str, str, str], Any] = {}
        self.own_tasks = [self._add_task_file(Path(path)) for path in environment.task_files]
        """Names of the tasks that were given as files."""

    def with_settings(
        self,
        *,
        machine: Machine | None = None,
        budget: BudgetCap | None = None,
        report_to: tuple[str, ...] | None = None,
    ) -> Session:
        """Return a session that shares plugins, tasks and loaded data with this one. None keeps a setting.

        Args:
            machine: machine on which models are trained and asked.
            budget: what the run may spend.
            report_to: trackers that training is logged to.
        """
        stated = {"budget": budget, "report_to": report_to}
        changes = {name: value for name, value in stated.items() if value is not None}
        return self._copy(replace(self.environment, **changes), machine)

    def with_workspace(self, workspace: Path | str) -> Session:
        """Return a session on another workspace, which shares plugins, tasks and loaded data with this one."""
        other = self._copy(replace(self.environment, workspace=str(workspace)))
        other.keep_in(place_of(other.environment))
        return other

    def keep_in(self, place: Place) -> None:
        """Use the workspace of a place."""
        self.place = place
        self.workspace = place.root
        format_of(self.workspace)
        self.ledger = Ledger(self.workspace / "ledger", place)
        self.store = Store(self.workspace / "store", place)

    def fetch(self) -> Session:
        """Get what other machines have written into a workspace below a URL; return this session.

        Raises:
            BadInputError: its format is newer than this version of rtbench.
            NotReachedError: the place does not answer.
        """
        self.place.fetch(self.workspace)
        format_of(self.workspace)
        return self

    def _copy(self, environment: Environment, machine: Machine | None = None) -> Session:
        other = object.__new__(Session)
        other.__dict__.update(self.__dict__)
        other.environment = environment
        other._machine = machine or self._machine
        other._models = {}  # models were created with the other environment
        return other

    @property
    def machine(self) -> Machine:
        """Return the machine on which models are trained and asked."""
        if self._machine is None:
            self._machine = here()
        return self._machine

    @property
    def trust_remote_code(self) -> bool:
        """Return whether models may run their own code."""
        return self.environment.trust_remote_code

    @property
    def offline(self) -> bool:
        """Return whether downloads are disabled."""
        return self.environment.offline

    @property
    def budget(self) -> Budget | None:
        """Return the budget of the run; None where no account is kept."""
        if self._account is None and self.environment.budget is not None:
            return Budget(self.environment.budget, self.place)
        return self._account

    def book_on(self, account: Budget) -> None:
        """Book costs on an account that another process keeps."""
        self._account = account

    @cached_property
    def files(self) -> DataFiles:
        """Return the pinned data files."""
        environment = self.environment
        return DataFiles(
            Path(environment.data_dir) if environment.data_dir else None,
            Path(environment.cache_dir) if environment.cache_dir else None,
            offline=environment.offline,
            progress=self._progress,
        )

    @property
    def recordings(self) -> Path | None:
        """Return the folder with recorded completions; by default, ``teacher`` in or next to the data folder."""
        if self.environment.recordings:
            return Path(self.environment.recordings)
        if self.environment.data_dir:
            data = Path(self.environment.data_dir)
            for folder in (data / "teacher", data.parent / "teacher"):
                if folder.is_dir():
                    return folder
        return None

    # ---- registered objects

    def registry(self, kind: str) -> Registry:
        """Return the registry of a kind, such as ``tasks``."""
        return self.plugins.registries[kind]

    def task(self, name: str, *, where: str | None = None) -> Task:
        """Return the task registered under a name."""
        if name not in self._tasks:
            self._tasks[name] = self.new_task(name, where=where)
        return self._tasks[name]

    def new_task(self, name: str, *, where: str | None = None) -> Task:
        """Return a new object of the task registered under a name."""
        entry = self.registry("tasks").get(name, where=where)
        if not isinstance(entry.target, Path):
            created: Task = self._make("tasks", name, Task, where=where)
            return created
        place = f"plugin {entry.origin!r}: {entry.target}"
        task = self.plugins.load_task(entry.target, offline=self.offline, where=place)
        if task.info.name != name:
            raise PluginError(
                f"the file is of task {task.info.name!r}, but is registered as {name!r}",
                where=place,
                next_step="Use the same name.",
            )
        return task

    def task_data(self, name: str, variant: str) -> TaskData:
        """Return a task's samples in one variant, loaded once."""
        if (name, variant) not in self._data:
            self._data[name, variant] = self.task(name).load(self.files, variant)
        return self._data[name, variant]

    def method(self, name: str, *, where: str | None = None) -> Method:
        """Return the method registered under a name."""
        if name not in self._methods:
            method: Method = self._make("methods", name, Method, where=where)
            if method.name != name:
                raise PluginError(
                    f"method {name!r} has the attribute `name` {method.name!r}", next_step="Use the same name."
                )
            self._methods[name] = method
        return self._methods[name]

    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher:
        """Return a teacher without loading its model."""
        teacher: Teacher = self._model("teachers", Teacher, plugin, name, options)
        return teacher

    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student:
        """Return a student without loading its model."""
        student: Student = self._model("students", Student, plugin, name, options)
        return student

    def source(self, model: ModelSpec) -> Teacher | Student:
        """Return the teacher or student that a step's model belongs to."""
        create = self.teacher if model.role == "teacher" else self.student
        return create(model.plugin, model.name, model.options)

    def curator(self, name: str, options: dict[str, Any]) -> Curator:
        """Return the curator registered under a name, with its options."""
        curator: Curator = self._make("curators", name, Curator, options)
        return curator

    def executor(self, name: str, options: dict[str, Any]) -> Executor:
        """Return the executor registered under a name, with its options."""
        executor: Executor = self._make("executors", name, Executor, options, where="--executor")
        return executor

    def reporter(self, name: str) -> Reporter:
        """Return the reporter registered under a name."""
        reporter: Reporter = self._make("reporters", name, Reporter, where="--format")
        return reporter

    # ---- runs

    def given_files(self) -> tuple[GivenFile, ...]:
        """Return the task and plugin files of this session, with digests of their present content."""
        given = [("task", path) for path in self.environment.task_files]
        given += [("plugin", path) for path in self.environment.plugin_files]
        return tuple(GivenFile(kind=kind, path=path, digest=file_digest(Path(path))) for kind, path in given)  # type: ignore[arg-type]

    def plugin_versions(self) -> dict[str, str]:
        """Return the versions of the loaded third-party plugins, by distribution."""
        return {
            origin.origin: origin.version
            for origin in self.plugins.origins.values()
            if origin.version and origin.origin != PROJECT
        }

    def open_run(self, name: str | None = None) -> RunRecord:
        """Return a run by name, or the latest, and load the task and plugin files that it was made with.

        Files that are gone, that cannot be loaded, and that this user has not given on this machine, are left out; a warning
        says so.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run has that name.
            DamagedError: the record is damaged.
        """
        record = Runs(self.place).load(name)
        for file in sorted(record.files, key=lambda file: file.kind == "task"):  # a task may need a plugin
            if file.kind == "plugin" and Path(file.path).stem in self.environment.blocked:
                continue
            if file.path in self._loaded or self._load_again(file, record):
                self._name_in_environment(file)
        return record

    def _load_again(self, file: GivenFile, run: RunRecord) -> bool:
        """Load a file with which a run was made. Returns False, and warns, where that is not done."""
        path, of = Path(file.path), f"{file.kind} file of run {run.name}: {file.path}"
        if not was_given(file):  # before the disk is touched: the record may be somebody else's
            option = f"--{file.kind} {shlex.quote(file.path)}"
            self.warn(f"{of} was not given on this machine by you, and is not loaded; to load it: {option}")
            return False
        try:
            if not path.is_file():
                self.warn(f"{of} is not there any more")
                return False
            changed = file_digest(path) != file.digest
        except OSError as error:
            self.warn(f"{of} cannot be read: {error.strerror}")
            return False
        if not is_remembered(file) or (changed and file.kind == "plugin"):
            option = f"--{file.kind} {shlex.quote(file.path)}"
            self.warn(f"{of} has changed since, and is not loaded; to load it: {option}")
            return False
        if changed:
            self.warn(f"{of} has changed since")
        try:
            if file.kind == "plugin":
                self.plugins.add_file(path)
            else:
                self.own_tasks.append(self._add_task_file(path))
        except RtbenchError as error:  # most commands need nothing of it
            self.warn(f"{of} cannot be loaded: {error}")
            return False
        self._loaded.add(file.path)
        return True

    def _name_in_environment(self, file: GivenFile) -> None:
        """Name a loaded file in the environment, so that workers load it too."""
        field = "plugin_files" if file.kind == "plugin" else "task_files"
        if file.path not in (named := getattr(self.environment, field)):
            self.environment = replace(self.environment, **{field: (*named, file.path)})

    # ---- hooks

    def summaries(self, run: RunRecord, *, brief: bool = False) -> list[str]:
        """Return the texts of plugins to show with a run's leaderboard, or above a ``brief`` one."""
        return self._values(self.plugins.run_summaries(run, self, brief=brief))

    def machine_facts(self) -> dict[str, str]:
        """Return facts about this machine from plugins, by name."""
        return {name: fact for facts in self._values(self.plugins.machine_facts(self)) for name, fact in facts.items()}

    def _values(self, results: HookResults) -> list[Any]:
        """Return the results of a hook, and warn about plugins that failed."""
        for error in results.errors:
            self.warn(f"warning: {error}")
        return results.values

    def _model(self, axis: str, base: type, plugin: str, name: str, options: dict[str, Any]) -> Any:
        key = (axis, plugin, name, repr(sorted(options.items(), key=lambda item: item[0])))
        if key not in self._models:
            self._models[key] = self._make(axis, plugin, base, name, options, self)
        return self._models[key]

    def _make(self, kind: str, name: str, base: type, *arguments: Any, where: str | None = None) -> Any:
        registry = self.registry(kind)
        return make(registry.get(name, where=where), registry.kind, base, *arguments)

    def _add_task_file(self, path: Path) -> str:
        """Register the task of a YAML file.

        Returns:
            The task's name.

        Raises:
            BadInputError: the name is already registered, or the file is not a valid task.
        """
        task = self.plugins.load_task(path, offline=self.offline)
        registry = self.registry("tasks")
        if task.info.name in registry:
            raise BadInputError(
                f"the task name {task.info.name!r} is already used by plugin {registry.get(task.info.name).origin!r}",
                where=f"--task {path}",
                next_step=f"Rename the task, or block the plugin: -p no:{registry.get(task.info.name).origin}",
            )
        registry.registrar(f"--task {path.name}")(task.info.name, lambda: task, summary=task.info.title)
        return task.info.name
