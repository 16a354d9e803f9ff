"""Pre-training of a pocket base model on generated text. Imports torch."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from rtbench_plugins.hf.loaded import seeded
from rtbench_plugins.hf.muon import Muon
from rtbench_plugins.hf.optimizers import split_parameters
from rtbench_plugins.pocket.corpus import TokenRow, batches, rows
from rtbench_plugins.pocket.growing import grow
from rtbench_plugins.pocket.sizes import VOCABULARY, Size, described
from torch.nn import functional

from rtbench.api import BadInputError, digested, save_digested

_CHUNK = 4000
"""Number of documents that are generated and sorted into batches together; fewer if the budget is small."""
_DOCUMENT_TOKENS = 75
"""Mean length of a document, in tokens."""
_WARM_UP_STEPS = 60


def new_model(size: Size, tokenizer: Any, seed: int) -> Any:
    """Return the base model before training: LFM2 (Liquid AI 2025) of unmodified transformers, in float32."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    config = Lfm2Config(
        vocab_size=VOCABULARY,
        hidden_size=size.width,
        intermediate_size=size.feed_forward,
        block_auto_adjust_ff_dim=False,
        num_hidden_layers=len(size.layers),
        layer_types=list(size.layers),
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        conv_L_cache=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with seeded(seed):
        model = Lfm2ForCausalLM(config)
        for name, parameter in model.named_parameters():
            if name.endswith(("out_proj.weight", "w2.weight")):
                torch.nn.init.zeros_(parameter)
            elif "embed_tokens" in name:
                torch.nn.init.normal_(parameter, std=0.1)
            elif parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    return model


@dataclass
class Position:
    """Progress of a training."""

    chunk: int = 0
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Pretraining:
    """A training. Its state is saved in a folder, and a stopped training continues from the last chunk.

    Args:
        size: shape and budget.
        tokenizer: the pocket tokenizer.
        seed: seed of weights, text and batch order.
        folder: folder of the state.
        say: called with lines about the progress.
        smaller: the model that is grown into this one, if ``size`` is grown from a smaller one.

    Raises:
        BadInputError: the folder has the state of another training.
    """

    def __init__(
        self, size: Size, tokenizer: Any, seed: int, folder: Path, say: Callable[[str], None], smaller: Any = None
    ) -> None:
        self.size, self.tokenizer, self.seed, self.folder, self.say = size, tokenizer, seed, folder, say
        self.model = new_model(size, tokenizer, seed)
        if smaller is not None:
            grow(smaller, self.model)
        self.grown = smaller is not None
        matrices, rest = split_parameters(self.model)
        self.muon = Muon(matrices, size.matrix_rate)
        self.adam = torch.optim.AdamW(rest, size.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self.at = Position()
        self.chunk = max(100, min(_CHUNK, size.tokens // (4 * _DOCUMENT_TOKENS)))
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, probe: Callable[[Any], str] | None = None, every: int = 10) -> Any:
        """Train to the end of the budget and return the model.

        Args:
            probe: returns a line about the model; called after every ``every`` chunks.
            every: number of chunks between two probes.
        """
        while self.at.tokens < self.size.tokens:
            began = time.monotonic()
            # A grown model has learned induction already, so it needs no bare repetition at the beginning.
            progress = 1.0 if self.grown else self.at.tokens / self.size.tokens
            first = self.at.chunk * self.chunk
            drawn = rows(
                self.tokenizer, f"{self.seed}/{self.size.width}", first=first, count=self.chunk, progress=progress
            )
            order = random.Random(f"{self.seed}/order/{self.at.chunk}")  # noqa: S311 - reproducible, not secret
            losses = [self._step(batch) for batch in batches(drawn, self.size.batch_tokens, order)]
            self.at.chunk += 1
            self.at.seconds += time.monotonic() - began
            self._keep()
            sure, sure_tokens, all_nats, all_tokens = torch.stack(losses).double().sum(0).tolist()
            self.say(
                f"{self.at.tokens / 1e6:6.2f}M tokens {self.at.steps} steps {self.at.seconds:6.0f} s "
                f"determined {sure / max(1, sure_tokens):.3f} all {all_nats / all_tokens:.3f}"
            )
            if probe is not None and self.at.chunk % every == 0:
                self.say(probe(self.model.eval()))
                self.model.train()
        return self.model.eval()

    def _step(self, batch: Sequence[TokenRow]) -> torch.Tensor:
        """Update the weights, and return the summed loss (nats) and the number of determined tokens, then of all tokens."""
        rate = self._rate()
        for optimizer, base in ((self.muon, self.size.matrix_rate), (self.adam, self.size.rate)):
            for group in optimizer.param_groups:
                group["lr"] = base * rate
        ids, weights, mask = tensors(batch, self.tokenizer.pad_token_id)
        logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        losses = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weights = weights[:, 1:].flatten()
        loss = (losses * weights).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.muon.step()
        self.adam.step()
        self.muon.zero_grad()
        self.adam.zero_grad()
        self.at.steps += 1
        self.at.tokens += int(mask.sum())
        sure = weights == 1
        every = weights > 0
        return torch.stack([losses[sure].sum(), sure.sum(), losses[every].sum(), every.sum()]).detach()

    def _rate(self) -> float:
        """Return the fraction of the learning rate: warm-up, then linear decay to 2 % at the end of the budget."""
        left = max(0.02, 1 - self.at.tokens / self.size.tokens)
        return min(1.0, (self.at.steps + 1) / _WARM_UP_STEPS) * left

    def _keep(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "at": vars(self.at),
            "of": self._identity(),
        }
        save_digested(self.folder, "state", lambda handle: torch.save(state, handle))

    def _resume(self) -> None:
        path = digested(self.folder, "state")
        if path is None:
            return
        state = torch.load(path, weights_only=True)
        self._check(state.get("of"))
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.at = Position(**state["at"])
        self.say(f"continues at {self.at.tokens / 1e6:.2f}M tokens")

    def _identity(self) -> dict[str, object]:
        """Return the facts that must be equal for a saved state to be continued.

        Otherwise other documents, or another order, would be mixed with those that were read.
        """
        name = f"{described(self.size)}, seed {self.seed}"
        return {"name": name, "seed": self.seed, "chunk": self.chunk, "size": msgspec.to_builtins(self.size)}

    def _check(self, saved: dict[str, Any] | None) -> None:
        own = self._identity()
        if saved == own:
            return
        name = "a training with an unknown seed" if saved is None else saved["name"]
        if name == own["name"]:
            name += " with another recipe"
        raise BadInputError(
            f"has the state of {name}, not of {own['name']}",
            where=str(self.folder),
            next_step="Use another --out, or remove this folder.",
        )


def tensors(batch: Sequence[TokenRow], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return token ids, loss weights and mask of a batch, each with shape (rows, longest)."""
    width = max(len(row.ids) for row in batch)
    ids = torch.full((len(batch), width), pad)
    weights = torch.zeros((len(batch), width))
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for at, row in enumerate(batch):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        weights[at, : len(row.ids)] = torch.tensor(row.weights)
        mask[at, : len(row.ids)] = 1
    return ids, weights, mask
