"""The plugin manager: finds plugins and registers what they provide. Only this file uses ``.hook``."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import pluggy

from rtbench.errors import BadInputError, PluginError, RtbenchError, UnknownNameError
from rtbench.plugin import hookspecs
from rtbench.plugin.registered import ORIGIN, Registered
from rtbench.plugin.registry import Registry
from rtbench.schema.leaderboard import LeaderboardRow
from rtbench.storage.given_files import remembered_plugins
from rtbench.texts import shortened_error

if TYPE_CHECKING:
    from rtbench.data.pins import PinnedFile
    from rtbench.plugin.plans import Plan
    from rtbench.plugin.services import Services
    from rtbench.plugin.tasks import Task
    from rtbench.schema.runs import RunRecord
    from rtbench.schema.steps import Step, StepState

KINDS = (
    "tasks",
    "teachers",
    "students",
    "methods",
    "curators",
    "executors",
    "reporters",
    "recordings",
    "matrices",
    "claims",
    "commands",
)
FILE_MODULE = "rtbench_plugin_"
"""Prefix of the module names of plugin files."""
_SINGULAR = {"matrices": "matrix", "recordings": "recording format", "claims": "set of claims"}


@dataclass(frozen=True)
class PluginOrigin:
    """Source of a plugin."""

    name: str
    origin: str
    """Name of the distribution, or path of the file."""
    version: str


@dataclass(frozen=True)
class HookResults:
    """Results of the plugins' implementations of one hook."""

    values: list[Any]
    """Returned values; None is left out."""
    errors: list[PluginError]
    """One error per plugin that raised."""


