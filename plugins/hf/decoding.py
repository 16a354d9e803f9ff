"""The built-in generation loop: generates many completions in a batch of rows that is kept full. Imports torch.

A completion depends on its prompt, its sampling parameters and its own seed, not on its batch. Each row attends only to its
own tokens, counts its own positions, and draws its own noise. Only rounding remains: matrix products of other shapes may
differ in the last bits, so two tokens whose scores agree to about six digits can change places. To exclude that too,
generate with a batch of 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import torch
from rtbench_plugins.hf.choosing import Chooser, SamplingRow
from rtbench_plugins.hf.decoders import CausalDecoder, Decoder, Seq2SeqDecoder, common_length
from rtbench_plugins.hf.loaded import LoadedModel

from rtbench.api import StepFailedError

_REFILL = 8
"""A batch takes new rows once 1 in 8 rows is finished, since reading prompts one by one is slow."""
_SHRINK = 4
"""Without waiting rows, a batch drops finished rows once 1 in 4 is finished, since dropping copies all keys and values."""


def decode(
    base: LoadedModel,
    rows: Sequence[SamplingRow],
    size: int,
    pad: int,
    ends: frozenset[int],
    stopped: Callable[[SamplingRow], bool],
    follow: Callable[[SamplingRow], SamplingRow | None] = lambda _: None,
) -> Iterator[SamplingRow]:
    """Generate completions, and yield each row when it is finished; the next row then takes its place.

    Args:
        base: the model.
        rows: prompts, not empty, with limits of at least 1; they are begun in this order.
        size: highest number of rows at once.
        pad: first token of an encoder-decoder's decoder where the config states none.
        ends: tokens that end a completion.
        stopped: returns whether a row's last token completed one of its stop strings.
        follow: returns a row whose prompt is a finished row's text and more, if there is one. Where the model allows it, that
            row goes on from the cache of the finished row, and is yielded too; otherwise it is left out.
    """
    with torch.inference_mode():
        waiting = deque(rows)
        decoder: Decoder = (
            CausalDecoder(base, [row.prompt for row in rows]) if base.family == "decoder" else Seq2SeqDecoder(base, pad)
        )
        while waiting:
            begun = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            yield from _GenerationBatch(decoder, begun, waiting, base.device, ends, stopped, follow).run()


def decode_fitting(
    base: LoadedModel,
    rows: Sequence[SamplingRow],
    size: int,
    pad: int,
    ends: frozenset[int],
    stopped: Callable[[SamplingRow], bool],
    follow: Callable[[SamplingRow], SamplingRow | None] = lambda _: None,
    *,
    shortage: StepFailedError,
) -> Generator[SamplingRow, None, int]:
    """Generate completions as :func:`decode` does, in batches that fit into the GPU's memory.

    Where memory runs out, unfinished rows are generated again in batches of half the size, without those that followed.
    ``shortage`` is the error where memory is not enough for a single row; the other arguments are those of :func:`decode`.

    Returns:
        The batch size that fits.

    Raises:
        StepFailedError: ``shortage``.
    """
    left = list(rows)
    while left:
        finished: set[int] = set()
        try:
            for row in decode(base, left, size, pad, ends, stopped, follow):
                finished.add(row.index)
                yield row
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise shortage from error
        left = [row for row in left if row.index not in finished]
        if left:
            for row in left:
                row.begin_again()
            size = (size + 1) // 2
            torch.cuda.empty_cache()  # not where the error is handled, which keeps the batch's tensors
    return size


class _GenerationBatch:
    """A batch of rows in slots."""

    def __init__(
        self,
        decoder: Decoder,
        begun: list[SamplingRow],
        waiting: deque[SamplingRow],
        device: torch.device,
        ends: frozenset[int],
        stopped: Callable[[SamplingRow], bool],
        follow: Callable[[SamplingRow], SamplingRow | None],
    ) -> None:
        self.decoder, self.waiting, self.device = decoder, waiting, device
        self.ends, self.stopped, self.follow = ends, stopped, follow
        self.slots: list[SamplingRow | None] = list(begun)
        self.chooser = Chooser(begun, device)
        self.tokens = torch.zeros(0)
        """Last token of each slot."""

    def run(self) -> Iterator[SamplingRow]:
        begun = [row for row in self.slots if row is not None]
        self.tokens = self.chooser.choose(self.decoder.begin([row.prompt + row.ids for row in begun]))
        yield from self._take(range(len(self.slots)), self.chooser.alternatives())
        while True:
            while self.waiting and self.decoder.takes_rows and self._finished * _REFILL >= len(self.slots):
                yield from self._refill()
            if self._finished == len(self.slots) or self._set_aside():
                return
            if self._finished * _SHRINK >= len(self.slots):
                self._shrink()
            self.tokens = self.chooser.choose(self.decoder.next(self.tokens))
            yield from self._take(range(len(self.slots)), self.chooser.alternatives())

    @property
    def _finished(self) -> int:
        return self.slots.count(None)

    def _take(self, slots: Sequence[int], alternatives: list[list[tuple[int, float]]] | None) -> Iterator[SamplingRow]:
        """Append the slots' last tokens to their rows, and yield the rows that are finished.

        Args:
            slots: the slots that have a new token.
            alternatives: the most probable tokens at its place, for each of ``slots``.
        """
        tokens = self.tokens.tolist()
        done: list[tuple[int, SamplingRow]] = []
        for at, slot in enumerate(slots):
            row = self.slots[slot]
            if row is not None:
                if alternatives is not None and row.sampling.top_logprobs:
                    row.written.append(tokens[slot])
                    row.alternatives.append(alternatives[at][: row.sampling.top_logprobs])
                _append(row, tokens[slot], self.ends, self.stopped)
                if row.finish is not None:
                    done.append((slot, row))
                    self.slots[slot] = None
        following = self._following(done)
        if retired := [slot for slot, _ in done if slot not in following]:
            self.decoder.retire(retired)
        for _, row in done:
            yield row
        if following:
            assert isinstance(self.decoder, CausalDecoder)
            known = [count for _, count in following.values()]
            new = {slot: row for slot, (row, _) in following.items()}
            yield from self._put(new, self.decoder.go_on(list(new), [row.prompt for row in new.values()], known))

    def _following(self, done: Sequence[tuple[int, SamplingRow]]) -> dict[int, tuple[SamplingRow, int]]:
        """Return the rows that go on in the slots of finished rows, and how many of their tokens the slots hold.

        A row of which they hold less than a half is left out: it would not save much.
        """
        following: dict[int, tuple[SamplingRow, int]] = {}
        if not (isinstance(self.decoder, CausalDecoder) and self.decoder.goes_on):
            return following
        for slot, row in done:
            if (new := self.follow(row)) is not None:
                held = min(self.decoder.held(slot), len(new.prompt) - 1)
                known = common_length((row.prompt + row.ids)[:held], new.prompt)
                if known >= max(self.decoder.shared, len(new.prompt) // 2):
                    following[slot] = (new, known)
        return following

    def _refill(self) -> Iterator[SamplingRow]:
        free = [slot for slot, row in enumerate(self.slots) if row is None][: len(self.waiting)]
        new = {slot: self.waiting.popleft() for slot in free}
        yield from self._put(new, self.decoder.put(free, [row.prompt + row.ids for row in new.values()]))

    def _put(self, new: Mapping[int, SamplingRow], logits: torch.Tensor) -> Iterator[SamplingRow]:
        """Put rows into slots, and take their first tokens; ``logits`` are those of these tokens."""
        for slot, row in new.items():
            self.slots[slot] = row
        chooser, chosen = Chooser(list(new.values()), self.device), torch.tensor(list(new), device=self.device)
        self.tokens[chosen] = chooser.choose(logits)
        self.chooser.put(chosen, chooser)
        yield from self._take(list(new), chooser.alternatives())

    def _set_aside(self) -> bool:
        """Postpone the last unfinished rows of a batch whose rows cannot be reused; return whether that was done.

        Otherwise a few long texts would delay all waiting rows. The postponed texts are continued together at the end, by
        reading their tokens again.
        """
        left = [row for row in self.slots if row is not None]
        if self.decoder.takes_rows or not self.decoder.rereads or len(left) * _REFILL > len(self.slots):
            return False
        if not self.waiting or not any(row.tokens == 0 for row in self.waiting):
            return False
        self.waiting.extend(left)
        return True

    def _shrink(self) -> None:
        left = [slot for slot, row in enumerate(self.slots) if row is not None]
        chosen = torch.tensor(left, device=self.device)
        self.decoder.keep(left)
        self.chooser.keep(chosen)
        self.tokens = self.tokens[chosen]
        self.slots = [self.slots[slot] for slot in left]


def _append(row: SamplingRow, token: int, ends: frozenset[int], stopped: Callable[[SamplingRow], bool]) -> None:
    row.tokens += 1
    if token in ends:
        row.finish = "stop"
        return
    row.ids.append(token)
    if stopped(row):
        row.finish = "stop"
    elif row.tokens >= row.limit:
        row.finish = "length"
