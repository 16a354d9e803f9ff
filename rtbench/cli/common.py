"""Options that all commands share, and the session that they open."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.hints import repeating_options
from rtbench.cli.output import naming_workspace
from rtbench.cli.parsing import blocked
from rtbench.cli.printing import warn
from rtbench.errors import BadInputError
from rtbench.storage.paths import is_url, resolved

if TYPE_CHECKING:
    from rtbench.schema.environment import Environment
    from rtbench.session import Session

Command = Callable[..., Any]
COUNT = click.IntRange(min=1, max=10**9)
"""Type of options that are numbers of something."""

_TASK_FILES = click.option(
    "--task", "task_files", multiple=True, metavar="FILE.yaml", help="Add a task from a file. Repeatable."
)
PLUGIN_FILES = click.option(
    "--plugin", "plugin_files", multiple=True, metavar="FILE.py", help="Load a plugin from a file. Repeatable."
)
SWITCHES = click.option("-p", "switches", multiple=True, metavar="no:NAME", help="Block a plugin. Repeatable.")
_SHARED: list[Callable[[Command], Command]] = [
    click.option(
        "--workspace",
        envvar="RTBENCH_WORKSPACE",
        default="rtbench-workspace",
        show_default=True,
        metavar="DIR",
        help="Folder of the ledger, store and runs, or a URL such as s3://bucket/folder.",
    ),
    click.option(
        "--data-dir",
        envvar="RTBENCH_DATA_DIR",
        metavar="DIR",
        help="Folder with the upstream data files. Files that it lacks come from the cache or are downloaded.",
    ),
    click.option(
        "--recordings",
        envvar="RTBENCH_RECORDINGS",
        metavar="DIR",
        help="Folder with recorded completions.  [default: 'teacher' in or next to the data folder]",
    ),
    click.option("--cache-dir", envvar="RTBENCH_CACHE", metavar="DIR", help="Folder of downloads."),
    click.option("--offline", is_flag=True, help="Disable downloads."),
    PLUGIN_FILES,
    _TASK_FILES,
    SWITCHES,
    click.option("--trust-remote-code", is_flag=True, help="Allow Hugging Face models to run their own code."),
    click.option("--traceback", is_flag=True, help="Show the traceback of an error."),
]


def with_session(command: Command) -> Command:
    """Add the shared options to a command, and pass it a Session as its first argument."""
    return _with_options(command, _SHARED)


def with_session_of_one_task(command: Command) -> Command:
    """Add the shared options and ``--task NAME`` to a command of a single task; otherwise like :func:`with_session`.

    The name may be that of a YAML file, which is then loaded. The command receives the task's name as ``task``.
    """

    @functools.wraps(command)
    def with_name(session: Session, *, task: str | None, **rest: Any) -> Any:
        return command(session, task=session.own_tasks[0] if session.own_tasks else task, **rest)

    with_shared = _with_options(with_name, [option for option in _SHARED if option is not _TASK_FILES])

    @functools.wraps(with_shared)
    def with_file(*, task: str | None, **rest: Any) -> Any:
        is_file = task is not None and Path(task).suffix in {".yaml", ".yml"}
        return with_shared(task=task, task_files=[task] if is_file else [], **rest)

    option = click.option("--task", metavar="NAME", help="Task, or its YAML file.  [default: from the file's name]")
    return option(with_file)


def _with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options to a command, and pass it a session made from their values."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> Any:
        from rtbench.cli.downloads import byte_progress
        from rtbench.session import Session

        _refuse_options_before_subcommand(click.get_current_context())
        environment, rest = environment_of(values)
        with naming_workspace(environment.workspace), repeating_options():
            return command(Session(environment, progress=byte_progress(), warn=warn).fetch(), **rest)

    decorated: Command = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def environment_of(values: Mapping[str, Any]) -> tuple[Environment, dict[str, Any]]:
    """Return the environment that the shared options of the current command state, and the other values.

    Args:
        values: values of all options by name.

    Raises:
        BadInputError: a folder does not exist, or a path is none.
    """
    from rtbench.schema.environment import Environment

    rest = dict(values)
    rest.pop("traceback", None)  # read by main()
    workspace = rest.pop("workspace")
    for name in ("data_dir", "recordings"):
        if rest[name] is not None and not Path(rest[name]).is_dir():
            raise BadInputError(
                "no such folder", where=f"{_origin_of(name)} {rest[name]}", next_step="Give an existing folder."
            )

    def folder(name: str, option: str) -> str | None:
        path = rest.pop(name)
        return None if path is None else _folder(path, option)

    environment = Environment(
        workspace=workspace if is_url(workspace) else _folder(workspace, "--workspace"),
        data_dir=folder("data_dir", "--data-dir"),
        cache_dir=folder("cache_dir", "--cache-dir"),
        recordings=folder("recordings", "--recordings"),
        plugin_files=tuple(str(resolved(Path(p), where="--plugin")) for p in rest.pop("plugin_files")),
        task_files=tuple(str(resolved(Path(p), where="--task")) for p in rest.pop("task_files", ())),
        blocked=tuple(blocked(switch) for switch in rest.pop("switches")),
        trust_remote_code=rest.pop("trust_remote_code"),
        offline=rest.pop("offline"),
    )
    return environment, rest


def _origin_of(name: str) -> str:
    """Return the option or environment variable that a parameter's value comes from."""
    context = click.get_current_context()
    parameter = next(one for one in context.command.params if one.name == name)
    if context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT:
        return str(parameter.envvar)
    return parameter.opts[0]


def _refuse_options_before_subcommand(context: click.Context) -> None:
    """Raise BadInputError for options before a subcommand, because the subcommand would ignore them."""
    if context.invoked_subcommand is None:
        return
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE:
            name, subcommand = parameter.opts[-1], f"{context.command_path} {context.invoked_subcommand}"
            raise BadInputError("must follow the subcommand", where=name, next_step=f"Write `{subcommand} … {name}`.")


def _folder(path: str, option: str) -> str:
    """Return the absolute path of a folder, because workers may start in another one. The folder need not exist.

    Raises:
        BadInputError: it is a file, or no path.
    """
    folder = resolved(Path(path), where=option)
    if folder.exists() and not folder.is_dir():
        raise BadInputError("this is a file, not a folder", where=f"{option} {path}", next_step="Name a folder.")
    return str(folder)


def format_option(*choices: str) -> Callable[[Command], Command]:
    """Return the option ``--format``, whose default is the first choice."""
    return click.option(
        "--format", "format_", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )
