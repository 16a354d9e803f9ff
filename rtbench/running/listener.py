"""What every display of a run does: it calls the hooks of plugins, and counts steps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rtbench.schema.progress import Throttle, duration_text
from rtbench.steps.epochs import EpochCleaner
from rtbench.texts import shown_in_line

if TYPE_CHECKING:
    from rtbench.errors import PluginError
    from rtbench.plugin.plans import Plan
    from rtbench.schema.steps import Step, StepState
    from rtbench.session import Session

WAIT_SECONDS = 60.0
"""Minimum number of seconds between two lines on what a step waits for."""


class RunListener(ABC):
    """Calls the lifecycle hooks of plugins, and removes epochs that are no longer needed. Subclasses show the progress.

    Args:
        plan: the run's plan.
        session: its session.
    """

    def __init__(self, plan: Plan, session: Session) -> None:
        self.plugins = session.plugins
        self.total = len(plan.todo)
        self.ended = 0
        self.failed = 0
        self._begun = time.monotonic()
        self.since: dict[str, float] = {}
        """When steps began, by key."""
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
        """Note that a step begins."""
        self._warn(self.plugins.step_started(step))
        self.since[step.key] = time.monotonic()
        self.show_started(step)

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        """Note that a step has done ``done`` of ``total`` units of its work."""
        self.show_progress(step, done, total, unit)

    def waits(self, step: Step, why: str) -> None:
        """Note that a step waits for something outside the run; shown at most once per minute."""
        if self._waits.setdefault(step.key, Throttle(WAIT_SECONDS)).due():
            self.show_waits(step, why)

    def finished(self, step: Step, state: StepState) -> None:
        """Note that a step is done, failed or skipped."""
        self._warn(self.plugins.step_finished(step, state))
        self.ended += 1
        self.failed += state.state == "failed"
        if state.state == "done":
            self._epochs.finished(step.key)
        self.show_finished(step, state)
        for note in state.notes:
            self.line(f"warning: {step.title}: {shown_in_line(note)}")

    def _warn(self, errors: Sequence[PluginError]) -> None:
        """Show errors of plugins, each once: a plugin that fails for one step often fails for all."""
        for error in errors:
            if str(error) not in self._shown_errors:
                self._shown_errors.add(str(error))
                self.line(f"warning: {error}")

    def eta(self) -> str:
        """Return the estimated time left, in hours, minutes and seconds; ``?`` before the first step has ended."""
        if not self.ended:
            return "?"
        left = (time.monotonic() - self._begun) / self.ended * (self.total - self.ended)
        return duration_text(left)

    @abstractmethod
    def line(self, text: str) -> None:
        """Show a line that stays."""

    @abstractmethod
    def show_started(self, step: Step) -> None:
        """Show that a step begins."""

    @abstractmethod
    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        """Show the progress of a step."""

    @abstractmethod
    def show_finished(self, step: Step, state: StepState) -> None:
        """Show that a step has ended."""

    def show_waits(self, step: Step, why: str) -> None:
        """Show what a step waits for."""
        self.line(f"        {step.title}: waiting, {why}")
