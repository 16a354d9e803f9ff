"""What printers of tables share: a console that writes to a text, and cells of Markdown tables."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def text_console() -> Console:
    """A console as wide as the terminal, or wide enough that nothing is cut where there is none; see :func:`text_of`."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    width = os.get_terminal_size().columns if terminal else 400
    return Console(file=io.StringIO(), width=max(width, 100), highlight=False, force_terminal=terminal)


def text_of(console: Console) -> str:
    """What was printed on a :func:`text_console`, without spaces at the ends of lines."""
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def escaped(text: str) -> str:
    """Keeps a cell in its place in a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())
