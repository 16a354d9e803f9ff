"""What a training minimises: the cross entropy of labels, or an objective. Imports torch."""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from rtbench_plugins.hf.encoding import Codec, EncodedRow, encode_rows
from rtbench_plugins.hf.models import HfModel
from rtbench_plugins.hf.network import Network
from rtbench_plugins.hf.objectives import (
    advantages,
    clipped,
    divergence,
    kl_estimate,
    mean_per_row,
    token_logps,
    top_divergence,
)
from rtbench_plugins.hf.own_texts import Writer, prompt_of
from torch.nn import functional

from rtbench.api import BadInputError, Grpo, Logits, OnPolicy, StepFailedError, TrainJob, derived_seed

_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout", "attn_dropout")
"""Attributes in which modules of transformers keep a dropout rate as a number."""
_LEAST_COVERED = 0.3
"""Least share of the tokens to learn that stored log-probabilities must cover. Another tokenizer's are only in a few places
the same in a sequence."""


class TrainingLoss:
    """The cross entropy of labels: fine-tuning.

    Args:
        network: the student.
    """

    updates = 1
    """Optimiser steps on each batch."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._sums: dict[str, tuple[torch.Tensor, float]] = {}

    def rows(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """Return the rows that an epoch goes through."""
        return list(rows)

    def prepared(self, rows: Sequence[EncodedRow], step: int) -> Sequence[EncodedRow]:
        """Return the rows to learn from, for a batch that begins after a number of optimiser steps."""
        del step
        return rows

    def weight(self, rows: Sequence[EncodedRow]) -> int:
        """Return the number that a batch's sum of losses is divided by: of supervised tokens."""
        return sum(row.supervised for row in rows)

    def loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        """Return the sum of the rows' losses, in nats."""
        logits, batch = self.network.logits(rows)
        return functional.cross_entropy(logits.float(), batch.targets, reduction="sum")

    def validation(self, rows: Sequence[EncodedRow]) -> float | None:
        """Return the loss on held-out rows where it is not the mean of :meth:`loss`; None where it is."""
        del rows
        return None

    def figures(self) -> dict[str, float]:
        """Return the means of the figures since the last call, by name."""
        means = {name: float(total) / max(count, 1.0) for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def _note(self, name: str, total: torch.Tensor, count: float) -> None:
        before, counted = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = (before + total.detach().double(), counted + count)


class LogitsLoss(TrainingLoss):
    """The divergence from the teacher on its texts, and their cross entropy.

    Args:
        network: the student.
        guide: the teacher.
        objective: the settings.
    """

    def __init__(self, network: Network, guide: Network, objective: Logits) -> None:
        super().__init__(network)
        self._guide, self._alpha = guide, objective.alpha

    def loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        student, guide, targets = both(self.network, self._guide, rows)
        kl = divergence(student, guide, 0.0).sum()
        entropy = functional.cross_entropy(student.float(), targets, reduction="sum")
        self._note("kl", kl, len(targets))
        self._note("cross_entropy", entropy, len(targets))
        return self._alpha * kl + (1 - self._alpha) * entropy


class StoredLogitsLoss(TrainingLoss):
    """The divergence from the teacher's stored log-probabilities, and the cross entropy of its texts.

    Labels without them, as those of the answer, are learnt by cross entropy alone.

    Args:
        network: the student.
        objective: the settings.
        title: of the training, for errors.
    """

    def __init__(self, network: Network, objective: Logits, title: str) -> None:
        super().__init__(network)
        self._alpha, self._title = objective.alpha, title

    def rows(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        covered = sum(len(row.top.tokens) for row in rows if row.top is not None)
        share = covered / max(1, sum(row.supervised for row in rows))
        if share < _LEAST_COVERED:
            raise StepFailedError(
                f"the teacher's stored log-probabilities cover {100 * share:.0f} % of the tokens to learn",
                where=self._title,
                next_step="Its tokens are probably others than the student's: use `fine-tune-cot`, or a student with the "
                "teacher's tokenizer.",
            )
        return list(rows)

    def loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        logits, batch = self.network.logits(rows)
        entropy = functional.cross_entropy(logits.float(), batch.targets, reduction="none")
        at, tokens, logprobs = (one.to(logits.device) for one in _top_of(rows))
        kl = top_divergence(logits[at], tokens, logprobs).sum()
        both = entropy[at].sum()
        self._note("kl", kl, len(at))
        self._note("cross_entropy", entropy.sum(), len(entropy))
        self._note("covered", torch.tensor(float(len(at))), len(entropy))
        return self._alpha * kl + (1 - self._alpha) * both + (entropy.sum() - both)


def _top_of(rows: Sequence[EncodedRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the places, among all labels of rows, that have a teacher's tokens, these tokens and their log-probabilities."""
    most = max((row.top.tokens.shape[1] for row in rows if row.top is not None), default=1)
    places, before = [torch.zeros(0, dtype=torch.long)], 0
    tokens, logprobs = [torch.zeros((0, most), dtype=torch.long)], [torch.zeros((0, most))]
    for row in rows:
        if (top := row.top) is not None:
            missing = most - top.tokens.shape[1]
            places.append(torch.arange(before + top.start, before + top.start + len(top.tokens)))
            tokens.append(functional.pad(torch.from_numpy(top.tokens), (0, missing)))
            logprobs.append(functional.pad(torch.from_numpy(top.logprobs), (0, missing), value=-math.inf))
        before += row.supervised
    return torch.cat(places), torch.cat(tokens), torch.cat(logprobs)


class OnPolicyLoss(TrainingLoss):
    """The divergence from the teacher, on the student's own texts in a fraction of the batches.

    Args:
        network: the student, trained without dropout.
        guide: the teacher.
        writer: writes the student's texts.
        objective: the settings.
        seed: of the training.
    """

    def __init__(self, network: Network, guide: Network, writer: Writer, objective: OnPolicy, seed: int) -> None:
        super().__init__(network)
        self._guide, self._writer, self._objective, self._seed = guide, writer, objective, seed
        remove_dropout(network.base.model)

    def prepared(self, rows: Sequence[EncodedRow], step: int) -> Sequence[EncodedRow]:
        chance = random.Random(derived_seed(self._seed, "own", step)).random()  # noqa: S311
        if chance >= self._objective.own_share:
            return rows
        seeds = [derived_seed(self._seed, "text", step, at) for at in range(len(rows))]
        own = [text.row for text in self._writer.write(rows, seeds, self._objective.temperature)]
        self._note("own_tokens", torch.tensor(float(self.weight(own))), len(own))
        return own

    def loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        student, guide, targets = both(self.network, self._guide, rows)
        with torch.no_grad():
            self._note("kl", divergence(student, guide, 0.0).sum(), len(targets))
        return divergence(student, guide, self._objective.beta, self._objective.temperature).sum()


@dataclass(frozen=True)
class RewardedRow(EncodedRow):
    """A completion of the student as a row."""

    number: int = 0
    """Place in its batch."""
    advantage: float = 0.0


class GrpoLoss(TrainingLoss):
    """The clipped policy loss of the student's own completions, and the divergence from where it began.

    A group whose completions are all right or all wrong has no advantages, so only the divergence moves the weights.

    Args:
        network: the student, trained without dropout, with the weights that it begins with.
        codec: its tokenizer.
        writer: writes completions.
        objective: the settings.
        job: has the seed, says which completions are right, and may draw new questions.
    """

    def __init__(self, network: Network, codec: Codec, writer: Writer, objective: Grpo, job: TrainJob) -> None:
        super().__init__(network)
        assert job.verify is not None, "an objective with rewards comes with a verifier"
        self._writer, self._objective, self._seed, self._verify = writer, objective, job.seed, job.verify
        self._codec, self._recipe, self._draw = codec, job.recipe, job.draw
        self.updates = objective.updates
        remove_dropout(network.base.model)
        self._reference = _reference_of(network) if objective.beta else None
        self._old: dict[int, torch.Tensor] = {}
        """Log-probabilities of each completion's tokens at the time of writing, by its number."""

    def rows(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        return list({(row.sample_index, tuple(prompt_of(row))): row for row in rows}.values())

    def weight(self, rows: Sequence[EncodedRow]) -> int:
        return len(rows)

    def prepared(self, rows: Sequence[EncodedRow], step: int) -> Sequence[EncodedRow]:
        group = self._objective.group
        if self._draw is not None:
            rows = encode_rows(self._codec, self._draw(step, len(rows)), self._recipe)
        asked = [row for row in rows for _ in range(group)]
        seeds = [derived_seed(self._seed, "text", step, at) for at in range(len(asked))]
        written = self._writer.write(asked, seeds, self._objective.temperature)
        right = self._verify([(one.row.sample_index, one.text) for one in written])
        rewards = torch.tensor([float(one) for one in right])
        found = advantages(rewards, group, scaled=self._objective.scale_rewards).tolist()
        self._note("reward", rewards.sum(), len(rewards))
        equal = rewards.view(-1, group).std(1) == 0
        self._note("equal_groups", equal.sum(), len(equal))
        self._old = {}
        return [
            RewardedRow(**vars(one.row), number=number, advantage=found[number]) for number, one in enumerate(written)
        ]

    def loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        logits, batch = self.network.logits(rows)
        lengths = [row.supervised for row in rows]
        logps = token_logps(logits, batch.targets, self._objective.temperature)
        rewarded = [row for row in rows if isinstance(row, RewardedRow)]
        for row, part in zip(rewarded, torch.split(logps.detach(), lengths), strict=True):
            self._old.setdefault(row.number, part)
        old = torch.cat([self._old[row.number] for row in rewarded])
        advantage = torch.tensor([row.advantage for row in rewarded], device=logps.device)
        each = clipped(
            logps, old, advantage.repeat_interleave(torch.tensor(lengths, device=logps.device)), self._objective.epsilon
        )
        if self._reference is not None:
            kl = kl_estimate(logps, self._reference(rows, self._objective.temperature))
            self._note("kl", kl.sum(), len(kl))
            each = each + self._objective.beta * kl
        return mean_per_row(each, lengths).sum()

    def validation(self, rows: Sequence[EncodedRow]) -> float:
        """Return the fraction of held-out questions that the student answers wrongly, greedily."""
        asked = self.rows(rows)
        written = self._writer.write(asked, [0] * len(asked), 0.0)
        right = self._verify([(one.row.sample_index, one.text) for one in written])
        self._note("reward", torch.tensor(float(sum(right))), len(right))
        return 1 - sum(right) / len(right)


def training_loss(network: Network, codec: Codec, job: TrainJob, most_rows: int) -> TrainingLoss:
    """Return what a job minimises.

    Args:
        network: the student, with the weights that it begins with.
        codec: its tokenizer. With a guide, rows are cut to the shorter limit of both models.
        job: has objective, guide, seed and verifier.
        most_rows: highest number of texts that the student writes at once.

    Raises:
        BadInputError: the guide's probabilities cannot be learnt by this student.
    """
    objective = job.objective
    if objective is None:
        return TrainingLoss(network)
    if isinstance(objective, Grpo):
        return GrpoLoss(network, codec, _writer(network, codec, objective, most_rows), objective, job)
    if isinstance(objective, Logits) and job.guide is None:
        return StoredLogitsLoss(network, objective, job.title)
    guide = guide_of(job, network, codec)
    if isinstance(objective, OnPolicy):
        return OnPolicyLoss(network, guide, _writer(network, codec, objective, most_rows), objective, job.seed)
    return LogitsLoss(network, guide, objective)


def _writer(network: Network, codec: Codec, objective: OnPolicy | Grpo, most_rows: int) -> Writer:
    return Writer(network, codec, most_tokens=objective.max_new_tokens, most_rows=most_rows)


def guide_of(job: TrainJob, student: Network, codec: Codec) -> Network:
    """Return the teacher beside a student, and cut the student's rows to what the teacher can read.

    Raises:
        BadInputError: it gives no probabilities of tokens, or has another family or vocabulary than the student.
    """
    model = job.guide
    if not isinstance(model, HfModel):
        raise BadInputError(
            "its teacher gives no probabilities of tokens", where=job.title, next_step="Use `fine-tune-cot`."
        )
    loaded = model.loaded
    same = loaded.family == student.base.family
    if not same or loaded.tokenizer.get_vocab() != codec.tokenizer.get_vocab():
        what = "tokens" if same else "family"
        raise BadInputError(
            f"the teacher {model.name} has other {what} than the student: its probabilities cannot be learnt",
            where=job.title,
            next_step="Use `fine-tune-cot`, which learns from texts, or a teacher of the student's family of models.",
        )
    if (limit := model.token_limit) is not None:
        codec.limit = limit if codec.limit is None else min(limit, codec.limit)
    return Network(loaded, codec.pad)


def both(
    student: Network, guide: Network, rows: Sequence[EncodedRow]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the logits of student and guide at the labels of rows, shape (labels, vocabulary), and the labels.

    Sizes of one family may have different numbers of unused columns after the vocabulary, which are left out.
    """
    own, batch = student.logits(rows)
    with torch.no_grad():
        other = guide.logits(rows)[0].to(own.device)
    size = min(own.shape[-1], other.shape[-1])
    return own[:, :size], other[:, :size], batch.targets


def remove_dropout(model: Any) -> None:
    """Switch dropout off, so that a text has the same probabilities when it is written and when it is learnt from."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in _DROPOUTS:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _reference_of(network: Network) -> Callable[[Sequence[EncodedRow], float], torch.Tensor]:
    """Return a function of rows and temperature that gives the log-probabilities of their tokens before the training.

    With adapters these are the base's; otherwise a copy of the weights is kept.
    """
    adapters = [module for module in network.base.model.modules() if hasattr(module, "lora_A")]
    frozen = network
    if not adapters:
        base = replace(network.base, model=copy.deepcopy(network.base.model).eval().requires_grad_(False))
        frozen = network.of(base)

    def logps(rows: Sequence[EncodedRow], temperature: float) -> torch.Tensor:
        with torch.no_grad(), _disabled(adapters):
            logits, batch = frozen.logits(rows)
        return token_logps(logits, batch.targets, temperature)

    return logps


@contextlib.contextmanager
def _disabled(adapters: Sequence[Any]) -> Iterator[None]:
    for module in adapters:
        module.enable_adapters(enabled=False)
    try:
        yield
    finally:
        for module in adapters:
            module.enable_adapters(enabled=True)
