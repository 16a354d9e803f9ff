"""``rtbench tasks``, ``rtbench tasks export`` and ``rtbench tasks twin``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rtbench.cli.common import format_option, name_list, print_json, print_table, value_map, with_session
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.session import Session
    from rtbench.twins import Problem, Twin


@click.group(invoke_without_command=True)
@format_option("table", "json")
@with_session
def tasks(session: Session, format_: str) -> None:
    """List tasks, export them for lm-eval, or draw questions of their twins."""
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
            "?" if info.random_accuracy is None else f"{100 * info.random_accuracy:.1f}",
            ", ".join(info.splits),
            "yes" if info.twin else "no",
            ", ".join(f"{name} v{version}" for name, version in info.extractors.items()),
        )
        for info in infos
    ]
    print_table(("task", "title", "answer", "train", "test", "random", "splits", "twin", "extractors"), rows)


@tasks.command()
@click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Only these.  [default: all]")
@click.option("--variant", default="original", show_default=True, help="Wording of the data.")
@format_option("table", "json")
@with_session
def overlap(session: Session, names: list[str] | None, variant: str, format_: str) -> None:
    """Count test questions that stand among the training questions, in every split that is at hand."""
    from rtbench.errors import MissingDataError
    from rtbench.overlap import RUN, overlap_of

    found: dict[str, Any] = {}
    for name in names or session.plugins.registries["tasks"].names():
        task = session.task(name, where="--tasks")
        try:
            data = session.task_data(name, variant if variant in task.info.variants else task.info.variants[0])
        except MissingDataError as error:
            found[name] = str(error)
            continue
        for split in task.info.splits:
            found[f"{name} {split}"] = overlap_of(data, split) or data.missing or "a fold is not at hand"
    if format_ == "json":
        print_json(found)
        return
    rows = [
        (name, str(one.train), str(one.test), str(one.exact), str(one.up_to_numbers), str(one.run))
        for name, one in found.items()
        if not isinstance(one, str)
    ]
    print_table(("task and split", "train", "test", "exact", "up to numbers", f"{RUN} words in a row"), rows)
    for name, why in found.items():
        if isinstance(why, str):
            click.echo(f"{name}: {why}")


@tasks.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Only these.  [default: all]")
@click.option("--variant", default="original", show_default=True, help="Wording of the data.")
@click.option("--split", default="default", show_default=True, help="Split of the data.")
@click.option("--cell", metavar="CELL", help="Only what this cell of a run was asked, in its prompts.")
@click.option("--run", "run_name", metavar="NAME", help="Whose cell.  [default: the latest]")
@with_session
def export(
    session: Session,
    directory: Path,
    names: list[str] | None,
    variant: str,
    split: str,
    cell: str | None,
    run_name: str | None,
) -> None:
    """Write lm-eval configs over JSONL files with exactly our records and folds."""
    from rtbench.export import export_tasks

    given = click.get_current_context().get_parameter_source
    if cell is not None:
        for name in ("names", "variant", "split"):
            if given(name) is not ParameterSource.DEFAULT:
                raise BadInputError(
                    "the cell says which questions these are", where=f"--{name.replace('names', 'tasks')}"
                )
        _export_cell(session, directory, cell, run_name)
        return
    if run_name is not None:
        raise BadInputError("goes with --cell", where="--run", next_step="Name the cell too.")
    registry = session.plugins.registries["tasks"]
    found = [session.task(name, where="--tasks") for name in names or registry.names()]
    written = export_tasks(found, directory, variant, split, session.files)
    for path in written:
        click.echo(path)
    click.echo(f"lm_eval run --include_path {directory} --tasks {written[0].stem} …")


def _export_cell(session: Session, directory: Path, name: str, run_name: str | None) -> None:
    from rtbench.cli.show import find_cell
    from rtbench.export import export_cell
    from rtbench.judged import checkpoint_of
    from rtbench.runs import Runs

    record = Runs(session.workspace).load(run_name)
    cell = find_cell(session, record, name)
    path = export_cell(session, cell, directory)
    click.echo(path)
    model = "…" if cell.checkpoint is None else checkpoint_of(session, cell)
    chat = cell.checkpoint is not None and _wraps_prompts(session, cell.checkpoint)
    click.echo(
        f"lm_eval run --model hf --model_args pretrained={model} --include_path {directory} --tasks {path.stem}"
        + (" --apply_chat_template" if chat else "")
    )


def _wraps_prompts(session: Session, key: str) -> bool:
    """A train step's student puts prompts into its chat template."""
    return bool(session.store.meta("train", key).spec["model"]["options"].get("chat_template"))


@tasks.command("twin")
@click.argument("name")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other questions.")
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="So many different questions.")
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    callback=value_map,
    metavar="NAME=VALUE",
    help="Instead of the twin's; repeatable.",
)
@click.option("--harder", is_flag=True, help="Begin from the knobs of the out-of-distribution fold.")
@click.option("--rationales", is_flag=True, help="With a rationale for each, without errors.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
@format_option("text", "jsonl")
@with_session
def twin_(
    session: Session,
    name: str,
    seed: int,
    count: int,
    knobs: dict[str, object],
    harder: bool,
    rationales: bool,
    out: Path | None,
    format_: str,
) -> None:
    """Print or export fresh questions of a task's procedural twin."""
    import msgspec

    from rtbench.files import write_atomic

    twin = session.task(name).twin()
    if twin is None:
        raise BadInputError(
            "the task has no twin",
            where=name,
            next_step="`rtbench tasks` says which have; docs/tasks.md how to add one.",
        )
    chosen = twin.with_knobs(knobs, where="--knob", harder=harder)
    drawn = [
        _as_data(twin, problem, f"{seed}/{i}" if rationales else None)
        for i, problem in enumerate(twin.fresh(seed, count, chosen))
    ]
    if format_ == "jsonl":
        text = "".join(msgspec.json.encode(one).decode() + "\n" for one in drawn)
    else:
        text = "\n".join("".join(f"{said}\n" for said in _said(one)) for one in drawn)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())


def _as_data(twin: Twin[Any], problem: Problem, draw: str | None) -> dict[str, object]:
    """A problem for programs; ``draw`` decides the rationale's wording, None leaves it out."""
    data: dict[str, object] = {
        "question": problem.question,
        "answer": problem.answer,
        "choices": list(problem.choices),
        "pattern": problem.pattern,
    }
    if draw is not None:
        data["rationale"] = twin.rationale(problem, draw)
    return data


def _said(data: dict[str, object]) -> list[object]:
    return [
        f"Q: {data['question']}",
        *([f"   {data['rationale']}"] if "rationale" in data else []),
        f"A: {data['answer']}",
    ]
