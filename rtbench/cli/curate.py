"""``rtbench curate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import complete_cell, run_option
from rtbench.cli.output import echo
from rtbench.cli.printing import console, heading, print_json, print_table
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord
    from rtbench.schema.steps import CurateSpec
    from rtbench.schema.training import Likelihood
    from rtbench.session import Session
    from rtbench.steps.curate import CuratorResult


@click.command()
@click.argument("cell", required=False, shell_complete=complete_cell)
@run_option
@click.option(
    "--with", "others", metavar="A,B", help="Try these curators instead, such as 'correct, {use: cap, most: 2}'."
)
@click.option("--budget", metavar="AMOUNT", help="Maximum cost of the run, required for paid judges.")
@click.option(
    "--examples", type=click.IntRange(min=0), default=2, show_default=True, help="Number of removed rationales to show."
)
@format_option("text", "json")
@with_session
def curate(
    session: Session,
    cell: str | None,
    run_name: str | None,
    others: str | None,
    budget: str | None,
    examples: int,
    format_: str,
) -> None:
    """Show which rationales of a cell each curator removed.

    With --with, try other curators on the stored rationales. Without CELL, use the first cell that was trained on
    rationales.
    """
    from rtbench.reporting.cells import find_cell

    record = session.open_run(run_name)
    cells = [one for one in record.cells if one.examples is not None and one.teacher is not None]
    if not cells:
        raise BadInputError("no cell was trained on rationales", where=f"run {record.name}")
    selected = cells[0] if cell is None else find_cell(session, record, cell, cells)
    stages = _stages(session, selected, others, record.name, budget)
    if format_ == "json":
        for stage in stages:
            del stage["examples"][examples:]
        print_json({"cell": selected.name, "curators": stages})
        return
    echo(selected.name)
    print_table(
        ("curator", "removed", "kept", "questions kept"),
        [(s["curator"], f"{s['removed']:,}", f"{s['left']:,}", f"{s['covered']:,}") for s in stages],
    )
    out = console()
    for stage in stages:
        for example in stage["examples"][:examples]:
            heading(out, f"removed by {stage['curator']}: {selected.task} {example['sample_index']}")
            out.print(example["question"])
            out.print(example["rationale"], style="yellow")
            correct = "correct" if example["correct"] else "wrong"
            extracted = "nothing" if example["extracted"] is None else repr(example["extracted"])
            out.print(
                f"extracted: {extracted}   gold: {example['answer']!r}   {correct}   "
                f"finish reason: {example['finish_reason']}"
                + (f"   perplexity: {example['perplexity']:.2f}" if "perplexity" in example else ""),
            )


def _stages(
    session: Session, cell: CellRecord, others: str | None, run_name: str, budget: str | None
) -> list[dict[str, Any]]:
    """Return what each curator removed and kept, as JSON data. The first stage contains all rationales."""
    import msgspec

    from rtbench.reporting.answers import check_task
    from rtbench.schema.steps import CurateSpec
    from rtbench.steps.curate import CuratorResult, candidates_of, context_of, curated, curators_of
    from rtbench.steps.likelihood import likelihoods_of
    from rtbench.steps.selection import samples_of

    assert cell.examples is not None
    if not session.store.has("curate", cell.examples):
        raise BadInputError("not curated yet", where=f"cell {cell.name}", next_step="Use `rtbench run` first.")
    check_task(session, cell)
    meta = session.store.meta("curate", cell.examples)
    spec = msgspec.convert(meta.spec, CurateSpec)
    if any(i.role == "examples" for i in meta.inputs):
        raise BadInputError(
            f"the cell is trained on {len(meta.inputs)} tasks together",
            where=f"cell {cell.name}",
            next_step="Name a cell that is trained on one of them.",
        )
    if not meta.inputs:
        raise BadInputError("the cell is trained on gold answers, not on rationales", where=f"cell {cell.name}")
    read = [likelihoods_of(session, i.key) for i in meta.inputs if i.role == "likelihood"]
    if others is not None:
        spec = _with(session, spec, others)
        session = _keep_budget(session, spec, run_name, budget)
        if any(curator.likelihood_by is not None for curator in curators_of(session, spec)):
            raise BadInputError(
                "a curator that uses likelihoods cannot be tried out: a step of a run computes them",
                where="--with",
                next_step="Put it under `curators` of a matrix, and run it.",
            )
    samples = samples_of(session, spec)
    keys = [i.key for i in meta.inputs if i.role == "completions"]
    candidates = candidates_of(session, spec, samples, keys)
    stages = curated(session, spec, candidates, context_of(session, spec, samples), read)
    found = {key: one for likelihoods in read for key, one in likelihoods.items()}
    return [_stage(stage, found) for stage in [CuratorResult("(all)", candidates, candidates), *stages]]


def _stage(stage: CuratorResult, likelihoods: Mapping[str, Likelihood]) -> dict[str, Any]:
    """Return what one curator removed and kept, as JSON data, with the perplexity of rationales that a model has read."""
    kept = {id(candidate) for candidate in stage.after}
    removed = [candidate for candidate in stage.before if id(candidate) not in kept]
    return {
        "curator": stage.curator,
        "removed": len(removed),
        "left": len(stage.after),
        "covered": len({candidate.example.sample_index for candidate in stage.after}),
        "examples": [
            {
                "sample_index": candidate.example.sample_index,
                "completion_index": candidate.example.completion_index,
                "question": candidate.example.question,
                "rationale": candidate.example.rationale,
                "answer": candidate.example.answer,
                "extracted": candidate.extracted,
                "correct": candidate.correct,
                "finish_reason": candidate.completion.finish_reason,
            }
            | ({"perplexity": read.perplexity} if (read := likelihoods.get(candidate.completion.key)) else {})
            for candidate in removed
        ],
    }


def _keep_budget(session: Session, spec: CurateSpec, run_name: str, budget: str | None) -> Session:
    """Return a session with the run's budget.

    Raises:
        BadInputError: a judge costs money and there is no budget, or its price is missing or in another currency.
    """
    from rtbench.running.account import check_price, open_account
    from rtbench.steps.curate import judges_of
    from rtbench.storage.budget import parse_budget

    judges = judges_of(session, spec)
    if budget is None:
        paid = [judge.name for judge in judges if judge.paid]
        if paid:
            raise BadInputError(
                f"judge {paid[0]} costs money", where="--with", next_step="Set a budget, such as --budget 5usd."
            )
        return session
    nano, currency = parse_budget(budget)
    for judge in judges:
        check_price(judge, currency)
    return open_account(session, run_name, nano, currency)


def _with(session: Session, spec: CurateSpec, others: str) -> CurateSpec:
    """Return a spec with other curators.

    Raises:
        BadInputError: ``others`` is not a list of curators.
    """
    import msgspec

    from rtbench.matrix.resolve import curators_of
    from rtbench.schema.matrix import Block
    from rtbench.storage.plain_data import convert
    from rtbench.storage.yaml_files import parse_yaml

    try:
        items = parse_yaml(f"[{others}]", where="--with", lines=False)
    except BadInputError:
        raise BadInputError(
            f"{others!r} is not a list of curators",
            where="--with",
            next_step="Write a list such as 'correct, {use: cap, most: 2}'.",
        ) from None
    block = convert({"curators": items}, Block, where="--with")
    curators = [
        (name, session.curator(name, dict(options)).version, options)
        for name, options in curators_of(session, block, where="--with")
    ]
    return msgspec.structs.replace(spec, curators=curators)
