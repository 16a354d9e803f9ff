"""The upper tier of services, which looks up registered objects by name."""

from __future__ import annotations

from typing import Any, Protocol

from rtbench.plugin.curators import Curator
from rtbench.plugin.methods import Method
from rtbench.plugin.models import ModelServices
from rtbench.schema.runs import RunRecord


class Services(ModelServices, Protocol):
    """Services of the core while it plans, runs and reports; :class:`rtbench.session.Session` implements them."""

    def method(self, name: str, *, where: str | None = None) -> Method:
        """Return the method registered under a name.

        Args:
            name: registered name.
            where: place that the name was read from, for messages.

        Raises:
            UnknownNameError: there is no such method.
            PluginError: its plugin fails to create it.
        """

    def curator(self, name: str, options: dict[str, Any]) -> Curator:
        """Return a curator with its options.

        Raises:
            UnknownNameError: there is no such curator.
            PluginError: its plugin fails to create it.
            BadInputError: an option is wrong.
        """

    def open_run(self, name: str | None = None) -> RunRecord:
        """Return a run by name, or the latest, and load the task and plugin files that it was made with.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run has that name.
            DamagedError: the record is damaged.
        """

    def summaries(self, run: RunRecord, *, brief: bool = False) -> list[str]:
        """Return the texts of plugins to show with a run's leaderboard, or above a ``brief`` one. A plugin that raises causes a warning."""
