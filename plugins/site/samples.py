"""A cell's samples, in script files of a few hundred that a page loads when it is asked for them.

A page that was opened from a folder may load scripts and nothing else, so that the data are calls of one function with
JSON; ``<`` is escaped, and the page puts texts in as text alone: what a model wrote is shown and never run.
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
"""Samples in a file."""


@dataclass
class CellPage:
    """What a cell's page needs besides the samples themselves."""

    number: int
    cell: CellRecord
    samples: int = 0
    wrong: int = 0
    chunks: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    """Why there are none."""


def write_samples(services: Services, cell: CellRecord, number: int, folder: Path) -> CellPage:
    """Writes ``data/NUMBER-CHUNK.js`` files."""
    page = CellPage(number, cell)
    try:
        found = judged(services, cell)
    except RtbenchError as error:  # data that are not here, completions that are lost: the other pages are still good
        page.reason = str(error)
        return page
    categories = categories_of(services.task(cell.task), found)
    page.samples, page.wrong = len(found), sum(category is not None for category in categories)
    page.categories = Counter(category for category in categories if category is not None)
    page.chunks = -(-len(found) // CHUNK)
    for chunk in range(page.chunks):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        shared = _common([one.completion.prompt for one in found[part]])
        rows = [_row(one, category, len(shared)) for one, category in zip(found[part], categories[part], strict=True)]
        (folder / f"{number}-{chunk}.js").write_bytes(script("chunk", chunk, shared, rows))
    return page


def _row(one: Judged, category: str | None, shared: int) -> dict[str, Any]:
    """``prompt``: without what all prompts of the file begin with."""
    row = {
        "i": one.score.sample_index,
        "q": one.sample.question,
        "g": one.sample.answer,
        "x": one.score.extracted,
        "ok": one.score.correct,
        "t": one.completion.text,
        "p": one.completion.prompt[shared:],
    }
    more = {"r": one.completion.reasoning, "th": one.completion.thoughts, "c": category}
    return row | {name: value for name, value in more.items() if value is not None}


def _common(texts: Sequence[str]) -> str:
    """What all of them begin with: the demonstrations, say."""
    first, last = min(texts), max(texts)
    length = next(
        (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


def script(function: str, *arguments: Any) -> bytes:
    """A call of one of the page's functions. JSON is JavaScript; ``<`` could end a script element, U+2028 a line."""
    given = b", ".join(msgspec.json.encode(one) for one in arguments)
    for unsafe, escape in ((b"<", b"\\u003c"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029")):
        given = given.replace(unsafe, escape)
    return f"rtbench.{function}(".encode() + given + b");\n"
