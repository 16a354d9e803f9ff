"""Run a step once, in a private directory, and write its result last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rtbench.errors import StepFailedError
from rtbench.plugin.services import Services
from rtbench.schema.progress import Progress, no_progress
from rtbench.schema.results import StepResult
from rtbench.schema.steps import VERSIONS, CompleteSpec, CurateSpec, LikelihoodSpec, ScoreSpec, Step, TrainSpec
from rtbench.steps.complete import complete
from rtbench.steps.context import StepContext
from rtbench.steps.curate import curate
from rtbench.steps.likelihood import likelihood
from rtbench.steps.score import score
from rtbench.steps.train import train
from rtbench.storage.store import StepMeta, Timing
from rtbench.storage.system_errors import NotWrittenError

RUNNERS: Mapping[type, Callable[[StepContext[Any]], StepResult]] = {
    CompleteSpec: complete,
    LikelihoodSpec: likelihood,
    CurateSpec: curate,
    TrainSpec: train,
    ScoreSpec: score,
}
"""Function that does a step's work, by type of spec."""

Launch = Callable[[Step, Path, Progress], StepResult]
"""Does a step's work (:func:`do_work`) in the requested number of processes. Returns the result of the first one."""


def run_step(
    services: Services, step: Step, progress: Progress = no_progress, launch: Launch | None = None
) -> Sequence[str]:
    """Run one step, unless the store has it already and the step does not say that it is done again.

    Args:
        services: ledger, store and plugins that the step uses.
        step: the step to run.
        progress: called with the progress of the step.
        launch: starts the processes of a step that needs several.

    Returns:
        Notes on the result, to be shown to the user.

    Raises:
        RtbenchError: the step failed for a reason that the user can fix.
    """
    if services.store.has(step.kind, step.key) and not step.again:
        services.store.publish(step.kind, step.key)
        return ()
    several = step.resources.processes > 1
    if several and launch is None:
        raise StepFailedError(
            f"the step needs {step.resources.processes} processes, which this executor does not support",
            where=step.title,
        )
    with (
        _naming(step, services.workspace),
        services.store.work(step.kind, step.key, resume=step.kind == "train") as folder,
    ):
        # Another run, perhaps on another machine, may have finished it while this one waited for the lock.
        if services.store.fetched(step.kind, step.key) and not step.again:
            return ()
        for i in step.inputs:
            services.store.fetched(i.kind, i.key)
        started = time.monotonic()
        counted = _CountedProgress(progress)
        if several and launch is not None:
            result = launch(step, folder, counted)
        else:
            result = do_work(services, step, folder, counted)
        meta = StepMeta(
            key=step.key,
            kind=step.kind,
            version=VERSIONS[step.kind],
            spec=msgspec.to_builtins(step.spec),
            inputs=tuple(step.inputs),
            result=msgspec.to_builtins(result),
        )
        seconds = round(time.monotonic() - started, 3)
        services.store.commit(folder, meta, Timing(seconds=seconds, units=counted.units))
    return result.notes


@contextlib.contextmanager
def _naming(step: Step, workspace: Path) -> Iterator[None]:
    """Turn the system's errors of writing into one that says what to do."""
    try:
        yield
    except OSError as error:
        if (stated := NotWrittenError.of(error, where=step.title, workspace=workspace)) is None:
            raise
        raise stated from error


def do_work(services: Services, step: Step, folder: Path, progress: Progress = no_progress) -> StepResult:
    """Do a step's work in a private directory, and return its result.

    If a step uses several processes, each of them calls this, and the result of the first is stored.
    """
    return RUNNERS[type(step.spec)](StepContext(services, step, folder, progress))


class _CountedProgress:
    """Forwards progress, and counts the units of work of this process, without those that were done before."""

    def __init__(self, progress: Progress) -> None:
        self.units = 0
        self._progress = progress
        self._before: int | None = None

    def __call__(self, done: int, total: int, unit: str) -> None:
        if self._before is None:
            self._before = done
        self.units = done - self._before
        self._progress(done, total, unit)
