"""Methods, and curators of what they train on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtbench.interfaces.models import Teacher
from rtbench.records import Completion, Example, Record, Sample, Spending

if TYPE_CHECKING:
    from rtbench.builder import StepBuilder
    from rtbench.interfaces.running import Services
    from rtbench.specs import Cell, Step


class Method(ABC):
    """Expands a cell into steps. See docs/plugins.md for one of a few dozen lines."""

    name: str
    uses_teacher: bool = False
    uses_degree: bool = False
    uses_student: bool = True
    trains: bool = False
    """True where seeds and data fractions make a difference."""

    @abstractmethod
    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        """Returns the cell's ``score`` step; the steps it rests on hang below it."""


class Candidate(Record, frozen=True):
    """A completion on its way to become a training example."""

    example: Example
    completion: Completion
    correct: bool
    """By the task's extractor."""
    extracted: str | None = None
    """The answer that the extractor found in the completion."""


@dataclass(frozen=True)
class CurationContext:
    """What a curator may look at besides the candidates."""

    samples: Mapping[int, Sample]
    test_samples: Sequence[Sample]
    """Of every fold but the training fold."""
    degree: int
    dataset: str = ""
    """Name of the samples in the ledger."""
    services: Services | None = None
    """For curators that ask a model; None where they are tried without one."""
    judged: dict[str, Spending] = field(default_factory=dict)
    """Where such a curator writes down what it cost."""
    notes: list[str] = field(default_factory=list)
    """What the user should know."""


class Curator(ABC):
    """Keeps some candidates. Curators run in the order given; what each drops is counted under its name."""

    name: str
    version: int = 1
    of_questions: bool = False
    """It goes by questions: examples that hold the gold answer alone pass it as well, so that methods are compared on the
    same questions."""
    asks_tokens: int = 0
    """New tokens of an answer of the model that it asks, at most."""
    asks_as: str = ""
    """Name of its prompt in the ledger."""

    def asks(self, services: Services) -> Teacher | None:
        """The model that it asks about candidates, once about each at most; None: it asks nobody. It is stated as the
        option ``model``, and counts in keys by its fingerprint."""
        return None

    @abstractmethod
    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        """Returns the candidates that stay, in order."""
