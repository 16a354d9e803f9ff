"""The context that the work of a step is called with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from rtbench.plugin.services import Services
from rtbench.schema.progress import Progress, no_progress
from rtbench.schema.steps import SpecT, Step


@dataclass(frozen=True)
class StepContext(Generic[SpecT]):
    """Services, step, folder and progress callback of a step's work."""

    services: Services
    step: Step[SpecT]
    folder: Path
    """Private directory, which later becomes the step's folder in the store."""
    progress: Progress = no_progress
