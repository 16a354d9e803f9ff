"""Damage in the finished steps of a plan: what a run finds before it starts, and does again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.schema.results import CompleteResult
from rtbench.schema.steps import CompleteSpec
from rtbench.steps.complete import address_of, index_of, partition_at
from rtbench.storage.segments import lines_text
from rtbench.storage.store import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rtbench.plugin.plans import Plan
    from rtbench.plugin.services import Services
    from rtbench.schema.steps import StepKind
    from rtbench.storage.ledger import Partition


@dataclass(frozen=True)
class DamagedStep:
    """A finished step that is damaged."""

    kind: StepKind
    key: str
    problem: str
    stamp: int | None
    """:meth:`rtbench.storage.store.Store.stamp` before it was looked at."""


def damage_of(services: Services, steps: Iterable[tuple[StepKind, str]], weights: set[str]) -> Iterator[DamagedStep]:
    """Yield the finished steps that are damaged, or whose completions the ledger no longer has.

    Args:
        services: ledger and store.
        steps: kind and key of each step.
        weights: keys of the trainings whose weights are compared with their digests.
    """
    sound: dict[str, int | None] = {}
    for kind, key in steps:
        stamp = services.store.stamp(kind, key)
        problem = services.store.problem(kind, key, weights=key in weights)
        if problem is not None:
            yield DamagedStep(kind, key, problem, stamp)
        elif kind == "complete":
            sound[key] = stamp
    for key, problem in _lost(services, sound):
        yield DamagedStep("complete", key, problem, sound[key])


def _lost(services: Services, steps: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the ``complete`` steps whose index is damaged, or whose completions the ledger does not have, with the problem.

    Each partition of the ledger is read once.
    """
    partitions: dict[Path, Partition] = {}
    wanted: dict[Path, dict[str, set[str]]] = defaultdict(dict)
    for key in steps:
        try:
            partition = partition_at(services.ledger, services.store.result(CompleteResult, key).address)
            wanted[partition.path][key] = {entry.key for entry in index_of(services.store, key)}
        except BadInputError as error:
            yield key, error.what
        else:
            partitions[partition.path] = partition
    for path, by_step in wanted.items():
        held = partitions[path].keys()
        for key, keys in by_step.items():
            if lost := len(keys - held):
                yield key, f"{lost} of {len(keys)} completions are no longer in the ledger"


def move_damage_away(plan: Plan, services: Services) -> list[str]:
    """Move the damaged steps of a plan, and damaged lines of the ledger, away; return a note on each.

    The steps are then done again, and the completions requested or imported again. Weights are read only where a step to do
    uses them.
    """
    used = {i.key for step in plan.todo for i in step.inputs if i.kind == "train"}
    finished = [(step.kind, key) for key, step in plan.steps.items() if key in plan.cached]
    notes = [
        f"{plan.steps[damaged.key].title} is done again: {_moved(services, damaged)}"
        for damaged in list(damage_of(services, finished, used))
    ]
    for step in plan.todo:
        if isinstance(step.spec, CompleteSpec):
            partition_at(services.ledger, address_of(step)).keys()  # finds its damaged lines
    return [*notes, *_lines_moved(services)]


def move_all_damage_away(services: Services) -> list[str]:
    """Move all damaged steps away, as :func:`move_damage_away` does where there is no plan; weights are not read."""
    finished = [(kind, key) for kind, key in services.store.all() if services.store.has(kind, key)]
    notes = [
        f"the {damaged.kind} step {damaged.key} is damaged: {_moved(services, damaged)}"
        for damaged in list(damage_of(services, finished, set()))
    ]
    return [*notes, *_lines_moved(services)]


def move_step_away(services: Services, damaged: DamagedStep) -> Path | None:
    """Move a step away, and return where it is; None where another process has it, or has done it again meanwhile."""
    with services.store.try_alone(damaged.kind, damaged.key) as ours:
        if not ours or damaged.stamp is None or services.store.stamp(damaged.kind, damaged.key) != damaged.stamp:
            return None
        return services.store.move_away(damaged.kind, damaged.key)


def _moved(services: Services, damaged: DamagedStep) -> str:
    """Move a step away, and return its problem and what became of it."""
    moved = move_step_away(services, damaged)
    return f"{damaged.problem} ({f'moved to {moved}' if moved else 'another process does it again'})"


def _lines_moved(services: Services) -> Iterator[str]:
    """Move the damaged lines that were found so far away, and yield a note for each segment."""
    aside = services.workspace / DAMAGED
    for segment, lines in list(services.ledger.damaged.items()):
        moved = services.ledger.partition_of(segment).cut_out_damage(segment, aside)
        what = f"{segment}, {lines_text(lines)}: not what was written"
        yield f"{what} ({f'the old segment is in {aside}' if moved else 'left out'})"
