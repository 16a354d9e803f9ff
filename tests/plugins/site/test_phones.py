"""The site on phones, by keyboard, in the dark: what bars a reader from a page is a failure."""

from __future__ import annotations

import csv
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rtbench_plugins.site.files import short_names

from rtbench.schema.runs import RunRecord
from rtbench.storage.records import read_record
from tests.helpers.browser import Page
from tests.helpers.cli import Cli

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SCREENS = {
    "small": (360, 800, False),
    "phone in the dark": (390, 844, True),
    "tablet": (820, 1180, False),
    "desktop": (1280, 900, True),
}
CHARTS = ["degree", "fraction", "teachers", "size-front", "training-front", "heat", "errors", "effects"]


def page_of(browser: Chrome, path: Path, screen: str = "small") -> Page:
    width, height, dark = SCREENS[screen]
    return Page(browser, path, width=width, height=height, dark=dark)


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_bars_a_reader_from_the_board(browser: Chrome, many: Path, screen: str) -> None:
    page = page_of(browser, many / "index.html", screen)
    page.script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.script("document.querySelectorAll('button.open')[4].click()")
    assert page.problems() == []
    assert not page.errors(), "the content policy was violated, or a script failed"


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_bars_a_reader_from_a_cell(browser: Chrome, many: Path, screen: str) -> None:
    largest = max((many / "cells").iterdir(), key=lambda path: path.stat().st_size)
    page = page_of(browser, largest, screen)
    page.until("document.querySelectorAll('.sample').length > 0")
    page.script("document.querySelector('.sample details').open = true")
    assert page.problems() == []
    assert not page.errors()


