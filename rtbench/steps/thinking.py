"""A thinking budget: thinking is ended after a number of tokens, and the answer asked for.

Muennighoff et al. 2025 (s1, arXiv 2501.19393) call this budget forcing. The model writes up to the budget; an answer that is
not finished then goes on in a second request, after a closed thinking part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rtbench.errors import StepFailedError
from rtbench.schema.completions import Completion, Prefill, Request, Usage
from rtbench.storage.keys import derived_seed

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel


def has_budget(requests: Sequence[Request]) -> bool:
    """Return whether some requests have a thinking budget."""
    return any(request.sampling.max_thinking_tokens is not None for request in requests)


def within_budget(
    model: TextModel,
    requests: Sequence[Request],
    parts: Mapping[str, Completion] = MappingProxyType({}),
    store: Callable[[Completion], None] = lambda _: None,
) -> Iterator[Completion]:
    """Yield one completion per request as they finish, with thinking of at most the budget of each.

    Args:
        model: the model.
        requests: the requests.
        parts: first parts of earlier attempts that were not continued, by key of the request.
        store: called with each first part that a second follows, before that is requested.

    Raises:
        StepFailedError: the model cannot continue an answer, or did not answer some of the requests. All others are yielded
            first.
    """
    if not model.continues_answers:
        raise StepFailedError(
            "`max_thinking_tokens` needs a model that can continue an answer, and the tags of its thinking",
            next_step='Write `thinking: ["<think>", "</think>"]`; of an endpoint, `endpoint: completions` or a `profile` with '
            "`prefill`.",
        )
    answers = _Answers(requests, parts, store)
    failure: StepFailedError | None = None
    todo = [_first(one) for one in requests if one.key not in parts]
    try:
        for part in model.generate_on(todo, answers.follow):
            if (whole := answers.whole(part)) is not None:
                yield whole
    except StepFailedError as error:
        if error.stops_run:
            raise
        failure = error  # of some requests; the others go on
    for part in model.generate(list(answers.waiting.values())):
        if (whole := answers.whole(part)) is not None:
            yield whole
    if failure is not None:
        raise failure


class _Answers:
    """Answers whose first parts are known.

    Args:
        requests: the requests.
        parts: first parts of earlier attempts.
        store: called with each new first part that a second follows.
    """

    def __init__(
        self, requests: Sequence[Request], parts: Mapping[str, Completion], store: Callable[[Completion], None]
    ) -> None:
        self._requests = {request.key: request for request in requests}
        self._stored, self._store = parts, store
        self._firsts: dict[str, Completion] = {}
        """First parts that a second follows, by the key of its request."""
        self.waiting: dict[str, Request] = {}
        """Requests for second parts that are not answered."""
        for request in requests:
            if request.key in parts:
                self.follow(parts[request.key])

    def follow(self, first: Completion) -> Request | None:
        """Return the request that goes on after a first part; None where that is a whole answer."""
        second = _second(self._requests[first.key], first)
        if second is not None and second.key not in self._firsts:
            self._firsts[second.key], self.waiting[second.key] = first, second
            if first.key not in self._stored:
                self._store(first)
        return second

    def whole(self, part: Completion) -> Completion | None:
        """Return the whole answer of a part; None where a second part follows it."""
        if part.key in self._firsts:
            self.waiting.pop(part.key, None)
            first = self._firsts[part.key]
            return _joined(self._requests[first.key], first, part)
        return part if self.follow(part) is None else None


def _first(request: Request) -> Request:
    """Return the request for the first part, which ends at the budget."""
    budget = request.sampling.max_thinking_tokens
    most = request.sampling.max_new_tokens
    limit = most if budget is None else min(budget, most)
    return replace(request, sampling=replace(request.sampling, max_new_tokens=limit, max_thinking_tokens=None))


def _second(request: Request, first: Completion) -> Request | None:
    """Return the request that goes on after a first part; None where that is a whole answer.

    Thinking that has no answer goes on whatever ended it: some models end their text in the middle of it.
    """
    sampling, budget = request.sampling, request.sampling.max_thinking_tokens
    thinks = first.reasoning is not None and not first.text.strip()
    left = sampling.max_new_tokens - (budget or sampling.max_new_tokens)
    if left < 1 or not (thinks or first.finish_reason == "length"):
        return None
    return replace(
        request,
        key=f"{request.key}/answer",
        seed=derived_seed("answer", request.seed),
        sampling=replace(sampling, max_new_tokens=left, max_thinking_tokens=None),
        prefill=Prefill(first.reasoning, "" if thinks else first.text),
    )


def _joined(request: Request, first: Completion, second: Completion) -> Completion:
    """Return the completion of both parts. Both are paid, so their tokens are added up."""
    thinks = first.reasoning is not None and not first.text.strip()
    usage = second.usage
    if first.usage is not None and usage is not None:
        usage = Usage(
            prompt_tokens=first.usage.prompt_tokens + usage.prompt_tokens,
            completion_tokens=first.usage.completion_tokens + usage.completion_tokens,
            cached_tokens=first.usage.cached_tokens + usage.cached_tokens,
            thinking_tokens=first.usage.thinking_tokens + usage.thinking_tokens,
        )
    more = "" if second.reasoning is None else second.reasoning
    return replace(
        second,
        key=first.key,
        prompt=request.prompt,
        text=second.text if thinks else first.text + second.text,
        reasoning=None if first.reasoning is None and not more else (first.reasoning or "") + more,
        thinking_cut=thinks and first.finish_reason == "length",
        usage=usage,
        prompt_cut=first.prompt_cut or second.prompt_cut,
    )
