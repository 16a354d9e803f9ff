"""The static site, as a browser shows it. Debian's Chromium is driven; without it these tests fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rtbench_plugins.site.files import short_names

from rtbench.schema.runs import RunRecord
from rtbench.storage.records import read_record
from rtbench.texts import shown as visible
from tests.helpers.browser import Page
from tests.helpers.cli import Cli

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = [
    '<script>window.ran = true</script><img src=x onerror="window.ran = true">',
    "</td></tr></table></script><h1>gone</h1>",
    "long" * 5000,
    "\u202emirrored\u202c שלום عربى 🦜🇩🇪 \u2028 \u2029 \x1b[31m",
]
PLUGIN = f"""
from rtbench_parrot import Counter, CounterTeacher
from rtbench.api import hookimpl
import msgspec

TEXTS = {HOSTILE!r}

class Bad(Counter):
    def generate(self, requests):
        for at, one in enumerate(super().generate(requests)):
            yield msgspec.structs.replace(one, text=TEXTS[at % len(TEXTS)] + " The answer is " + "yes.")

class BadTeacher(CounterTeacher):
    def members(self):
        return [msgspec.structs.replace(super().members()[0], plugin="hostile", fingerprint="hostile")]

    def open(self, member):
        return Bad(member.fingerprint, self.parsed)

@hookimpl
def rtbench_register_teachers(register):
    register("hostile", BadTeacher, summary="hostile")
