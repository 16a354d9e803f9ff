"""The charts that a leaderboard has data for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from rtbench_plugins.reporters.wording import SHORT
from rtbench_plugins.site import captions, specs
from rtbench_plugins.site.chart import MEAN, Chart, Datum, record, series_of, table_of, tasks_in_order
from rtbench_plugins.site.labels import Labels
from rtbench_plugins.site.palette import ink, method_colours, shade
from rtbench_plugins.site.samples import CellPage

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, pareto_front

ValueOf = Callable[[LeaderboardRow, CellResult], float | None]


def charts_of(board: Leaderboard, pages: Sequence[CellPage]) -> list[Chart]:
    """Return the charts for which the leaderboard has data."""
    measured = [row for row in board.rows if row.kind in {"measured", "teacher"}]
    share = "share of the training questions"
    charts = [
        _line(board, measured, "size", "Accuracy by student size", "parameters", _parameters),
        _line(board, measured, "degree", "Accuracy by rationales per question", "rationales per question", _degree),
        _line(board, measured, "fraction", f"Accuracy by {share}", "training questions, %", _fraction),
        _teachers(board, measured),
        _pareto(board, measured, "size-front", "Accuracy against parameters", "parameters", _parameters),
        _cost(board, measured),
        _training(board, measured),
        _heat(board, measured),
        _wrong_answers(pages),
    ]
    return [chart for chart in charts if chart is not None]


def colours_of(board: Leaderboard) -> dict[str, str]:
    """Return the colour of each method of a leaderboard."""
    return method_colours(row.method for row in board.rows)


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


def _points(rows: Iterable[LeaderboardRow], of: ValueOf) -> list[tuple[LeaderboardRow, str, CellResult, float]]:
    return [
        (row, task, result, x)
        for row in rows
        if row.fold == "test"
        for task, result in row.results.items()
        if result.accuracy is not None and (x := of(row, result)) is not None
    ]


def _with_means(
    board: Leaderboard, points: Sequence[tuple[LeaderboardRow, str, CellResult, float]]
) -> list[tuple[LeaderboardRow, str, CellResult, float]]:
    """Return points, after those of the means of rows that have all of several tasks with one and the same value."""
    xs: dict[int, set[float]] = {}
    rows = {id(row): row for row, *_ in points}
    for row, _, _, x in points:
        xs.setdefault(id(row), set()).add(x)
    means = [
        (row, MEAN, CellResult(accuracy=row.mean, interval=row.mean_interval), min(xs[key]))
        for key, row in rows.items()
        if row.measured == len(board.tasks) > 1 and len(xs[key]) == 1
    ]
    return [*means, *points]


def _line(
    board: Leaderboard, rows: Sequence[LeaderboardRow], name: str, title: str, axis: str, of: ValueOf
) -> Chart | None:
    """Return a chart with a line for each set of two or more rows that differ only in ``of``; None without such rows."""
    lines: dict[tuple[object, ...], list[tuple[LeaderboardRow, str, CellResult, float]]] = {}
    for point in _with_means(board, _points(rows, of)):
        row, task = point[:2]
        same = (task, row.method, row.teacher, row.temperature, row.tries, row.sampling, row.selection, row.source, row.variant, row.split)  # fmt: skip
        rest = {
            "size": (row.series, row.degree, row.fraction),
            "degree": (row.student, row.fraction),
            "fraction": (row.student, row.degree),
        }
        lines.setdefault((*same, row.train_tasks, *rest[name]), []).append(point)
    drawn = [sorted(line, key=lambda point: point[3]) for line in lines.values() if len({x for *_, x in line}) > 1]
    if not drawn:
        return None
    among = list({id(row): row for line in drawn for row, *_ in line}.values())
    labels = Labels.of(among, without=("student",) if name == "size" else (name,))
    full = Labels.of(among)
    entries = series_of(among, labels, colours_of(board))
    points = [
        record(row, task, result, full.name(row), x=x, line=labels.name(row))
        for line in drawn
        for row, task, result, x in line
    ]
    tasks = tasks_in_order(board)
    legend = tuple(entries.values())
    return Chart(
        name, title, captions.lines(points, axis),
        lambda size: specs.lines(points, legend, tasks, axis, size, log=name != "fraction"),
        (axis, "task", "row", "accuracy, %", "95 % interval"), table_of(points, ("x", "task", "row")), legend,
    )  # fmt: skip


def _teachers(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    """Return a chart of teachers and of the students that learned from them; None for fewer than two teachers."""
    found = _with_means(board, _points(rows, lambda row, _: 0 if row.teacher else None))
    compared = {task for _, task, *_ in found if len({row.teacher for row, name, *_ in found if name == task}) > 1}
    found = [point for point in found if point[1] in compared]
    if not found:
        return None
    among = list({id(row): row for row, *_ in found}.values())
    labels, full = Labels.of(among, without=("teacher",)), Labels.of(among)
    entries = series_of(among, labels, colours_of(board))
    points = [
        record(row, task, result, full.name(row), teacher=row.teacher, line=labels.name(row))
        for row, task, result, _ in found
    ]
    tasks = tasks_in_order(board)
    legend = tuple(entries.values())
    return Chart(
        "teachers", "Accuracy by teacher", captions.teachers(points),
        lambda size: specs.by_teacher(points, legend, tasks, size),
        ("teacher", "task", "row", "accuracy, %", "95 % interval"), table_of(points, ("teacher", "task", "row")), legend,
    )  # fmt: skip


def _pareto(
    board: Leaderboard,
    rows: Sequence[LeaderboardRow],
    name: str,
    title: str,
    axis: str,
    of: ValueOf,
    front_of: Callable[[LeaderboardRow], bool | None] = lambda _: None,
) -> Chart | None:
    """Return a chart of means over tasks, with the Pareto front: rows that no other row beats at the same or a lower x.

    ``front_of`` says which rows are on it where the leaderboard knows; None: it is computed from the chart's points.
    """
    found: list[tuple[LeaderboardRow, float]] = []
    for row in rows:
        results = [result for result in row.results.values() if result.accuracy is not None]
        xs = [x for result in results if (x := of(row, result)) is not None]
        if row.fold == "test" and row.mean is not None and xs and row.measured == len(board.tasks):
            found.append((row, sum(xs) if name.startswith("cost") else max(xs)))
    if len({x for _, x in found}) < 2:
        return None
    among = [row for row, _ in found]
    labels, colours = Labels.of(among), colours_of(board)
    legend = tuple(series_of(among, Labels((), {}), colours).values())
    points: list[Datum] = []
    for row, x in found:
        mean = CellResult(accuracy=row.mean, interval=row.mean_interval)
        points.append(record(row, MEAN, mean, labels.name(row), x=x, line=row.method, front=front_of(row)))
    on_front = pareto_front({place: (point["x"], point["accuracy"]) for place, point in enumerate(points)})
    for place, point in enumerate(points):
        if point["front"] is None:
            point["front"] = place in on_front
        point["said"] += f", {axis} {point['x']:,g}"
    return Chart(
        name, title, captions.front(points, axis),
        lambda size: specs.front(points, legend, axis, size, log=name.startswith("size")),
        (axis, "row", "on the front", "accuracy, %", "95 % interval"), table_of(points, ("x", "row", "front")), legend,
    )  # fmt: skip


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


def _shaded(percent: float, *, wrong: bool = False) -> Datum:
    """Return the numbers and colours of a field of a map."""
    text, short = f"{percent:.1f}", f"{percent:.0f}"
    return {"shade": shade(percent, wrong=wrong), "ink": ink(percent, wrong=wrong), "text": text, "short": short}


def _heat(board: Leaderboard, rows: Sequence[LeaderboardRow]) -> Chart | None:
    found = _points(rows, lambda _row, _result: 0.0)
    if len({task for _, task, *_ in found}) < 2:
        return None
    labels = Labels.of([row for row, *_ in found])
    points = [record(row, task, result, labels.name(row)) for row, task, result, _ in found]
    for point in points:
        point |= {"column": point["task"], **_shaded(point["accuracy"])}
    tasks = [SHORT.get(task, task) for task in board.tasks if any(task == name for _, name, *_ in found)]
    return Chart(
        "heat", "Accuracy by method and task", captions.heat(points), partial(specs.heat, points, tasks),
        ("task", "row", "accuracy, %", "95 % interval"), table_of(points, ("task", "row")),
    )  # fmt: skip


def _wrong_answers(pages: Sequence[CellPage]) -> Chart | None:
    """Return a chart of the categories of wrong answers, as percentages of all answers, by method and model."""
    counts: dict[str, Counter[str]] = {}
    answers: Counter[str] = Counter()
    for page in pages:
        name = " · ".join(part for part in (page.cell.method, page.cell.student or page.cell.teacher) if part)
        counts.setdefault(name, Counter()).update(page.categories)
        answers[name] += page.samples
    total = sum(counts.values(), Counter[str]())
    points: list[Datum] = [
        {"row": name, "column": category, "count": found[category], "share": 100 * found[category] / answers[name]}
        for name, found in counts.items()
        for category, _ in total.most_common()
        if found.total()
    ]
    if not points:
        return None
    for point in points:
        point.update(_shaded(point["share"], wrong=True))
        point["said"] = f"{point['row']}: {point['column']} {point['share']:.1f} % of all answers ({point['count']})"
    table = [(p["row"], p["column"], str(p["count"]), f"{p['share']:.1f}") for p in points if p["count"]]
    columns = [category for category, _ in total.most_common()]
    return Chart(
        "errors", "What went wrong", captions.wrong_answers(points), partial(specs.heat, points, columns),
        ("row", "category", "answers", "% of all answers"), tuple(table),
    )  # fmt: skip
