"""What each kind of step does. Every step reads its inputs from ledger and store by key, and writes nothing but its
own ledger segment and its own folder of the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.errors import StepFailedError
from rtbench.schema.base import Progress, no_progress
from rtbench.schema.steps import VERSIONS, Step
from rtbench.storage.store import Meta, Timing

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


@dataclass(frozen=True)
class StepContext:
    """What a step's implementation is given."""

    services: Services
    step: Step
    folder: Path
    """Private directory; becomes the step's folder in the store."""
    progress: Progress = no_progress


Launch = Callable[[Step, Path, Progress], dict[str, Any]]
"""Does a step's work (:func:`work_of`) in as many processes as it asks for; returns what the first of them does."""


def run_step(
    services: Services, step: Step, progress: Progress = no_progress, launch: Launch | None = None
) -> Sequence[str]:
    """Does one step, unless the store holds it already.

    Args:
        services: where.
        step: what.
        progress: told how far it is.
        launch: starts the processes of a step that asks for several.

    Returns:
        What the user should know of the result.

    Raises:
        RtbenchError: it cannot be done, for a reason the user can mend.
    """
    if services.store.has(step.kind, step.key):
        return ()
    several = step.resources.processes > 1
    if several and launch is None:
        raise StepFailedError(
            f"it asks for {step.resources.processes} processes, and this executor starts none for a step",
            where=step.title,
        )
    with services.store.work(step.kind, step.key, resume=step.kind == "train") as folder:
        if services.store.has(step.kind, step.key):  # another run did it while this one waited for the lock
            return ()
        started = time.monotonic()
        counted = _CountedProgress(progress)
        if several and launch is not None:
            result = launch(step, folder, counted)
        else:
            result = work_of(step)(StepContext(services, step, folder, counted))
        meta = Meta(
            key=step.key,
            kind=step.kind,
            version=VERSIONS[step.kind],
            spec=msgspec.to_builtins(step.spec),
            inputs=msgspec.to_builtins(list(step.inputs)),
            result=result,
        )
        seconds = round(time.monotonic() - started, 3)
        services.store.commit(folder, meta, Timing(seconds=seconds, units=counted.units))
    notes: Sequence[str] = result.get("notes", ())
    return notes


class _CountedProgress:
    """Passes progress on, and counts the units of work that were done here (not those found done)."""

    def __init__(self, progress: Progress) -> None:
        self.units = 0
        self._progress = progress
        self._before: int | None = None

    def __call__(self, done: int, total: int, unit: str) -> None:
        if self._before is None:
            self._before = done
        self.units = done - self._before
        self._progress(done, total, unit)


def work_of(step: Step) -> Callable[[StepContext], dict[str, Any]]:
    """What a step of this kind does. Where several processes do it together, each calls it, and the first one's result
    counts."""
    kind = step.kind
    if kind == "complete":
        from rtbench.steps.complete import complete

        return complete
    if kind == "curate":
        from rtbench.steps.curate import curate

        return curate
    if kind == "train":
        from rtbench.steps.train import train

        return train
    from rtbench.steps.score import score

    return score
