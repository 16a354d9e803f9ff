"""``rtbench curate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, print_json, print_table, with_session
from rtbench.cli.show import find_cell
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.interfaces import Candidate
    from rtbench.runs import CellRecord
    from rtbench.session import Session
    from rtbench.specs import CurateSpec


@click.command()
@click.argument("cell", required=False)
@click.option("--run", "run_name", metavar="NAME", help="Of this run.  [default: the latest]")
@click.option(
    "--with", "others", metavar="A,B", help="Try these curators instead, such as 'correct, {use: cap, most: 2}'."
)
@click.option("--examples", type=click.IntRange(min=0), default=2, show_default=True, help="Of what each removed.")
@format_option("text", "json")
@with_session
def curate(
    session: Session, cell: str | None, run_name: str | None, others: str | None, examples: int, format_: str
) -> None:
    """Show what each curator removed of a cell's rationales, with examples; try others on what is stored. Without CELL,
    the first cell that was trained on rationales."""
    from rtbench.runs import Runs

    record = Runs(session.workspace).load(run_name)
    cells = [found for found in record.cells if found.examples is not None and found.teacher is not None]
    if not cells:
        raise BadInputError("no cell was trained on rationales", where=f"run {record.name}")
    picked = cells[0] if cell is None else find_cell(record.name, cells, cell)
    stages = _stages(session, picked, others)
    if format_ == "json":
        print_json({"cell": picked.name, "curators": stages})
        return
    print_table(
        ("curator", "removed", "left", "questions left"),
        [(s["curator"], f"{s['removed']:,}", f"{s['left']:,}", f"{s['covered']:,}") for s in stages],
    )
    out = console()
    for stage in stages:
        for example in stage["examples"][:examples]:
            out.rule(
                f"removed by {stage['curator']}: {picked.task} {example['sample_index']}", align="left", style="dim"
            )
            out.print(example["question"], markup=False)
            out.print(example["rationale"], markup=False, style="yellow")
            verdict = "right" if example["correct"] else "wrong"
            out.print(f"gold: {example['answer']!r}   {verdict}   ended by: {example['finish_reason']}", markup=False)


def _stages(session: Session, cell: CellRecord, others: str | None) -> list[dict[str, Any]]:
    """What each curator was given, and left; the first stage is all that there is."""
    import msgspec

    from rtbench.interfaces import CurationContext
    from rtbench.questions import questions_of
    from rtbench.specs import CurateSpec
    from rtbench.steps.curate import candidates_of, named_curators

    assert cell.examples is not None
    if not session.store.has("curate", cell.examples):
        raise BadInputError("is not curated yet", where=cell.name, next_step="`rtbench run` goes on with it.")
    meta = session.store.meta("curate", cell.examples)
    spec = msgspec.convert(meta.spec, CurateSpec)
    if not meta.inputs:
        raise BadInputError("learns from gold answers, not from rationales", where=cell.name)
    if others is not None:
        spec = _with(session, spec, others)
    data = session.task_data(spec.task.name, spec.task.variant)
    samples = questions_of(data, spec.task.split, spec.questions)
    kept: Sequence[Candidate] = candidates_of(session, spec, samples, [i["key"] for i in meta.inputs])
    context = CurationContext(
        samples={sample.index: sample for sample in samples},
        test_samples=data.fold(spec.task.split, "test"),
        degree=spec.degree,
        dataset=spec.task.dataset,
        services=session,
    )
    stages = [_stage("(all)", kept, kept)]
    for name, curator in named_curators(session, spec):
        before, kept = kept, curator.keep(kept, context)
        stages.append(_stage(name, before, kept))
    return stages


def _stage(name: str, before: Sequence[Candidate], after: Sequence[Candidate]) -> dict[str, Any]:
    left = {id(candidate) for candidate in after}
    gone = [candidate for candidate in before if id(candidate) not in left]
    return {
        "curator": name,
        "removed": len(gone),
        "left": len(after),
        "covered": len({candidate.example.sample_index for candidate in after}),
        "examples": [
            {
                "sample_index": candidate.example.sample_index,
                "completion_index": candidate.example.completion_index,
                "question": candidate.example.question,
                "rationale": candidate.example.rationale,
                "answer": candidate.example.answer,
                "correct": candidate.correct,
                "finish_reason": candidate.completion.finish_reason,
            }
            for candidate in gone
        ],
    }


def _with(session: Session, spec: CurateSpec, others: str) -> CurateSpec:
    """The spec with other curators.

    Raises:
        BadInputError: they are no list of curators.
    """
    import msgspec
    import yaml

    from rtbench.config import Block, curators_of
    from rtbench.files import convert

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
