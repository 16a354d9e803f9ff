"""``rtbench data list | pull | verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.output import echo
from rtbench.cli.parsing import name_list
from rtbench.cli.printing import print_json, print_table
from rtbench.errors import BadInputError, MissingDataError

if TYPE_CHECKING:
    from rtbench.data.pins import PinnedFile
    from rtbench.session import Session


@click.group()
def data() -> None:
    """List, download and verify data files and published recordings."""


def _pins(session: Session, names: list[str] | None) -> dict[str, PinnedFile]:
    """Return the pinned files of tasks and those that plugins add for them, by name."""
    tasks = names or session.registry("tasks").names()
    own = [pin for name in tasks for pin in session.task(name, where="--tasks").pins]
    return {pin.name: pin for pin in (*own, *session.plugins.pinned_files(tasks))}


_tasks = click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Only the files of these tasks.")


@data.command("list")
@_tasks
@format_option("table", "json")
@with_session
def list_(session: Session, names: list[str] | None, format_: str) -> None:
    """List the pinned files and whether they are found locally."""
    rows = [
        {
            "file": pin.name,
            "status": session.files.status(pin),
            "repository": pin.repository,
            "commit": pin.commit,
            "path": pin.path,
            "sha256": pin.sha256,
        }
        for pin in _pins(session, names).values()
    ]
    if format_ == "json":
        print_json(rows)
        return
    print_table(
        ("file", "status", "source", "sha256"),
        [
            (
                str(row["file"]),
                str(row["status"]),
                f"{row['repository']}@{str(row['commit'])[:8]}:{row['path']}",
                str(row["sha256"] or "not pinned")[:16],
            )
            for row in rows
        ],
    )


@data.command()
@_tasks
@with_session
def pull(session: Session, names: list[str] | None) -> None:
    """Download missing files. Interrupted downloads are resumed."""
    pins = _pins(session, names)
    missing: list[MissingDataError] = []
    for pin in pins.values():
        try:
            echo(f"{pin.name}: {session.files.find(pin)}")
        except MissingDataError as error:
            echo(f"{pin.name}: {error.what}", err=True)
            missing.append(error)
    if missing:
        raise MissingDataError(
            f"{len(missing)} of {len(pins)} files are missing",
            where=missing[0].where,
            next_step="Run `rtbench data pull` again, or give a folder that contains them with --data-dir.",
        )


@data.command()
@_tasks
@format_option("text", "json")
@with_session
def verify(session: Session, names: list[str] | None, format_: str) -> None:
    """Check the digests of all local files. Fails if a digest is wrong or no file is found."""
    results: dict[str, str] = {}
    wrong: list[BadInputError] = []
    for pin in _pins(session, names).values():
        try:
            results[pin.name] = session.files.verify(pin)
        except BadInputError as error:
            results[pin.name] = error.what
            wrong.append(error)
    if format_ == "json":
        print_json(results)
    else:
        for name, result in results.items():
            echo(f"{name}: {result}")
    if wrong:
        raise wrong[0]
    if results and set(results.values()) == {"absent"}:
        raise MissingDataError(
            "none of the files was found locally",
            where=f"--data-dir {session.files.data_dir}" if session.files.data_dir else str(session.files.cache_dir),
            next_step="Run `rtbench data pull`, or give a folder that contains them with --data-dir.",
        )
