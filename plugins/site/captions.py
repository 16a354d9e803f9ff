"""Captions of charts: what one sees, in sentences with the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench_plugins.site.chart import MEAN, Datum
from rtbench_plugins.site.labels import short, some

BARS = "Bars are 95 % intervals."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _percent(point: Datum) -> str:
    return f"{point['accuracy']:.1f} %"


def lines(points: Sequence[Datum], axis: str) -> str:
    """Return how many lines rise and fall, and the largest rise."""
    by_line: dict[tuple[str, str], list[Datum]] = {}
    for point in points:
        by_line.setdefault((point["line"], point["task"]), []).append(point)
    ends = [(line[0], line[-1]) for (_, task), line in by_line.items() if task != MEAN]
    rising = sum(last["low"] > first["high"] for first, last in ends)
    falling = sum(last["high"] < first["low"] for first, last in ends)
    rest = len(ends) - rising - falling
    first, last = max(ends, key=lambda pair: pair[1]["accuracy"] - pair[0]["accuracy"])
    up = last["accuracy"] > first["accuracy"]
    largest = (
        f"The largest rise: {first['line']} on {first['task']}, from {_percent(first)} at {_x(first, axis)} to "
        f"{_percent(last)} at {_x(last, axis)}."
    )
    count = f"From the lowest to the highest number of {axis.partition(',')[0]}"
    parts = [
        (rising, "rises", "rise"),
        (falling, "falls", "fall"),
        (rest, "has overlapping intervals", "have overlapping intervals"),
    ]
    counted = ", ".join(f"{number} {one if number == 1 else several}" for number, one, several in parts if number)
    said = f"{count}, of {len(ends)} lines: {counted}." if len(ends) > 1 else ""
    return _joined(said, largest if up else "No line rises.", BARS)


def _x(point: Datum, axis: str) -> str:
    return f"{point['x']:,g} {axis.partition(',')[2].strip()}".strip() if "," in axis else f"{short(point['x'])}"


def teachers(points: Sequence[Datum]) -> str:
    """Return from which teacher the best student of each task learned."""
    students = [point for point in points if point["method"] != "teacher" and point["task"] != MEAN]
    best: dict[str, Datum] = {}
    for point in students:
        if point["task"] not in best or point["accuracy"] > best[point["task"]]["accuracy"]:
            best[point["task"]] = point
    count = len({point["teacher"] for point in points})
    equal = {(point["task"], point["accuracy"], point["teacher"]) for point in students}
    said = [
        f"on {task} from {point['teacher']} ({_percent(point)})"
        for task, point in best.items()
        if sum(one[:2] == (task, point["accuracy"]) for one in equal) == 1
    ]
    winners = f"The most accurate student learned {some(said, 4)}." if said else ""
    return _joined(f"{count} teachers, and the students that learned from them.", winners, BARS)


def front(points: Sequence[Datum], axis: str) -> str:
    """Return which rows are on the front, from the cheapest to the most accurate."""
    on = sorted((point for point in points if point["front"]), key=lambda point: (point["x"], point["accuracy"]))
    names = [f"{point['row']} ({_percent(point)})" for point in on]
    cost = "cost" if axis.startswith("cost") else f"number of {axis}"
    return _joined(
        f"Each point is a row's mean accuracy over all tasks. {len(on)} of {len(points)} are on the dashed line (the Pareto "
        f"front): no row is more accurate at the same or a lower {cost}.",
        f"From left to right: {some(names)}.",
        BARS,
    )


def heat(points: Sequence[Datum]) -> str:
    """Return the highest and lowest accuracies of students."""
    ranked = sorted((p for p in points if p["method"] != "teacher"), key=lambda point: point["accuracy"])
    said = ""
    if ranked:
        low, high = ranked[0], ranked[-1]
        said = (
            f"Of the students, the highest is {high['row']} on {high['task']} ({_percent(high)}), the lowest {low['row']} on "
            f"{low['task']} ({_percent(low)})."
        )
    return _joined("Numbers are accuracies in percent: the darker, the higher.", said)


def wrong_answers(points: Sequence[Datum]) -> str:
    """Return the most frequent category of the row with most wrong answers."""
    most = max(points, key=lambda point: point["share"])
    return (
        "Numbers are percentages of all answers, assigned to categories by rules: the darker, the more. The most frequent: "
        f"{most['column']}, {most['share']:.1f} % of the answers of {most['row']}."
    )


def effects(points: Sequence[Datum]) -> str:
    """Return how many comparisons support, contradict or leave open their claims."""
    count = {
        name: sum(point["verdict"] == name for point in points)
        for name in ("supported", "contradicted", "inconclusive")
    }
    said = ", ".join(f"{number} {name}" for name, number in count.items() if number)
    return (
        f"Each point is a difference of accuracies on the same questions: {said}. Right of the line, the side that is "
        f"named first is more accurate. {BARS}"
    )
