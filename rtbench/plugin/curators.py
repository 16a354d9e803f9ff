"""Curators: which completions become training examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rtbench.plugin.models import ModelServices, Teacher
from rtbench.schema.money import Spending
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate


@dataclass(frozen=True)
class CurationContext:
    """What a curator may use besides the candidates."""

    samples: Mapping[int, Sample]
    """Questions of the training fold, by sample index."""
    test_samples: Sequence[Sample]
    """Questions of every other fold."""
    degree: int
    """Completions of each question that are looked at."""
    dataset: str = ""
    """Name of the samples in the ledger."""
    services: ModelServices | None = None
    """For curators that ask a model; None where they are tried without one."""
    judged: dict[str, Spending] = field(default_factory=dict)
    """Filled in by such a curator: what its model cost, by model."""
    notes: list[str] = field(default_factory=list)
    """Filled in by any curator: what the user should know."""


class Curator(ABC):
    """Keeps some candidates. Curators run in the order given; what each drops is counted under its name."""

    name: str
    version: int = 1
    """Raise it when the same candidates give another choice."""
    of_questions: bool = False
    """It chooses questions: examples that hold the gold answer alone pass it as well, so that methods are compared on
    the same questions."""
    asks_tokens: int = 0
    """Most new tokens of an answer of the model that it asks."""
    asks_as: str = ""
    """Name of its prompt in the ledger."""

    def asks(self, services: ModelServices) -> Teacher | None:
        """Return the model that it asks about candidates, once about each at most; None: it asks nobody.

        The model is the option ``model``, and counts in keys by its fingerprint.
        """
        return None

    @abstractmethod
    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        """Return the candidates that stay, in order."""
