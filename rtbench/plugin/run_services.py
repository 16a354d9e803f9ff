"""The lower tier of services: what every plugin may use, models included."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rtbench.data.files import DataFiles
from rtbench.machine import Machine
from rtbench.schema.environment import Environment
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import Ledger
from rtbench.storage.store import Store


class RunServices(Protocol):
    """Where a run reads and writes, and what it may do."""

    @property
    def workspace(self) -> Path:
        """Folder of ledger, store and runs."""

    @property
    def environment(self) -> Environment:
        """What a worker process needs to make services of its own."""

    @property
    def files(self) -> DataFiles:
        """Pinned data files."""

    @property
    def ledger(self) -> Ledger:
        """Completions."""

    @property
    def store(self) -> Store:
        """Finished steps."""

    @property
    def budget(self) -> Budget | None:
        """What the run may spend; None: no account is kept."""

    @property
    def recordings(self) -> Path | None:
        """Folder with recorded completions; None: there is none."""

    @property
    def machine(self) -> Machine:
        """Where models are trained and asked."""

    @property
    def trust_remote_code(self) -> bool:
        """Models may run code of their own."""

    @property
    def offline(self) -> bool:
        """Nothing is downloaded."""
