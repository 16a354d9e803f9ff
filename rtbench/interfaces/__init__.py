"""What a plugin implements. Small enough to hold in the head.

A plugin registers *factories* of these (see :mod:`rtbench.hookspecs`); the core calls a factory with the name and the
options that stand in the matrix, and from then on knows nothing but the classes below.
"""

from __future__ import annotations

from rtbench.interfaces.methods import Candidate, CurationContext, Curator, Method
from rtbench.interfaces.models import Progress, Recipe, Student, Teacher, TextModel, TrainJob, no_progress
from rtbench.interfaces.prompts import PromptFormat, Template
from rtbench.interfaces.running import (
    Environment,
    Executor,
    FolderReporter,
    Listener,
    Outcome,
    Reporter,
    Services,
    StepState,
)
from rtbench.interfaces.tasks import (
    Demonstration,
    DemonstrationSource,
    Extractor,
    RationaleSource,
    Task,
    TaskData,
    TaskInfo,
)

__all__ = [
    "Candidate",
    "CurationContext",
    "Curator",
    "Demonstration",
    "DemonstrationSource",
    "Environment",
    "Executor",
    "Extractor",
    "FolderReporter",
    "Listener",
    "Method",
    "Outcome",
    "Progress",
    "PromptFormat",
    "RationaleSource",
    "Recipe",
    "Reporter",
    "Services",
    "StepState",
    "Student",
    "Task",
    "TaskData",
    "TaskInfo",
    "Teacher",
    "Template",
    "TextModel",
    "TrainJob",
    "no_progress",
]
