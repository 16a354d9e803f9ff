"""Text model with vLLM's engine, in this process, on this machine's GPUs. Imports vllm only when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.hf.encoding import with_room
from rtbench_plugins.hf.stored_logprobs import Vocabulary
from rtbench_plugins.methods.formats import ANSWER_PREFIX, TeacherFormat, TopLogprobs
from rtbench_plugins.methods.thinking import Tags, begun, parted

from rtbench.api import (
    Completion,
    MissingExtraError,
    Positive,
    RationaleSource,
    Record,
    Request,
    StepFailedError,
    TextModel,
    TokenLogprobs,
    Usage,
    completion_of,
    token_logprobs,
)

AHEAD = 2048
"""Highest number of requests in the engine: enough for good scheduling, without a list of all requests."""


class VllmOptions(Record, frozen=True, omit_defaults=True):
    """Options of the ``vllm`` teacher."""

    model: str
    """Local folder or hub id."""
    revision: str | None = None
    chat_template: bool = True
    """Wrap prompts in the tokenizer's chat template; off for base models."""
    thinking: Tags | None = ("<think>", "</think>")
    format: TeacherFormat = "one-stage-cot"
    prompt: str | None = None
    """The teacher's own prompt in place of the format's, with ``{question}``, and ``{answer}`` for the gold answer. The reply
    has rationale and answer in one text."""
    answer_prefix: str = ANSWER_PREFIX
    """Text before the answer in replies to ``prompt``."""
    max_new_tokens: tuple[int, int] = (2048, 32)
    max_thinking_tokens: int | None = None
    """Number of tokens after which the thinking of the first stage is ended and the answer asked for; they count towards
    ``max_new_tokens``. None: no limit."""
    top_logprobs: TopLogprobs = 0
    """Number of most probable tokens whose log-probabilities are stored at the place of each token of a rationale for a
    training question, for `distill-logits`."""
    rationale: RationaleSource = "text"
    engine: dict[str, Any] = {}
    """Further fields of vLLM's EngineArgs (``tensor_parallel_size``, ``max_model_len`` …)."""
    trust_remote_code: bool = False
    gpus: Positive = 1
    cpus: Positive = 2
    memory_gb: float = 16.0


@dataclass(frozen=True)
class _ActiveRequest:
    request: Request
    cut: bool
    """Whether the prompt was cut."""
    opened: bool
    """Whether the prompt ends with the opening tag of thinking."""


class VllmModel(TextModel):
    """A text model that uses vLLM's engine.

    Args:
        fingerprint: of the text model.
        options: see :class:`VllmOptions`.
        where: the student or teacher that errors name.
        cut_prompts: cut prompts that are too long at their beginning, as the built-in engine does. Otherwise they are
            refused.

    Raises:
        MissingExtraError: vllm is not installed.
    """

    def __init__(self, fingerprint: str, options: VllmOptions, *, where: str, cut_prompts: bool = False) -> None:
        try:
            import vllm
        except ImportError:
            raise MissingExtraError.of("vllm", "vllm") from None
        self.fingerprint = fingerprint
        self.continues_answers = options.thinking is not None
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
        self._vocabulary = Vocabulary(self._tokenizer)
        self._limit: int | None = self._engine.model_config.max_model_len if cut_prompts else None

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions as the engine finishes them.

        Raises:
            StepFailedError: the engine refused some requests (prompts that are too long); all other completions have been
                yielded.
        """
        waiting = iter(requests)
        active: dict[str, _ActiveRequest] = {}
        refused: list[str] = []
        while True:
            while len(active) < AHEAD and (request := next(waiting, None)) is not None:
                ids, opened = self._prompt(request)
                kept, most = with_room(ids, request.sampling.max_new_tokens, self._limit, "decoder")
                prompt = self._vllm.TokensPrompt(prompt_token_ids=kept)
                try:
                    self._engine.add_request(request.key, prompt, self._sampling(request, most))
                except ValueError as error:
                    refused.append(f"sample {request.sample_index}: {error}")
                else:
                    active[request.key] = _ActiveRequest(request, len(kept) < len(ids), opened)
            if not active:
                break
            for output in self._engine.step():
                if output.finished:
                    yield self._completion(active.pop(output.request_id), output)
        if refused:
            raise StepFailedError(
                f"{len(refused)} of {len(requests)} requests were refused by the engine; {refused[0]}",
                where=self._where,
                next_step="Other completions are kept. A larger `engine: {max_model_len: …}` allows longer prompts.",
            )

    def close(self) -> None:
        """Release the engine, with which vLLM frees its memory."""
        self._engine = None

    def _prompt(self, request: Request) -> tuple[list[int], bool]:
        """Return the prompt in tokens, and whether it ends with the opening tag of thinking."""
        tags = self._options.thinking
        if not self._options.chat_template:
            answer = "" if request.prefill is None else begun(request.prefill, tags)
            return self._tokenizer.encode(request.prompt + answer), False
        messages = [{"role": "user", "content": request.prompt}]
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        opened = tags is not None and text.rstrip().endswith(tags[0])
        if request.prefill is not None:
            text, opened = text + begun(request.prefill, tags, opened=opened), False
        # The template includes the special tokens, so encoding must not add them again.
        return self._tokenizer.encode(text, add_special_tokens=False), opened

    def _sampling(self, request: Request, most: int) -> Any:
        sampling = request.sampling
        return self._vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=most,
            stop=list(sampling.stop),
            seed=request.seed if sampling.temperature > 0 else None,
            logprobs=sampling.top_logprobs or None,
        )

    def _completion(self, started: _ActiveRequest, output: Any) -> Completion:
        written = output.outputs[0]
        text, thoughts = parted(written.text, self._options.thinking, opened=started.opened)
        return completion_of(
            started.request,
            text,
            reasoning=thoughts,
            finish_reason=written.finish_reason if written.finish_reason in {"stop", "length"} else None,
            usage=Usage(
                prompt_tokens=len(output.prompt_token_ids or ()),
                completion_tokens=len(written.token_ids),
                cached_tokens=output.num_cached_tokens or 0,
            ),
            prompt_cut=started.cut,
            logprobs=self._logprobs(started.request, written),
        )

    def _logprobs(self, request: Request, written: Any) -> TokenLogprobs | None:
        """Return the log-probabilities of a text's tokens; None where they were not asked for."""
        most = request.sampling.top_logprobs
        if not most:
            return None
        # The engine adds the token that was drawn, whatever its probability.
        alternatives = [
            sorted(((token, one.logprob) for token, one in place.items()), key=lambda one: -one[1])[:most]
            for place in written.logprobs
        ]
        return token_logprobs(list(written.token_ids), alternatives, vocabulary=self._vocabulary.digest)
