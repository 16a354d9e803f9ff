"""How a run goes, and what the core offers to plugins on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rtbench.budget import Budget, Cap
from rtbench.errors import BadInputError
from rtbench.interfaces.methods import Curator, Method
from rtbench.interfaces.models import Student, Teacher
from rtbench.interfaces.tasks import Task, TaskData
from rtbench.machine import Machine, here
from rtbench.records import Record

if TYPE_CHECKING:
    from rtbench.board import Leaderboard
    from rtbench.data import DataFiles
    from rtbench.ledger import Ledger
    from rtbench.plan import Plan
    from rtbench.runs import RunRecord
    from rtbench.session import Session
    from rtbench.specs import Step
    from rtbench.store import Store


class StepState(Record, frozen=True):
    """How one step of a run stands."""

    key: str
    state: str
    """``cached``, ``done``, ``failed``, ``skipped`` (a step it rests on failed), ``pending`` (the run stopped), or, on the
    way, ``waiting`` for something outside."""
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What the user should know of the result."""
    stops_run: bool = False
    """It failed at what every other step would fail at as well."""
    after: float = 0.0
    """Seconds until a waiting step is to be tried again."""


@dataclass
class Outcome:
    """How a run ended."""

    states: dict[str, StepState] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def failed(self) -> list[StepState]:
        return [state for state in self.states.values() if state.state == "failed"]


class Listener(Protocol):
    """Told how a run goes; the progress display is one."""

    def started(self, step: Step) -> None: ...
    def progressed(self, step: Step, done: int, total: int, unit: str) -> None: ...
    def waits(self, step: Step, why: str) -> None: ...
    def finished(self, step: Step, state: StepState) -> None: ...


class Executor(ABC):
    """Runs a plan's steps in an order that respects their inputs."""

    name: str

    @abstractmethod
    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome: ...

    def machine(self) -> Machine:
        """What models find where it runs their steps; plans go by it."""
        return here()


class Reporter(ABC):
    """Renders a leaderboard."""

    name: str

    @abstractmethod
    def render(self, leaderboard: Leaderboard) -> str: ...


class FolderReporter(Reporter):
    """Writes a folder with the leaderboard and what stands behind it, instead of a text."""

    def render(self, leaderboard: Leaderboard) -> str:
        raise BadInputError(f"{self.name} is a folder, not a text", where="--format", next_step="Write `--out DIR`.")

    @abstractmethod
    def write(self, leaderboard: Leaderboard, run: RunRecord, session: Session, folder: Path) -> None:
        """Raises BadInputError where the folder holds something that is not the reporter's."""


class Services(Protocol):
    """What the core offers to plugins while it plans and runs (:class:`rtbench.session.Session` is the real one)."""

    @property
    def workspace(self) -> Path:
        """Folder of ledger, store and runs."""

    @property
    def environment(self) -> Environment:
        """What a worker process needs to make a session of its own."""

    @property
    def files(self) -> DataFiles: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def store(self) -> Store:
        """Finished steps."""

    @property
    def budget(self) -> Budget | None:
        """What the run may spend; None: no cap."""

    @property
    def recordings(self) -> Path | None:
        """Folder with recorded completions, where there is one."""

    @property
    def machine(self) -> Machine:
        """Where models are trained and asked."""

    @property
    def trust_remote_code(self) -> bool: ...
    @property
    def offline(self) -> bool: ...

    def task(self, name: str) -> Task: ...
    def task_data(self, name: str, variant: str) -> TaskData: ...
    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher: ...
    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student: ...
    def method(self, name: str) -> Method: ...
    def curator(self, name: str, options: dict[str, Any]) -> Curator: ...


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker process needs to rebuild the session: plain data, no secrets."""

    workspace: str
    data_dir: str | None = None
    cache_dir: str | None = None
    recordings: str | None = None
    plugin_files: tuple[str, ...] = ()
    task_files: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    trust_remote_code: bool = False
    offline: bool = False
    report_to: tuple[str, ...] = ()
    """Experiment trackers that trainings report to."""
    budget: Cap | None = None
    """What the run may spend."""
