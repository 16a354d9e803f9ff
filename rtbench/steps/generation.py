"""Request completions that the ledger lacks. Used by steps, pilots and curators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.schema.completions import Completion, Request

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel
    from rtbench.storage.ledger import Partition


def ask(
    open_model: Callable[[], TextModel],
    partition: Partition,
    todo: Sequence[Request],
    *,
    reasoning: Mapping[tuple[int, int], Completion] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Completion]:
    """Return a model's completions, each of which is written to the ledger at once. After an error, those stay there.

    Args:
        open_model: opens the model, which is closed at the end.
        partition: partition of the model, locked with :meth:`rtbench.storage.ledger.Partition.alone`.
        todo: requests that the ledger lacks.
        reasoning: rationales in the prompts of an answer stage, by sample and completion index. They are stored
            with the answers.
        progress: called with the number of completions so far.
    """
    completions: dict[str, Completion] = {}
    model = open_model()
    try:
        with partition.writer() as writer:
            for answer in model.generate(todo):
                completion = answer
                if reasoning is not None:
                    first = reasoning[answer.sample_index, answer.completion_index]
                    completion = msgspec.structs.replace(
                        answer,
                        reasoning=first.text,
                        reasoning_finish=first.finish_reason,
                        thinking=answer.reasoning,
                    )
                writer.append(completion)
                completions[completion.key] = completion
                progress(len(completions))
    finally:
        model.close()
    return completions


def answered(
    open_model: Callable[[], TextModel],
    partition: Partition,
    requests: Sequence[Request],
    *,
    reasoning: Mapping[tuple[int, int], Completion] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Completion]:
    """Return the completions of requests by key, from the ledger where it has them. Waits for others that ask the model.

    Args:
        open_model: as in :func:`ask`.
        partition: partition of the model.
        requests: requests to answer.
        reasoning: as in :func:`ask`.
        progress: called with the number of completions so far, first with that of the ledger.
    """
    with partition.alone():
        completions = partition.load({request.key for request in requests})
        stored = len(completions)
        progress(stored)
        if todo := [request for request in requests if request.key not in completions]:
            completions |= ask(
                open_model, partition, todo, reasoning=reasoning, progress=lambda more: progress(stored + more)
            )
    return completions
