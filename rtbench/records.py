"""What crosses rooms: frozen, typed records.

Everything that is stored (ledger, store) or sent to another process is one of these, so that one library (msgspec)
reads, checks and writes all of it.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal, TypeVar

import msgspec

Family = Literal["decoder", "encoder_decoder"]
Fold = Literal["train", "validation", "test", "ood"]
"""``validation`` and ``ood`` (out of distribution: harder than training) are folds of procedural twins."""
Source = Literal["upstream", "twin"]
"""Where questions come from: the data that a task's authors published, or the task's procedural twin."""
FinishReason = Literal["stop", "length"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: immutable, and an unknown field is an error."""


T = TypeVar("T")


def keyed_default(value: T) -> T:
    """Return a field's default that counts in step keys also where nobody overrides it.

    Step keys are hashes of encoded records. Keyed records leave out defaults (``omit_defaults``), so that a new field with a
    plain default changes no key. The fields that were there when keys were first computed keep their place in every key: they
    take their default from here, and msgspec never leaves out a field whose default comes from a factory.
    """
    return msgspec.field(default_factory=lambda: value)


class Sample(Record, frozen=True, omit_defaults=True):
    """One question of a task with its gold answer."""

    index: int
    """Position in the task's own order; what splits and recordings refer to."""
    question: str
    """Text as a model sees it, choices included."""
    answer: str
    """Gold answer as the task's data state it: a number, a choice letter, yes/no, or free text."""
    rationale: str | None = None
    """Human rationale, where the source has one."""
    choices: tuple[str, ...] = ()
    """Texts of the choices in letter order; empty where the task has none."""
    group: str | None = None
    """Template or situation that the question shares with others, for grouped splits."""


class Split(Record, frozen=True):
    """A division of a task's samples into folds, by sample index."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    validation: tuple[int, ...] = ()
    ood: tuple[int, ...] = ()

    def fold(self, fold: Fold) -> tuple[int, ...]:
        found: tuple[int, ...] = getattr(self, fold)
        return found


class Questions(Record, frozen=True, omit_defaults=True):
    """Which questions of a fold."""

    fold: Fold
    limit: int | None = keyed_default(None)
    """The first so many, after ``fraction``."""
    fraction: float = keyed_default(1.0)
    """A random part, drawn as in the original's ``subsample_indices``."""


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


class Example(Record, frozen=True, omit_defaults=True):
    """One training example, before a prompt format is applied."""

    sample_index: int
    completion_index: int
    """-1 where no completion stands behind it (gold answer only)."""
    question: str
    answer: str
    rationale: str | None = None
    source: str | None = None
    """Fingerprint of the model that wrote the rationale."""


class Row(Record, frozen=True):
    """One formatted training row: the loss is taken on ``label`` only."""

    sample_index: int
    prompt: str
    label: str


class Spending(Record, frozen=True, omit_defaults=True):
    """Completions and what they cost at a price; each is counted once, whoever shares it."""

    completions: int
    prompt_tokens: int
    completion_tokens: int
    money: float
    currency: str
    cached_tokens: int = 0
    trainings: int = 0
    """Of a student: trainings at a provider that are in ``money``."""
    uncounted: int = 0
    """Completions whose server counted no tokens, so that ``money`` is too small."""
    as_of: str = ""
    """Date of the price."""


class CurationYield(Record, frozen=True, omit_defaults=True):
    """What curation kept of what it was given."""

    questions: int
    """Questions in the fold that were asked."""
    completions: int
    """Completions at hand for them."""
    kept: int
    """Examples that came out."""
    covered: int
    """Questions with at least one kept example."""
    removed: dict[str, int]
    """Completions lost, by curator."""
    judged: dict[str, Spending] = {}
    """What models that curators asked have cost, by model."""
    notes: tuple[str, ...] = ()
    """What the user should know of it."""


