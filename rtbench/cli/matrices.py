"""``rtbench matrices``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import completes_registered
from rtbench.cli.output import echo
from rtbench.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from rtbench.session import Session


@click.group()
def matrices() -> None:
    """List and show built-in matrices."""


@matrices.command("list")
@format_option("table", "json")
@with_session
def list_(session: Session, format_: str) -> None:
    """List matrices. Shows what each of them runs."""
    entries = [(entry.name, entry.summary) for entry in session.registry("matrices")]
    if format_ == "json":
        print_json([{"name": name, "summary": summary} for name, summary in entries])
        return
    print_table(("matrix", "what it runs"), entries)


@matrices.command()
@click.argument("name", shell_complete=completes_registered("matrices"))
@with_session
def show(session: Session, name: str) -> None:
    """Print a matrix as YAML, to copy from.

    For example: rtbench matrices show quickstart > mine.yaml
    """
    from rtbench.matrix.resolve import matrix_path
    from rtbench.storage.reading import read_text

    echo(read_text(matrix_path(session, name)), nl=False)
