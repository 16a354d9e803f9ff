"""``rtbench tasks export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rtbench.api import BadInputError, echo, name_list, naming, with_session

if TYPE_CHECKING:
    from rtbench.api import Services


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Tasks to export.  [default: all]")
@click.option("--variant", default="original", show_default=True, help="Wording of the data.")
@click.option("--split", default="default", show_default=True, help="Split of the data.")
@click.option("--cell", metavar="CELL", help="Export only the questions and prompts of this cell of a run.")
@click.option("--run", "run_name", metavar="NAME", help="The run of the cell.  [default: the latest]")
@with_session
def export(
    services: Services,
    directory: Path,
    names: list[str] | None,
    variant: str,
    split: str,
    cell: str | None,
    run_name: str | None,
) -> None:
    """Write lm-eval configs and JSONL files with exactly our records and folds."""
    from rtbench_plugins.lm_eval.export import export_tasks

    source_of = click.get_current_context().get_parameter_source
    if cell is not None:
        for name in ("names", "variant", "split"):
            if source_of(name) is not ParameterSource.DEFAULT:
                raise BadInputError(
                    "--cell already determines the questions", where=f"--{name.replace('names', 'tasks')}"
                )
        _export_cell(services, directory, cell, run_name)
        return
    if run_name is not None:
        raise BadInputError("it is only used with --cell", where="--run", next_step="Add --cell.")
    registry = services.registry("tasks")
    tasks = [services.task(name, where="--tasks") for name in names or registry.names()]
    with naming(directory):
        configs = export_tasks(tasks, directory, variant, split, services.files)
    for path in configs:
        echo(path)
    echo(f"lm_eval run --include_path {directory} --tasks {configs[0].stem} …")


def _export_cell(services: Services, directory: Path, name: str, run_name: str | None) -> None:
    from rtbench_plugins.lm_eval.export import export_cell

    from rtbench.api import checkpoint_of, find_cell

    record = services.open_run(run_name)
    cell = find_cell(services, record, name)
    with naming(directory):
        path = export_cell(services, cell, directory)
    echo(path)
    model = "…" if cell.checkpoint is None else checkpoint_of(services, cell)
    chat = cell.checkpoint is not None and _wraps_prompts(services, cell.checkpoint)
    echo(
        f"lm_eval run --model hf --model_args pretrained={model} --include_path {directory} --tasks {path.stem}"
        + (" --apply_chat_template" if chat else "")
    )


def _wraps_prompts(services: Services, key: str) -> bool:
    """Return whether the student of a ``train`` step puts prompts into its chat template."""
    return bool(services.store.meta("train", key).spec["model"]["options"].get("chat_template"))
