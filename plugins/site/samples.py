"""Script files with the samples of a cell, which its page loads on demand.

A page opened from a folder may load only scripts, so each file calls a function with JSON. ``<`` is escaped, and the page
inserts texts as plain text, so a model's output is shown and never run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.api import Judged, RtbenchError, categories_of, judged

if TYPE_CHECKING:
    from rtbench.api import CellRecord, Services

CHUNK = 200
"""Samples per file."""


@dataclass
class CellPage:
    """Facts about a cell's samples that its page shows."""

    number: int
    cell: CellRecord
    samples: int = 0
    wrong: int = 0
    chunks: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    """Why there are no samples."""


def write_samples(services: Services, cell: CellRecord, number: int, folder: Path) -> CellPage:
    """Write the files ``NUMBER-CHUNK.js`` with a cell's samples to a folder.

    Returns:
        the facts for the cell's page; with a ``reason`` where the samples cannot be read.
    """
    page = CellPage(number, cell)
    try:
        answers = judged(services, cell)
    except RtbenchError as error:  # missing data or lost completions: the other pages can still be written
        page.reason = str(error)
        return page
    categories = categories_of(services.task(cell.task), answers)
    page.samples, page.wrong = len(answers), sum(category is not None for category in categories)
    page.categories = Counter(category for category in categories if category is not None)
    page.chunks = -(-len(answers) // CHUNK)
    for chunk in range(page.chunks):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        shared = _common([answer.completion.prompt for answer in answers[part]])
        rows = [_row(*pair, len(shared)) for pair in zip(answers[part], categories[part], strict=True)]
        (folder / f"{number}-{chunk}.js").write_bytes(script("chunk", chunk, shared, rows))
    return page


def _row(answer: Judged, category: str | None, shared: int) -> dict[str, Any]:
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
    more = {"r": answer.completion.reasoning, "th": answer.completion.thoughts, "c": category}
    return row | {name: value for name, value in more.items() if value is not None}


def _common(texts: Sequence[str]) -> str:
    """Return the longest common beginning of texts (the demonstrations of a prompt, for example)."""
    first, last = min(texts), max(texts)
    length = next(
        (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


def script(function: str, *arguments: Any) -> bytes:
    """Return JavaScript that calls one of the page's functions with JSON arguments.

    Escaped are ``<``, which could end a script element, and U+2028 and U+2029, which could end a line.
    """
    encoded = b", ".join(msgspec.json.encode(argument) for argument in arguments)
    for unsafe, escape in ((b"<", b"\\u003c"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029")):
        encoded = encoded.replace(unsafe, escape)
    return f"rtbench.{function}(".encode() + encoded + b");\n"
