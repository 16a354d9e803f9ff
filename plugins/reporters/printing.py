"""Helpers for printing tables: a console that writes to a string, and cells of Markdown tables."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from rtbench.api import squeezed

if TYPE_CHECKING:
    from rich.console import Console


def text_console() -> Console:
    """Return a console that writes to a string, to be read by :func:`text_of`.

    It is as wide as the terminal or, without a terminal, so wide that nothing is cut.
    """
    from rich.console import Console

    terminal = sys.stdout.isatty()
    width = os.get_terminal_size().columns if terminal else 400
    return Console(file=io.StringIO(), width=max(width, 100), highlight=False, force_terminal=terminal)


def text_of(console: Console) -> str:
    """Return what was printed on a :func:`text_console`, without spaces at the ends of lines."""
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def escaped(text: str) -> str:
    """Return text as one cell of a Markdown table: pipes escaped, line breaks and repeated spaces removed."""
    return squeezed(text.replace("|", "\\|"))
