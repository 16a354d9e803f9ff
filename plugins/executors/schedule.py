"""Functions that executors share: the order of a run's steps, and doing a single step."""

from __future__ import annotations

import heapq
import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from rtbench.api import Listener, NotYetError, Outcome, Plan, Progress, RtbenchError, Step, StepState, shortened_error

if TYPE_CHECKING:
    from rtbench.api import Launch, Services


MOST_MESSAGE = 4000
"""Highest number of characters of a failure that are kept."""


class Runner(Protocol):
    """Where a schedule's steps run."""

    @property
    def busy(self) -> bool:
        """Return whether it has a step."""

    def free(self) -> bool:
        """Return whether any step could be taken."""

    def take(self, step: Step, last: bool) -> bool:
        """Begin a step, given whether no other step is ready; return False if it does not fit yet."""

    def listen(self, pause: float | None) -> Iterable[tuple[Step, StepState]]:
        """Wait for steps for that many seconds (None: until there is news), and yield those that have ended."""

    def stop(self) -> None:
        """Interrupt all steps."""


class Schedule:
    """The steps of a plan that may begin, given how others ended. Notifies the listener, and records the outcome."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self.listener = listener
        self.outcome = Outcome({key: StepState(key=key, state="cached") for key in plan.steps if key in plan.cached})
        self.steps = {step.key: step for step in plan.todo}
        self._lacking = {key: {i.key for i in step.inputs if i.key in self.steps} for key, step in self.steps.items()}
        self._dependants: dict[str, list[str]] = {key: [] for key in self.steps}
        for key, inputs in self._lacking.items():
            for i in inputs:
                self._dependants[i].append(key)
        # In the plan's order, in which cells come one after the other: cells finish early, and the matrix's first cells first.
        self._rank = {key: rank for rank, key in enumerate(self.steps)}
        self._ready = [(self._rank[key], key) for key, inputs in self._lacking.items() if not inputs]
        """Ranks and keys of the steps that may begin, as a heap."""
        self._waits: dict[str, float] = {}
        """Times at which steps that wait for an external service are tried again, by step key."""
        self._stopping = False
        """Whether a step failed for a reason that all others share (an empty account, for example): no more steps begin."""

    def drive(self, runner: Runner) -> None:
        """Run all steps, until Ctrl-C at most."""
        try:
            while self.open or runner.busy:
                self.begin(runner.take, runner.free)
                for step, state in runner.listen(self.pause()):
                    self.ended(step, state)
        except KeyboardInterrupt:
            self.outcome.interrupted = True
        finally:
            runner.stop()
            self.close()

    @property
    def open(self) -> bool:
        """Return whether there are steps to begin, now or later."""
        return bool(self._ready or self._waits) and not self._stopping

    def begin(self, take: Callable[[Step, bool], bool], free: Callable[[], bool]) -> None:
        """Offer the ready steps, in order. Where a step is not taken, later steps are still offered.

        Args:
            take: begins a step, given whether no other step is ready; returns False if it does not fit yet.
            free: returns whether any step could be taken.
        """
        if self._stopping:
            return
        self._wake()
        passed: list[str] = []
        while self._ready and free():
            _, key = heapq.heappop(self._ready)
            if take(self.steps[key], not self._ready and not passed and not self._waits):
                self.listener.started(self.steps[key])
            else:
                passed.append(key)
        for key in passed:
            self._may_begin(key)

    def pause(self) -> float | None:
        """Return the seconds until a waiting step is tried again; None where no step is waiting."""
        soonest = min(self._waits.values(), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def ended(self, step: Step, state: StepState) -> None:
        """Record the state of a step: it is done, has failed, or waits for an external service."""
        if state.state == "waiting":
            self._waits[step.key] = time.monotonic() + state.after
            self.listener.waits(step, state.error or "")
        else:
            self._finished(step, state)

    def close(self) -> None:
        """Record all steps without a state as pending."""
        for key in self.steps:
            self.outcome.states.setdefault(key, StepState(key=key, state="pending"))

    def _wake(self) -> None:
        """Make steps whose wait is over ready again."""
        now = time.monotonic()
        for key in [key for key, at in self._waits.items() if at <= now]:
            del self._waits[key]
            self._may_begin(key)

    def _may_begin(self, key: str) -> None:
        heapq.heappush(self._ready, (self._rank[key], key))

    def _finished(self, step: Step, state: StepState) -> None:
        self.outcome.states[step.key] = state
        self._stopping = self._stopping or state.stops_run
        self.listener.finished(step, state)
        for key in self._dependants[step.key]:
            if state.state in {"failed", "skipped"}:
                if key not in self.outcome.states:
                    reason = state.error if state.state == "skipped" else f"{step.title}: {state.error}"
                    self._finished(self.steps[key], StepState(key=key, state="skipped", error=reason))
                continue
            self._lacking[key].discard(step.key)
            if not self._lacking[key] and key not in self.outcome.states:
                self._may_begin(key)


def attempt(services: Services, step: Step, progress: Progress, launch: Launch) -> StepState:
    """Do a step and return its state; an exception becomes a failed or waiting state."""
    from rtbench.api import run_step

    started = time.monotonic()
    stops = False
    notes: Sequence[str] = ()
    try:
        notes = run_step(services, step, progress, launch)
    except NotYetError as error:
        return StepState(key=step.key, state="waiting", error=str(error), after=error.after)
    except RtbenchError as error:
        stops = error.stops_run
        state, message, trace = "failed", str(error)[:MOST_MESSAGE], traceback.format_exc()
    except Exception as error:
        state, message, trace = "failed", shortened_error(error), traceback.format_exc()
    else:
        state, message, trace = "done", "", ""
    return StepState(
        key=step.key,
        state=state,
        error=message or None,
        trace=trace or None,
        seconds=round(time.monotonic() - started, 3),
        notes=tuple(notes),
        stops_run=stops,
    )


def use_threads(count: int) -> None:
    """Set the number of threads in the environment.

    Models read RTBENCH_THREADS when they are opened. OpenMP's variables have an effect only before torch is imported.
    """
    for name in ("RTBENCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)


def visible(gpus: Sequence[int]) -> str:
    """Return the value of ``CUDA_VISIBLE_DEVICES`` for some of the GPUs that this process sees, given by position."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else None
    return ",".join(str(gpu) if names is None else names[gpu] for gpu in gpus)
