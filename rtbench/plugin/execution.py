"""Executors: run a plan's steps, on this machine or elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from rtbench.machine import Machine, here
from rtbench.plugin.plans import Plan
from rtbench.plugin.services import Services
from rtbench.schema.steps import Outcome, Step, StepState


class Listener(Protocol):
    """Receives the events of a run; the progress display is a listener."""

    def started(self, step: Step) -> None:
        """Note that a step begins."""

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        """Note that a step has done ``done`` of ``total`` units of its work."""

    def waits(self, step: Step, why: str) -> None:
        """Note that a step waits for something outside the run and is tried again later."""

    def finished(self, step: Step, state: StepState) -> None:
        """Note that a step is done, failed or skipped."""


class Executor(ABC):
    """Runs a plan's steps in an order that respects their inputs."""

    name: str

    @abstractmethod
    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        """Run the steps that are not cached, and return how each step ended.

        A failed step fails only the steps that depend on it. Ctrl-C stops cleanly.
        """

    def notes(self) -> Sequence[str]:
        """Return remarks on the executor's options, for the user to read before the run."""
        return ()

    def machine(self) -> Machine:
        """Return the machine that steps run on; plans are made for it."""
        return here()
