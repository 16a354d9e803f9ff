"""``rtbench plan``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import (
    NAME,
    console,
    format_option,
    matrix_options,
    planned,
    print_json,
    print_table,
    run_name,
    with_executor,
    with_session,
)
from rtbench.cli.money import keep_account
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.planning.estimate import StepEstimate
    from rtbench.plugin.plans import Plan
    from rtbench.schema.steps import Step
    from rtbench.session import Session

HEADS = ("step", "state", "requests", "new", "prompt tokens ≈", "new tokens ≤", "cost ≤", "time ≈", "memory ≈")
SHORT = 60
"""Steps that are listed one by one without being asked to."""


@click.command()
@matrix_options
@click.option(
    "--pilot", type=int, metavar="N", help="Ask N of each teacher's requests now, for what the rest will cost."
)
@click.option("--budget", metavar="AMOUNT", help="Most that the run may cost; the pilot counts.")
@NAME
@with_executor
@click.option("--steps", is_flag=True, help="List every step, cached ones too.")
@format_option("table", "json")
@with_session
def plan(
    session: Session,
    format_: str,
    steps: bool,
    pilot: int | None,
    budget: str | None,
    name: str | None,
    executor: str,
    executor_options: dict[str, object],
    **arguments: Any,
) -> None:
    """Show what a run would do: steps cached and to do, with requests, tokens, money and time."""
    from rtbench.planning.estimate import estimate
    from rtbench.planning.preflight import unready

    if pilot is not None and pilot < 1:
        raise BadInputError(f"must be at least 1, not {pilot}", where="--pilot")
    session = session.having(machine=session.executor(executor, executor_options).machine())
    made = planned(session, dict(arguments))
    if budget is not None or pilot is not None:
        session = keep_account(session, made, name or run_name(made, arguments), budget)
    if pilot is not None:
        from rtbench.planning.pilot import run_pilot

        for piloted in run_pilot(session, made, pilot):
            said = f"pilot: {piloted.title}: {piloted.asked} asked, {piloted.held} were there"
            console(stderr=True).print(said, markup=False, soft_wrap=True)
    estimates = estimate(session, made)
    lacking = [str(error) for error in unready(session, made, estimates)]
    if format_ == "json":
        print_json(as_data(made, estimates) | {"lacking": lacking, "engines": engines(session, made)})
        return
    show(made, estimates, every_step=steps)
    for engine, names in engines(session, made).items():
        console().print(f"texts of {', '.join(names)}: {engine}", markup=False, soft_wrap=True)
    for said in _doubled(session, made):
        console().print(said, style="yellow", markup=False)
    for said in lacking:
        console().print(f"before it can run: {said}", style="yellow", markup=False, soft_wrap=True)


def _doubled(session: Session, made: Plan) -> list[str]:
    """Of tasks given as files, the test questions that are training questions too."""
    from rtbench.data.overlap import doubled

    own = {p.cell.task.name: p.cell.task for p in made.cells if p.score and p.cell.task.name in session.own_tasks}
    counts = {name: doubled(session.task_data(name, spec.variant), spec.split) for name, spec in own.items()}
    return [
        f"{name}: {count} questions of the test fold stand among the training questions too"
        for name, count in counts.items()
        if count
    ]


def as_data(made: Plan, estimates: dict[str, StepEstimate]) -> dict[str, Any]:
    """The plan for programs."""
    todo = {step.key for step in made.todo}
    return {
        "matrix": made.matrix,
        "cells": [
            {
                "name": p.cell.name,
                "score": p.score.key if p.score else None,
                "reason": p.reason,
                "notes": list(p.notes),
            }
            for p in made.cells
        ],
        "steps": [
            {
                "key": step.key,
                "kind": step.kind,
                "title": step.title,
                "state": _state(step, made, todo),
                "inputs": [i.key for i in step.inputs],
                "estimate": estimates.get(key),
                "resources": step.resources,
            }
            for key, step in made.steps.items()
        ],
        "to_do": len(todo),
        "cached": len(made.cached),
    }


def show(made: Plan, estimates: dict[str, StepEstimate], *, every_step: bool) -> None:
    """The plan for people: step by step, or summed up by kind and model where there are many."""
    todo = {step.key for step in made.todo}
    listed = [step for key, step in made.steps.items() if every_step or key in todo]
    if every_step or len(listed) <= SHORT:
        rows = [
            (
                step.title,
                _state(step, made, todo),
                *_numbers([e] if (e := estimates.get(step.key)) else []),
                _memory([step]),
            )
            for step in listed
        ]
    else:
        rows = _summed(listed, estimates)
    if rows:
        print_table(HEADS, rows)
        if any(row[HEADS.index("time ≈")].endswith("?") for row in rows):
            click.echo("time: as such steps took in this workspace before; ? where none did yet")
        _totals(listed, estimates)
    _by_teacher(made, estimates)
    _by_student(made, estimates)
    _sum_up(made, todo)


def engines(session: Session, made: Plan) -> dict[str, list[str]]:
    """Students whose texts are still to be written, by what will write them."""
    from rtbench.schema.steps import CompleteSpec

    asked = {
        (step.spec.model.name, step.spec.trained): step.spec.model
        for step in made.todo
        if isinstance(step.spec, CompleteSpec) and step.spec.model.role == "student"
    }
    found: dict[str, dict[str, None]] = {}
    for (name, trained), model in asked.items():
        engine = session.student(model.plugin, model.name, model.options).engine(trained=trained)
        if engine is not None:
            found.setdefault(engine, {})[name] = None
    return {engine: list(names) for engine, names in found.items()}


def _totals(steps: Iterable[Step], estimates: dict[str, StepEstimate]) -> None:
    """Sums, of teachers and of students apart, and of those that cost money apart from the rest: a token that is paid for and
    one that is computed here do not add up."""
    from rtbench.schema.steps import CompleteSpec, TrainSpec

    apart: dict[tuple[str, str], list[StepEstimate]] = {}
    for step in steps:
        if step.key in estimates:
            spec = step.spec
            of_student = isinstance(spec, TrainSpec) or (
                isinstance(spec, CompleteSpec) and spec.model.role == "student"
            )
            found = estimates[step.key]
            apart.setdefault(("students" if of_student else "teachers", found.currency), []).append(found)
    for who, currency in sorted(apart, key=lambda group: (group[0] == "students", group[1])):
        whose = f"{who} paid in {currency}" if currency else who
        if not currency and any(other == who and paid for other, paid in apart):
            whose = f"{who} without a price"
        told = zip(HEADS[2:-1], _numbers(apart[who, currency]), strict=True)
        click.echo(f"{whose}, in all: " + ", ".join(f"{head} {value}" for head, value in told if value))


def _by_teacher(made: Plan, estimates: dict[str, StepEstimate]) -> None:
    """Requests, tokens and money of each teacher that has a price, and of judges."""
    from rtbench.schema.steps import CompleteSpec, CurateSpec

    found: dict[str, list[StepEstimate]] = {}
    for step in made.todo:
        if step.key not in estimates:
            continue
        if isinstance(step.spec, CompleteSpec) and step.spec.model.role == "teacher":
            found.setdefault(f"teacher {step.spec.model.name}", []).append(estimates[step.key])
        elif isinstance(step.spec, CurateSpec):
            found.setdefault("judges", []).append(estimates[step.key])
    for name, steps in found.items():
        priced = [e for e in steps if e.money is not None]
        if not priced:
            continue
        known = [e for e in priced if e.expected is not None]
        currency = priced[0].currency
        said = f"{name}: {sum(e.work for e in steps):,} requests, at most {_sum(priced, 'money'):.2f} {currency}"
        if known:
            likely = f"{_sum(known, 'expected'):.2f} ({_sum(known, 'low'):.2f} to {_sum(known, 'high'):.2f}) {currency}"
            rest = sum(e.work for e in priced if e.expected is None)
            said += f"; expected {likely} from what is in the ledger" + (f", without {rest:,} requests" if rest else "")
        else:
            said += "; `--pilot 20` asks a few, to expect less roughly"
        click.echo(said)


def _by_student(made: Plan, estimates: dict[str, StepEstimate]) -> None:
    """Trainings, requests and money of each student that somebody else trains."""
    from rtbench.schema.steps import CompleteSpec, TrainSpec

    trainings: dict[str, list[StepEstimate]] = {}
    asked: dict[str, list[StepEstimate]] = {}
    for step in made.todo:
        found = estimates.get(step.key)
        if found is None or found.money is None:
            continue
        if isinstance(step.spec, TrainSpec):
            trainings.setdefault(step.spec.model.name, []).append(found)
        elif isinstance(step.spec, CompleteSpec) and step.spec.model.role == "student":
            asked.setdefault(step.spec.model.name, []).append(found)
    for student in {**trainings, **asked}:
        trained, requests = trainings.get(student, []), asked.get(student, [])
        currency = [*trained, *requests][0].currency
        click.echo(
            f"student {student}: {len(trained)} trainings, about {_sum(trained, 'money'):.2f} {currency}; "
            f"{sum(e.work for e in requests):,} requests, at most {_sum(requests, 'money'):.2f} {currency}"
        )


def _sum(estimates: Iterable[StepEstimate], what: str) -> float:
    return float(sum(getattr(e, what) for e in estimates))


def _state(step: Step, made: Plan, todo: set[str]) -> str:
    return "to do" if step.key in todo else "cached" if step.key in made.cached else "not needed"


def _summed(steps: Iterable[Step], estimates: dict[str, StepEstimate]) -> list[tuple[str, ...]]:
    from rtbench.planning.throughput import trait_of

    groups: dict[str, list[StepEstimate]] = {}
    members: dict[str, list[Step]] = {}
    for step in steps:
        trait = trait_of(step)
        name = f"{trait[0]} {trait[1]} {trait[2]}" if trait else step.kind
        members.setdefault(name, []).append(step)
        found = estimates.get(step.key)
        groups.setdefault(name, []).extend([found] if found else [])
    return [
        (name, f"{len(members[name])} to do", *_numbers(found), _memory(members[name]))
        for name, found in groups.items()
    ]


def _memory(steps: Iterable[Step]) -> str:
    """The most that one of the steps is expected to need at its peak, where models are trained or asked here."""
    most = max((step.resources.memory_gb for step in steps if step.kind in {"train", "complete"}), default=0.0)
    return f"{most:.1f} GiB" if most else ""


def _numbers(estimates: Iterable[StepEstimate]) -> tuple[str, ...]:
    """The columns after the first two, summed; empty where there is nothing to say."""
    found = list(estimates)
    asking = [e for e in found if e.requests]
    money = [e for e in found if e.money is not None]
    timed = [e.seconds for e in found if e.seconds is not None]
    seconds = int(sum(timed))
    unknown = len(timed) < len([e for e in found if e.work])
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" if timed else ""
    return (
        f"{sum(e.requests for e in asking):,}" if asking else "",
        f"{sum(e.work for e in asking):,}" if asking else "",
        f"{sum(e.prompt_tokens for e in asking):,}" if asking else "",
        f"{sum(e.new_tokens for e in asking):,}" if asking else "",
        f"{sum(e.money or 0 for e in money):.2f} {money[0].currency}" if money else "",
        (clock + (" + ?" if unknown and clock else "")) or ("?" if unknown else ""),
    )


def _sum_up(made: Plan, todo: set[str]) -> None:
    """Counts of steps and cells, and what cannot run."""
    out = console()
    kinds: dict[str, list[int]] = {}
    for key, step in made.steps.items():
        counts = kinds.setdefault(step.kind, [0, 0])
        counts[0 if key in todo else 1] += 1
    for kind, (new, held) in kinds.items():
        out.print(f"{kind:9} {new:5} to do, {held:5} cached or not needed")
    unable = [p for p in made.cells if p.reason]
    cells = f"{len(made.cells)} cell{'s' if len(made.cells) != 1 else ''}"
    out.print(f"{cells}: {len(made.cells) - len(unable)} can run, {len(unable)} cannot")
    reasons: dict[str, list[str]] = {}
    for p in unable:
        reasons.setdefault(p.reason or "", []).append(p.cell.name)
    for reason, names in reasons.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        out.print(f"  {', '.join(names[:3])}{more}: {reason}", style="yellow", markup=False)
    if made.cells and len(unable) == len(made.cells):
        out.print("no cell can run: `rtbench run` would stop with that", style="yellow", markup=False)
    for note in sorted({note for p in made.cells for note in p.notes}):
        out.print(f"  note: {note}", style="dim", markup=False)
