"""Print tables, JSON, warnings and headings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rtbench.cli.output import RenderedStream, echo
from rtbench.texts import json_text, shown_in_line

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    from rtbench.storage.writing import as_json

    echo(json_text(as_json(value)))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns. They are plain text, because importing rich takes longer than printing them."""
    lines = [[shown_in_line(value) for value in row] for row in [heads, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in [lines[0], ["-" * width for width in widths], *lines[1:]]:
        echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def console(*, stderr: bool = False) -> Console:
    """Return a console for texts from anywhere. It does not wrap lines where the output is not a terminal."""
    from rtbench.cli.consoles import SafeConsole

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return SafeConsole(file=RenderedStream(stream), width=None if terminal else 220, soft_wrap=not terminal)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    console(stderr=True).print(text, style="yellow", soft_wrap=True)


def heading(out: Console, text: str) -> None:
    """Print a heading between samples."""
    out.print(f"── {shown_in_line(text)} ──", style="dim")
