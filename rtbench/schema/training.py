"""Training examples, recipes, and reports of curation and training."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta

from rtbench.schema.base import NotNegative, Positive, Record, Repeated, keyed_default
from rtbench.schema.completions import Completion
from rtbench.schema.logprobs import TokenLogprobs
from rtbench.schema.money import Spending
from rtbench.schema.objectives import Objectives


class Example(Record, frozen=True, omit_defaults=True):
    """One training example, before a prompt format is applied."""

    sample_index: int
    completion_index: int
    """-1 where the example comes from the gold answer instead of a completion."""
    question: str
    answer: str
    rationale: str | None = None
    source: str | None = None
    """Fingerprint of the model that wrote the rationale."""


class TrainingRow(Record, frozen=True, omit_defaults=True):
    """One formatted training row: the loss is taken on ``label`` only."""

    sample_index: int
    prompt: str
    label: str
    logprobs: TokenLogprobs | None = None
    """The teacher's, of the tokens of its completion, which contains the label's rationale. None: they are not learnt."""


class Likelihood(Record, frozen=True):
    """How likely a model finds a completion, as the label of a training row."""

    key: str
    """Key of the completion."""
    sample_index: int
    completion_index: int
    tokens: int
    """Tokens of the label, its end mark included."""
    nats: float
    """Negative log-likelihood of the label, summed over its tokens."""

    @property
    def mean(self) -> float:
        """Return the mean negative log-likelihood of a token, in nats."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """Return the perplexity of the label."""
        return math.exp(min(self.mean, 700.0))  # above that, it is no float


class CurationYield(Record, frozen=True, omit_defaults=True):
    """Numbers of completions that curation considered, kept and removed."""

    questions: int
    """Questions of the fold that were asked."""
    completions: int
    """Completions available for these questions."""
    kept: int
    """Examples that were kept."""
    covered: int
    """Questions with at least one kept example."""
    removed: dict[str, int]
    """Completions that were removed, by curator."""
    judged: dict[str, Spending] = {}
    """Cost of the models that curators asked, by model."""
    cut: int | None = None
    """Those of ``completions`` that a token limit cut. None in results of older versions."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


class TrainReport(Record, frozen=True):
    """Report of a finished training."""

    rows: int
    """Number of training rows used."""
    validation_rows: int
    truncated: int
    """Number of rows cut to the maximum length."""
    epochs: int
    """Number of epochs run."""
    selected: int
    """Epoch whose weights are the checkpoint (1-based)."""
    steps: int
    """Number of optimiser steps."""
    tokens: int
    """Number of supervised tokens, over all epochs."""
    parameters: int | None
    """Number of parameters; None where the provider does not report it."""
    history: tuple[dict[str, float], ...]
    """Per epoch: ``epoch``, ``train_loss`` and, with a validation part, ``validation_loss``; mean per supervised
    token, in nats. An objective adds figures of its own, such as ``kl`` and ``reward``. For a training at a provider: per
    checkpoint that it kept, with its ``step``."""
    seconds: float = 0.0
    money: float = 0.0
    """The provider's price for the training, in ``currency``."""
    currency: str = ""
    """Empty where the training is free or its price is not known."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


Selection = Literal["last", "val", "val-accuracy", "best-test"]
"""How to select the epoch whose weights are used."""


class Recipe(Record, frozen=True, omit_defaults=True):
    """Hyper-parameters of fine-tuning; defaults are those of Ho et al. (2023), appendix A, where it states them."""

    learning_rate: Annotated[float, Meta(gt=0)] = keyed_default(3e-4)
    batch_size: Positive = keyed_default(8)
    epochs: Repeated = keyed_default(20)
    steps: Positive | None = keyed_default(None)
    """Exact number of optimiser steps, whatever the number of rows; ``epochs`` is then ignored. None: whole epochs."""
    optimizer: Literal["adamw", "muon"] = keyed_default("adamw")
    """``muon``: Muon for hidden matrices (Jordan 2024), AdamW for the rest."""
    schedule: Literal["constant", "linear"] = keyed_default("constant")
    """Schedule of the learning rate; ``linear`` falls to 0 at the last step."""
    warmup_steps: NotNegative = keyed_default(0)
    weight_decay: float = keyed_default(0.01)
    max_prompt_tokens: Positive = keyed_default(512)
    max_label_tokens: Positive = keyed_default(512)
    max_new_tokens: NotNegative = keyed_default(1024)
    """Maximum generated tokens at test time; 0 in the spec of a training, which it does not affect."""
    selection: Selection = keyed_default("val")
    """``last``: the last epoch; ``val``: the epoch with the lowest loss on held-out training questions; ``val-accuracy``:
    the epoch that answers most of them correctly; ``best-test``: the epoch with the best *test* accuracy, which makes the
    accuracy too high."""
    validation_fraction: Annotated[float, Meta(ge=0, lt=1)] = keyed_default(0.1)
    """Fraction of the training questions held out under ``val`` and ``val-accuracy``."""
    patience: Positive | None = None
    """Under ``val``: number of epochs without a lower loss on the held-out questions after which the training stops.
    None: run all epochs."""
    objectives: Objectives | None = None
    """Settings of the methods that have an objective; None: the defaults. Always None in the spec of a training, which has
    its own objective (:attr:`rtbench.schema.steps.TrainSpec.objective`)."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.by_answers:
            raise ValueError(
                f"`steps` cannot be used with `selection: {self.selection}`, which compares epochs: use `epochs`"
            )
        if self.selection == "val-accuracy" and self.validation_fraction == 0:
            raise ValueError("`selection: val-accuracy` needs held-out questions: use a `validation_fraction` above 0")
        if self.objectives is not None and self.by_answers:
            for continued in (self.objectives.on_policy, self.objectives.grpo):
                if continued.steps is not None:
                    raise ValueError(
                        f"`steps` of an objective cannot be used with `selection: {self.selection}`: use `epochs`"
                    )
        if self.patience is not None and self.selection != "val":
            raise ValueError(
                f"`patience` needs the loss on held-out questions, which `selection: {self.selection}` does not compute: "
                "use `selection: val`, or leave `patience` out"
            )

    @property
    def by_answers(self) -> bool:
        """Return whether each epoch's weights are saved, because answers select one of them."""
        return self.selection in {"best-test", "val-accuracy"}


class Candidate(Record, frozen=True):
    """A completion that may become a training example."""

    example: Example
    completion: Completion
    correct: bool
    """True where the answer is correct by the task's extractor."""
    extracted: str | None = None
    """The answer that the extractor found in the completion."""
