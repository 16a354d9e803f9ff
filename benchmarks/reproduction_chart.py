"""The chart of docs/reproduction.md: accuracies of a student with their intervals, by task, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 190, 24, 62, 46
INK, FAINT, BACK = "#1f2328", "#d0d7de", "#ffffff"
COLOURS = ("#8c959f", "#bc4c00", "#54aeff", "#0550ae")
"""Colours of the series, from the first to the last."""


@dataclass(frozen=True)
class Point:
    """An accuracy with its interval, as fractions."""

    accuracy: float
    low: float
    high: float


def chart(title: str, series: Sequence[str], rows: Sequence[tuple[str, Sequence[Point | None]]]) -> str:
    """Return an SVG with one line per task and one mark per series; None: not measured."""
    height = TOP + ROW * len(rows) + 40
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{BACK}"/>',
        *_legend(series),
    ]
    bottom = TOP + ROW * len(rows)
    for percent in range(0, 101, 20):
        x = _x(percent / 100)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{percent} %</text>')
    for at, (name, points) in enumerate(rows):
        middle = TOP + ROW * at + ROW / 2
        parts.append(f'<text x="{LEFT - 12}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>')
        for place, (point, colour) in enumerate(zip(points, COLOURS, strict=True)):
            if point is not None:
                parts += _mark(point, middle + 9 * (place - (len(series) - 1) / 2), colour)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _mark(point: Point, y: float, colour: str) -> list[str]:
    line = f'<line x1="{_x(point.low)}" x2="{_x(point.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    return [line, f'<circle cx="{_x(point.accuracy)}" cy="{y}" r="4" fill="{colour}"/>']


def _legend(series: Sequence[str]) -> list[str]:
    parts, x = [], 24
    for name, colour in zip(series, COLOURS, strict=True):
        parts.append(f'<circle cx="{x}" cy="28" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 11}" y="32">{escape(name)}</text>')
        x += 40 + 7 * len(name)
    return parts