def test_a_check_finds_what_it_looks_for(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html")
    page.script("""
        document.querySelector('main').insertAdjacentHTML('beforeend', '<h4>late</h4><input><a href="#nowhere">x</a><svg></svg>');
        document.querySelector('h4').style.color = 'silver';
        document.querySelector('h2').style.width = '2000px';
    """)
    found = " ".join(page.problems())
    for problem in (
        "skips a level",
        "no label",
        "leads nowhere",
        "without a description",
        "a contrast of",
        "sideways",
        "a target of",
    ):
        assert problem in found


def test_mean_is_next_to_the_pinned_row_and_a_task_is_in_sight(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html")
    heads = page.script(
        "return [...document.querySelectorAll('#leaderboard thead th')].slice(0, 3).map(one => one.textContent.trim())"
    )
    assert heads == ["row", "mean", "parity"]
    edges = page.script("""
        const row = document.querySelector('#leaderboard tbody tr');
        return [...row.cells].slice(0, 3).map(one => one.getBoundingClientRect().right);
    """)
    assert edges[2] <= 360, "name, mean and first task fit on the screen"
    page.script("document.querySelector('#board .wide').scrollLeft = 300")
    left, width = page.script("""
        const box = document.querySelector('#leaderboard tbody th').getBoundingClientRect();
        return [box.left - document.querySelector('#board .wide').getBoundingClientRect().left, box.width];
    """)
    assert 0 <= left <= 2
    assert width < 180


def test_details_of_a_row_show_every_number_without_scrolling_sideways(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html")
    row = "[...document.querySelectorAll('#leaderboard tbody tr')].find(one => one.dataset.method === 'fine-tune-cot')"
    page.script(f"{row}.querySelector('button.open').click()")
    terms = page.script("return [...document.querySelectorAll('tr.details dt')].map(one => one.textContent)")
    assert terms[:4] == ["mean", "parity", "parity_of_letters", "tracking_many_letters"]
    assert {"student", "rationales", "teacher", "parameters"} <= set(terms)
    assert page.script("return document.querySelector('tr.details dl').getBoundingClientRect().right") <= 360
    assert page.script("return document.querySelectorAll('tr.details dd a').length") >= 3
    assert page.script(f"return {row}.querySelector('button.open').getAttribute('aria-expanded')") == "true"
    page.script(f"{row}.querySelector('button.open').click()")
    assert not page.all("tr.details")


def test_one_task_is_chosen(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html", "desktop")
    page.script(
        "const one = document.getElementById('task'); one.value = 'parity'; one.dispatchEvent(new Event('change'))"
    )
    shown = "return [...document.querySelectorAll('#leaderboard thead th')].filter(one => !one.hidden).map(one => one.textContent.trim())"
    assert page.script(shown)[:3] == ["row", "mean", "parity"]
    assert "parity_of_letters" not in page.script(shown)


def test_board_is_used_by_the_keyboard(browser: Chrome, many: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page = page_of(browser, many / "index.html", "desktop")
    page.press(Keys.TAB)
    assert page.script("return document.activeElement.className") == "skip"
    assert page.script("return document.activeElement.getBoundingClientRect().left") >= 0, (
        "it is seen when it has the focus"
    )
    page.script("document.querySelector('#board .wide').focus()")
    page.press(Keys.TAB, Keys.TAB)
    assert page.script("return document.activeElement.textContent.trim()") == "mean"
    assert page.script("return parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.press(Keys.ENTER)
    assert page.script("return document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
    page.script("document.querySelector('button.open').focus()")
    page.press(Keys.SPACE)
    assert page.all("tr.details")


def test_claims_are_a_coloured_table_with_sentences(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html")
    sentences = page.script("return [...document.querySelectorAll('.findings li')].map(one => one.textContent)")
    assert any(text.startswith("Rationales beat answers (C1): ") and text.endswith(".") for text in sentences)
    verdicts = page.script(
        "return [...document.querySelectorAll('.claims .badge')].map(one => [one.textContent, getComputedStyle(one).color])"
    )
    assert verdicts
    assert (
        len({name for name, _ in verdicts}) == len({colour for _, colour in verdicts}) == len(set(map(tuple, verdicts)))
    )
    assert "(C1)" not in page.one("#board").text, "the claims are not repeated as a text"


def test_charts_fill_the_width_and_say_their_values(browser: Chrome, many: Path) -> None:
    for screen, kind in (("small", "narrow"), ("tablet", "medium"), ("desktop", "broad")):
        page = page_of(browser, many / "index.html", screen)
        names = page.script("return [...document.querySelectorAll('section.chart')].map(one => one.id)")
        assert names == CHARTS[:-1]
        for plot in page.all(f".plot .{kind} svg"):
            box = plot.rect
            room = page.script("return arguments[0].closest('.plot').clientWidth", plot)
            assert box["width"] >= min(room, 540) - 1
        sizes = page.script(f"""
            return [...document.querySelectorAll('.plot .{kind} svg text')].map(one =>
              parseFloat(getComputedStyle(one).fontSize) * one.ownerSVGElement.getScreenCTM().a)
        """)
        assert min(sizes) > 8, "texts of charts can be read"
        page.script(
            f"document.querySelector('#degree .{kind} [data-said]').dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))"
        )
        assert page.script("return document.querySelector('#degree .reading').textContent").endswith("]")
    legend = page.script(
        "return [...document.querySelectorAll('#teachers .legend li')].map(one => one.textContent.trim())"
    )
    assert any("8 rationales" in text for text in legend)
    assert not any("D=8" in text or "T=0.7" in text for text in legend)


def test_one_colour_has_one_meaning_on_every_page(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html", "desktop")
    marks = page.script("""
        return [...document.querySelectorAll('#leaderboard tbody tr')].map(one =>
          [one.dataset.method, getComputedStyle(one.querySelector('.swatch')).backgroundColor])
    """)
    colours = dict(marks)
    assert len(set(map(tuple, marks))) == len(colours) == len(set(colours.values()))
    drawn = page.script("""
        return [...document.querySelectorAll('#training-front .legend li')].map(one =>
          [one.textContent.trim(), getComputedStyle(one.querySelector('path')).fill])
    """)
    assert dict(drawn).items() <= colours.items()
    page.script(
        "[...document.querySelectorAll('#leaderboard tbody tr')].find(one => one.dataset.method === 'fine-tune').querySelector('td a').click()"
    )
    page.until("document.querySelector('#samples')")
    assert (
        page.script("return getComputedStyle(document.querySelector('h1 .swatch')).backgroundColor")
        == colours["fine-tune"]
    )


def test_notes_that_concern_no_shown_row_are_hidden(browser: Chrome, many: Path) -> None:
    page = page_of(browser, many / "index.html", "desktop")
    shown = "return [...document.querySelectorAll('li[data-rows]:not([hidden])')].map(one => one.textContent)"
    before = page.script(shown)
    assert any("Training:" in text for text in before)
    page.script(
        "const one = document.querySelector('select[data-filter=method]'); one.value = 'zero-shot-cot'; one.dispatchEvent(new Event('change'))"
    )
    after = page.script(shown)
    assert after
    assert not any("Training:" in text for text in after)


def test_each_chart_and_table_is_a_file(many: Path) -> None:
    for name in CHARTS:
        head = (many / "charts" / f"{name}.png").read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">I", head[16:20])[0] > 800
    tables = [many / "charts" / f"{name}.csv" for name in CHARTS] + [
        many / "tables" / "leaderboard.csv",
        many / "tables" / "claims.csv",
    ]
    for path in tables:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert len(rows) > 1, path
        assert len(set(map(len, rows))) == 1, path
    linked = [*(many / "cells").glob("*.html")]
    assert all((many / "tables" / f"{path.stem}.csv").is_file() for path in linked)


def test_a_sample_has_a_link(browser: Chrome, many: Path) -> None:
    (path,) = list((many / "cells").glob("*.html"))[:1]
    page = page_of(browser, path)
    page.until("document.querySelectorAll('.sample').length > 0")
    last = page.script("return [...document.querySelectorAll('.sample h3 a')].at(-1).getAttribute('href')")
    page.browser.get(f"{path.resolve().as_uri()}{last}")
    page.until(f"document.querySelector('{last}') && window.scrollY > 0")


def test_site_of_an_unfinished_run_says_what_is_missing(browser: Chrome, user: Cli, many: Path) -> None:
    assert many.is_dir(), "its files of the plugin and the matrix are used"
    part = ("--tasks", "parity", "--methods", "fine-tune", "--limit", "10", "--name", "unfinished")
    user("run", "--matrix", "many.yaml", "--plugin", "many.py", *part)
    run = read_record(user.workspace / "runs" / "unfinished.json", RunRecord)
    lost = run.cells[0]
    shutil.rmtree(user.workspace / "store" / "score" / str(lost.score))
    user("report", "unfinished", "--html", "unfinished")
    page = page_of(browser, user.folder / "unfinished" / "cells" / f"{short_names(run.cells)[lost.name]}.html")
    assert page.one(".problem").text.startswith("No samples: ")
    assert page.problems() == []
