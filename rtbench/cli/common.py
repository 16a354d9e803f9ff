"""Shared options and output functions of commands."""

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
        help="Folder of the ledger, store and runs.",
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
    """Add options to a command, and pass it a Session made from their values."""

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
                    "no such folder", where=f"{_origin_of(name)} {path}", next_step="Give an existing folder."
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

    decorated: Command = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


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


def _absolute(path: str | None) -> str | None:
    """Return an absolute path, because workers may start in another folder."""
    return None if path is None else str(Path(path).resolve())


def blocked(switch: str) -> str:
    """Return the name in ``-p no:NAME``.

    Raises:
        BadInputError: the value has another form.
    """
    if not switch.startswith("no:") or len(switch) == 3:
        raise BadInputError(
            "not of the form no:NAME", where=f"-p {switch}", next_step="Write -p no:NAME to block a plugin."
        )
    return switch[3:]


def format_option(*choices: str) -> Callable[[Command], Command]:
    """Return the option ``--format``, whose default is the first choice."""
    return click.option(
        "--format", "format_", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )


def name_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """Return the names in a comma-separated list. Callback of options."""
    del ctx
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise BadInputError("the list is empty", where=parameter.opts[0], next_step=f"Write {parameter.metavar}.")
    return names


def number_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    """Return the integers in a comma-separated list. Callback of options."""
    names = name_list(ctx, parameter, value)
    if names is None:
        return None
    for name in names:
        if not name.isdecimal():
            raise BadInputError(
                f"{name!r} is not an integer", where=parameter.opts[0], next_step=f"Write {parameter.metavar}."
            )
    return [int(name) for name in names]