"""


@pytest.fixture(scope="module")
def recorded(user: Cli, data_dir: Path) -> Path:
    """The whole matrix, all tasks and both students, with few questions and one epoch."""
    part = ("--limit", "15", "--epochs", "1", "--name", "recorded")
    user("run", "--matrix", "recorded", *part, "--data-dir", data_dir)
    user("report", "recorded", "--html", "recorded", "--data-dir", data_dir)
    return user.folder / "recorded"


@pytest.fixture(scope="module")
def embedded(user: Cli) -> Path:
    """The site of the embedded run that RTBENCH_TEST_SITE names, or of a small part of it."""
    if given := os.environ.get("RTBENCH_TEST_SITE"):
        return Path(given)
    user(
        "run",
        "--tasks",
        "aqua,multiarith",
        "--methods",
        "zero-shot-cot",
        "--limit",
        "30",
        "--name",
        "embedded",
    )
    user("report", "embedded", "--html", "embedded")
    return user.folder / "embedded"


@pytest.mark.parametrize("site", ["recorded", "embedded"])
def test_board_is_sorted_filtered_and_compared_with_the_paper(
    browser: Chrome, site: str, request: pytest.FixtureRequest
) -> None:
    page = Page(browser, request.getfixturevalue(site) / "index.html")
    before = page.rows()
    assert len(before) > 2
    page.all("th.number button")[0].click()
    column = "return [...document.querySelectorAll('#leaderboard tbody tr:not([hidden])')].map(r => r.cells[1].dataset.value)"
    values = [float(value) for value in page.script(column) if value]
    assert values == sorted(values, reverse=True)
    assert page.all("th[aria-sort=descending]")
    toggle = page.one("#reported")
    toggle.click()
    assert len(page.rows()) > len(before)
    assert any("(reported" in row for row in page.rows())
    toggle.click()
    assert sorted(page.rows()) == sorted(before)
    select = page.one("select[data-filter=method]")
    select.find_elements("css selector", "option")[-1].click()
    chosen = select.get_property("value")
    assert page.rows()
    assert all(row.startswith((chosen, "random")) for row in page.rows())
    select.find_elements("css selector", "option")[0].click()
    size = page.one("select[data-filter=size]") if page.all("select[data-filter=size]") else None
    if size is not None:
        size.find_elements("css selector", "option")[-1].click()
        chosen = size.get_property("value")
        assert page.rows()
        assert all(row.endswith(chosen) or row.startswith("random") for row in page.rows())
    assert not page.errors()


@pytest.mark.parametrize("site", ["recorded", "embedded"])
def test_charts_say_what_they_show(browser: Chrome, site: str, request: pytest.FixtureRequest) -> None:
    page = Page(browser, request.getfixturevalue(site) / "index.html")
    plots = page.all(".plot")
    assert plots
    for plot in plots:
        assert plot.get_attribute("aria-label")
    assert len(page.all(".chart details table tbody tr")) >= len(plots)


@pytest.mark.parametrize("site", ["recorded", "embedded"])
def test_cell_is_opened_searched_and_paged(browser: Chrome, site: str, request: pytest.FixtureRequest) -> None:
    page = Page(browser, request.getfixturevalue(site) / "index.html")
    page.all("#leaderboard td a")[0].click()
    page.until("document.querySelectorAll('.sample').length > 0")
    first = page.all(".sample")[0]
    first.find_element("css selector", "summary").click()
    assert first.find_element("css selector", "details .text").text
    question = page.script("return document.querySelector('.sample .text').textContent")
    page.search(question.splitlines()[0][:60])
    page.until("/^[1-9]\\d* of/.test(document.getElementById('found').textContent)")
    assert question in page.script("return document.querySelector('.sample').textContent")
    page.search("no such words anywhere")
    page.until("document.getElementById('place').textContent === 'none'")
    page.search(" ")
    page.until("document.querySelectorAll('.sample').length > 0")
    assert not page.script("return document.getElementById('found').textContent"), "all are shown"
    page.one("#wrong").click()
    page.until("document.getElementById('found').textContent")
    classes = page.script("return [...document.querySelectorAll('.sample')].map(one => one.className)")
    assert all("wrong" in one.split() for one in classes)
    if page.script("return !document.getElementById('next').disabled"):
        shown = page.script("return document.querySelector('.sample').dataset.index")
        page.one("#next").click()
        page.until(f"document.querySelector('.sample').dataset.index !== '{shown}'")
    assert not page.errors()


def test_hostile_text_is_shown_and_not_run(browser: Chrome, user: Cli) -> None:
    (user.folder / "bad.py").write_text(PLUGIN)
    matrix = {
        "name": "bad",
        "tasks": ["parity"],
        "methods": ["fine-tune-cot"],
        "teachers": ["hostile"],
        "students": ["parrot"],
    }
    (user.folder / "bad.yaml").write_text(json.dumps({**matrix, "extractor": "last-word", "description": HOSTILE[1]}))
    user("run", "--matrix", "bad.yaml", "--plugin", "bad.py", "--name", "bad")
    user("report", "bad", "--html", "bad", "--plugin", "bad.py")
    page = Page(browser, user.folder / "bad" / "index.html")
    assert HOSTILE[1] in page.one("header").text
    assert Page(browser, user.folder / "bad" / "index.html", width=360).problems() == []
    run = read_record(user.workspace / "runs" / "bad.json", RunRecord)
    names = short_names(run.cells)
    (name,) = [names[cell.name] for cell in run.cells if cell.method == "teacher"]
    page = Page(browser, user.folder / "bad" / "cells" / f"{name}.html")
    page.until("document.querySelectorAll('.sample').length > 0")
    shown = page.script("return [...document.querySelectorAll('.sample .text')].map(one => one.textContent)")
    for text in HOSTILE:
        assert any(one.startswith(visible(text)) for one in shown), "hidden characters are signs"
    assert not page.script("return window.ran === true")
    assert not page.all("main h1")
    assert page.script("return document.documentElement.scrollWidth <= window.innerWidth"), "a long line is broken"
    assert not page.errors()


def test_folder_of_somebody_else_is_left_alone(user: Cli, recorded: Path, data_dir: Path) -> None:
    mine = user.folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    said = user("report", "recorded", "--html", mine, "--data-dir", data_dir, code=2).stderr
    assert "contains files, but is not a site of rtbench" in said
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    (recorded / "data" / "stale.js").write_text("x")
    user("report", "recorded", "--html", recorded, "--data-dir", data_dir)
    assert not (recorded / "data" / "stale.js").exists()
