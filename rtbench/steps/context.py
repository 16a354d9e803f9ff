"""What a step's work is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from rtbench.plugin.services import Services
from rtbench.schema.base import Progress, no_progress
from rtbench.schema.steps import SpecT, Step


@dataclass(frozen=True)
class StepContext(Generic[SpecT]):
    """What a step's work is given."""

    services: Services
    step: Step[SpecT]
    folder: Path
    """Private directory; becomes the step's folder in the store."""
    progress: Progress = no_progress
