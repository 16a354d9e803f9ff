"""``rtbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session_of_one_task

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--extractor", default="flexible", show_default=True, metavar="NAME", help="Extractor.")
@click.option("--variant", metavar="NAME", help="Wording of the data.  [default: the one that matches]")
@click.option("--answer-prefix", metavar="TEXT", help="What stands before the answer.  [default: from the file]")
@format_option("text", "json")
@with_session_of_one_task
def score(
    session: Session,
    path: Path,
    task: str | None,
    extractor: str,
    variant: str | None,
    answer_prefix: str | None,
    format_: str,
) -> None:
    """Score recorded completions (JSON Lines or completion_data JSON) offline."""
