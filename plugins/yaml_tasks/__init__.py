"""Tasks from YAML files: the loader behind ``--task mine.yaml`` and behind every task in ``rtbench_tasks``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench_plugins.yaml_tasks.task import YamlTask

    from rtbench.api import Task


@hookimpl
def rtbench_load_task(path: Path, offline: bool) -> Task | None:
    """Load ``*.yaml`` and ``*.yml`` files."""
    return load_task(path, offline=offline) if path.suffix in {".yaml", ".yml"} else None


def load_task(path: Path, *, offline: bool = False) -> YamlTask:
    """Load a task's YAML; see :func:`rtbench_plugins.yaml_tasks.task.load_task`."""
    from rtbench_plugins.yaml_tasks.task import load_task as load

    return load(path, offline=offline)
