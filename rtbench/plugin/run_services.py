"""The lower tier of services, which every plugin may use, models included."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rtbench.data.files import DataFiles
from rtbench.machine import Machine
from rtbench.schema.environment import Environment
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import Ledger
from rtbench.storage.place import Place
from rtbench.storage.store import Store


class RunServices(Protocol):
    """Files, stores and permissions of a run."""

    @property
    def workspace(self) -> Path:
        """Return the folder of ledger, store and runs: that of this machine's copy, if the workspace is below a URL."""

    @property
    def place(self) -> Place:
        """Return where the workspace is kept. It must publish files that are written without ledger, store and runs."""

    @property
    def environment(self) -> Environment:
        """Return what a worker process needs to create its own services."""

    @property
    def files(self) -> DataFiles:
        """Return the pinned data files."""

    @property
    def ledger(self) -> Ledger:
        """Return the ledger of completions."""

    @property
    def store(self) -> Store:
        """Return the store of finished steps."""

    @property
    def budget(self) -> Budget | None:
        """Return the budget of the run; None where no account is kept."""

    def book_on(self, account: Budget) -> None:
        """Book costs on an account that another process keeps."""

    @property
    def recordings(self) -> Path | None:
        """Return the folder with recorded completions, if any."""

    @property
    def machine(self) -> Machine:
        """Return the machine on which models are trained and asked."""

    @property
    def trust_remote_code(self) -> bool:
        """Return whether models may run their own code."""

    @property
    def offline(self) -> bool:
        """Return whether downloads are disabled."""
