"""The charts of the site, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from rtbench_plugins.site import reporter
from rtbench_plugins.site.chart import WIDE, Chart
from rtbench_plugins.site.charts import charts_of
from rtbench_plugins.site.reporter import _templates
from rtbench_plugins.site.samples import script

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow, in_percent
from rtbench.schema.money import Spending
from rtbench.texts import script_json, shown


def cost_chart(*currencies: str) -> Chart | None:
    """Return the chart of cost for a board with a row for each currency."""
    rows = []
    for place, currency in enumerate(currencies, 1):
        spending = Spending(completions=1, prompt_tokens=1, completion_tokens=1, money=float(place), currency=currency)
        result = CellResult(accuracy=place / 10, n=10, spending=spending)
        rows.append(
            LeaderboardRow(
                kind="measured",
                method="m",
                teacher="t",
                degree=place,
                results={"a": result},
                mean=place / 10,
                measured=1,
            )
        )
    board = Leaderboard(run="r", matrix="m", description="", version="0", tasks=("a",), rows=tuple(rows))
    return next((chart for chart in charts_of(board, []) if chart.name == "cost-front"), None)


def test_axis_of_cost_states_the_currency() -> None:
    chart = cost_chart("EUR", "EUR")
    assert chart is not None
    assert chart.heads[0] == "cost, EUR"
    assert "at the same or a lower cost" in chart.said
    assert chart.spec(WIDE)["layer"][0]["encoding"]["x"]["title"] == "cost, EUR"


def test_costs_in_different_currencies_are_not_compared() -> None:
    assert cost_chart("EUR", "USD") is None


@pytest.mark.parametrize(("unit", "axis"), [("tokens", "supervised tokens"), ("USD", "cost, USD")])
def test_front_over_teacher_plus_student_is_that_of_the_leaderboard(unit: str, axis: str) -> None:
    places = [(0.0, 0.3, True), (1000.0, 0.5, True), (1000.0, 0.5, True), (2000.0, 0.4, False), (None, 0.9, None)]
    rows = tuple(
        LeaderboardRow(
            kind="measured", method=f"m{place}", student="s", results={"a": CellResult(accuracy=accuracy, n=10)},
            mean=accuracy, measured=1, cost=cost, pareto=pareto,
        )
        for place, (cost, accuracy, pareto) in enumerate(places)
    )  # fmt: skip
    board = Leaderboard(run="r", matrix="m", description="", version="0", tasks=("a",), rows=rows, cost_unit=unit)
    (chart,) = [chart for chart in charts_of(board, []) if chart.name == "training-front"]
    assert chart.heads[0] == axis
    assert [(one[1].partition(" ")[0], one[2]) for one in chart.rows] == [
        ("m0", "yes"), ("m1", "yes"), ("m2", "yes"), ("m3", "no"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["</script>", "a\u2028b\u2029c", "plain"])
def test_json_in_a_script_can_end_neither_the_script_nor_a_line(text: str) -> None:
    encoded = script_json({"text": text})
    assert not set(encoded) & set("<\u2028\u2029")
    assert json.loads(encoded) == {"text": text}
    assert script("chunk", 1, text).decode() == f"rtbench.chunk(1, {script_json(text)});\n"


def test_percentages_on_pages_are_rounded_as_on_the_board() -> None:
    shown = _templates().from_string("{{ x | in_percent }} {{ low | in_percent(0) }}").render(x=0.5345, low=0.285)
    assert shown == f"{in_percent(0.5345)} {in_percent(0.285, 0)}"
    cell = (Path(reporter.__file__).parent / "templates" / "cell.html").read_text()
    assert "format(100" not in cell, "no other rounding"


def test_script_of_samples_shows_the_same_signs_as_the_terminal(tmp_path: Path) -> None:
    """The function of the page, run by node where it is installed, on every kind of hidden character."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    source = (Path(reporter.__file__).parent / "assets" / "cell.js").read_text()
    part = source[source.index("const HIDDEN") : source.index("const element")]
    text = "".join(map(chr, [*range(1, 0x2100), 0x3164, 0xFEFF, 0xFFA0, 0xFFF9, 0x1D173, 0x1F600, 0xE0001, 0xE0041]))
    code = f"{part} process.stdout.write(JSON.stringify({json.dumps(text)}.replace(HIDDEN, sign)))"
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == shown(text)
