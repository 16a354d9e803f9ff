"""``rtbench curate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, heading, print_json, print_table, with_session
from rtbench.cli.show import find_cell
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord
    from rtbench.schema.steps import CurateSpec
    from rtbench.session import Session
    from rtbench.steps.curate import Stage


@click.command()
@click.argument("cell", required=False)
@click.option("--run", "run_name", metavar="NAME", help="Of this run.  [default: the latest]")
@click.option(
    "--with", "others", metavar="A,B", help="Try these curators instead, such as 'correct, {use: cap, most: 2}'."
)
@click.option("--budget", metavar="AMOUNT", help="Most that the run may cost, where they ask a paid judge.")
@click.option("--examples", type=click.IntRange(min=0), default=2, show_default=True, help="Of what each removed.")
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
    """Show what each curator removed of a cell's rationales, with examples; try others on what is stored. Without CELL,
    the first cell that was trained on rationales."""
    from rtbench.storage.runs import Runs

    record = Runs(session.workspace).load(run_name)
    cells = [found for found in record.cells if found.examples is not None and found.teacher is not None]
    if not cells:
        raise BadInputError("no cell was trained on rationales", where=f"run {record.name}")
    picked = cells[0] if cell is None else find_cell(session, record, cell, cells)
    stages = _stages(session, picked, others, record.name, budget)
    if format_ == "json":
        for stage in stages:
            del stage["examples"][examples:]
        print_json({"cell": picked.name, "curators": stages})
        return
    click.echo(picked.name)
    print_table(
        ("curator", "removed", "left", "questions left"),
        [(s["curator"], f"{s['removed']:,}", f"{s['left']:,}", f"{s['covered']:,}") for s in stages],
    )
    out = console()
    for stage in stages:
        for example in stage["examples"][:examples]:
            heading(out, f"removed by {stage['curator']}: {picked.task} {example['sample_index']}")
            out.print(example["question"], markup=False)
            out.print(example["rationale"], markup=False, style="yellow")
            verdict = "right" if example["correct"] else "wrong"
            found = "nothing" if example["extracted"] is None else repr(example["extracted"])
            said = (
                f"extracted: {found}   gold: {example['answer']!r}   {verdict}   ended by: {example['finish_reason']}"
            )
            out.print(said, markup=False)


def _stages(
    session: Session, cell: CellRecord, others: str | None, run_name: str, budget: str | None
) -> list[dict[str, Any]]:
    """What each curator was given, and left; the first stage is all that there is."""
    import msgspec

    from rtbench.reporting.answers import check_task
    from rtbench.schema.steps import CurateSpec
    from rtbench.steps.curate import Stage, candidates_of, context_of, curated
    from rtbench.steps.selection import questions_of

    assert cell.examples is not None
    if not session.store.has("curate", cell.examples):
        raise BadInputError("is not curated yet", where=cell.name, next_step="`rtbench run` goes on with it.")
    check_task(session, cell)
    meta = session.store.meta("curate", cell.examples)
    spec = msgspec.convert(meta.spec, CurateSpec)
    if not meta.inputs:
        raise BadInputError("learns from gold answers, not from rationales", where=cell.name)
    if others is not None:
        spec = _with(session, spec, others)
        session = _keep_budget(session, spec, run_name, budget)
    samples = questions_of(session.task_data(spec.task.name, spec.task.variant), spec.task.split, spec.questions)
    candidates = candidates_of(session, spec, samples, [i["key"] for i in meta.inputs])
    stages = curated(session, spec, candidates, context_of(session, spec, samples))
    return [_stage(stage) for stage in [Stage("(all)", candidates, candidates), *stages]]


def _stage(stage: Stage) -> dict[str, Any]:
    left = {id(candidate) for candidate in stage.after}
    gone = [candidate for candidate in stage.before if id(candidate) not in left]
    return {
        "curator": stage.curator,
        "removed": len(gone),
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
            for candidate in gone
        ],
    }


def _keep_budget(session: Session, spec: CurateSpec, run_name: str, budget: str | None) -> Session:
    """Return a session that keeps the run's budget. Raises BadInputError where a judge costs money and nobody said how much may be spent."""
    from rtbench.cli.money import check_price, open_account
    from rtbench.steps.curate import judges_of
    from rtbench.storage.budget import parse_budget

    judges = judges_of(session, spec)
    if budget is None:
        paid = [judge.name for judge in judges if judge.paid]
        if paid:
            raise BadInputError(
                f"{paid[0]} costs money", where="--with", next_step="Say how much the run may: --budget 5usd."
            )
        return session
    nano, currency = parse_budget(budget)
    for judge in judges:
        check_price(judge, currency)
    return open_account(session, run_name, nano, currency)


def _with(session: Session, spec: CurateSpec, others: str) -> CurateSpec:
    """The spec with other curators.

    Raises:
        BadInputError: they are no list of curators.
    """
    import msgspec
    import yaml

    from rtbench.matrix.resolve import curators_of
    from rtbench.schema.matrix import Block
    from rtbench.storage.files import convert

    try:
        items = yaml.safe_load(f"[{others}]")
    except yaml.YAMLError:
        raise BadInputError(
            f"{others!r} is no list of curators", where="--with", next_step="Such as 'correct, {use: cap, most: 2}'."
        ) from None
    block = convert({"curators": items}, Block, where="--with")
    found = curators_of(session, block, where="--with")
    named = [(name, session.curator(name, dict(options)).version, options) for name, options in found]
    return msgspec.structs.replace(spec, curators=named)