class Score(Record, frozen=True, omit_defaults=True):
    """The verdict of one extractor on one completion (fields as the original evaluator's)."""

    sample_index: int
    completion_index: int
    extracted: str | None
    """None: no candidate found, which counts as wrong."""
    correct: bool
    contains_answer: bool
    """The gold answer is among the candidates."""
    correct_format: bool
    """The answer prefix of the prompt format is there (True where the format has none)."""
    complete: bool
    """The completion ended by itself."""
    group: str | None = None
    """The question's (:attr:`Sample.group`): questions of one group are no independent draws."""

    @property
    def pattern(self) -> str | int:
        """What questions of one pattern share: their group, or the question itself where it has none."""
        return self.sample_index if self.group is None else self.group


class AtK(Record, frozen=True):
    """Unbiased estimates from several completions of each question, means over questions; as fractions."""

    k: int
    pass_at_k: float
    """At least one of k completions is right."""
    maj_at_k: float
    """The answer that most of k completions give is right."""


class ScoreSummary(Record, frozen=True):
    """Accuracy of one extractor over a fold. All shares are fractions of ``n``."""

    extractor: str
    version: int
    n: int
    """Questions scored."""
    correct: int
    accuracy: float
    contains_answer: float
    correct_format: float
    complete: float
    missing: int = 0
    """Questions of the fold without a completion (recordings only); not part of ``n``."""
    patterns: int | None = None
    """Groups that the ``n`` questions are of, each without one counted for itself; None: none of them has one."""
    at_k: tuple[AtK, ...] = ()
    """Where several completions vote, what could be had of them."""


class TrainReport(Record, frozen=True):
    """What a training run did."""

    rows: int
    """Training rows used."""
    validation_rows: int
    truncated: int
    """Rows cut to the maximal length."""
    epochs: int
    """Epochs run."""
    selected: int
    """Epoch whose weights are the checkpoint (1-based)."""
    steps: int
    """Optimiser steps taken."""
    tokens: int
    """Supervised tokens seen, over all epochs."""
    parameters: int | None
    """None: whoever trained it does not say."""
    history: tuple[dict[str, float], ...]
    """Per epoch: ``epoch``, ``train_loss`` and, with a validation part, ``validation_loss``; mean per supervised
    token, in nats. Of a training at a provider: per checkpoint that it kept, with its ``step``."""
    seconds: float = 0.0
    money: float = 0.0
    """What a provider asks for it, in ``currency``."""
    currency: str = ""
    """Empty where nobody is paid, or the price is not known."""
    notes: tuple[str, ...] = ()
    """What the user should know of it."""


class Resources(Record, frozen=True):
    """What a step needs while it runs."""

    cpus: int = 1
    gpus: int = 0
    processes: int = 1
    """That do it together."""
    memory_gb: float = 1.0
    """GiB at its peak, as expected."""
    least_gb: float = 0.0
    """GiB that it certainly needs, of its GPUs' memory where it takes some: it is not begun where there are fewer."""
    lane: str = ""
    """Steps of one lane run one after the other: they share an endpoint, whose limits are for all of them together."""


class Price(Record, frozen=True, omit_defaults=True):
    """Money per million tokens."""

    input: float
    output: float
    currency: str = "USD"
    as_of: str = ""
    """Date of the price."""
    cached: float | None = None
    """Of prompt tokens that the server had at hand; None: as ``input``."""
    batch: float = 1.0
    """Factor on all of it for what is asked in batches."""
    training: float | None = None
    """Of tokens that a student is fine-tuned on, counted once per epoch."""

    def __post_init__(self) -> None:
        stated = (self.input, self.output, self.batch, self.cached, self.training)
        if not all(amount is None or (isfinite(amount) and amount >= 0) for amount in stated):
            raise ValueError("amounts must be numbers from 0 on")

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Money for so many tokens, of which ``cached_tokens`` are among the prompt's."""
        cached = self.input if self.cached is None else self.cached
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1e6


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
