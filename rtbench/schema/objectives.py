"""Objectives of a training beyond the cross entropy of its labels, and their settings in a matrix's recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from rtbench.schema.base import MOST_REPEATED, Positive, Record, Repeated, keyed_default

Share = Annotated[float, Meta(ge=0, le=1)]
"""A fraction, 0 and 1 included."""
Warm = Annotated[float, Meta(gt=0)]
"""A temperature at which texts are drawn."""
ObjectiveName = Literal["logits", "on-policy", "grpo"]
QuestionSource = Literal["train", "twin"]
"""Questions that a training asks: those of its examples, or new ones of the task's procedural twin."""


class Logits(Record, frozen=True, tag="logits", omit_defaults=True):
    """Learn the teacher's probabilities of each token of its texts: forward KL divergence (Hinton et al. 2015)."""

    alpha: Share = keyed_default(0.5)
    """Weight of the divergence; the cross entropy of the texts has the rest."""


class Continued(Record, frozen=True, omit_defaults=True):
    """Settings that a training which goes on from fine-tuned weights may have of its own. None: the recipe's."""

    learning_rate: Annotated[float, Meta(gt=0)] | None = None
    epochs: Repeated | None = None
    steps: Positive | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("`epochs` and `steps` cannot be used together")


class OnPolicy(Continued, frozen=True, tag="on-policy", omit_defaults=True):
    """Learn the teacher's probabilities, on the student's own texts too (GKD; Agarwal et al. 2023, arXiv 2306.13649)."""

    beta: Share = keyed_default(0.5)
    """Divergence: 0 is forward KL, 1 is reverse KL, between them the generalised Jensen-Shannon divergence."""
    own_share: Share = keyed_default(0.5)
    """Fraction of batches on texts that the student has just written; the others are on the examples' texts."""
    temperature: Warm = keyed_default(1.0)
    """Temperature of the student's texts, and of both models in the divergence."""
    max_new_tokens: Positive = keyed_default(128)
    """Highest number of tokens of a text that the student writes in training."""


class Grpo(Continued, frozen=True, tag="grpo", omit_defaults=True):
    """Reinforce the student's own texts that reach the right answer (GRPO; Shao et al. 2024, arXiv 2402.03300)."""

    group: Annotated[int, Meta(ge=2, le=MOST_REPEATED)] = keyed_default(8)
    """Completions per question, whose rewards are compared."""
    beta: Annotated[float, Meta(ge=0)] = keyed_default(0.04)
    """Weight of the KL divergence to the weights that the training begins with."""
    epsilon: Annotated[float, Meta(gt=0)] = keyed_default(0.2)
    """The ratio to the probabilities at the time of writing counts up to 1 ± ``epsilon``. Only with ``updates`` above 1."""
    temperature: Warm = keyed_default(1.0)
    max_new_tokens: Positive = keyed_default(128)
    """Highest number of tokens of a completion that the student writes in training."""
    scale_rewards: bool = keyed_default(True)
    """Divide a group's advantages by the standard deviation of its rewards."""
    updates: Repeated = keyed_default(1)
    """Optimiser steps on each batch of completions."""
    questions: QuestionSource = "train"
    """``twin``: each batch asks new questions of the task's twin, as many as it has of the training fold otherwise."""


Objective = Logits | OnPolicy | Grpo


class Objectives(Record, frozen=True, omit_defaults=True):
    """Settings of the methods that have an objective, in a matrix's recipe."""

    logits: Logits = Logits()
    on_policy: OnPolicy = OnPolicy()
    grpo: Grpo = Grpo()


def name_of(objective: Objective) -> ObjectiveName:
    """Return the name of an objective."""
    return objective.__struct_config__.tag  # type: ignore[return-value]


def settled(objective: Objective) -> Objective:
    """Return an objective without the settings that a training's recipe has."""
    if isinstance(objective, Logits):
        return objective
    return replace(objective, learning_rate=None, epochs=None, steps=None)
