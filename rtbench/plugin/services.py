"""The upper tier of services: names to things."""

from __future__ import annotations

from typing import Any, Protocol

from rtbench.plugin.curators import Curator
from rtbench.plugin.methods import Method
from rtbench.plugin.models import ModelServices
from rtbench.schema.runs import RunRecord


class Services(ModelServices, Protocol):
    """What the core offers while it plans, runs and reports; :class:`rtbench.session.Session` is the real thing."""

    def method(self, name: str, *, where: str | None = None) -> Method:
        """Return the method registered under a name.

        Args:
            name: registered name.
            where: where the name is written, for the message.

        Raises:
            UnknownNameError: no such method.
            PluginError: it cannot be made.
        """

    def curator(self, name: str, options: dict[str, Any]) -> Curator:
        """Return a curator with its options; raises as :meth:`method`, and BadInputError where options are wrong."""

    def summaries(self, run: RunRecord) -> list[str]:
        """Return what plugins have to say below the leaderboard of a run. A plugin that raises costs a warning."""
