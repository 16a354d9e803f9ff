"""``rtbench tasks`` and ``rtbench tasks export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, name_list, print_json, print_table, with_session

if TYPE_CHECKING:
    from rtbench.session import Session


@click.group(invoke_without_command=True)
@format_option("table", "json")
@with_session
def tasks(session: Session, format_: str) -> None:
    """List tasks, or export them for lm-eval."""
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return
    names = session.plugins.registries["tasks"].names()
    infos = [session.task(name).info for name in names]
    if format_ == "json":
        print_json(infos)
        return
    rows = [
        (
            info.name,
            info.title,
            info.answer_type,
            "?" if info.train_size is None else str(info.train_size),
            "?" if info.test_size is None else str(info.test_size),
            f"{100 * info.random_accuracy:.1f}",
            ", ".join(info.splits),
            ", ".join(f"{name} v{version}" for name, version in info.extractors.items()),
        )
        for info in infos
    ]
    print_table(("task", "title", "answer", "train", "test", "random", "splits", "extractors"), rows)


@tasks.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Only these.  [default: all]")
@click.option("--variant", default="original", show_default=True, help="Wording of the data.")
@click.option("--split", default="default", show_default=True, help="Split of the data.")
@with_session
def export(session: Session, directory: Path, names: list[str] | None, variant: str, split: str) -> None:
    """Write lm-eval configs over JSONL files with exactly our records and folds."""
    from rtbench.export import export_tasks

    registry = session.plugins.registries["tasks"]
    found = [session.task(name, where="--tasks") for name in names or registry.names()]
    written = export_tasks(found, directory, variant, split, session.files)
    for path in written:
        click.echo(path)
    click.echo(f"lm_eval run --include_path {directory} --tasks {written[0].stem} …")
