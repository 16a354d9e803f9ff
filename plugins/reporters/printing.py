"""Helpers for printing tables: a console that writes to a string, and cells of Markdown tables."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING

from rtbench.api import markdown_text

if TYPE_CHECKING:
    from rich.console import Console


def text_console(*, otherwise: int = 400, least: int = 100, stated: bool = False) -> Console:
    """Return a console for texts from anywhere that writes to a string, to be read by :func:`text_of`.

    Args:
        otherwise: width where there is no terminal, which has its own: with the default, nothing is cut.
        least: lowest width.
        stated: without a terminal, take the width from the environment variable COLUMNS, if it is set.
    """
    from rtbench.api import SafeConsole

    terminal = sys.stdout.isatty()
    known = terminal or (stated and os.environ.get("COLUMNS", "").isdecimal())
    width = shutil.get_terminal_size().columns if known else otherwise
    return SafeConsole(file=io.StringIO(), width=max(width, least), force_terminal=terminal)


def text_of(console: Console) -> str:
    """Return what was printed on a :func:`text_console`, without spaces at the ends of lines."""
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Container[int] = ()) -> list[str]:
    """Return the lines of a Markdown table, with all cells escaped.

    Args:
        heads: column heads.
        rows: cells of each row, as many as there are heads.
        numeric: places of columns that are aligned at the right, counted from 0.
    """
    rule = "".join("---:|" if place in numeric else "---|" for place in range(len(heads)))
    return [_line(heads), f"|{rule}", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
