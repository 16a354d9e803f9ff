"""Few-shot demonstrations: ours, written for this project, and the paper's, read from its own file."""

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
    """As published."""
    demonstration: Demonstration
    sample_index: int | None
    """The sample it is; None where it is none of the task's."""


class _PublishedPrompt(Record, frozen=True):
    """One task's entry in ``few_shot_cot_prompts.json``."""

    prompt: str
    sample_indices: tuple[int, ...]
    comment: str = ""


def own(path: Path) -> tuple[Demonstration, ...]:
    """Reads ``demonstrations.yaml``: a list of question, rationale, answer. Empty where there is no such file.

    Raises:
        BadInputError: it is something else.
    """
    if not path.is_file():
        return ()
    data = read_yaml(path)
    if not isinstance(data, list) or not data:
        raise BadInputError("a list of question, rationale and answer is expected", where=str(path))
    return tuple(convert(entry, Demonstration, where=f"{path}, entry {i + 1}") for i, entry in enumerate(data))


def paper(prompt: PaperPrompt | None, task: str, files: DataFiles) -> list[PublishedDemonstration]:
    """The paper's demonstrations of a task, in the order published.

    Raises:
        MissingDataError: the paper has none for the task, or its file is not at hand.
        BadInputError: the file is not what it should be.
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
