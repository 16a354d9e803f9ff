"""Text model in this process, through transformers. Imports torch."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from rtbench_plugins.hf.choosing import SamplingRow
from rtbench_plugins.hf.decoding import decode_fitting
from rtbench_plugins.hf.encoding import Codec, with_room
from rtbench_plugins.hf.loaded import LoadedModel, end_tokens
from rtbench_plugins.hf.loading import return_memory
from rtbench_plugins.hf.packing import pack
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import (
    Completion,
    Progress,
    Recipe,
    Request,
    StepFailedError,
    TextModel,
    TokenLogprobs,
    TrainingRow,
    Usage,
    completion_of,
    no_progress,
    token_logprobs,
)

_CPU_CACHE_BYTES = 1 << 29
_CUDA_CACHE_SHARE = 0.25
"""Highest memory of a batch's keys and values: bytes on a CPU, fraction of the free memory on a GPU. Their buffers are up
to twice as large."""


class HfModel(TextModel):
    """A model of transformers.

    Args:
        loaded: model and tokenizer; from now on, the model can only generate.
        fingerprint: of the text model.
        name: name of the model, for errors.
        chat: wrap prompts in the chat template; None: if the tokenizer has one.
        thinking: tags of thinking, which is stored in ``Completion.reasoning``.
        most_rows: highest number of completions generated at once.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        fingerprint: str,
        *,
        name: str,
        chat: bool | None,
        thinking: Tags | None,
        most_rows: int,
    ) -> None:
        self.fingerprint = fingerprint
        self.name = name
        self.most_rows = most_rows
        self.continues_answers = loaded.family == "decoder" and thinking is not None
        self._loaded: LoadedModel | None = loaded
        self._codec = Codec(
            loaded.tokenizer, loaded.model.config, loaded.family, chat=chat, thinking=thinking, name=name
        )
        self._ends = end_tokens(loaded) | {self._codec.end}
        pack(loaded.model, most_rows)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions as they finish.

        Prompts of similar length are in one batch. The longest come first, so that a lack of memory shows at once.
        """
        return self.generate_on(requests, lambda _: None)

    def generate_on(
        self, requests: Sequence[Request], follow: Callable[[Completion], Request | None]
    ) -> Iterator[Completion]:
        """Yield completions as they finish, and go on from their caches where another request follows."""
        asked = list(requests)
        finished: dict[int, Completion] = {}

        def following(row: SamplingRow) -> SamplingRow | None:
            if row.index >= len(requests):  # it follows another row itself
                return None
            completion = finished[row.index] = self._completion(asked[row.index], row)
            request = follow(completion)
            if request is None:
                return None
            (new,) = self._rows([request])
            new.index = len(asked)
            asked.append(request)
            return new

        rows = self._rows(requests)
        fitting = self._fitting_tokens()
        sizes = {row.index: self._most_at_once(row, fitting) for row in rows}
        rows.sort(key=lambda row: (sizes[row.index], -len(row.prompt), -row.limit, row.index))
        for size, alike in itertools.groupby(rows, key=lambda row: sizes[row.index]):
            for row in self._written(list(alike), size, following):
                if row.index not in finished:
                    finished[row.index] = self._completion(asked[row.index], row)
                yield finished.pop(row.index)

    @property
    def loaded(self) -> LoadedModel:
        """Return the model itself, for its probabilities of tokens."""
        return self._base()

    @property
    def token_limit(self) -> int | None:
        """Return the highest number of tokens of a sequence; None where there is none."""
        return self._codec.limit

    def likelihoods(
        self,
        rows: Sequence[TrainingRow],
        max_prompt_tokens: int,
        max_label_tokens: int,
        progress: Progress = no_progress,
    ) -> Iterator[tuple[int, float]]:
        """Yield the number of tokens of each label, and their negative log-likelihood in nats."""
        from rtbench_plugins.hf.likelihood import likelihoods

        recipe = Recipe(max_prompt_tokens=max_prompt_tokens, max_label_tokens=max_label_tokens)
        return likelihoods(self._base(), self._codec, rows, recipe, progress)

    def close(self) -> None:
        self._loaded = None
        gc.collect()
        return_memory()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _base(self) -> LoadedModel:
        assert self._loaded is not None, "the model is closed"
        return self._loaded

    def _rows(self, requests: Sequence[Request]) -> list[SamplingRow]:
        """Return the rows of requests, with their prompts in tokens. No sequence is longer than the model's positions."""
        rows: list[SamplingRow] = []
        codec = self._codec
        for index, asked in enumerate(codec.prompt_ids([request.prompt for request in requests])):
            request = requests[index]
            prompt = asked if request.prefill is None else [*asked, *codec.begun_ids(request.prefill, asked)]
            kept, most = with_room(prompt, request.sampling.max_new_tokens, codec.limit, codec.family)
            row = SamplingRow(index, kept, most, request.sampling, request.seed)
            row.cut = len(kept) < len(prompt)
            rows.append(row)
        return rows

    def _fitting_tokens(self) -> float:
        """Return the number of tokens whose keys and values fit in memory."""
        base = self._base()
        budget = float(_CPU_CACHE_BYTES)
        if base.device.type == "cuda":
            budget = torch.cuda.mem_get_info(base.device)[0] * _CUDA_CACHE_SHARE
        return budget / _bytes_per_token(base.model)

    def _most_at_once(self, row: SamplingRow, fitting: float) -> int:
        """Return how many rows like this one fit in memory: ``most_rows``, or a half of it, or a quarter, and so on."""
        size = self.most_rows
        while size > 1 and size * (len(row.prompt) + row.limit) > fitting:
            size = (size + 1) // 2
        return size

    def _written(
        self, rows: Sequence[SamplingRow], size: int, follow: Callable[[SamplingRow], SamplingRow | None]
    ) -> Iterator[SamplingRow]:
        """Generate rows in batches of ``size``, and rows that follow them.

        Raises:
            StepFailedError: memory is not enough for a single row.
        """
        codec = self._codec

        def stopped(row: SamplingRow) -> bool:
            return codec.stopped(row.ids, row.prompt, row.sampling.stop)

        shortage = StepFailedError(
            "the GPU has too little memory for one completion",
            where=f"model {self.name!r}",
            next_step="Use a smaller model, `dtype: bfloat16`, or `device: cpu`.",
        )
        yield from decode_fitting(self._base(), rows, size, codec.pad, self._ends, stopped, follow, shortage=shortage)

    def _completion(self, request: Request, row: SamplingRow) -> Completion:
        written = self._codec.written(row.ids, row.prompt, request.sampling.stop)
        return completion_of(
            request,
            written.text,
            reasoning=written.reasoning,
            finish_reason=row.finish,
            usage=Usage(prompt_tokens=len(row.prompt), completion_tokens=row.tokens),
            prompt_cut=row.cut,
            logprobs=self._logprobs(row),
        )

    def _logprobs(self, row: SamplingRow) -> TokenLogprobs | None:
        """Return the log-probabilities of a row's tokens; None where they were not asked for."""
        if not row.alternatives:
            return None
        return token_logprobs(row.written, row.alternatives, vocabulary=self._codec.vocabulary.digest)


def _bytes_per_token(model: Any) -> int:
    """Return an upper bound on the bytes of a token's keys and values in all layers.

    In many models, several heads of the queries share a head of keys and values.
    """
    config = model.config
    layers = getattr(config, "num_hidden_layers", None) or getattr(config, "num_layers", None) or 12
    width = getattr(config, "hidden_size", None) or 1024
    heads = getattr(config, "num_attention_heads", None)
    shared = getattr(config, "num_key_value_heads", None)
    if heads and shared:
        width = shared * (getattr(config, "head_dim", None) or width // heads)
    return 2 * int(layers) * int(width) * int(next(model.parameters()).element_size())
