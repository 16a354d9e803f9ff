"""``rtbench check``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import environment_of, format_option, with_session
from rtbench.cli.output import echo
from rtbench.cli.parsing import model_entries, name_list
from rtbench.cli.printing import print_json
from rtbench.texts import shown, shown_in_line

if TYPE_CHECKING:
    from rtbench.conformance.check import CheckResult
    from rtbench.conformance.suite import Stated
    from rtbench.schema.environment import Environment
    from rtbench.session import Session

_MARKS = {"passed": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


@click.command()
@click.argument("target")
@click.option("--kind", "kinds", callback=name_list, metavar="A,B", help="Only these kinds: tasks, teachers, methods …")
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    callback=model_entries,
    metavar="KEY=VALUE,…",
    help="Check a teacher with these options: name=mine,use=my-teacher,model=… Repeatable.",
)
@click.option(
    "--student",
    "students",
    multiple=True,
    callback=model_entries,
    metavar="KEY=VALUE,…",
    help="Check a student with these options, or methods with this student. Repeatable.",
)
@click.option(
    "--curator",
    "curators",
    multiple=True,
    callback=model_entries,
    metavar="KEY=VALUE,…",
    help="Check a curator with these options: use=brief,words=30. Repeatable.",
)
@click.option(
    "--recording",
    "recording_files",
    multiple=True,
    metavar="FILE",
    help="A file for formats of recordings to read. Repeatable.",
)
@click.option(
    "--on", metavar="TASK", help="Try teachers and students on this task.  [default: the plugin's own, or a small one]"
)
@click.option("--live", is_flag=True, help="Also ask and train models that cost money.")
@format_option("table", "json")
@with_session
def check(session: Session, *, target: str, format_: str, **stated: Any) -> int:
    """Check that a plugin or task keeps its contract.

    TARGET is a plugin file, a task file, or the name of an installed plugin, distribution or registered object. Nothing is written:
    small runs use a private workspace. Exit code 1: a check failed.
    """
    from rtbench.conformance.suite import open_suite

    results: list[CheckResult] = []
    with open_suite(session.environment, target, _stated(stated)) as suite:
        place = ("", "")
        for result in suite.run():
            results.append(result)
            if format_ == "table":
                place = _print(result, place)
    counts = {state: sum(result.state == state for result in results) for state in _MARKS}
    if format_ == "json":
        print_json([{name: getattr(result, name) for name in _FIELDS} for result in results])
    else:
        echo(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


_FIELDS = ("kind", "name", "check", "state", "message")


def check_arguments(arguments: list[str]) -> tuple[Environment, str, Stated]:
    """Return environment, target and options that the arguments of `rtbench check` state, for the plugin of pytest.

    Raises:
        RtbenchError, click.ClickException: an argument is wrong.
    """
    context = check.make_context("rtbench check", list(arguments))
    with context.scope(cleanup=False):
        environment, rest = environment_of(context.params)
    return environment, rest.pop("target"), _stated(rest)


def _stated(values: Mapping[str, Any]) -> Stated:
    from rtbench.conformance.suite import Stated

    return Stated(
        teachers=values["teachers"] or (),
        students=values["students"] or (),
        curators=values["curators"] or (),
        recordings=[Path(path) for path in values["recording_files"]],
        live=values["live"],
        kinds=values["kinds"] or (),
        task=values["on"],
    )


def _print(result: CheckResult, place: tuple[str, str]) -> tuple[str, str]:
    """Print a result below the name of its object, which is printed once."""
    if (result.kind, result.name) != place:
        echo(f"{result.kind} {shown_in_line(result.name)}")
    echo(f"  {_MARKS[result.state]}  {result.check}")
    if result.message:
        echo("\n".join(f"           {line}" for line in shown(result.message).splitlines()))
    return result.kind, result.name
