"""Progress of a run as plain lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rtbench.running.listener import RunListener
from rtbench.schema.progress import Throttle

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.schema.steps import Step, StepState
    from rtbench.session import Session

LINE_SECONDS = 10.0
"""Minimum number of seconds between two lines of one step."""


class QuietListener(RunListener):
    """Says warnings only.

    Args:
        plan: the run's plan.
        session: its session.
        say: prints a line.
    """

    def __init__(self, plan: Plan, session: Session, say: Callable[[str], object]) -> None:
        super().__init__(plan, session)
        self._say = say

    def line(self, text: str) -> None:
        """Print a line."""
        self._say(text)

    def show_started(self, step: Step) -> None:
        """Show nothing."""

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        """Show nothing."""

    def show_finished(self, step: Step, state: StepState) -> None:
        """Show nothing."""


class LineListener(QuietListener):
    """Says what each step has done, now and then, and how it ended."""

    def __init__(self, plan: Plan, session: Session, say: Callable[[str], object]) -> None:
        super().__init__(plan, session, say)
        self._lines: dict[str, Throttle] = {}

    def show_started(self, step: Step) -> None:
        """Begin to wait for the time of the step's first line."""
        self._lines[step.key] = Throttle(LINE_SECONDS, wait_first=True)

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        """Print a line, if the last one was long ago."""
        if self._lines[step.key].due():
            self.line(f"        {step.title}: {done}/{total} {unit}")

    def show_finished(self, step: Step, state: StepState) -> None:
        """Print how the step ended, and the time that is left."""
        # The reason of a skipped step was shown when its input failed.
        reason = f": {state.error}" if state.state == "failed" else ""
        self.line(
            f"[{self.ended}/{self.total}, {self.eta()} left] {state.state} {step.title} ({state.seconds:.1f} s){reason}"
        )
