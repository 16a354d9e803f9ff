"""Vega-Lite specifications of the site's charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rtbench_plugins.site.chart import BREAK, Datum, Series, Size, wrapped
from rtbench_plugins.site.palette import DIM, TEXT, VERDICTS

ACCURACY: Datum = {
    "field": "accuracy",
    "type": "quantitative",
    "title": "accuracy, %",
    "scale": {"zero": True},
    "axis": {"tickCount": 6},
}
_SAID = {"description": {"field": "said"}}
_EM = 0.62
"""Mean width of a letter, in units of the font's size, of a wide font: a browser draws texts in its own font."""
_BOLD = 0.7
"""The same of bold letters."""


def _room(texts: Sequence[str], size: Size, most: int) -> int:
    """Return the width of the longest of some labels, and at most the given one."""
    return min(most, int(max(map(len, texts)) * size.font * _EM) + 8)


def _series(entries: Sequence[Series], *, dashes: bool = False) -> Datum:
    """Return the encodings by which entries of the legend differ."""
    names = [entry.name for entry in entries]
    domain = {"field": "line", "type": "nominal", "title": None, "legend": None}
    encoding: Datum = {"color": {**domain, "scale": {"domain": names, "range": [entry.colour for entry in entries]}}}
    if dashes:
        ranged = {"domain": names, "range": [list(entry.dash) for entry in entries]}
        return encoding | {"strokeDash": {**domain, "scale": ranged}}
    return encoding | {"shape": {**domain, "scale": {"domain": names, "range": [entry.shape for entry in entries]}}}


def _along(points: Sequence[Datum], title: str | None, size: Size, *, log: bool, field: str = "x") -> Datum:
    """Return an axis that spans the values, with ticks at the values where there are at most eight."""
    values = sorted({point["x"] for point in points})
    marks = {"values": values} if len(values) <= 8 else {"tickCount": 4}
    scale = {"type": "log"} if log else {"zero": False}
    axis = {"format": ".2~s", "labelOverlap": True, "grid": False, **marks}
    pad = 14 if size.narrow else 20
    return {
        "field": field, "type": "quantitative", "title": title, "axis": axis,
        "scale": {**scale, "nice": False, "padding": pad},
    }  # fmt: skip


def lines(
    points: Sequence[Datum], entries: Sequence[Series], tasks: Sequence[str], axis: str, size: Size, *, log: bool
) -> Datum:
    """Return small charts, one per task, with a line for each entry of the legend."""
    narrow = size.narrow
    along = _along(points, None if narrow else axis, size, log=log, field="at")
    points = _apart(points, [entry.name for entry in entries], log=log)
    rule = {"x": along, "y": {**ACCURACY, "field": "low"}, "y2": {"field": "high"}}
    layers: list[Datum] = [
        {"mark": {"type": "rule", "opacity": 0.4, "strokeWidth": 1.5}, "encoding": {**rule, **_coloured(entries)}},
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": along, "y": ACCURACY, **_series(entries, dashes=True)},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {"x": along, "y": ACCURACY, **_series(entries), **_SAID},
        },
    ]
    return _facets(points, tasks, layers, size)


def _apart(points: Sequence[Datum], names: Sequence[str], *, log: bool) -> list[Datum]:
    """Return points that are moved a little along the axis, each line by another step, so that intervals can be told apart."""
    xs = [math.log(point["x"]) if log else point["x"] for point in points]
    step = min(0.03, 0.16 / len(names)) * (max(xs) - min(xs))
    moved: list[Datum] = []
    for point, x in zip(points, xs, strict=True):
        at = x + step * (names.index(point["line"]) - (len(names) - 1) / 2)
        moved.append({**point, "at": math.exp(at) if log else at})
    return moved


def _coloured(entries: Sequence[Series]) -> Datum:
    return {"color": _series(entries)["color"]}


def _facets(
    points: Sequence[Datum], tasks: Sequence[str], layers: Sequence[Datum], size: Size, **more: object
) -> Datum:
    shown = [task for task in tasks if any(point["task"] == task for point in points)]
    columns = min(size.columns, len(shown))
    width = (size.width - 50) // columns - 22
    facet = {"field": "task", "type": "nominal", "title": None, "sort": shown, "header": {"labelLimit": width + 20}}
    inner: Datum = {"layer": list(layers), "width": width, "height": max(120, min(240, int(width * 0.8))), **more}
    return {"data": {"values": list(points)}, "facet": facet, "columns": columns, "spec": inner, "spacing": 18}


