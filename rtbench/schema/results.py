"""Results that finished steps report, by kind. They are stored in a step's ``meta.json``."""

from __future__ import annotations

import msgspec

from rtbench.schema.base import Record, RefusalKind
from rtbench.schema.completions import LedgerAddress
from rtbench.schema.scores import ScoreSummary
from rtbench.schema.steps import StepKind
from rtbench.schema.training import CurationYield, TrainReport


class CompleteResult(Record, frozen=True, omit_defaults=True):
    """Result of a ``complete`` step; the completions themselves are in the ledger."""

    address: LedgerAddress
    requests: int
    completions: int
    """Number of requests that have a completion."""
    questions: int
    missing_questions: int = 0
    """Questions without a completion: missing from recordings, or refused."""
    prompts_cut: int = 0
    """Prompts of which the model saw only a part."""
    cut: int = 0
    """Completions that a token limit cut, in this stage or an earlier one. Always 0 in results of older versions."""
    thinking_cut: int = 0
    """Completions whose thinking was ended at ``max_thinking_tokens``."""
    refused: dict[RefusalKind, int] = {}
    """Requests of this stage or an earlier one that were left out because they were refused for their content, by kind.
    They are not in ``completions``."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class LikelihoodResult(Record, frozen=True, omit_defaults=True):
    """Result of a ``likelihood`` step; the likelihoods themselves are in its folder."""

    completions: int
    tokens: int
    """Tokens of all labels."""
    nats: float
    """Negative log-likelihood of all labels."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


class ScoreResult(Record, frozen=True, omit_defaults=True):
    """Result of a ``score`` step; the scores themselves are in its folder."""

    summaries: tuple[ScoreSummary, ...]
    """One summary per extractor."""
    rationale_words: float | None = None
    """Mean length of the rationales, in words; None where rationale and answer cannot be separated."""
    epoch: int | None = None
    """The best epoch, from 1, where the steps are epochs."""
    accuracy_per_epoch: tuple[float, ...] = ()
    """Accuracies as fractions, by the extractor that selected the epoch."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


StepResult = CompleteResult | LikelihoodResult | CurationYield | TrainReport | ScoreResult
RESULTS: dict[StepKind, type[StepResult]] = {
    "complete": CompleteResult,
    "likelihood": LikelihoodResult,
    "curate": CurationYield,
    "train": TrainReport,
    "score": ScoreResult,
}
KINDS: dict[type, StepKind] = {result: kind for kind, result in RESULTS.items()}


def decode_result(kind: StepKind, data: bytes) -> StepResult:
    """Return a step's result from the msgpack encoding of another process."""
    return msgspec.msgpack.decode(data, type=RESULTS[kind])
