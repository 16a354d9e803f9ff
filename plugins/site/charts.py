"""The site's charts: Vega-Lite specifications, each with the table of its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.reporters.wording import SHORT, describe
from rtbench_plugins.site.samples import CellPage

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, in_percent, pareto_front, script_json, shown_in_line

Datum = dict[str, Any]
LINES = {"field": "line", "type": "nominal", "title": None, "legend": {"columns": 1, "labelLimit": 400}}
ACCURACY = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": True}}


@dataclass(frozen=True)
class Chart:
    """A chart of the site."""

    name: str
    title: str
    said: str
    """A description, for readers who cannot see the chart."""
    spec: str
    """Vega-Lite JSON, safe inside a script element."""
    heads: tuple[str, ...]
    """Column heads of the table."""
    rows: tuple[tuple[str, ...], ...]


def charts_of(board: Leaderboard, pages: Sequence[CellPage]) -> list[Chart]:
    """Return the charts for which the leaderboard has data."""
    measured = [row for row in board.rows if row.kind in {"measured", "teacher"}]
    charts = [
        _line(board, measured, "size", "Accuracy by student size", "parameters", _parameters, log=True),
        _line(board, measured, "degree", "Accuracy by degree (rationales per question)", "degree", _degree, log=True),
        _line(
            board,
            measured,
            "fraction",
            "Accuracy by fraction of the training questions",
            "fraction, %",
            _fraction,
            log=False,
        ),
        _teachers(board, measured),
        _pareto(board, measured, "size-front", "Accuracy against parameters", "parameters", _parameters),
        _cost(board, measured),
        _training(board, measured),
        _heat(board, measured),
        _wrong_answers(pages),
    ]
    return [chart for chart in charts if chart is not None]


def _parameters(row: LeaderboardRow, result: CellResult) -> float | None:
    return result.parameters if row.series is not None else None


def _degree(row: LeaderboardRow, _result: CellResult) -> float | None:
    return row.degree if row.method != "teacher" else None


def _fraction(row: LeaderboardRow, result: CellResult) -> float | None:
    return 100 * row.fraction if row.kind == "measured" and result.recipe is not None else None


def _money(_row: LeaderboardRow, result: CellResult) -> float | None:
    return result.spending.money if result.spending is not None else None


def _cost_of_row(row: LeaderboardRow, _result: CellResult) -> float | None:
    return row.cost


def _points(
    rows: Iterable[LeaderboardRow], of: Callable[[LeaderboardRow, CellResult], float | None]
) -> list[tuple[LeaderboardRow, str, CellResult, float]]:
    return [
        (row, task, result, x)
        for row in rows
        if row.fold == "test"
        for task, result in row.results.items()
        if result.accuracy is not None and (x := of(row, result)) is not None
    ]


def _record(board: Leaderboard, row: LeaderboardRow, task: str, result: CellResult, **more: Any) -> Datum:
    assert result.accuracy is not None
    interval = result.interval
    low, high = (interval.low, interval.high) if interval else (result.accuracy, result.accuracy)
    return {
        "task": SHORT.get(task, task), "row": " · ".join(part for part in describe(row, board) if part != "–"),
        "accuracy": round(100 * result.accuracy, 2), "low": round(100 * low, 2), "high": round(100 * high, 2), **more,
    }  # fmt: skip


def _line(
    board: Leaderboard,
    rows: Sequence[LeaderboardRow],
    name: str,
    title: str,
    axis: str,
    of: Callable[[LeaderboardRow, CellResult], float | None],
    *,
    log: bool,
) -> Chart | None:
    """Return a chart with a line for each set of two or more rows that differ only in ``of``; None without such rows."""
    series: dict[tuple[object, ...], list[tuple[float, Datum]]] = {}
    for row, task, result, x in _points(rows, of):
        drawn = (row.temperature, row.sampling)
        same = (task, row.method, row.teacher, *drawn, row.selection, row.source, row.variant, row.split)
        rest = {
            "size": (row.series, row.degree, row.fraction),
            "degree": (row.student, row.fraction),
            "fraction": (row.student, row.degree),
        }
        label = _label(row, name)
        series.setdefault((*same, *rest[name]), []).append((x, _record(board, row, task, result, x=x, line=label)))
    records = [
        record
        for points in series.values()
        if len({x for x, _ in points}) > 1
        for _, record in sorted(points, key=lambda point: point[0])
    ]
    if not records:
        return None
    along: Datum = {"field": "x", "type": "quantitative", "title": axis, **_scale(records, log=log)}
    shared = {
        "x": along,
        "color": LINES,
    }
    layers = [
        {"mark": {"type": "line", "point": True}, "encoding": {**shared, "y": ACCURACY, "tooltip": _tooltip("x")}},
        {
            "mark": {"type": "rule", "opacity": 0.5},
            "encoding": {**shared, "y": {**ACCURACY, "field": "low"}, "y2": {"field": "high"}},
        },
    ]
    spec = _facets(board, records, {"layer": layers, "width": 210, "height": 160})
    description = f"{title}: {len({r['line'] for r in records})} lines over {len({r['task'] for r in records})} tasks."
    return _chart(name, title, description, spec, (axis, "task", "row"), records, ("x", "task", "row"))


def _scale(records: Sequence[Datum], *, log: bool) -> Datum:
    """Return an axis that spans the values, with ticks at the values where there are at most eight."""
    values = sorted({record["x"] for record in records})
    marks = {"values": values} if len(values) <= 8 else {}
    kind = {"type": "log"} if log else {"zero": False}
    return {"scale": {**kind, "nice": False, "padding": 14}, "axis": {"format": ".2~s", "labelOverlap": True, **marks}}


def _label(row: LeaderboardRow, name: str) -> str:
    parts = [row.method, row.teacher or "", (row.series if name == "size" else row.student) or ""]
    if row.temperature is not None:
        parts.append(f"T={row.temperature:g}")
    if row.train_tasks:
        parts.append(f"trained on {', '.join(row.train_tasks)}")
    if row.tries is not None:
        parts.append(f"≤{row.tries} tries")
    if row.sampling is not None:
        parts.append(row.sampling)
    if row.selection in {"best-test", "val-accuracy"}:
        parts.append(row.selection)
    if name != "degree" and row.degree is not None:
        parts.append(f"D={row.degree}")
    if name != "fraction" and row.fraction != 1:
        parts.append(f"{in_percent(row.fraction, None)} %")
    return " ".join(part for part in parts if part)


def _teachers(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    """Return a chart of teachers and of the students that learned from them; None for fewer than two teachers."""
    points = [(row, task, result) for row, task, result, _ in _points(rows, lambda row, _: 0 if row.teacher else None)]
    if len({row.teacher for row, _, _ in points}) < 2:
        return None
    records = [
        _record(board, row, task, result, teacher=row.teacher, line=_label(row, "teacher"))
        for row, task, result in points
    ]
    encoding = {
        "y": {"field": "teacher", "type": "nominal", "title": None},
        "x": ACCURACY,
        "color": LINES,
        "tooltip": _tooltip("teacher"),
    }
    spec = _facets(
        board, records, {"mark": {"type": "point", "filled": True, "size": 60}, "encoding": encoding, "width": 210}
    )
    count = len({r["teacher"] for r in records})
    description = f"Accuracy of {count} teachers and of the students that learned from them."
    return _chart(
        "teachers",
        "Accuracy by teacher",
        description,
        spec,
        ("teacher", "task", "row"),
        records,
        ("teacher", "task", "row"),
    )


def _pareto(
    board: Leaderboard,
    rows: Sequence[LeaderboardRow],
    name: str,
    title: str,
    axis: str,
    of: Callable[[LeaderboardRow, CellResult], float | None],
    front_of: Callable[[LeaderboardRow], bool | None] = lambda _: None,
) -> Chart | None:
    """Return a chart of means over tasks, with the Pareto front: rows that no other row beats at the same or a lower x.

    ``front_of`` says which rows are on it where the leaderboard knows; None: it is computed from the chart's points.
    """
    points: list[Datum] = []
    for row in rows:
        xs = [
            x for result in row.results.values() if result.accuracy is not None and (x := of(row, result)) is not None
        ]
        if row.fold != "test" or row.mean is None or not xs or row.measured != len(board.tasks):
            continue
        mean = CellResult(accuracy=row.mean, interval=row.mean_interval)
        x = sum(xs) if name.startswith("cost") else max(xs)
        points.append(_record(board, row, "all", mean, x=x, line=row.method, front=front_of(row)))
    if len({point["x"] for point in points}) < 2:
        return None
    on_front = pareto_front({place: (point["x"], point["accuracy"]) for place, point in enumerate(points)})
    for place, point in enumerate(points):
        if point["front"] is None:
            point["front"] = place in on_front
    along: Datum = {
        "field": "x", "type": "quantitative", "title": axis, **_scale(points, log=name.startswith("size")),
    }  # fmt: skip
    color = {"field": "line", "type": "nominal", "title": None}
    layers = [
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "color": "gray"},
            "encoding": {"x": along, "y": ACCURACY},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {"x": along, "y": ACCURACY, "color": color, "tooltip": _tooltip("x")},
        },
    ]
    spec = {"data": {"values": points}, "layer": layers, "width": 520, "height": 300}
    front = sum(point["front"] for point in points)
    description = f"{title}, means over all tasks: {len(points)} rows, of which {front} are on the Pareto front."
    return _chart(name, title, description, spec, (axis, "row", "on the front"), points, ("x", "row", "front"))


def _cost(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    """Return a chart of accuracy against cost; None where nothing has a price, or prices are in several currencies."""
    spent = [result.spending for row in rows for result in row.results.values() if result.spending is not None]
    currencies = {spending.currency for spending in spent}
    if len(currencies) != 1:
        return None
    title, axis = "Accuracy against the cost of the rationales", f"cost, {currencies.pop()}"
    return _pareto(board, rows, "cost-front", title, axis, _money)


def _training(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    """Return a chart of accuracy against the cost of teacher plus student, in money or supervised tokens."""
    axis = "supervised tokens" if board.cost_unit == "tokens" else f"cost, {board.cost_unit}"
    title = "Accuracy against the cost of teacher plus student"
    return _pareto(board, rows, "training-front", title, axis, _cost_of_row, lambda row: row.pareto)


def _heat(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    records = [_record(board, row, task, result) for row, task, result, _ in _points(rows, lambda _row, _result: 0.0)]
    if len({record["task"] for record in records}) < 2:
        return None
    encoding = {
        "x": {"field": "task", "type": "nominal", "sort": [SHORT.get(t, t) for t in board.tasks], "title": None},
        "y": {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 420}},
        "color": {
            "field": "accuracy",
            "type": "quantitative",
            "title": "%",
            "scale": {"scheme": "viridis", "domain": [0, 100]},
        },
        "tooltip": _tooltip("task"),
    }
    spec = {
        "data": {"values": records},
        "mark": "rect",
        "encoding": encoding,
        "width": {"step": 44},
        "height": {"step": 15},
    }
    description = (
        f"Accuracy of {len({r['row'] for r in records})} rows on {len({r['task'] for r in records})} tasks, as colours."
    )
    return _chart("heat", "Method × task", description, spec, ("task", "row"), records, ("task", "row"))


def _wrong_answers(pages: Sequence[CellPage]) -> Chart | None:
    """Return a chart of the categories of wrong answers, as percentages of all answers, by method and model."""
    counts: dict[str, Counter[str]] = {}
    answers: Counter[str] = Counter()
    for page in pages:
        name = " ".join(part for part in (page.cell.method, page.cell.student or page.cell.teacher) if part)
        counts.setdefault(name, Counter()).update(page.categories)
        answers[name] += page.samples
    records: list[Datum] = [
        {"row": name, "category": category, "count": count, "share": round(100 * count / answers[name], 2)}
        for name, categories in counts.items()
        for category, count in categories.items()
    ]
    if not records:
        return None
    encoding = {
        "y": {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 420}},
        "x": {"field": "share", "type": "quantitative", "title": "of all answers, %"},
        "color": {"field": "category", "type": "nominal", "title": None},
        "tooltip": [{"field": name} for name in ("row", "category", "count", "share")],
    }
    spec = {"data": {"values": records}, "mark": "bar", "encoding": encoding, "width": 520, "height": {"step": 18}}
    description = (
        f"Categories of wrong answers, assigned by rules, for {len(counts)} methods and models over all cells."
    )
    rows = tuple((r["row"], r["category"], str(r["count"]), f"{r['share']:.1f}") for r in records)
    return Chart("errors", "What went wrong", description, _encoded(spec), ("row", "category", "answers", "%"), rows)


def _facets(board: Leaderboard, records: list[Datum], inner: Datum) -> Datum:
    return {
        "data": {"values": records},
        "facet": {"field": "task", "type": "nominal", "title": None, "sort": [SHORT.get(t, t) for t in board.tasks]},
        "columns": 3,
        "spec": inner,
    }


def _tooltip(first: str) -> list[Datum]:
    return [{"field": name} for name in (first, "row", "accuracy", "low", "high")]


def _chart(
    name: str,
    title: str,
    description: str,
    spec: Datum,
    heads: tuple[str, ...],
    records: Sequence[Datum],
    fields: tuple[str, ...],
) -> Chart:
    rows = tuple(
        (
            *(_text(record[field]) for field in fields),
            f"{record['accuracy']:.1f}",
            f"{record['low']:.1f}–{record['high']:.1f}",
        )
        for record in records
    )
    encoded = _encoded({**spec, "description": description})
    return Chart(name, title, description, encoded, (*heads, "accuracy, %", "95 % interval"), rows)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _encoded(spec: Datum) -> str:
    return script_json(_visible({"$schema": "https://vega.github.io/schema/vega-lite/v6.json", **spec}))


def _visible(value: Any) -> Any:
    """Return data in which hidden characters of texts are signs, because a chart would draw them."""
    if isinstance(value, dict):
        return {key: _visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return shown_in_line(value) if isinstance(value, str) else value
