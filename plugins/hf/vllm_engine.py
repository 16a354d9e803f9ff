"""vLLM's engine as a text model, in this process, on the GPUs of this machine. Imports vllm only when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.methods.formats import TeacherFormat
from rtbench_plugins.methods.thinking import Tags, parted

from rtbench.api import (
    Completion,
    MissingExtraError,
    RationaleSource,
    Record,
    Request,
    StepFailedError,
    TextModel,
    Usage,
    completion_of,
)

AHEAD = 2048
"""Requests that the engine holds at once: enough to schedule well, and no list of a hundred thousand."""


class VllmOptions(Record, frozen=True, omit_defaults=True):
    """Options of the ``vllm`` teacher."""

    model: str
    """Local folder or hub id."""
    revision: str | None = None
    chat_template: bool = True
    """Wrap prompts in the tokenizer's chat template; off for base models."""
    thinking: Tags | None = ("<think>", "</think>")
    format: TeacherFormat = "one-stage-cot"
    max_new_tokens: tuple[int, int] = (2048, 32)
    rationale: RationaleSource = "text"
    engine: dict[str, Any] = {}
    """Further fields of vLLM's EngineArgs (``tensor_parallel_size``, ``max_model_len`` …)."""
    trust_remote_code: bool = False
    gpus: int = 1
    cpus: int = 2
    memory_gb: float = 16.0


@dataclass(frozen=True)
class _UnderWay:
    request: Request
    opened: bool
    """The prompt ends with the opening tag of thoughts."""


class VllmModel(TextModel):
    """Feeds the engine, and yields what it has finished after each of its steps."""

    def __init__(self, fingerprint: str, options: VllmOptions, *, where: str) -> None:
        try:
            import vllm
        except ImportError:
            raise MissingExtraError.of("vllm", "vllm") from None
        self.fingerprint = fingerprint
        self._options = options
        self._where = where
        self._vllm: Any = vllm
        self._engine = vllm.LLMEngine.from_engine_args(
            vllm.EngineArgs(
                model=options.model,
                revision=options.revision,
                trust_remote_code=options.trust_remote_code,
                **options.engine,
            )
        )
        self._tokenizer = self._engine.get_tokenizer()

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yields what the engine finishes.

        Raises:
            StepFailedError: the engine refused some (a prompt that is too long); all others have been yielded.
        """
        waiting = iter(requests)
        under_way: dict[str, _UnderWay] = {}
        refused: list[str] = []
        while True:
            while len(under_way) < AHEAD and (request := next(waiting, None)) is not None:
                prompt, opened = self._prompt(request)
                try:
                    self._engine.add_request(request.key, prompt, self._sampling(request))
                except ValueError as error:
                    refused.append(f"sample {request.sample_index}: {error}")
                else:
                    under_way[request.key] = _UnderWay(request, opened)
            if not under_way:
                break
            for output in self._engine.step():
                if output.finished:
                    yield self._completion(under_way.pop(output.request_id), output)
        if refused:
            raise StepFailedError(
                f"{len(refused)} of {len(requests)} requests were refused by the engine; {refused[0]}",
                where=self._where,
                next_step="What came is kept. A larger `engine: {max_model_len: …}` takes longer prompts.",
            )

    def close(self) -> None:
        """VLLM frees its memory with the engine."""
        self._engine = None

    def _prompt(self, request: Request) -> tuple[Any, bool]:
        """The prompt as the engine takes it, and whether it ends with the opening tag of thoughts."""
        if not self._options.chat_template:
            return self._vllm.TextPrompt(prompt=request.prompt), False
        messages = [{"role": "user", "content": request.prompt}]
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        opened = self._options.thinking is not None and text.rstrip().endswith(self._options.thinking[0])
        # The template writes the special tokens itself: encoding must not add them again.
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return self._vllm.TokensPrompt(prompt_token_ids=ids), opened

    def _sampling(self, request: Request) -> Any:
        sampling = request.sampling
        return self._vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_new_tokens,
            stop=list(sampling.stop),
            seed=request.seed if sampling.temperature > 0 else None,
        )

    def _completion(self, asked: _UnderWay, output: Any) -> Completion:
        written = output.outputs[0]
        text, thoughts = parted(written.text, self._options.thinking, opened=asked.opened)
        return completion_of(
            asked.request,
            text,
            reasoning=thoughts,
            finish_reason=written.finish_reason if written.finish_reason in {"stop", "length"} else None,
            usage=Usage(
                prompt_tokens=len(output.prompt_token_ids or ()),
                completion_tokens=len(written.token_ids),
                cached_tokens=output.num_cached_tokens or 0,
            ),
        )
