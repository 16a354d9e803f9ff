"""How a run is shown while it goes: plain lines; in a terminal, :mod:`rtbench.cli.live`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

    from rtbench.errors import PluginError
    from rtbench.plugin.plans import Plan
    from rtbench.schema.base import Progress
    from rtbench.schema.steps import Step, StepState
    from rtbench.session import Session

LINE_SECONDS = 10.0
"""Plain progress lines of one step come no closer than this."""
WAIT_SECONDS = 60.0
"""Nor do lines that say what it waits for."""


class RunListener:
    """Tells lifecycle hooks, then shows; the base shows plain lines."""

    def __init__(self, plan: Plan, session: Session, console: Console) -> None:
        self.plugins = session.plugins
        self.console = console
        self.total = len(plan.todo)
        self.ended = 0
        self.failed = 0
        self.begun = time.monotonic()
        self._last: dict[str, float] = {}
        self._said: set[str] = set()
        self._waiting_said: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, step: Step) -> None:
        self._complain(self.plugins.step_started(step))
        self._last[step.key] = time.monotonic()
        self.show_started(step)

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        self.show_progress(step, done, total, unit)

    def waits(self, step: Step, why: str) -> None:
        """A step waits for something outside; said again each minute."""
        now = time.monotonic()
        if now - self._waiting_said.get(step.key, float("-inf")) >= WAIT_SECONDS:
            self._waiting_said[step.key] = now
            self.show_waits(step, why)

    def show_waits(self, step: Step, why: str) -> None:
        self._line(f"        {step.title}: waiting, {why}")

    def finished(self, step: Step, state: StepState) -> None:
        self._complain(self.plugins.step_finished(step, state))
        self.ended += 1
        self.failed += state.state == "failed"
        self.show_finished(step, state)
        for note in state.notes:
            self._line(f"warning: {step.title}: {note}")

    def _complain(self, errors: Sequence[PluginError]) -> None:
        for error in errors:
            if str(error) not in self._said:  # once is enough for a tracker that is down
                self._said.add(str(error))
                self._line(f"warning: {error}")

    def eta(self) -> str:
        """Time left, from the steps done so far."""
        if not self.ended:
            return "?"
        left = (time.monotonic() - self.begun) / self.ended * (self.total - self.ended)
        return f"{int(left // 60)}:{int(left % 60):02}"

    def show_started(self, step: Step) -> None:
        return None

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if now - self._last[step.key] >= LINE_SECONDS:
            self._last[step.key] = now
            self._line(f"        {step.title}: {done}/{total} {unit}")

    def show_finished(self, step: Step, state: StepState) -> None:
        # Why a step is skipped has been said when the one that it rests on failed.
        said = f": {state.error}" if state.state == "failed" else ""
        self._line(
            f"[{self.ended}/{self.total}, {self.eta()} left] {state.state} {step.title} ({state.seconds:.1f} s){said}"
        )

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def byte_progress() -> Progress:
    """Shows a download: a line that is rewritten in a terminal, one line every few seconds elsewhere."""
    stream = sys.stderr
    last = time.monotonic()

    def show(done: int, total: int, _unit: str) -> None:
        nonlocal last
        now = time.monotonic()
        wait = 0.1 if stream.isatty() else LINE_SECONDS
        if now - last < wait and not (stream.isatty() and done == total):
            return
        last = now
        said = f"downloading: {done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total > 0 else " MB")
        end = "\n" if done == total or not stream.isatty() else ""
        stream.write(f"\r{said}{end}" if stream.isatty() else f"{said}\n")
        stream.flush()

    return show
