"""``rtbench tasks`` and its subcommands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.groups import PluginGroup
from rtbench.cli.output import echo
from rtbench.cli.parsing import name_list, value_map
from rtbench.cli.printing import print_json, print_table
from rtbench.errors import BadInputError
from rtbench.texts import json_text

if TYPE_CHECKING:
    from rtbench.schema.tasks import TaskInfo
    from rtbench.session import Session
    from rtbench.twins import Problem, Twin


@click.group(cls=PluginGroup, invoke_without_command=True)
@format_option("table", "json")
@with_session
def tasks(session: Session, format_: str) -> None:
    """List tasks. Subcommands count overlaps of folds and generate questions of twins."""
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return
    names = session.registry("tasks").names()
    from rtbench.schema.leaderboard import in_percent

    infos = [_with_sizes(session, session.task(name).info) for name in names]
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
            "?" if info.random_accuracy is None else in_percent(info.random_accuracy),
            ", ".join(info.splits),
            "yes" if info.twin else "no",
            ", ".join(f"{name} v{version}" for name, version in info.extractors.items()),
        )
        for info in infos
    ]
    print_table(("task", "title", "answer", "train", "test", "random", "splits", "twin", "extractors"), rows)


def _with_sizes(session: Session, info: TaskInfo) -> TaskInfo:
    """Return a task's facts with the numbers of questions, and the accuracy of guesses, counted where they are not stated."""
    import msgspec

    from rtbench.errors import RtbenchError
    from rtbench.schema.tasks import guess_accuracy

    if None not in (info.train_size, info.test_size):
        return info
    try:
        data = session.task_data(info.name, info.variants[0])
    except RtbenchError:  # what is wrong with the data is said where they are used
        return info
    if data.missing is not None or info.splits[0] not in data.splits:
        return info
    train, test = (data.fold(info.splits[0], fold) for fold in ("train", "test"))
    return msgspec.structs.replace(
        info,
        train_size=len(train) if info.train_size is None else info.train_size,
        test_size=len(test) if info.test_size is None else info.test_size,
        random_accuracy=guess_accuracy(test) if info.random_accuracy is None else info.random_accuracy,
    )


@tasks.command()
@click.option("--tasks", "names", callback=name_list, metavar="A,B", help="Only these tasks.  [default: all]")
@click.option("--variant", metavar="NAME", help="Wording of the data.  [default: the first of each task]")
@format_option("table", "json")
@with_session
def overlap(session: Session, names: list[str] | None, variant: str | None, format_: str) -> None:
    """Count test questions that are also in the training fold, in every split that is found locally."""
    from rtbench.data.overlap import SPAN_WORDS, overlap_of
    from rtbench.errors import MissingDataError

    results: dict[str, Any] = {}
    for name in names or session.registry("tasks").names():
        task = session.task(name, where="--tasks")
        try:
            data = session.task_data(name, variant if variant in task.info.variants else task.info.variants[0])
        except MissingDataError as error:
            results[name] = str(error)
            continue
        for split in task.info.splits:
            results[f"{name} {split}"] = overlap_of(data, split) or data.missing or "a fold is missing"
    if format_ == "json":
        print_json(results)
        return
    rows = [
        (name, str(one.train), str(one.test), str(one.exact), str(one.up_to_numbers), str(one.shared_span))
        for name, one in results.items()
        if not isinstance(one, str)
    ]
    print_table(
        ("task and split", "train", "test", "identical", "identical except for numbers", f"{SPAN_WORDS}-word span"),
        rows,
    )
    for name, reason in results.items():
        if isinstance(reason, str):
            echo(f"{name}: {reason}")


@tasks.command("twin")
@click.argument("name")
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True, help="Seed of the questions."
)
@click.option(
    "--count",
    type=click.IntRange(min=1, max=100_000),
    default=10,
    show_default=True,
    help="Number of different questions.",
)
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    callback=value_map,
    metavar="NAME=VALUE",
    help="Change a knob of the twin. Repeatable.",
)
@click.option("--harder", is_flag=True, help="Start from the knobs of the out-of-distribution fold.")
@click.option("--rationales", is_flag=True, help="Add a correct rationale to each question.")
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
    """Print or export new questions of a task's procedural twin."""
    import msgspec

    from rtbench.storage.writing import naming, write_atomic

    twin = session.task(name).twin()
    if twin is None:
        raise BadInputError(
            "the task has no twin",
            where=name,
            next_step="`rtbench tasks` lists the tasks with twins. docs/tasks.md describes how to add one.",
        )
    twin_knobs = twin.with_knobs(knobs, where="--knob", harder=harder)
    problems = [
        _as_data(twin, problem, f"{seed}/{i}" if rationales else None)
        for i, problem in enumerate(twin.fresh(seed, count, twin_knobs))
    ]
    if format_ == "jsonl":
        text = "".join(f"{json_text(msgspec.json.encode(one).decode())}\n" for one in problems)
    else:
        text = "\n".join("".join(f"{line}\n" for line in _lines(one)) for one in problems)
    if out is None:
        echo(text, nl=False)
    else:
        with naming(out):
            write_atomic(out, text.encode())


def _as_data(twin: Twin[Any], problem: Problem, draw: str | None) -> dict[str, object]:
    """Return a problem as JSON data.

    Args:
        twin: the problem's twin.
        problem: the problem.
        draw: seed of the rationale's wording; None: no rationale.
    """
    data: dict[str, object] = {
        "question": problem.question,
        "answer": problem.answer,
        "choices": list(problem.choices),
        "pattern": problem.pattern,
    }
    if draw is not None:
        data["rationale"] = twin.rationale(problem, draw)
    return data


def _lines(data: dict[str, object]) -> list[object]:
    """Return a problem as lines of text."""
    return [
        f"Q: {data['question']}",
        *([f"   {data['rationale']}"] if "rationale" in data else []),
        f"A: {data['answer']}",
    ]