def value_map(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, object]:
    """Return the values of a repeatable option ``NAME=VALUE``, by name. Callback of options.

    Values are JSON, or strings without quotes.
    """
    import msgspec

    del ctx
    option = parameter.opts[0]
    values: dict[str, object] = {}
    for item in value:
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise BadInputError(
                f"not of the form {parameter.metavar}",
                where=f"{option} {item}",
                next_step=f"Write {option} {parameter.metavar}.",
            )
        try:
            values[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values[key] = text
    return values


def model_entries(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> list[dict[str, Any]] | None:
    """Return the models of a repeatable option ``KEY=VALUE,KEY=VALUE``. Callback of options.

    Keys with dots are keys of mappings. Values are JSON, or strings without quotes. A single word is a registered name.
    The default of ``name`` is the last part of ``model``, else ``use``.
    """
    del ctx
    option = parameter.opts[0]
    return [_model_entry(option, text) for text in value] or None


def one_mapping(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """Return the mapping of an option ``KEY=VALUE,KEY=VALUE``. Callback of options."""
    del ctx
    return None if value is None else _mapping(parameter.opts[0], value, example="n=8,temperature=0.7")


def _model_entry(option: str, text: str) -> dict[str, Any]:
    if "=" not in text:
        return {"name": text}
    entry = _mapping(option, text, example="name=mine,use=openai,model=…")
    if "name" not in entry:
        entry["name"] = str(entry.get("model", entry.get("use", ""))).rstrip("/").rpartition("/")[2]
    return entry


def _mapping(option: str, text: str, *, example: str) -> dict[str, Any]:
    """Return the mapping that ``KEY=VALUE,KEY=VALUE`` stands for.

    Raises:
        BadInputError: the text is not of this form; ``example`` is.
    """
    import re

    import msgspec

    entry: dict[str, Any] = {}
    for item in re.split(r",(?=[A-Za-z_][\w.]*=)", text):
        key, equals, stated = item.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key):
            raise BadInputError(
                f"{item!r} is not of the form KEY=VALUE",
                where=f"{option} {text}",
                next_step=f"Write {option} {example}",
            )
        try:
            value = msgspec.json.decode(stated)
        except msgspec.DecodeError:
            value = stated
        *outer, last = key.split(".")
        place = entry
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadInputError(f"{part!r} is both a value and a mapping", where=f"{option} {text}")
        place[last] = value
    return entry


def matrix_options(command: Command) -> Command:
    """Add the options that choose a matrix and restrict or change it."""
    options = [
        click.option(
            "--matrix",
            metavar="NAME",
            help="Built-in matrix or YAML file.  [default: a small one that takes a few minutes]",
        ),
        click.option("--tasks", callback=name_list, metavar="A,B", help="Only these tasks."),
        click.option("--methods", callback=name_list, metavar="A,B", help="Only these methods."),
        click.option("--teachers", callback=name_list, metavar="A,B", help="Only these teachers."),
        click.option("--students", callback=name_list, metavar="A,B", help="Only these students."),
        click.option(
            "--teacher",
            multiple=True,
            callback=model_entries,
            metavar="KEY=VALUE,…",
            help="Use this teacher instead of the matrix's: name=mine,use=openai,model=… Repeatable.",
        ),
        click.option(
            "--student",
            multiple=True,
            callback=model_entries,
            metavar="KEY=VALUE,…",
            help="Use this student instead of the matrix's: name=mine,use=hf-causal,model=… Repeatable.",
        ),
        click.option("--degrees", callback=number_list, metavar="1,8", help="Rationales per question."),
        click.option("--seeds", callback=number_list, metavar="0,1", help="Seeds."),
        click.option(
            "--sampling",
            callback=one_mapping,
            metavar="KEY=VALUE,…",
            help="How students answer in tests: n=8,temperature=0.7,top_p=0.95.  [default: greedily]",
        ),
        click.option(
            "--folds", callback=name_list, metavar="A,B", help="Folds to answer and score: test, ood, validation."
        ),
        click.option(
            "--limit",
            type=int,
            metavar="N",
            help="Use only the first N questions of each fold, also in training.",
        ),
        click.option("--epochs", type=int, metavar="N", help="Training epochs, instead of the recipe's."),
        click.option(
            "--selection", metavar="HOW", help="How to select the epoch: last, val, val-accuracy or best-test."
        ),
        click.option("--extractor", metavar="NAME", help="Extractor that the leaderboard shows."),
        click.option(
            "--source",
            type=click.Choice(["upstream", "twin"]),
            help="Use the tasks' published data, or new questions of their procedural twins.",
        ),
        click.option("--variant", metavar="NAME", help="Wording of the data, such as original."),
        click.option("--split", metavar="NAME", help="Split of the data, such as default or template."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def with_executor(command: Command) -> Command:
    """Add the options that choose where steps run. A plan depends on the hardware there."""
    options = [
        click.option("--executor", default="local", show_default=True, help="Where to run steps: local, slurm, or a plugin's."),
        click.option(
            "--executor-option", "executor_options", multiple=True, callback=value_map, metavar="NAME=VALUE",
            help="Option of the executor. Repeatable.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def planned(session: Session, arguments: dict[str, Any]) -> Plan:
    """Read and plan a matrix with the options of :func:`matrix_options`."""
    from rtbench.matrix.overrides import Overrides
    from rtbench.matrix.read import read_matrix
    from rtbench.matrix.resolve import matrix_path, resolve
    from rtbench.planning.plan import make_plan

    matrix = read_matrix(matrix_path(session, arguments["matrix"]))
    overrides = {key: value for key, value in arguments.items() if key != "matrix"}
    plan = make_plan(resolve(matrix, session, Overrides.of(overrides)), session)
    session.plugins.modify_plan(plan)
    tasks = {planned.cell.task.name for planned in plan.cells}
    for task in session.own_tasks:
        if task not in tasks:
            text = f"task {task} is not used: add it with --tasks {task}"
            console(stderr=True).print(text, style="yellow", markup=False)
    return plan


def _checked_name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    return None if value is None else check_name(value, where="--name")


NAME = click.option(
    "--name",
    metavar="NAME",
    callback=_checked_name,
    help="Name of the run.  [default: that of the matrix, with a digest of the other options]",
)


def run_name(plan: Plan, arguments: dict[str, Any]) -> str:
    """Return the default name of a run.

    A restricted matrix gets a different name, so that a trial run does not replace the full run.
    """
    from rtbench.storage.keys import content_key

    options = {key: value for key, value in arguments.items() if key != "matrix" and value is not None}
    return f"{plan.matrix}-{content_key(options)[:6]}" if options else plan.matrix


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    from rtbench.storage.files import as_json

    click.echo(as_json(value))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns. They are plain text, because importing rich takes longer than printing them."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, ["-" * width for width in widths], *rows]:
        click.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def console(*, stderr: bool = False) -> Console:
    """Return a rich console. It does not wrap lines where the output is not a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else 220, highlight=False, soft_wrap=not terminal)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    console(stderr=True).print(text, style="yellow", markup=False, soft_wrap=True)


def heading(out: Console, text: str) -> None:
    """Print a heading between samples."""
    out.print(f"── {text} ──", style="dim", markup=False)
