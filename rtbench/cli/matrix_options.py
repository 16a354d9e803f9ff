"""Options that choose a matrix, an executor and a name."""

from __future__ import annotations

import functools
from typing import Any

import click

from rtbench.cli.common import Command
from rtbench.cli.completion import completes_registered
from rtbench.cli.parsing import fraction_list, model_entries, name_list, number_list, one_mapping, value_map
from rtbench.storage.paths import check_name


def matrix_options(command: Command) -> Command:
    """Add the options that choose a matrix and restrict or change it."""
    options = [
        click.option(
            "--matrix",
            metavar="NAME",
            help="Built-in matrix or YAML file.  [default: a small one that takes a few minutes]",
            shell_complete=completes_registered("matrices"),
        ),
        click.option(
            "--tasks",
            callback=name_list,
            metavar="A,B",
            help="Only these tasks.",
            shell_complete=completes_registered("tasks", several=True),
        ),
        click.option(
            "--methods",
            callback=name_list,
            metavar="A,B",
            help="Only these methods.",
            shell_complete=completes_registered("methods", several=True),
        ),
        click.option(
            "--teachers",
            callback=name_list,
            metavar="A,B",
            help="Only these teachers.",
            shell_complete=completes_registered("teachers", several=True),
        ),
        click.option(
            "--students",
            callback=name_list,
            metavar="A,B",
            help="Only these students.",
            shell_complete=completes_registered("students", several=True),
        ),
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
        click.option(
            "--fractions", callback=fraction_list, metavar="0.5,1", help="Fractions of the training questions."
        ),
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
        click.option("--executor", default="local", show_default=True, help="Where to run steps: local, slurm, ray, or a plugin's."),
        click.option(
            "--executor-option", "executor_options", multiple=True, callback=value_map, metavar="NAME=VALUE",
            help="Option of the executor. Repeatable.",
        ),
        click.option("--address", metavar="ADDRESS", help="Address of the Ray cluster: --executor-option address=ADDRESS."),
    ]  # fmt: skip

    @functools.wraps(command)
    def with_address(*arguments: Any, executor_options: dict[str, object], address: str | None, **rest: Any) -> Any:
        stated = {} if address is None else {"address": address}
        return command(*arguments, executor_options=executor_options | stated, **rest)

    decorated: Command = with_address
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _checked_name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    return None if value is None else check_name(value, where="--name")


NAME = click.option(
    "--name",
    metavar="NAME",
    callback=_checked_name,
    help="Name of the run.  [default: that of the matrix, with a digest of the other options]",
)
