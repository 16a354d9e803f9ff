"""The plugin of a task's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


class TaskFolder:
    """A plugin that registers the task of one folder under the folder's name.

    Args:
        name: the folder's and the task's name.
        summary: one line for listings.
    """

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self.summary = summary

    @property
    def path(self) -> Path:
        """Return the path of the task's YAML."""
        return Path(__file__).parent / self.name / "task.yaml"

    @hookimpl
    def rtbench_register_tasks(self, register: Register) -> None:
        """Register the task; its YAML is read when the task is loaded."""
        register(self.name, self.path, summary=self.summary)
