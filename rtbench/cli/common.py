"""Options and output that commands share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.errors import BadInputError
from rtbench.storage.paths import check_name

if TYPE_CHECKING:
    from rich.console import Console

    from rtbench.plugin.plans import Plan
    from rtbench.session import Session

Command = Callable[..., Any]

_TASK_FILES = click.option(
    "--task", "task_files", multiple=True, metavar="FILE.yaml", help="Add a task file; repeatable."
)
PLUGIN_FILES = click.option(
    "--plugin", "plugin_files", multiple=True, metavar="FILE.py", help="Load a plugin file; repeatable."
)
SWITCHES = click.option("-p", "switches", multiple=True, metavar="no:NAME", help="Block a plugin; repeatable.")
_SHARED: list[Callable[[Command], Command]] = [
    click.option(
        "--workspace",
        envvar="RTBENCH_WORKSPACE",
        default="rtbench-workspace",
        show_default=True,
        metavar="DIR",
        help="Folder of ledger, store and runs.",
    ),
    click.option(
        "--data-dir",
        envvar="RTBENCH_DATA_DIR",
        metavar="DIR",
        help="Folder with the upstream data files; else the cache, else a pinned download.",
    ),
    click.option(
        "--recordings",
        envvar="RTBENCH_RECORDINGS",
        metavar="DIR",
        help="Folder with recorded completions.  [default: 'teacher' in or beside the data folder]",
    ),
    click.option("--cache-dir", envvar="RTBENCH_CACHE", metavar="DIR", help="Where downloads are kept."),
    click.option("--offline", is_flag=True, help="Download nothing."),
    PLUGIN_FILES,
    _TASK_FILES,
    SWITCHES,
    click.option("--trust-remote-code", is_flag=True, help="Let hub models run code of their own."),
    click.option("--traceback", is_flag=True, help="Show where an error comes from."),
]


def with_session(command: Command) -> Command:
    """Adds the shared options and gives the command a Session as its first argument."""
    return _with_options(command, _SHARED)


def with_session_of_one_task(command: Command) -> Command:
    """Like :func:`with_session`, for commands whose own ``--task NAME`` says which task they are about. The name may
    be a YAML file, which is then loaded; the command gets the name as ``task``."""

    @functools.wraps(command)
    def named(session: Session, *, task: str | None, **rest: Any) -> Any:
        if task is not None and Path(task).suffix in {".yaml", ".yml"}:
            task = session.add_task_file(Path(task))
        return command(session, task=task, **rest)

    option = click.option("--task", metavar="NAME", help="Task (or its YAML file).  [default: from the file's name]")
    return option(_with_options(named, [o for o in _SHARED if o is not _TASK_FILES]))


def _with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    @functools.wraps(command)
    def wrapped(
        workspace: str,
        data_dir: str | None,
        recordings: str | None,
        cache_dir: str | None,
        offline: bool,
        plugin_files: Sequence[str],
        switches: Sequence[str],
        trust_remote_code: bool,
        traceback: bool,  # noqa: ARG001 - read by main()
        task_files: Sequence[str] = (),
        **rest: Any,
    ) -> Any:
        from rtbench.cli.progress import byte_progress
        from rtbench.schema.environment import Environment
        from rtbench.session import Session

        _refuse_options_before_subcommand(click.get_current_context())
        for name, path in (("data_dir", data_dir), ("recordings", recordings)):
            if path is not None and not Path(path).is_dir():
                raise BadInputError(
                    "no such folder", where=f"{_given_by(name)} {path}", next_step="Name an existing folder."
                )
        environment = Environment(
            workspace=str(Path(workspace).resolve()),
            data_dir=_absolute(data_dir),
            cache_dir=_absolute(cache_dir),
            recordings=_absolute(recordings),
            plugin_files=tuple(str(Path(p).resolve()) for p in plugin_files),
            task_files=tuple(str(Path(p).resolve()) for p in task_files),
            blocked=tuple(blocked(switch) for switch in switches),
            trust_remote_code=trust_remote_code,
            offline=offline,
        )
        return command(Session(environment, progress=byte_progress(), warn=warn), **rest)

    made: Command = wrapped
    for option in reversed(options):
        made = option(made)
    return made


def _given_by(name: str) -> str:
    """The option of that name as it was given: on the command line, or as a variable of the environment."""
    context = click.get_current_context()
    parameter = next(one for one in context.command.params if one.name == name)
    if context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT:
        return str(parameter.envvar)
    return parameter.opts[0]


def _refuse_options_before_subcommand(context: click.Context) -> None:
    """A group's own options say nothing to its subcommands, which would go on with others."""
    if context.invoked_subcommand is None:
        return
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE:
            name, subcommand = parameter.opts[-1], f"{context.command_path} {context.invoked_subcommand}"
            raise BadInputError("stands before the subcommand", where=name, next_step=f"Write `{subcommand} … {name}`.")


def _absolute(path: str | None) -> str | None:
    """Workers may start elsewhere."""
    return None if path is None else str(Path(path).resolve())


def blocked(switch: str) -> str:
    """The plugin that a ``-p no:NAME`` names."""
    if not switch.startswith("no:") or len(switch) == 3:
        raise BadInputError("not understood", where=f"-p {switch}", next_step="Write -p no:NAME to block a plugin.")
    return switch[3:]


def format_option(*choices: str) -> Callable[[Command], Command]:
    """``--format``; the first choice is the default."""
    return click.option(
        "--format", "format_", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )


def name_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """Callback of options that take a comma-separated list."""
    del ctx
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise BadInputError("an empty list", where=f"--{parameter.name}", next_step=f"Such as {parameter.metavar}.")
    return names


def number_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    """Callback of options that take a comma-separated list of whole numbers."""
    names = name_list(ctx, parameter, value)
    if names is None:
        return None
    for name in names:
        if not name.isdigit():
            raise BadInputError(
                f"{name!r} is no whole number", where=f"--{parameter.name}", next_step=f"Such as {parameter.metavar}."
            )
    return [int(name) for name in names]


def value_map(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, object]:
    """Callback of repeatable options that take a name and a value: JSON, or a word without quotes."""
    import msgspec

    del ctx
    option, form = parameter.opts[0], parameter.metavar
    values: dict[str, object] = {}
    for item in value:
        key, equals, given = item.partition("=")
        if not key or not equals:
            raise BadInputError("not understood", where=f"{option} {item}", next_step=f"Write {option} {form}.")
        try:
            values[key] = msgspec.json.decode(given)
        except msgspec.DecodeError:
            values[key] = given
    return values


def matrix_options(command: Command) -> Command:
    """The matrix and how it is narrowed."""
    options = [
        click.option(
            "--matrix", metavar="NAME", help="Built-in name or YAML file.  [default: the miniature of a few minutes]"
        ),
        click.option("--tasks", callback=name_list, metavar="A,B", help="Only these tasks."),
        click.option("--methods", callback=name_list, metavar="A,B", help="Only these methods."),
        click.option("--teachers", callback=name_list, metavar="A,B", help="Only these teachers."),
        click.option("--students", callback=name_list, metavar="A,B", help="Only these students."),
        click.option("--degrees", callback=number_list, metavar="1,8", help="Rationales per question."),
        click.option("--seeds", callback=number_list, metavar="0,1", help="Seeds."),
        click.option("--folds", callback=name_list, metavar="A,B", help="Answered and scored: test, ood, validation."),
        click.option(
            "--limit", type=int, metavar="N", help="Only the first N questions of each fold; steps of training stay."
        ),
        click.option("--epochs", type=int, metavar="N", help="Instead of the recipe's."),
        click.option("--selection", metavar="HOW", help="Epoch that counts: last, val or best-test."),
        click.option("--extractor", metavar="NAME", help="The one the leaderboard shows."),
        click.option(
            "--source",
            type=click.Choice(["upstream", "twin"]),
            help="The tasks' published data, or fresh questions of their procedural twins.",
        ),
        click.option("--variant", metavar="NAME", help="Wording of the data, such as original."),
        click.option("--split", metavar="NAME", help="Split of the data (default, template)."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def with_executor(command: Command) -> Command:
    """Where steps run; plans go by what is there."""
    options = [
        click.option("--executor", default="local", show_default=True, help="Where steps run: local, slurm, or a plugin's."),
        click.option(
            "--executor-option", "executor_options", multiple=True, callback=value_map, metavar="NAME=VALUE",
            help="An option of the executor; repeatable.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def planned(session: Session, arguments: dict[str, Any]) -> Plan:
    """Read, override, resolve and plan a matrix from the options of :func:`matrix_options`."""
    from rtbench.matrix.overrides import Overrides
    from rtbench.matrix.read import read_matrix
    from rtbench.matrix.resolve import matrix_path, resolve
    from rtbench.planning.plan import make_plan

    matrix = read_matrix(matrix_path(session, arguments["matrix"]))
    asked = {key: value for key, value in arguments.items() if key != "matrix"}
    plan = make_plan(resolve(matrix, session, Overrides.of(asked)), session)
    session.plugins.modify_plan(plan)
    tasks = {planned.cell.task.name for planned in plan.cells}
    for task in session.own_tasks:
        if task not in tasks:
            said = f"{task} is not among the tasks that are asked: --tasks {task} asks it"
            console(stderr=True).print(said, style="yellow", markup=False)
    return plan


def _checked_name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    return None if value is None else check_name(value, where="--name")


NAME = click.option(
    "--name",
    metavar="NAME",
    callback=_checked_name,
    help="Name of the run.  [default: the matrix's, with a digest if narrowed]",
)


def run_name(plan: Plan, arguments: dict[str, Any]) -> str:
    """A narrowed matrix gets a name of its own, so that a trial does not take the whole run's place."""
    from rtbench.storage.keys import content_key

    narrowed = {key: value for key, value in arguments.items() if key != "matrix" and value is not None}
    return f"{plan.matrix}-{content_key(narrowed)[:6]}" if narrowed else plan.matrix


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    from rtbench.storage.files import as_json

    click.echo(as_json(value))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns. Plain text: listings must be instant, and rich takes longer to import than they to print."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, ["-" * width for width in widths], *rows]:
        click.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def console(*, stderr: bool = False) -> Console:
    """A rich console. Where the output is no terminal it is wide and wraps nothing, so that a line stays a line."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else 220, highlight=False, soft_wrap=not terminal)


def warn(text: str) -> None:
    """Show a warning on standard error."""
    console(stderr=True).print(text, style="yellow", markup=False, soft_wrap=True)


def heading(out: Console, text: str) -> None:
    """Parts one sample from the next."""
    out.print(f"── {text} ──", style="dim", markup=False)
