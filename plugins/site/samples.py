"""Script files with the samples of a cell, which its page loads on demand.

A page opened from a folder may load only scripts, so each file calls a function with JSON. ``<`` is escaped, and the page
inserts texts as plain text, so a model's output is shown and never run.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench.api import RtbenchError, ScoredAnswer, answers_of, categories_of, script_json

if TYPE_CHECKING:
    from rtbench.api import CellRecord, Services

CHUNK = 200
"""Samples per file."""


@dataclass
class CellPage:
    """Facts about a cell's samples that its page shows."""

    name: str
    """Short name, which its files have too."""
    cell: CellRecord
    samples: int = 0
    wrong: int = 0
    chunks: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    """Why there are no samples."""


def write_samples(services: Services, cell: CellRecord, name: str, folder: Path) -> CellPage:
    """Write the files ``NAME-CHUNK.js`` with a cell's samples to a folder.

    Returns:
        the facts for the cell's page; with a ``reason`` where the samples cannot be read.
    """
    page = CellPage(name, cell)
    try:
        answers = answers_of(services, cell)
    except RtbenchError as error:  # missing data or lost completions: the other pages can still be written
        page.reason = str(error)
        return page
    categories = categories_of(services.task(cell.task), answers)
    page.samples, page.wrong = len(answers), sum(category is not None for category in categories)
    page.categories = Counter(category for category in categories if category is not None)
    page.chunks = -(-len(answers) // CHUNK)
    for chunk in range(page.chunks):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        prompts = [answer.completion.prompt for answer in answers[part]]
        shared = os.path.commonprefix(prompts)  # noqa: RUF071 - it compares any texts, such as demonstrations
        rows = [_row(*pair, len(shared)) for pair in zip(answers[part], categories[part], strict=True)]
        (folder / f"{name}-{chunk}.js").write_bytes(script("chunk", chunk, shared, rows))
    return page


def _row(answer: ScoredAnswer, category: str | None, shared: int) -> dict[str, Any]:
    """Return the data of a sample. Its prompt lacks the first ``shared`` characters, which all prompts of the file share."""
    row = {
        "i": answer.score.sample_index,
        "q": answer.sample.question,
        "g": answer.sample.answer,
        "x": answer.score.extracted,
        "ok": answer.score.correct,
        "t": answer.completion.text,
        "p": answer.completion.prompt[shared:],
    }
    more = {"r": answer.completion.reasoning, "th": answer.completion.thinking, "c": category}
    return row | {name: value for name, value in more.items() if value is not None}


def script(function: str, *arguments: Any) -> bytes:
    """Return JavaScript that calls one of the page's functions with JSON arguments."""
    return f"rtbench.{function}({', '.join(map(script_json, arguments))});\n".encode()
