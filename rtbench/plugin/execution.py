"""Executors: who does a plan's steps, and where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from rtbench.machine import Machine, here
from rtbench.plugin.plans import Plan
from rtbench.plugin.services import Services
from rtbench.schema.steps import Outcome, Step, StepState


class Listener(Protocol):
    """Follows a run; the progress display is one."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        """A step has done so much of its work."""

    def waits(self, step: Step, why: str) -> None:
        """A step waits for something outside, and is tried again later."""

    def finished(self, step: Step, state: StepState) -> None:
        """A step is done, failed or skipped."""


class Executor(ABC):
    """Runs a plan's steps in an order that respects their inputs."""

    name: str

    @abstractmethod
    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        """Do what is to be done, and return how each step ended.

        A step that fails fails those that rest on it, and nothing else. Ctrl-C stops cleanly.
        """

    def machine(self) -> Machine:
        """Return what models find where their steps run; plans are made for it."""
        return here()
