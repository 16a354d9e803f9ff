"""Texts that a student writes while it is trained. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rtbench_plugins.hf.choosing import SamplingRow
from rtbench_plugins.hf.decoding import decode_fitting
from rtbench_plugins.hf.encoding import IGNORED, Codec, EncodedRow, with_room
from rtbench_plugins.hf.loaded import end_tokens
from rtbench_plugins.hf.network import Network

from rtbench.api import Sampling, StepFailedError


@dataclass(frozen=True)
class OwnText:
    """A text that the student wrote, as a training row."""

    row: EncodedRow
    text: str


class Writer:
    """Writes texts with a student's current weights.

    A text depends on the weights, the prompt, its seed and the settings, not on the texts that are written with it.

    Args:
        network: the student.
        codec: its tokenizer.
        most_tokens: highest number of tokens of a text.
        most_rows: highest number of texts written at once.
    """

    def __init__(self, network: Network, codec: Codec, *, most_tokens: int, most_rows: int) -> None:
        self._network, self._codec = network, codec
        self._most_tokens, self._most_rows = most_tokens, most_rows
        self._ends = end_tokens(network.base) | {codec.end}

    def write(self, rows: Sequence[EncodedRow], seeds: Sequence[int], temperature: float) -> list[OwnText]:
        """Return a text for the prompt of each row, in order.

        Args:
            rows: training rows, whose labels are not used.
            seeds: seed of each text.
            temperature: 0 is greedy.
        """
        sampling = Sampling(max_new_tokens=self._most_tokens, temperature=temperature)
        begun: list[SamplingRow] = []
        for index, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
            prompt, most = with_room(prompt_of(row), self._most_tokens, self._codec.limit, self._codec.family)
            begun.append(SamplingRow(index, prompt, most, sampling, seed))
        begun.sort(key=lambda one: (-len(one.prompt), one.index))
        model = self._network.base.model
        training = model.training
        model.eval()
        try:
            with self._network.precision():
                for _ in self._decode(begun):
                    pass
        finally:
            model.train(training)
        return [self._own(rows[one.index], one) for one in sorted(begun, key=lambda one: one.index)]

    def _decode(self, rows: Sequence[SamplingRow]) -> Iterator[SamplingRow]:
        """Write texts, from now on only as many at once as fit into the GPU's memory.

        Raises:
            StepFailedError: memory is not enough for a single text.
        """
        shortage = StepFailedError(
            "the GPU has too little memory to write one text beside the training",
            next_step="Use a smaller model, `lora`, or a lower `max_new_tokens` of the objective.",
        )
        network, codec = self._network, self._codec
        self._most_rows = yield from decode_fitting(
            network.base, rows, self._most_rows, codec.pad, self._ends, lambda _: False, shortage=shortage
        )

    def _own(self, row: EncodedRow, written: SamplingRow) -> OwnText:
        text = self._codec.written(written.ids, written.prompt, ()).text
        # A text that was cut has no end mark, so that the student does not learn to stop in mid-sentence.
        label = [*written.ids, self._codec.end] if written.finish == "stop" else list(written.ids)
        if self._codec.family == "decoder":
            inputs, labels = written.prompt + label, [IGNORED] * len(written.prompt) + label
        else:
            inputs, labels = written.prompt, label
        return OwnText(replace(row, input_ids=inputs, labels=labels, truncated=False), text)


def prompt_of(row: EncodedRow) -> list[int]:
    """Return the tokens of a row's prompt."""
    return row.input_ids[: row.labels.count(IGNORED)] if IGNORED in row.labels else list(row.input_ids)
