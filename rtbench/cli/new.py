"""``rtbench new``."""

from __future__ import annotations

import click

from rtbench.cli.output import echo
from rtbench.texts import shown_in_line

_KINDS = ("task", "teacher", "student", "method", "curator", "reporter", "claim")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name")
@click.option("--package", is_flag=True, help="Write an installable distribution with tests, instead of one file.")
@click.option(
    "--from",
    "data",
    metavar="FILE",
    help="For a task: a CSV, TSV, JSON, JSON Lines or parquet file of questions and answers.",
)
@click.option("--dir", "folder", default=".", metavar="DIR", help="Folder to write into.  [default: the current one]")
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
def new(kind: str, name: str, *, package: bool, data: str | None, folder: str, traceback: bool) -> None:
    """Write a new plugin or task that works, to be changed.

    NAME is the name that matrices and commands use. Files that exist are not overwritten.
    """
    del traceback  # read by main()
    from rtbench.scaffold.files import new_files
    from rtbench.storage.paths import user_path

    made = new_files(
        kind,
        name,
        user_path(folder, where="--dir"),
        package=package,
        data=None if data is None else user_path(data, where="--from"),
    )
    made.write()
    for path in made.texts:
        echo(f"wrote {shown_in_line(str(path))}")
    echo(f"\nnext:\n  {made.check}\n  {made.usage}")
