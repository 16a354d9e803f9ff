"""Progress of a run as plain lines. In a terminal, :mod:`rtbench.cli.live` is used instead."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rtbench.schema.progress import Throttle, duration_text

if TYPE_CHECKING:
    from rich.console import Console

    from rtbench.errors import PluginError
    from rtbench.plugin.plans import Plan
    from rtbench.schema.progress import Progress
    from rtbench.schema.steps import Step, StepState
    from rtbench.session import Session

LINE_SECONDS = 10.0
"""Minimum number of seconds between two progress lines of one step."""
WAIT_SECONDS = 60.0
"""Minimum number of seconds between two lines on what a step waits for."""


class RunListener:
    """Calls the lifecycle hooks of plugins, and prints progress as plain lines unless a subclass displays it."""

    def __init__(self, plan: Plan, session: Session, console: Console) -> None:
        from rtbench.steps.epochs import EpochCleaner  # not on the way to `--help`

        self.plugins = session.plugins
        self.console = console
        self.total = len(plan.todo)
        self.ended = 0
        self.failed = 0
        self._begun = time.monotonic()
        self._since: dict[str, float] = {}
        self._lines: dict[str, Throttle] = {}
        self._shown_errors: set[str] = set()
        self._waits: dict[str, Throttle] = {}
        self._epochs = EpochCleaner(plan, session.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, step: Step) -> None:
        """Report that a step begins."""
        self._warn(self.plugins.step_started(step))
        self._since[step.key] = time.monotonic()
        self._lines[step.key] = Throttle(LINE_SECONDS, wait_first=True)
        self.show_started(step)

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        """Report that a step has done ``done`` of ``total`` units of its work."""
        self.show_progress(step, done, total, unit)

    def waits(self, step: Step, why: str) -> None:
        """Report that a step waits for something outside the run, at most once per minute."""
        if self._waits.setdefault(step.key, Throttle(WAIT_SECONDS)).due():
            self.show_waits(step, why)

    def show_waits(self, step: Step, why: str) -> None:
        """Show what a step waits for."""
        self._line(f"        {step.title}: waiting, {why}")

    def finished(self, step: Step, state: StepState) -> None:
        """Report that a step is done, failed or skipped."""
        self._warn(self.plugins.step_finished(step, state))
        self.ended += 1
        self.failed += state.state == "failed"
        if state.state == "done":
            self._epochs.finished(step.key)
        self.show_finished(step, state)
        for note in state.notes:
            self._line(f"warning: {step.title}: {note}")

    def _warn(self, errors: Sequence[PluginError]) -> None:
        """Show errors of plugins, each once: a plugin that fails for one step often fails for all."""
        for error in errors:
            if str(error) not in self._shown_errors:
                self._shown_errors.add(str(error))
                self._line(f"warning: {error}")

    def eta(self) -> str:
        """Return the estimated time left, in hours, minutes and seconds; ``?`` before the first step has ended."""
        if not self.ended:
            return "?"
        left = (time.monotonic() - self._begun) / self.ended * (self.total - self.ended)
        return duration_text(left)

    def show_started(self, step: Step) -> None:
        """Show that a step begins."""

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        """Show the progress of a step."""
        if self._lines[step.key].due():
            self._line(f"        {step.title}: {done}/{total} {unit}")

    def show_finished(self, step: Step, state: StepState) -> None:
        """Show that a step has ended."""
        # The reason of a skipped step was shown when its input failed.
        reason = f": {state.error}" if state.state == "failed" else ""
        self._line(
            f"[{self.ended}/{self.total}, {self.eta()} left] {state.state} {step.title} ({state.seconds:.1f} s){reason}"
        )

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def byte_progress() -> Progress:
    """Return a function that shows the progress of downloads.

    In a terminal it rewrites one line; elsewhere it prints a line every few seconds.
    """
    stream = sys.stderr
    throttle = Throttle(0.1 if stream.isatty() else LINE_SECONDS, wait_first=True)

    def show(done: int, total: int, _unit: str) -> None:
        if not throttle.due() and not (stream.isatty() and done == total):
            return
        text = f"downloading: {done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total > 0 else " MB")
        end = "\n" if done == total or not stream.isatty() else ""
        stream.write(f"\r{text}{end}" if stream.isatty() else f"{text}\n")
        stream.flush()

    return show
