"""Parts of the site without a browser: names, colours, notes, drawings and files."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest
from rtbench_plugins.site.chart import NARROW, WIDE, Chart
from rtbench_plugins.site.charts import charts_of
from rtbench_plugins.site.drawing import inline, picture
from rtbench_plugins.site.files import SHORTEST, short_names, table
from rtbench_plugins.site.labels import Labels
from rtbench_plugins.site.notes import row_notes
from rtbench_plugins.site.palette import BACK, css_class, ink, luminance, method_colours, shade, stylesheet

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.runs import CellRecord
from rtbench.schema.scores import Interval

HOSTILE = "</svg><script>window.ran = 1</script>\u202e\x1b[31m"


def row(method: str = "fine-tune-cot", accuracy: float = 0.465, **facts: object) -> LeaderboardRow:
    interval = Interval(accuracy - 0.05, accuracy + 0.05, "wilson")
    results = {task: CellResult(accuracy=accuracy, interval=interval, n=10) for task in ("a", "b")}
    measured = {
        "kind": "measured",
        "student": "s",
        "selection": "last",
        "results": results,
        "mean": accuracy,
        "measured": 2,
    }
    return LeaderboardRow(method=method, **{**measured, **facts})  # type: ignore[arg-type]


def board(*rows: LeaderboardRow) -> Leaderboard:
    return Leaderboard(run="r", matrix="m", description="", version="0", tasks=("a", "b"), rows=rows)


def chart(name: str, *rows: LeaderboardRow) -> Chart:
    return next(one for one in charts_of(board(*rows), []) if one.name == name)


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_names_of_rows_are_words_and_leave_out_what_all_share() -> None:
    rows = [row(degree=1, temperature=0.7, fraction=0.5), row(degree=8, temperature=0.7, fraction=0.5)]
    labels = Labels.of(rows)
    assert [labels.name(one) for one in rows] == ["fine-tune-cot · 1 rationale", "fine-tune-cot · 8 rationales"]
    assert "temperature 0.7" in labels.said()
    assert "50 % of questions" in labels.said()


def test_rows_of_a_method_differ_in_name_also_where_one_lacks_a_fact() -> None:
    rows = [row(), row(split="template"), row("zero-shot")]
    assert len({Labels.of(rows).name(one) for one in rows}) == 3


def test_legend_entries_of_one_method_share_its_colour_and_differ_in_shape() -> None:
    rows = [row(degree=degree, teacher=teacher) for teacher in ("t", "u") for degree in (1, 8)]
    one, other = chart("degree", *rows).legend
    assert (one.name, other.name) == ("fine-tune-cot · t", "fine-tune-cot · u")
    assert one.colour == other.colour
    assert (one.shape, one.dash) != (other.shape, other.dash)


def test_caption_says_what_one_sees() -> None:
    said = chart("degree", row(degree=1, accuracy=0.1), row(degree=8, accuracy=0.6)).said
    assert "of 2 lines: 2 rise." in said
    assert "from 10.0 % at 1 to 60.0 % at 8" in said


def test_heat_map_has_numbers_on_every_screen() -> None:
    heat = chart("heat", row(), row("fine-tune", 0.1))
    for size, texts in ((NARROW, {"46.5", "10.0"}), (WIDE, {"46.5", "10.0"})):
        drawn = {element.text for element in ET.fromstring(inline(heat, size)).iter() if element.text}
        assert texts <= drawn


@pytest.mark.parametrize("name", ["heat", "degree", "teachers"])
def test_texts_in_drawings_are_shown_and_are_no_markup(name: str) -> None:
    rows = [row(degree=degree, teacher=teacher) for teacher in (HOSTILE, "u") for degree in (1, 8)]
    drawn = inline(chart(name, *rows), WIDE)
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert "\x1b" not in drawn
    tags = {element.tag for element in ET.fromstring(drawn).iter()}
    assert tags <= {"svg", "g", "path", "rect", "line", "text", "tspan", "circle"}
    attributes = {key for element in ET.fromstring(drawn).iter() for key in element.attrib}
    assert not {key for key in attributes if key.startswith("on") or key in {"style", "href", "class"}}
    assert picture(chart(name, *rows), WIDE).startswith(b"\x89PNG")


def test_drawings_follow_the_colours_of_the_page() -> None:
    drawn = inline(chart("degree", row(degree=1), row(degree=8)), WIDE)
    name = css_class(method_colours([])["fine-tune-cot"])
    assert f"var(--{name})" in drawn
    assert stylesheet().count(f"--{name}:") == 2, "one for each mode"


def test_a_method_has_the_same_colour_whatever_else_is_on_the_board() -> None:
    alone, among = method_colours(["fine-tune"]), method_colours(["a", "fine-tune", "star", "zero-shot"])
    assert alone["fine-tune"] == among["fine-tune"]
    assert len(set(among.values())) == len(among)


def test_numbers_of_a_heat_map_can_be_read() -> None:
    for wrong in (False, True):
        for percent in range(101):
            behind = shade(percent, wrong=wrong)
            assert contrast(ink(percent, wrong=wrong), behind) >= 4.5, (percent, wrong)


def test_colours_of_methods_can_be_told_from_the_page() -> None:
    assert all(contrast(colour, BACK) >= 4.5 for name, colour in method_colours([]).items() if name != "random")


def test_notes_know_their_rows() -> None:
    paper = row(kind="reported", selection="best-test")
    notes = {note.text: note.rows for note in row_notes(board(row(), row(limit=5), paper))}
    (reported,) = [rows for text, rows in notes.items() if text.startswith("(reported)")]
    (limit,) = [rows for text, rows in notes.items() if text.startswith("Only the first 5 questions")]
    (general,) = [rows for text, rows in notes.items() if text.startswith("Accuracy in percent")]
    assert reported == (2,)
    assert limit == (1,)
    assert general == (0, 1), "those that were measured"


def cell(name: str) -> CellRecord:
    return CellRecord(
        name=name, method="m", task="t", dataset="t", variant="", split="", teacher=None, student=None, degree=None, seed=0,
        fraction=1.0, selection=None, extractor="e", limit=None, recipe=None, temperature=None, recorded=False,
    )  # fmt: skip


def test_link_of_a_cell_is_short_and_stays_when_a_run_grows() -> None:
    few = short_names([cell(f"c{at}") for at in range(5)])
    more = short_names([cell(f"c{at}") for at in range(50)])
    assert few.items() <= more.items()
    assert {len(name) for name in more.values()} == {SHORTEST}


def test_short_names_are_unique_where_few_characters_are_not() -> None:
    many = short_names([cell(f"c{at}") for at in range(20_000)])
    assert len(set(many.values())) == 20_000


def test_formulas_in_tables_are_texts_and_numbers_are_numbers() -> None:
    rows = list(csv.reader(io.StringIO(table(("a", "b"), [("=1+1", "-3.5"), ("@x", "+2.0")]))))
    assert rows == [["a", "b"], ["'=1+1", "-3.5"], ["'@x", "+2.0"]]
