"""What executors share: the order of a run's steps, and how one step is done."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rtbench.api import Listener, NotYetError, Outcome, Plan, Progress, RtbenchError, Step, StepState

if TYPE_CHECKING:
    from rtbench.api import Launch, Services


class Schedule:
    """Which steps of a plan may begin, and what follows from how one ended. Tells the listener, and keeps the outcome."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self.listener = listener
        self.outcome = Outcome({key: StepState(key=key, state="cached") for key in plan.steps if key in plan.cached})
        self.steps = {step.key: step for step in plan.todo}
        self._lacking = {key: {i.key for i in step.inputs if i.key in self.steps} for key, step in self.steps.items()}
        self._dependants: dict[str, list[str]] = {key: [] for key in self.steps}
        for key, inputs in self._lacking.items():
            for i in inputs:
                self._dependants[i].append(key)
        self._ready = deque(key for key, inputs in self._lacking.items() if not inputs)
        self._waits: dict[str, float] = {}
        """When steps that wait for something outside are to be tried again."""
        self._stopping = False
        """A step met what all others would meet (an account without money, say): none is begun any more."""

    @property
    def open(self) -> bool:
        """There are steps to begin, now or later."""
        return bool(self._ready or self._waits) and not self._stopping

    def begin(self, take: Callable[[Step], bool], free: Callable[[], bool]) -> None:
        """Offers the ready steps, in order; one that is not taken yet lets later ones pass.

        Args:
            take: begins a step; False: it does not fit yet.
            free: whether any step could be taken.
        """
        if self._stopping:
            return
        self._wake()
        passed: list[str] = []
        while self._ready and free():
            key = self._ready.popleft()
            if take(self.steps[key]):
                self.listener.started(self.steps[key])
            else:
                passed.append(key)
        self._ready.extendleft(reversed(passed))

    def pause(self) -> float | None:
        """Seconds until a waiting step is to be tried again; None: none waits."""
        soonest = min(self._waits.values(), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def ended(self, step: Step, state: StepState) -> None:
        """A step that was begun is done, has failed, or waits for something outside."""
        if state.state == "waiting":
            self._waits[step.key] = time.monotonic() + state.after
            self.listener.waits(step, state.error or "")
        else:
            self._finished(step, state)

    def close(self) -> None:
        """What has no state by now was not done."""
        for key in self.steps:
            self.outcome.states.setdefault(key, StepState(key=key, state="pending"))

    def _wake(self) -> None:
        """Steps whose wait is over are ready again, after those that have not begun."""
        now = time.monotonic()
        for key in [key for key, at in self._waits.items() if at <= now]:
            del self._waits[key]
            self._ready.append(key)

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
                # Depth first: what a finished step leads to comes before new beginnings, so that cells end early.
                self._ready.appendleft(key)


def attempt(services: Services, step: Step, progress: Progress, launch: Launch) -> StepState:
    """Does a step; whatever it raises is its state."""
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
        state, said, trace = "failed", str(error), traceback.format_exc()
    except Exception as error:
        state, said, trace = "failed", f"{type(error).__name__}: {error}", traceback.format_exc()
    else:
        state, said, trace = "done", "", ""
    return StepState(
        key=step.key,
        state=state,
        error=said or None,
        trace=trace or None,
        seconds=round(time.monotonic() - started, 3),
        notes=tuple(notes),
        stops_run=stops,
    )


def use_threads(count: int) -> None:
    """Read by the models when they open; OpenMP's own variables count only until torch is imported."""
    for name in ("RTBENCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)


def visible(gpus: Sequence[int]) -> str:
    """``CUDA_VISIBLE_DEVICES`` for some of the GPUs that this process sees."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else None
    return ",".join(str(gpu) if names is None else names[gpu] for gpu in gpus)
