"""The settings with which a worker process creates its own session."""

from __future__ import annotations

import msgspec

from rtbench.schema.money import BudgetCap


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a worker process needs to rebuild the session: plain data, no secrets."""

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
    budget: BudgetCap | None = None
    """Budget of the run."""
    registered: bytes = b""
    """Objects that a Python program has registered (:mod:`rtbench.plugin.registered`). They go from a process to its own
    workers: through a pipe, and to the processes of a training through a private temporary file."""
