"""Requests to text models, and the completions that answer them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rtbench.schema.base import FinishReason, Record
from rtbench.schema.logprobs import TokenLogprobs


class Sampling(Record, frozen=True, omit_defaults=True):
    """Sampling settings of a completion. Greedy when ``temperature`` is 0."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end a completion; they are not part of its text."""
    seed: int = 0
    """Base seed; each completion has its own generator, seeded with this and its sample and completion index."""
    max_thinking_tokens: int | None = None
    """Number of tokens after which a thinking model's thinking is ended and its answer asked for; they count towards
    ``max_new_tokens``. None: it may think as long as it writes."""
    top_logprobs: int = 0
    """Number of most probable tokens whose log-probabilities are stored at the place of each token; 0: none are."""


class Prefill(Record, frozen=True, omit_defaults=True):
    """The beginning of an answer, which the model continues."""

    thinking: str | None
    """Thinking, which is closed; None: it did not think."""
    text: str = ""
    """Text after the thinking."""


class Request(Record, frozen=True, omit_defaults=True):
    """A request for one completion from a text model."""

    task: str
    sample_index: int
    completion_index: int
    prompt: str
    sampling: Sampling
    key: str
    """Content key in the ledger: model fingerprint, prompt, sampling, sample and completion index."""
    seed: int
    """Seed of this completion, derived from ``sampling.seed`` and the indices, so that batching does not change
    texts."""
    prefill: Prefill | None = None
    """Beginning of the answer, which the completion's text leaves out; None: the model begins it."""


class Usage(Record, frozen=True, omit_defaults=True):
    """Numbers of tokens, as counted by the model's own tokenizer or server."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Prompt tokens that the server had cached and charges less for; included in ``prompt_tokens``."""
    thinking_tokens: int = msgspec.field(default=0, name="thought_tokens")
    """Tokens of a thinking model's thinking; included in ``completion_tokens``."""


class Completion(Record, frozen=True, omit_defaults=True):
    """One finished completion, as stored in the ledger."""

    key: str
    task: str
    sample_index: int
    completion_index: int
    prompt: str
    text: str
    """The model's text, verbatim. With a two-stage prompt, the text of the answer stage."""
    reasoning: str | None = None
    """Rationale that is kept apart from the answer: the first stage of a two-stage prompt, or a thinking model's
    thinking. None where ``text`` holds both."""
    thinking: str | None = msgspec.field(default=None, name="thoughts")
    """A thinking model's thinking before ``text``, where ``reasoning`` holds the first stage."""
    finish_reason: FinishReason | None = None
    """``stop``: the model ended the text; ``length``: the text was cut; None: the source does not say."""
    reasoning_finish: FinishReason | None = None
    """Finish reason of the first stage, where ``reasoning`` holds it."""
    usage: Usage | None = None
    thinking_cut: bool = False
    """True where the thinking was ended at ``max_thinking_tokens``."""
    prompt_cut: bool = False
    """True where the model saw only a part of ``prompt``, because the prompt is longer than the model accepts."""
    logprobs: TokenLogprobs | None = None
    """Of the tokens of the text with the rationale, thinking included: with a two-stage prompt, of the first stage. None:
    they were not asked for."""

    @property
    def full_text(self) -> str:
        """Return rationale and answer as one text, in the order written."""
        return (self.reasoning or "") + self.text

    @property
    def cut(self) -> bool:
        """Return whether a token limit cut the text, or the first stage's."""
        return "length" in {self.finish_reason, self.reasoning_finish}


def completion_of(request: Request, text: str, **rest: Any) -> Completion:
    """Return the completion of a request; ``rest`` are further fields of :class:`Completion`."""
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
    """A text model by name, not loaded.

    Only ``fingerprint`` enters keys, and ``training`` the keys of trainings. The other fields say how to load the
    model.
    """

    role: Literal["teacher", "student"]
    plugin: str
    """Registered name of the factory."""
    name: str
    options: dict[str, Any]
    fingerprint: str
    """Identifies the weights or the endpoint's model; for a trained student, its base."""
    training: int = 1
    """Version of a student's training code: another version gives other weights for the same rows and recipe."""


class IndexEntry(Record, frozen=True):
    """Indices and ledger key of a step's completion."""

    sample_index: int
    completion_index: int
    key: str


class LedgerAddress(Record, frozen=True):
    """The ledger partition that a step's completions are in."""

    fingerprint: str
    dataset: str
    prompt: str
