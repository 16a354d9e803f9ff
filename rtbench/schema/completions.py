"""Requests to text models, and the completions that answer them."""

from __future__ import annotations

from typing import Any, Literal

from rtbench.schema.base import FinishReason, Record


class Sampling(Record, frozen=True, omit_defaults=True):
    """How a completion is drawn. Greedy when ``temperature`` is 0."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end a completion; the string itself is not part of the text."""
    seed: int = 0
    """Base seed; each completion draws from a generator seeded with this, its sample and completion index."""


class Request(Record, frozen=True, omit_defaults=True):
    """One completion to be written by a text model."""

    task: str
    sample_index: int
    completion_index: int
    prompt: str
    sampling: Sampling
    key: str
    """Content key in the ledger: model fingerprint, prompt, sampling, sample and completion index."""
    seed: int
    """Seed of this very completion, derived from sampling.seed and the indices, so batches do not change texts."""


class Usage(Record, frozen=True, omit_defaults=True):
    """Tokens as the model's own tokenizer or server counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt's, those that the server had at hand and charges less for."""
    thought_tokens: int = 0
    """Of the written ones, those of a thinking model's thoughts."""


class Completion(Record, frozen=True, omit_defaults=True):
    """One finished completion, as it stands in the ledger."""

    key: str
    task: str
    sample_index: int
    completion_index: int
    prompt: str
    text: str
    """What the model wrote, verbatim. In a two-stage prompt, the answer stage's text."""
    reasoning: str | None = None
    """Rationale kept apart from the answer: the first stage of a two-stage prompt, or a thinking model's thoughts.
    None where ``text`` holds both."""
    thoughts: str | None = None
    """What a thinking model thought apart while it wrote ``text``, where ``reasoning`` holds the first stage."""
    finish_reason: FinishReason | None = None
    """``stop``: the model ended by itself; ``length``: it was cut; None: the source does not say."""
    reasoning_finish: FinishReason | None = None
    """The same of the first stage, where ``reasoning`` holds it."""
    usage: Usage | None = None
    prompt_cut: bool = False
    """The model saw only a part of ``prompt``, because it is longer than the model takes."""

    @property
    def full_text(self) -> str:
        """Rationale and answer in one text, in the order written."""
        return (self.reasoning or "") + self.text

    def rationale(self, answer_prefix: str | None) -> str:
        """What was written before the answer: the first stage's text, or what stands before the last prefix; all of it
        where the prefix is missing, or none is asked for."""
        if self.reasoning is not None:
            return self.reasoning
        before, found, _ = self.text.rpartition(answer_prefix) if answer_prefix else ("", "", "")
        return before if found else self.text


def completion_of(request: Request, text: str, **rest: Any) -> Completion:
    """A request's completion; ``rest`` are further fields of :class:`Completion`."""
    return Completion(
        key=request.key,
        task=request.task,
        sample_index=request.sample_index,
        completion_index=request.completion_index,
        prompt=request.prompt,
        text=text,
        **rest,
    )


class ModelSpec(Record, frozen=True, omit_defaults=True):
    """Names a text model without loading it. Only ``fingerprint`` enters keys, and ``training`` those of
    trainings; the rest says how to load it."""

    role: Literal["teacher", "student"]
    plugin: str
    """Registered name of the factory."""
    name: str
    options: dict[str, Any]
    fingerprint: str
    """Identifies weights or endpoint model; for a trained student, its base."""
    training: int = 1
    """Version of how a student is trained: of another one, the same rows and recipe give other weights."""


class IndexEntry(Record, frozen=True):
    """Where a step's completion stands in the ledger."""

    sample_index: int
    completion_index: int
    key: str


class LedgerAddress(Record, frozen=True):
    """The ledger partition that a step's completions are in."""

    fingerprint: str
    dataset: str
    prompt: str
