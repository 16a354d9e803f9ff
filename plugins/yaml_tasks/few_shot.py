"""Few-shot demonstrations: ours, written for this project, and the paper's, read from its published file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rtbench_plugins.yaml_tasks.spec import PaperPrompt

from rtbench.api import BadInputError, DataFiles, Demonstration, MissingDataError, Record, convert, read_json, read_yaml

_BLOCK = re.compile(r"Q: (?P<question>.*?)\nA: (?P<rationale>.*?) ?The answer is (?P<answer>[^\n]*?)\.?$", re.DOTALL)


@dataclass(frozen=True)
class PublishedDemonstration:
    """One demonstration of the paper's prompt."""

    text: str
    """The published text."""
    demonstration: Demonstration
    sample_index: int | None
    """Index of the task's sample that it repeats; None where it is not a sample of the task."""


class _PublishedPrompt(Record, frozen=True):
    """One task's entry in ``few_shot_cot_prompts.json``."""

    prompt: str
    sample_indices: tuple[int, ...]
    comment: str = ""


def own(path: Path) -> tuple[Demonstration, ...]:
    """Read ``demonstrations.yaml``, a list of question, rationale and answer; empty where there is no such file.

    Raises:
        BadInputError: the file is not such a list.
    """
    if not path.is_file():
        return ()
    data = read_yaml(path)
    if not isinstance(data, list) or not data:
        raise BadInputError("expected a list of question, rationale and answer", where=str(path))
    return tuple(convert(entry, Demonstration, where=f"{path}, entry {i + 1}") for i, entry in enumerate(data))


def paper(prompt: PaperPrompt | None, task: str, files: DataFiles) -> list[PublishedDemonstration]:
    """Return the paper's demonstrations for a task, in published order.

    Raises:
        MissingDataError: the paper has none for the task, or its file is missing.
        BadInputError: the file is not in the expected format.
    """
    if prompt is None or prompt.file.pin is None:
        raise MissingDataError(
            f"the paper has no few-shot prompt for {task}",
            next_step="Use our own demonstrations (the default), or leave the task out.",
        )
    path = files.find(prompt.file.pin)
    published = read_json(path, dict[str, _PublishedPrompt])
    if prompt.key not in published:
        raise BadInputError(f"no prompt for {prompt.key!r}", where=str(path))
    entry = published[prompt.key]
    texts = re.split(r"\n(?=Q: )", entry.prompt.strip())
    indices = entry.sample_indices or (None,) * len(texts)
    if len(indices) != len(texts):
        raise BadInputError(
            f"{prompt.key}: {len(texts)} demonstrations, but {len(indices)} sample indices", where=str(path)
        )
    return [
        PublishedDemonstration(text, _parsed(text, path), index)
        for text, index in zip((t.strip() for t in texts), indices, strict=True)
    ]


def _parsed(text: str, path: Path) -> Demonstration:
    match = _BLOCK.fullmatch(text)
    if match is None:
        raise BadInputError(f"not a demonstration: {text[:60]!r}…", where=str(path))
    return Demonstration(
        question=match["question"].strip(), rationale=match["rationale"].strip(), answer=match["answer"].strip()
    )
