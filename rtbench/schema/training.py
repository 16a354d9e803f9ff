"""What students learn from, and what a training did."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rtbench.schema.base import Record, keyed_default
from rtbench.schema.completions import Completion
from rtbench.schema.money import Spending


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


class TrainingRow(Record, frozen=True):
    """One formatted training row: the loss is taken on ``label`` only."""

    sample_index: int
    prompt: str
    label: str


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


Positive = Annotated[int, Meta(ge=1)]
Selection = Literal["last", "val", "best-test"]
"""Which epoch's weights count."""


class Recipe(Record, frozen=True, omit_defaults=True):
    """Hyper-parameters of fine-tuning; defaults are those of Ho et al. (2023), appendix A, where it states them."""

    learning_rate: Annotated[float, Meta(gt=0)] = keyed_default(3e-4)
    batch_size: Positive = keyed_default(8)
    epochs: Positive = keyed_default(20)
    steps: Positive | None = keyed_default(None)
    """Exactly so many optimiser steps, however many rows there are; ``epochs`` does not count then. None: whole
    epochs."""
    optimizer: Literal["adamw", "muon"] = keyed_default("adamw")
    """``muon``: for hidden matrices (Jordan 2024), AdamW for the rest."""
    schedule: Literal["constant", "linear"] = keyed_default("constant")
    """Of the learning rate; ``linear`` falls to 0 at the last step."""
    warmup_steps: Annotated[int, Meta(ge=0)] = keyed_default(0)
    weight_decay: float = keyed_default(0.01)
    max_prompt_tokens: Positive = keyed_default(512)
    max_label_tokens: Positive = keyed_default(512)
    max_new_tokens: Annotated[int, Meta(ge=0)] = keyed_default(1024)
    """Cap on generated tokens at test time; 0 in the spec of a training, which it does not change."""
    selection: Selection = keyed_default("val")
    """``last``: the last epoch; ``val``: the one with the lowest loss on held-out training questions; ``best-test``: the
    one with the best *test* accuracy, which makes the accuracy too high."""
    validation_fraction: Annotated[float, Meta(ge=0, lt=1)] = keyed_default(0.1)
    """Fraction of the training questions held out under ``val``."""
    patience: Positive | None = None
    """Under ``val``: end the training once the loss on the held-out questions has not fallen for so many epochs. None: go
    on to the end."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.selection == "best-test":
            raise ValueError("`steps` does not go with selection best-test, which compares whole epochs: give `epochs`")
        if self.patience is not None and self.selection != "val":
            raise ValueError(
                f"`patience` goes by held-out questions, and `selection: {self.selection}` holds none out: "
                "take `selection: val`, or leave `patience` out"
            )


class Candidate(Record, frozen=True):
    """A completion on its way to become a training example."""

    example: Example
    completion: Completion
    correct: bool
    """By the task's extractor."""
    extracted: str | None = None
    """The answer that the extractor found in the completion."""
