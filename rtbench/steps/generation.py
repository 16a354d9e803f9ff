"""Request completions that the ledger lacks. Used by steps, pilots and curators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.schema.completions import Completion, Request
from rtbench.steps.thinking import has_budget, within_budget

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel
    from rtbench.storage.appending import Writer
    from rtbench.storage.ledger import Partition


class SecondStage:
    """Second stage of a two-stage prompt, for models that go on from the cache of the first stage.

    Args:
        partition: partition of the second stage's completions.
        request_of: returns the second stage's request for a completion of the first.
    """

    def __init__(self, partition: Partition, request_of: Callable[[Completion], Request]) -> None:
        self._partition = partition
        self._request_of = request_of
        self._firsts: dict[str, Completion] = {}
        """Completions of the first stage, by key of the request that follows."""
        self._held: set[str] = set()
        self._writer: Writer | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Hold the partition's lock and a writer to it."""
        with self._partition.alone(), self._partition.writer() as self._writer:
            self._held = self._partition.keys()
            yield

    def follow(self, first: Completion) -> Request | None:
        """Return the request that follows a completion; None where the ledger has its answer."""
        request = self._request_of(first)
        if request.key in self._held:
            return None
        self._firsts[request.key] = first
        return request

    def takes(self, answer: Completion) -> bool:
        """Store an answer if it is of the second stage; return whether it is."""
        first = self._firsts.get(answer.key)
        if first is None or self._writer is None:
            return False
        self._writer.append(with_reasoning(answer, first))
        return True


def with_reasoning(answer: Completion, first: Completion) -> Completion:
    """Return an answer stage's completion with the first stage's text, and the log-probabilities of its tokens."""
    return msgspec.structs.replace(
        answer,
        reasoning=first.text,
        reasoning_finish=first.finish_reason,
        thinking=answer.reasoning,
        logprobs=first.logprobs,
    )


def ask(
    open_model: Callable[[], TextModel],
    partition: Partition,
    todo: Sequence[Request],
    *,
    reasoning: Mapping[tuple[int, int], Completion] | None = None,
    second: SecondStage | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Completion]:
    """Return a model's completions, each of which is written to the ledger at once. After an error, those stay there.

    Args:
        open_model: opens the model, which is closed at the end.
        partition: partition of the model, locked with :meth:`rtbench.storage.ledger.Partition.alone`.
        todo: requests that the ledger lacks.
        reasoning: rationales in the prompts of an answer stage, by sample and completion index. They are stored
            with the answers.
        second: stage that follows, which the model may answer too.
        progress: called with the number of completions so far.
    """
    completions: dict[str, Completion] = {}
    model = open_model()
    try:
        with partition.writer() as writer, second.open() if second else contextlib.nullcontext():
            for answer in _generated(model, todo, second, partition):
                if second is not None and second.takes(answer):
                    continue
                completion = answer
                if reasoning is not None:
                    completion = with_reasoning(answer, reasoning[answer.sample_index, answer.completion_index])
                writer.append(completion)
                completions[completion.key] = completion
                progress(len(completions))
    finally:
        model.close()
    return completions


def _generated(
    model: TextModel, todo: Sequence[Request], second: SecondStage | None, partition: Partition
) -> Iterator[Completion]:
    """Yield a model's completions, and those of the second stage that it answers too.

    First parts of answers with a thinking budget are in a partition of their own: they are paid, and a run that is stopped
    goes on from them.
    """
    if not has_budget(todo):
        yield from model.generate_on(todo, second.follow) if second else model.generate(todo)
        return
    begun = partition.beside(".begun")
    with begun.alone():
        parts = begun.load({request.key for request in todo})
        with begun.writer() as writer:
            yield from within_budget(model, todo, parts, writer.append)


def answered(
    open_model: Callable[[], TextModel],
    partition: Partition,
    requests: Sequence[Request],
    *,
    reasoning: Mapping[tuple[int, int], Completion] | None = None,
    second: SecondStage | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Completion]:
    """Return the completions of requests by key, from the ledger where it has them. Waits for others that ask the model.

    Args:
        open_model: as in :func:`ask`.
        partition: partition of the model.
        requests: requests to answer.
        reasoning: as in :func:`ask`.
        second: as in :func:`ask`.
        progress: called with the number of completions so far, first with that of the ledger.
    """
    with partition.alone():
        completions = partition.load({request.key for request in requests})
        stored = len(completions)
        progress(stored)
        if todo := [request for request in requests if request.key not in completions]:
            completions |= ask(
                open_model,
                partition,
                todo,
                reasoning=reasoning,
                second=second,
                progress=lambda more: progress(stored + more),
            )
    return completions