class PluginManager:
    """Plugins of one session. There is no global manager.

    Args:
        blocked: names given with ``-p no:NAME``.
        files: Python files given with ``--plugin``.
        registered: objects that the program has registered itself.

    Raises:
        PluginError: a plugin cannot be imported, misspells a hook, or registers a name that is taken.
        UnknownNameError: a blocked name is not a plugin.
    """

    def __init__(
        self, blocked: Sequence[str] = (), files: Sequence[Path] = (), registered: Sequence[Registered] = ()
    ) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self.origins: dict[str, PluginOrigin] = {}
        self.registries = {kind: Registry(_SINGULAR.get(kind, kind[:-1])) for kind in KINDS}
        blocked_left = set(blocked)
        for origin, point in _entry_points():
            if point.name in blocked:
                blocked_left.discard(point.name)
                continue
            self._add(point.name, self._load_entry_point(point, origin), origin)
        for path in files:
            if path.stem in blocked:
                blocked_left.discard(path.stem)
                continue
            self._add_file(path)
        if blocked_left := blocked_left and blocked_left - remembered_plugins():  # those of a run may be loaded later
            name = min(blocked_left)
            raise UnknownNameError.of("plugin", name, self.origins, where=f"-p no:{name}", listing="rtbench plugins")
        for name in self.origins:
            self._register(name)
        for one in registered:
            self.registries[one.kind].registrar(ORIGIN)(one.name, one.target, summary=one.summary)

    def add_file(self, path: Path) -> None:
        """Add the plugin of a Python file.

        Raises:
            BadInputError: there is no such file, or it is not a Python file.
            PluginError: it cannot be imported, misspells a hook, or registers a name that is taken.
        """
        self._add_file(path)
        self._register(path.stem)

    def _add_file(self, path: Path) -> None:
        self._add(path.stem, _load_file(path), PluginOrigin(path.stem, str(path), "file"))

    def load_task(self, path: Path, *, offline: bool, where: str | None = None) -> Task:
        """Load a task file, through the first plugin that knows its kind.

        Args:
            path: the file.
            offline: download nothing.
            where: source of the path, for messages; None: it was given with ``--task``.

        Raises:
            BadInputError: there is no such file, or no plugin knows its kind.
        """
        where = where or f"--task {path}"
        if not path.is_file():
            raise BadInputError("no such file", where=where, next_step="Name a task's YAML file.")
        try:
            task: Task | None = self._pm.hook.rtbench_load_task(path=path, offline=offline)
        except RtbenchError:
            raise
        except Exception as error:
            raise PluginError(
                f"rtbench_load_task raised {shortened_error(error)}",
                where=where,
                next_step="This is a fault of the plugin that loads such files. --traceback shows where.",
            ) from error
        if task is None:
            raise BadInputError("no plugin knows this kind of file", where=where, next_step="Give a *.yaml.")
        return task

    def pinned_files(self, tasks: Sequence[str]) -> list[PinnedFile]:
        """Return the files that plugins may download for these tasks; the tasks' own are not included.

        Raises:
            PluginError: a plugin raised; the error names it.
        """
        return [pin for pins in self._call_all("rtbench_pinned_files", tasks=tasks) for pin in pins]

    def modify_plan(self, plan: Plan) -> None:
        """Let plugins inspect or change a plan.

        Raises:
            PluginError: a plugin raised; the error names it.
        """
        self._call_all("rtbench_modify_plan", plan=plan)

    def step_started(self, step: Step) -> list[PluginError]:
        """Tell plugins that a step begins, and return their errors: a tracker that is down must not stop a run."""
        return self._call_each("rtbench_step_started", step=step).errors

    def step_finished(self, step: Step, state: StepState) -> list[PluginError]:
        """Tell plugins that a step ended, and return their errors, as :meth:`step_started` does."""
        return self._call_each("rtbench_step_finished", step=step, state=state).errors

    def run_summaries(self, run: RunRecord, services: Services, *, brief: bool) -> HookResults:
        """Return texts to show with a run's leaderboard, and the errors, so that a failing plugin does not hide the leaderboard."""
        return self._call_each("rtbench_run_summary", returns=str, run=run, services=services, brief=brief)

    def reference_rows(self, tasks: Sequence[str]) -> list[LeaderboardRow]:
        """Return published figures for these tasks.

        Raises:
            PluginError: a plugin raised; the error names it.
        """
        return [row for rows in self._call_all("rtbench_reference_rows", tasks=tasks) for row in rows]

    def machine_facts(self, services: Services) -> HookResults:
        """Return facts about this machine for ``rtbench doctor``, by name."""
        return self._call_each("rtbench_machine_facts", returns=dict, services=services)

    def _call_all(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook and return the plugins' results; raise the first plugin's error, if any."""
        results = self._call_each(hook, **arguments)
        for error in results.errors:
            raise error
        return results.values

    def _call_each(self, hook: str, *, returns: type = object, **arguments: Any) -> HookResults:
        """Call a hook plugin by plugin, so that a failing plugin is named and the others are still called.

        Args:
            hook: name of the hook.
            returns: type that each result must have; another type counts as an error.
            arguments: passed to the hook.
        """
        values: list[Any] = []
        errors: list[PluginError] = []
        for implementation in getattr(self._pm.hook, hook).get_hookimpls():
            caller = self._pm.subset_hook_caller(
                hook, [p for p in self._pm.get_plugins() if p is not implementation.plugin]
            )
            try:
                for value in caller(**arguments):
                    if not isinstance(value, returns):
                        raise TypeError(f"returned a {type(value).__name__}, not a {returns.__name__}")  # noqa: TRY301
                    values.append(value)
            except Exception as error:
                wrapped = PluginError(
                    f"{hook} raised {shortened_error(error)}",
                    where=f"plugin {implementation.plugin_name!r}",
                    next_step=f"Fix it, or run without it: -p no:{implementation.plugin_name}.",
                )
                wrapped.__cause__ = error
                errors.append(wrapped)
        return HookResults(values, errors)

    def provides(self, name: str) -> dict[str, list[str]]:
        """Return the names that a plugin registered, by kind."""
        return {
            kind: names
            for kind, registry in self.registries.items()
            if (names := [entry.name for entry in registry if entry.origin == name])
        }

    # ------------------------------------------------------------------------------------------------------ loading

    def _load_entry_point(self, point: importlib.metadata.EntryPoint, origin: PluginOrigin) -> Any:
        try:
            return point.load()
        except Exception as error:
            raise PluginError(
                f"cannot be imported: {shortened_error(error)}",
                where=f"plugin {point.name!r} ({origin.origin})",
                next_step=f"Fix or uninstall it, or run without it: -p no:{point.name}. --traceback shows where.",
            ) from error

    def _add(self, name: str, plugin: Any, origin: PluginOrigin) -> None:
        where = f"plugin {name!r} ({origin.origin})"
        if name in self.origins:
            raise PluginError(
                f"the name is taken by {self.origins[name].origin}",
                where=where,
                next_step=f"Rename one of them, or block both: -p no:{name}",
            )
        try:
            self._pm.register(plugin, name)
            self._check_spelling(plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(
                str(error).strip(), where=where, next_step=f"Fix it, or run without it: -p no:{name}"
            ) from error
        self.origins[name] = origin

    def _check_spelling(self, plugin: Any) -> None:
        """Raise ValueError for a misspelt hook, which would never be called, and suggest the nearest known name."""
        known = {name for name in dir(hookspecs) if name.startswith("rtbench_")}
        for name in dir(plugin):
            if name in known:
                continue
            marked = hasattr(getattr(plugin, name, None), f"{hookspecs.PROJECT}_impl")
            if marked or name.startswith("rtbench_register_"):
                error = UnknownNameError.of("hook", name, known)
                raise ValueError(str(error).replace("\n", ". "))

    def _register(self, name: str) -> None:
        plugin = self._pm.get_plugin(name)
        for kind, registry in self.registries.items():
            hook = f"rtbench_register_{kind}"
            function = getattr(plugin, hook, None)
            if function is None or not hasattr(function, f"{hookspecs.PROJECT}_impl"):
                continue
            others = [p for p in self._pm.get_plugins() if p is not plugin]
            call = self._pm.subset_hook_caller(hook, others)
            try:
                call(register=registry.registrar(name))
            except PluginError:
                raise
            except Exception as error:
                raise PluginError(
                    f"{hook} raised {shortened_error(error)}",
                    where=f"plugin {name!r}",
                    next_step=f"Fix it, or run without it: -p no:{name}. --traceback shows where.",
                ) from error


def _entry_points() -> list[tuple[PluginOrigin, importlib.metadata.EntryPoint]]:
    """Return the entry points of all plugins: ours first, so that a clash is blamed on the newcomer, then by name."""
    points: list[tuple[PluginOrigin, importlib.metadata.EntryPoint]] = []
    names: dict[int, tuple[str, str]] = {}
    for point in importlib.metadata.entry_points(group=hookspecs.PROJECT):
        origin, version = point.value, ""
        if point.dist is not None:
            if id(point.dist) not in names:  # reading a distribution's metadata takes most of the time here
                metadata = point.dist.metadata
                names[id(point.dist)] = (metadata["Name"], metadata["Version"])
            origin, version = names[id(point.dist)]
        points.append((PluginOrigin(point.name, origin, version), point))
    return sorted(points, key=lambda item: (item[0].origin != hookspecs.PROJECT, item[0].name))


class _UncachedLoader(importlib.machinery.SourceFileLoader):
    """Compiles a file each time: a compiled one counts as current for a second after an edit that keeps the file's size."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the file as it is."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _load_file(path: Path) -> Any:
    """Import a Python file as a module with a unique name.

    Raises:
        BadInputError: there is no such file, or it is not a Python file.
        PluginError: the file raises.
    """
    if not path.is_file():
        raise BadInputError("no such file", where=f"--plugin {path}", next_step="Name a Python file.")
    name = FILE_MODULE + path.stem
    loader = _UncachedLoader(name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise BadInputError("not a Python file", where=f"--plugin {path}", next_step="Name a *.py file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being executed
    earlier = sys.modules.get(path.stem)
    if earlier is None or getattr(earlier, "__file__", None) == str(path):
        sys.modules[path.stem] = module  # so that "mine:Attribute" is a target for ./mine.py, as it is now
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        for alias in (name, path.stem):
            if sys.modules.get(alias) is module:
                del sys.modules[alias]
        raise PluginError(
            f"cannot be imported: {shortened_error(error)}",
            where=f"plugin {str(path)!r}",
            next_step="Fix it, or leave --plugin out. --traceback shows where.",
        ) from error
    return module
