"""Consoles that show texts from outside as they are written. Imports rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from rtbench.texts import shown


class SafeConsole(Console):
    r"""Rich console that interprets nothing in the texts it prints.

    Markup (``[red]``) and emoji codes (``:bug:``) are shown as they are written, and control characters as signs
    (``\x1b``), in lines and in cells of tables. Styles are stated as arguments.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as rich's own type, which has a width."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of anything that is printed. Only rich's own pieces control the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)