def by_teacher(points: Sequence[Datum], entries: Sequence[Series], tasks: Sequence[str], size: Size) -> Datum:
    """Return small charts, one per task, with the teachers below each other."""
    narrow = size.narrow
    shown = [task for task in tasks if any(point["task"] == task for point in points)]
    limit = _room([point["teacher"] for point in points], size, 150 if narrow else 260)
    axis = {"labelLimit": limit, "minExtent": limit, "grid": True}
    names = {"field": "teacher", "type": "nominal", "title": None, "axis": axis}
    apart = {"field": "line", "type": "nominal", "sort": [entry.name for entry in entries]}
    rule = {
        "y": names, "yOffset": apart, "x": {**ACCURACY, "field": "low"}, "x2": {"field": "high"}, **_coloured(entries),
    }  # fmt: skip
    layers: list[Datum] = [
        {"mark": {"type": "rule", "opacity": 0.45, "strokeWidth": 2}, "encoding": rule},
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {"y": names, "yOffset": apart, "x": ACCURACY, **_series(entries), **_SAID},
        },
    ]
    columns = 1 if size.columns < 3 else min(2, len(shown))
    width = (size.width - 30) // columns - limit - 20
    facet = {"field": "task", "type": "nominal", "title": None, "sort": shown}
    inner: Datum = {"layer": layers, "width": width, "height": {"step": max(9, 22 // len(entries))}}
    return {
        "data": {"values": list(points)}, "facet": facet, "columns": columns, "spec": inner, "spacing": 14,
        "resolve": {"scale": {"y": "independent"}},
    }  # fmt: skip


def front(points: Sequence[Datum], entries: Sequence[Series], axis: str, size: Size, *, log: bool) -> Datum:
    """Return points of accuracy against a cost, with the Pareto front as a dashed line."""
    along = _along(points, axis, size, log=log)
    layers: list[Datum] = [
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "color": DIM},
            "encoding": {"x": along, "y": ACCURACY},
        },
        {
            "mark": {"type": "rule", "opacity": 0.35, "strokeWidth": 2},
            "encoding": {"x": along, "y": {**ACCURACY, "field": "low"}, "y2": {"field": "high"}, **_coloured(entries)},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": along, "y": ACCURACY, **_series(entries), **_SAID},
        },
    ]
    height = 260 if size.narrow else 360
    return {"data": {"values": list(points)}, "layer": layers, "width": size.width - 60, "height": height}


def heat(points: Sequence[Datum], columns: Sequence[str], size: Size) -> Datum:
    """Return a map of shares in percent: a line per row and a column per task or category, with numbers.

    On a phone, and where names would take more than half of the width, the name of a row is above its numbers.
    """
    rows = list(dict.fromkeys(point["row"] for point in points))
    room = _room(rows, size, size.width)
    narrow = size.narrow or room > 0.55 * size.width
    room = 0 if narrow else room
    step = min(100, (size.width - room - 60) // len(columns))
    angled = step < _room(columns, size, 200)
    across: Datum = {
        "field": "column", "type": "nominal", "sort": list(columns), "title": None,
        "axis": {
            "orient": "top", "labelAngle": -50 if angled else 0, "labelAlign": "left" if angled else "center", "labelLimit": 180, "ticks": False,
            "domain": False, "labelPadding": 6,
        },
    }  # fmt: skip
    names = {"ticks": False, "domain": False, "labelLimit": int(room * 0.88), "minExtent": room, "labelPadding": 6}
    down: Datum = {
        "field": "row", "type": "nominal", "sort": rows, "title": None, "axis": None if narrow else names,
        "scale": {"paddingInner": 0.0 if narrow else 0.08},
    }  # fmt: skip
    lower = 9 if narrow else 0
    box = {"type": "rect", "strokeWidth": 0} | ({"height": 18, "yOffset": lower} if narrow else {})
    fill = {"field": "shade", "type": "nominal", "scale": None}
    layers: list[Datum] = [
        {"mark": box, "encoding": {"x": across, "y": down, "color": fill, **_SAID}},
        {
            "mark": {"type": "text", "fontSize": size.font if step > 30 else 10, "yOffset": lower, "baseline": "middle"},
            "encoding": {
                "x": across, "y": down, "color": {"field": "ink", "type": "nominal", "scale": None},
                "text": {"field": "text" if step > 40 else "short"},
            },
        },
    ]  # fmt: skip
    if narrow:
        first = list({point["row"]: point for point in reversed(points)}.values())
        mark = {
            "type": "text",
            "align": "left",
            "x": 2,
            "yOffset": -9,
            "baseline": "middle",
            "color": TEXT,
            "limit": size.width,
        }
        layers.append({"data": {"values": first}, "mark": mark, "encoding": {"y": down, "text": {"field": "row"}}})
    tilted = int(_room(columns, size, 180) * 0.65) if angled else 4
    return {
        "padding": {"left": 4, "top": 8, "bottom": 4, "right": tilted}, "data": {"values": list(points)}, "layer": layers, "width": step * len(columns),
        "height": {"step": 42 if narrow else 24},
    }  # fmt: skip


def effects(points: Sequence[Datum], claims: Sequence[str], size: Size) -> Datum:
    """Return effects in points of accuracy with their intervals, a small chart per claim."""
    narrow = size.narrow
    room = _room([point["task"] for point in points], size, 150 if narrow else 300)
    letters = int((size.width - room - 30) / size.font / _BOLD)
    lines = [wrapped(claim, letters) for claim in claims]
    points = [{**point, "claim": lines[claims.index(point["claim"])]} for point in points]
    verdict = {
        "field": "verdict", "type": "nominal", "legend": None, "scale": {"domain": list(VERDICTS), "range": list(VERDICTS.values())},
    }  # fmt: skip
    down = {
        "field": "task",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": room, "minExtent": room, "grid": True},
    }
    along = {
        "field": "effect",
        "type": "quantitative",
        "title": "difference, points",
        "scale": {"zero": True},
        "axis": {"tickCount": 4 if narrow else 10},
    }
    zero = {"mark": {"type": "rule", "color": DIM}, "encoding": {"x": {"datum": 0, "type": "quantitative"}}}
    layers: list[Datum] = [
        zero,
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"y": down, "x": {**along, "field": "low"}, "x2": {"field": "high"}, "color": verdict},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {"y": down, "x": along, "color": verdict, **_SAID},
        },
    ]
    header = {
        "labelAnchor": "start",
        "labelLimit": size.width,
        "labelExpr": f"split(datum.label, '{BREAK}')",
        "labelOrient": "top",
    }
    facet = {"field": "claim", "type": "nominal", "title": None, "sort": lines, "header": header}
    inner: Datum = {"layer": layers, "width": size.width - room - 30, "height": {"step": 24}}
    return {
        "data": {"values": list(points)}, "facet": facet, "columns": 1, "spec": inner, "spacing": 12,
        "resolve": {"scale": {"y": "independent"}},
    }  # fmt: skip
