"""What finished steps report, by kind. Stored in a step's ``meta.json``."""

from __future__ import annotations

import msgspec

from rtbench.schema.base import Record
from rtbench.schema.completions import LedgerAddress
from rtbench.schema.scores import ScoreSummary
from rtbench.schema.steps import StepKind
from rtbench.schema.training import CurationYield, TrainReport


class CompleteResult(Record, frozen=True, omit_defaults=True):
    """What a ``complete`` step found; the completions themselves are in the ledger."""

    address: LedgerAddress
    requests: int
    completions: int
    """Requests that have a completion."""
    questions: int
    missing_questions: int = 0
    """Questions without a completion: of recordings, and refused ones."""
    prompts_cut: int = 0
    """Prompts that the model saw only a part of."""
    notes: tuple[str, ...] = ()
    """What the user should know."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ScoreResult(Record, frozen=True, omit_defaults=True):
    """What a ``score`` step found; the verdicts themselves are in its folder."""

    summaries: tuple[ScoreSummary, ...]
    """One for each extractor."""
    rationale_words: float | None = None
    """Mean length of the rationales, in words; None where nothing tells a rationale from the answer."""
    epoch: int | None = None
    """The best epoch, from 1, where the steps are epochs."""
    accuracy_per_epoch: tuple[float, ...] = ()
    """Fractions, by the extractor that chose the epoch."""
    notes: tuple[str, ...] = ()
    """What the user should know."""


StepResult = CompleteResult | CurationYield | TrainReport | ScoreResult
RESULTS: dict[StepKind, type[StepResult]] = {
    "complete": CompleteResult,
    "curate": CurationYield,
    "train": TrainReport,
    "score": ScoreResult,
}
KINDS: dict[type, StepKind] = {result: kind for kind, result in RESULTS.items()}


def decode_result(kind: StepKind, data: bytes) -> StepResult:
    """Return a result that another process encoded with msgpack."""
    return msgspec.msgpack.decode(data, type=RESULTS[kind])
