"""``rtbench plan``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import COUNT, format_option, with_session
from rtbench.cli.matrix_options import NAME, matrix_options, with_executor
from rtbench.cli.output import echo
from rtbench.cli.plan_numbers import HEADS, memory_text, numbers, summed, with_head
from rtbench.cli.printing import console, print_json, print_table
from rtbench.errors import listed
from rtbench.machine import Machine
from rtbench.schema.progress import span_text

if TYPE_CHECKING:
    from rtbench.planning.disk import CheckpointDisk
    from rtbench.planning.estimate import StepEstimate
    from rtbench.plugin.plans import Plan
    from rtbench.schema.steps import Step
    from rtbench.session import Session

SHORT = 60
"""Maximum number of steps to list one by one without ``--steps``."""


@click.command()
@matrix_options
@click.option(
    "--pilot", type=COUNT, metavar="N", help="Send N requests to each teacher now, to estimate the cost of the others."
)
@click.option("--budget", metavar="AMOUNT", help="Maximum cost of the run, including the pilot.")
@NAME
@with_executor
@click.option(
    "--device",
    metavar="NAME",
    help="Estimate for a machine with one GPU of this name, such as A100, instead of this one.",
)
@click.option("--steps", is_flag=True, help="List every step, including cached ones.")
@format_option("table", "json")
@with_session
def plan(
    session: Session,
    format_: str,
    device: str | None,
    steps: bool,
    pilot: int | None,
    budget: str | None,
    name: str | None,
    executor: str,
    executor_options: dict[str, object],
    matrix: str | None,
    **arguments: Any,
) -> None:
    """Show the steps of a run, without running them. Estimates requests, tokens, cost, time and memory."""
    from rtbench.planning.disk import checkpoint_disk
    from rtbench.planning.estimate import estimate
    from rtbench.planning.preflight import unready
    from rtbench.planning.records import described
    from rtbench.running.account import keep_account
    from rtbench.running.choice import default_name, planned

    machine = session.executor(executor, executor_options).machine()
    if device is not None:
        machine = Machine(
            gpus=1,
            most_gpus=1,
            gpu_memory_gb=lambda: None,
            memory_gb=machine.memory_gb,
            gpu_name=lambda: device,
            imagined=True,
        )
    session = session.with_settings(machine=machine)
    current = planned(session, matrix, arguments)
    if budget is not None or pilot is not None:
        session = keep_account(session, current, name or default_name(current, arguments), budget)
    if pilot is not None:
        from rtbench.planning.pilot import run_pilot
        from rtbench.storage.active import active_run

        with active_run(session.place, "pilot"):
            sent = list(run_pilot(session, current, pilot))
        for piloted in sent:
            text = f"pilot: {piloted.title}: {piloted.asked} requests sent, {piloted.held} already in the ledger"
            console(stderr=True).print(text, soft_wrap=True)
    estimates = estimate(session, current)
    lacking = [str(error) for error in unready(session, current, estimates)]
    if format_ == "json":
        facts = {"engines": engines(session, current), "students": described(current)}
        print_json(
            as_data(current, estimates) | facts | {"lacking": lacking, "disk": checkpoint_disk(session, current)}
        )
        return
    show(current, estimates, every_step=steps)
    if device is not None:
        _print_unknown_device(current, estimates, device)
    elif executor == "local":
        _print_time(current.todo, estimates)
    _show_facts(session, current)
    _print_budget(session, estimates)
    for requirement in lacking:
        console().print(f"needed before the run: {requirement}", style="yellow", soft_wrap=True)


def _show_facts(session: Session, current: Plan) -> None:
    """Print how students generate, what they are, the disk of their checkpoints, and warnings about the data."""
    from rtbench.planning.disk import checkpoint_disk
    from rtbench.planning.records import described

    out = console()
    for engine, names in engines(session, current).items():
        out.print(f"generation engine of {', '.join(names)}: {engine}", soft_wrap=True)
    if disk := checkpoint_disk(session, current):
        out.print(_disk_text(disk), soft_wrap=True)
    for student, text in described(current).items():
        out.print(f"{student}: {text}", soft_wrap=True)
    for warning in _overlaps(session, current):
        out.print(warning, style="yellow")


def _disk_text(disk: CheckpointDisk) -> str:
    """Return the disk that checkpoints need, in words."""
    text = f"disk: about {disk.kept / 1e9:,.1f} GB of checkpoints"
    if disk.compared > disk.kept:
        text += f", and up to {disk.compared / 1e9:,.1f} GB if no epoch is removed before the end"
    return text + (f" (without {', '.join(disk.unknown)}: size not known)" if disk.unknown else "")


def _overlaps(session: Session, current: Plan) -> list[str]:
    """Return warnings about test questions that are also training questions, for tasks given as files."""
    from rtbench.data.overlap import doubled

    scored = [p.cell.task for p in current.cells if p.score and p.cell.task.name in session.own_tasks]
    counts = {
        (spec.name, spec.split): doubled(session.task_data(spec.name, spec.variant), spec.split) for spec in scored
    }
    splits = Counter(name for name, _ in counts)
    return [
        f"{name if splits[name] == 1 else f'{name}, split {split}'}: {count} test questions are also training questions"
        for (name, split), count in counts.items()
        if count
    ]


def as_data(current: Plan, estimates: dict[str, StepEstimate]) -> dict[str, Any]:
    """Return a plan as JSON data."""
    todo = {step.key for step in current.todo}
    return {
        "matrix": current.matrix,
        "cells": [
            {
                "name": p.cell.name,
                "score": p.score.key if p.score else None,
                "reason": p.reason,
                "notes": list(p.notes),
            }
            for p in current.cells
        ],
        "steps": [
            {
                "key": step.key,
                "kind": step.kind,
                "title": step.title,
                "state": _state(step, todo),
                "inputs": [i.key for i in step.inputs],
                "estimate": estimates.get(key),
                "resources": step.resources,
            }
            for key, step in current.steps.items()
        ],
        "to_do": len(todo),
        "cached": len(current.cached),
    }


def show(current: Plan, estimates: dict[str, StepEstimate], *, every_step: bool) -> None:
    """Print a plan: step by step, or summed by kind and model where there are many steps."""
    todo = {step.key for step in current.todo}
    listed = [step for key, step in current.steps.items() if every_step or key in todo]
    if every_step or len(listed) <= SHORT:
        rows = [
            (
                step.title,
                _state(step, todo),
                *numbers([e] if (e := estimates.get(step.key)) else []),
                memory_text([step]),
            )
            for step in listed
        ]
    else:
        rows = summed(listed, estimates)
    if rows:
        print_table(HEADS, rows)
        if any(row[HEADS.index("time ≈")].endswith("?") for row in rows):
            echo("time: estimated from similar steps in this workspace; ? where there are none yet")
        for source in dict.fromkeys(e.timed_by for e in estimates.values() if e.timed_by):
            least = any(e.timed_by == source and e.least_seconds is not None for e in estimates.values())
            echo(f"time: {'at least, by' if least else 'by'} {source}")
        _print_totals(listed, estimates)
    _print_teachers(current, estimates)
    _print_students(current, estimates)
    _print_summary(current, todo)


def _print_time(steps: Iterable[Step], estimates: dict[str, StepEstimate]) -> None:
    """Print how long the steps take on this machine, as many at a time as it has cores for, if all times are known."""
    from rtbench.machine import cpu_count

    cores, work, longest = cpu_count(), 0.0, 0.0
    for step in steps:
        if (found := estimates.get(step.key)) is None or not found.work:
            continue
        if found.seconds is None:
            return
        work += found.seconds * min(cores, step.resources.cpus) / cores
        longest = max(longest, found.seconds)
    if work:
        echo(f"time of the run on {cores} cores ≈ {span_text(max(work, longest))}")


def _print_budget(session: Session, estimates: dict[str, StepEstimate]) -> None:
    """Say whether the rest of the budget covers the highest possible cost."""
    from rtbench.schema.money import money_text
    from rtbench.storage.budget import money, nano

    if session.budget is None or (left := session.budget.left) is None:
        return
    currency = session.budget.cap.currency
    cost = sum(e.money or 0 for e in estimates.values())
    rest = f"{money(left, currency)} of the budget is left, and these steps cost at most {money_text(cost, currency)}"
    if nano(cost) <= left:
        console().print(f"{rest}.", soft_wrap=True)
    else:
        console().print(
            f"{rest}: the run stops where the rest does not cover a request.", style="yellow", soft_wrap=True
        )


def _print_unknown_device(current: Plan, estimates: dict[str, StepEstimate], device: str) -> None:
    """Warn that no time of a training is known for a GPU, and for which GPUs they are."""
    from rtbench.schema.steps import trains

    trainings = [estimates[step.key] for step in current.todo if trains(step)]
    students = [planned.cell.models.student for planned in current.cells]
    known = sorted({name for student in students if student is not None for name in student.timed_devices()})
    if known and trainings and all(one.seconds is None and one.least_seconds is None for one in trainings):
        text = f"--device {device}: no times are known for it, only for {', '.join(known)}. Requests, cost and disk apply to it."
        console().print(text, style="yellow", soft_wrap=True, markup=False)


def engines(session: Session, current: Plan) -> dict[str, list[str]]:
    """Return the students that have completions to generate, by generation engine."""
    from rtbench.schema.steps import CompleteSpec

    models = {
        (step.spec.model.name, step.spec.trained): step.spec.model
        for step in current.todo
        if isinstance(step.spec, CompleteSpec) and step.spec.model.role == "student"
    }
    students: dict[str, dict[str, None]] = {}
    for (name, trained), model in models.items():
        engine = session.student(model.plugin, model.name, model.options).engine(trained=trained)
        if engine is not None:
            students.setdefault(engine, {})[name] = None
    return {engine: list(names) for engine, names in students.items()}


def _print_totals(steps: Iterable[Step], estimates: dict[str, StepEstimate]) -> None:
    """Print the sums over steps, separately for teachers and students, and for each currency.

    Tokens that are paid for and tokens that are computed locally are not added up.
    """
    from rtbench.schema.steps import CompleteSpec, LikelihoodSpec, TrainSpec

    groups: dict[tuple[str, str], list[StepEstimate]] = {}
    for step in steps:
        if step.key in estimates:
            spec = step.spec
            of_student = isinstance(spec, TrainSpec | LikelihoodSpec) or (
                isinstance(spec, CompleteSpec) and spec.model.role == "student"
            )
            step_estimate = estimates[step.key]
            role = "students" if of_student else "teachers"
            groups.setdefault((role, step_estimate.currency), []).append(step_estimate)
    for role, currency in sorted(groups, key=lambda group: (group[0] == "students", group[1])):
        title = f"{role} paid in {currency}" if currency else role
        if not currency and any(other == role and paid for other, paid in groups):
            title = f"{role} without a price"
        values = zip(HEADS[2:-1], numbers(groups[role, currency]), strict=True)
        echo(f"{title}, total: " + ", ".join(with_head(head, value) for head, value in values if value))


def _print_teachers(current: Plan, estimates: dict[str, StepEstimate]) -> None:
    """Print requests and cost of each teacher that has a price, and of judges."""
    from rtbench.schema.money import amount_text, money_text
    from rtbench.schema.steps import CompleteSpec, CurateSpec

    by_name: dict[str, list[StepEstimate]] = {}
    for step in current.todo:
        if step.key not in estimates:
            continue
        if isinstance(step.spec, CompleteSpec) and step.spec.model.role == "teacher":
            by_name.setdefault(f"teacher {step.spec.model.name}", []).append(estimates[step.key])
        elif isinstance(step.spec, CurateSpec):
            by_name.setdefault("judges", []).append(estimates[step.key])
    for name, steps in by_name.items():
        priced = [e for e in steps if e.money is not None]
        if not priced:
            continue
        known = [e for e in priced if e.expected is not None]
        currency = priced[0].currency
        text = f"{name}: {sum(e.work for e in steps):,} requests, at most {money_text(_sum(priced, 'money'), currency)}"
        if known:
            expected, low, high = (amount_text(_sum(known, field)) for field in ("expected", "low", "high"))
            rest = sum(e.work for e in priced if e.expected is None)
            text += f"; expected {expected} ({low} to {high}) {currency}, estimated from the ledger"
            text += f" (excluding {rest:,} requests)" if rest else ""
        else:
            text += "; use `--pilot 20` for a better estimate"
        echo(text)


def _print_students(current: Plan, estimates: dict[str, StepEstimate]) -> None:
    """Print training jobs, requests and cost of each student that a paid service trains."""
    from rtbench.schema.money import money_text
    from rtbench.schema.steps import CompleteSpec, TrainSpec

    trainings: dict[str, list[StepEstimate]] = {}
    completions: dict[str, list[StepEstimate]] = {}
    for step in current.todo:
        step_estimate = estimates.get(step.key)
        if step_estimate is None or step_estimate.money is None:
            continue
        if isinstance(step.spec, TrainSpec):
            trainings.setdefault(step.spec.model.name, []).append(step_estimate)
        elif isinstance(step.spec, CompleteSpec) and step.spec.model.role == "student":
            completions.setdefault(step.spec.model.name, []).append(step_estimate)
    for student in {**trainings, **completions}:
        trained, requests = trainings.get(student, []), completions.get(student, [])
        currency = [*trained, *requests][0].currency
        echo(
            f"student {student}: {len(trained)} training jobs, about {money_text(_sum(trained, 'money'), currency)}; "
            f"{sum(e.work for e in requests):,} requests, at most {money_text(_sum(requests, 'money'), currency)}"
        )


def _sum(estimates: Iterable[StepEstimate], field: str) -> float:
    return float(sum(getattr(e, field) for e in estimates))


def _state(step: Step, todo: set[str]) -> str:
    """Return whether a step is to do or cached."""
    return "to do" if step.key in todo else "cached"


def _print_summary(current: Plan, todo: set[str]) -> None:
    """Print the numbers of steps and cells, and the reasons of cells that cannot run."""
    out = console()
    kinds: dict[str, list[int]] = {}
    for key, step in current.steps.items():
        counts = kinds.setdefault(step.kind, [0, 0])
        counts[0 if key in todo else 1] += 1
    for kind, (new, others) in kinds.items():
        out.print(f"{kind:10} {new:5} to do, {others:5} cached")
    unable = [p for p in current.cells if p.reason]
    cells = f"{len(current.cells)} cell{'s' if len(current.cells) != 1 else ''}"
    out.print(f"{cells}: {len(current.cells) - len(unable)} can run, {len(unable)} cannot")
    reasons: dict[str, list[str]] = {}
    for p in unable:
        reasons.setdefault(p.reason or "", []).append(p.cell.name)
    for reason, names in reasons.items():
        out.print(f"  {listed(names, 3)}: {reason}", style="yellow")
    if current.cells and len(unable) == len(current.cells):
        out.print("no cell can run: `rtbench run` would fail", style="yellow")
    for note in sorted({note for p in current.cells for note in p.notes}):
        out.print(f"  note: {note}", style="dim")
