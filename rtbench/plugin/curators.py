"""Curators: which completions become training examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rtbench.plugin.models import ModelServices, Teacher
from rtbench.schema.money import Spending
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate, Likelihood


@dataclass(frozen=True)
class CurationContext:
    """Data and services that a curator may use besides the candidates."""

    samples: Mapping[int, Sample]
    """Questions of the training fold, by sample index."""
    test_samples: Sequence[Sample]
    """Questions of every other fold."""
    degree: int
    """Number of completions per question that are considered."""
    dataset: str = ""
    """Name of the samples in the ledger."""
    services: ModelServices | None = None
    """For curators that ask a model; None where they are tried out without a session."""
    judged: dict[str, Spending] = field(default_factory=dict)
    """Filled in by curators that ask a model: its cost, by model name."""
    likelihoods: Mapping[str, Likelihood] = field(default_factory=dict)
    """For a curator with :attr:`Curator.likelihood_by`: likelihoods of the completions, by their key."""
    notes: list[str] = field(default_factory=list)
    """Filled in by any curator: messages for the user."""


class Curator(ABC):
    """Selects candidates.

    Curators run in the order given. The candidates that each drops are counted under its name.
    """

    name: str
    version: int = 1
    """Raise it when the same candidates give a different selection."""
    of_questions: bool = False
    """True where it selects questions. Examples that hold only the gold answer then pass through it as well, so that
    methods are compared on the same questions."""
    counts_wrong: bool = False
    """True where it counts wrong completions: no curator that removes all of them may come before it."""
    removes_wrong: bool = False
    """True where only right completions are left after it."""
    likelihood_by: Literal["own"] | dict[str, Any] | None = None
    """Untrained student whose likelihood of each rationale it uses: ``own`` for the one that is trained on them, or a student
    as in a matrix, which is the option ``model``. Only its fingerprint enters keys. None: no likelihoods."""
    asks_tokens: int = 0
    """Maximum new tokens of an answer from the model that it asks."""
    asks_as: str = ""
    """Name of its prompt's ledger partition."""

    def asks(self, services: ModelServices) -> Teacher | None:
        """Return the model that it asks about candidates, at most once about each; None where it asks no model.

        The model is the option ``model``. Only its fingerprint enters keys.
        """
        return None

    @abstractmethod
    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        """Return the candidates to keep, in order."""
