"""The documentation site: it builds without warnings, its links lead somewhere, and its reference is complete."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest
from filelock import FileLock
from sphinx.util.inventory import InventoryFile

import rtbench
import rtbench.api
from rtbench.plugin import hookspecs
from tests.helpers.cli import ROOT
from tests.helpers.commands import SHARED, all_commands

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Processes of pytest-xdist share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "docs-site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-c", "docs", "."]
            done = subprocess.run([*command, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def entries(site: Path) -> dict[str, Any]:
    """What the site's reference has: entries by kind and name."""
    return InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data


def test_every_link_and_anchor_of_the_site_exists(site: Path) -> None:
    """Links to other sites are not followed."""
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    assert len(pages) > 60
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken = [
        f"{page.relative_to(site)}: {link}"
        for page, text in pages.items()
        for link in broken_links(page, text, anchors)
    ]
    assert broken == []


def broken_links(page: Path, text: str, anchors: dict[Path, set[str]]) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for link in set(re.findall(r'\b(?:href|src)="([^"]*)"', text)):
        parts = urlsplit(html.unescape(link))
        if parts.scheme or parts.netloc:
            assert parts.scheme in {"https", "http", "mailto", "data"}, link
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        anchor = unquote(parts.fragment)
        if not target.is_file() or (anchor and target in anchors and anchor not in anchors[target]):
            yield link


def test_first_page_leads_to_the_home_page(site: Path) -> None:
    assert "docs/index.html" in (site / "index.html").read_text()
    assert "<h1>rtbench" in (site / "docs" / "index.html").read_text()


def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    """Pages that are on no list of docs/index.md are warnings of the build, unless they are declared to be without navigation."""
    shown = set(
        re.findall(r'class="reference internal" href="([^"#]+)"', (site / "docs" / "glossary.html").read_text())
    )
    for page in (ROOT / "docs").glob("*.md"):
        if page.stem not in {"index", "glossary"}:
            assert f"{page.stem}.html" in shown, page


def test_every_name_of_the_api_has_an_entry(entries: dict[str, Any]) -> None:
    documented = {name for kind, found in entries.items() if kind.startswith("py:") for name in found}
    assert {f"rtbench.api.{name}" for name in rtbench.api.__all__} <= documented
    assert {f"rtbench.{name}" for name in rtbench.__all__} <= documented


def test_every_hook_has_an_entry(entries: dict[str, Any]) -> None:
    hooks = {f"{hookspecs.__name__}.{name}" for name in vars(hookspecs) if name.startswith("rtbench_")}
    assert hooks <= set(entries["py:function"])


def test_every_command_and_option_has_an_entry(site: Path, entries: dict[str, Any]) -> None:
    documented = set(entries["std:cmdoption"])
    text = (site / "docs" / "reference" / "cli.html").read_text()
    for path, command in all_commands().items():
        assert f">{path}<" in text, path
        options = [option for option in command.params if isinstance(option, click.Option)]
        opens_workspace = any("--workspace" in option.opts for option in options)
        for option in options:
            if not option.hidden:
                assert option.help, f"{path} {option.opts[0]} has no help"
                shared = opens_workspace and SHARED.get(option.opts[0]) == option.help
                program = "rtbench" if shared else path.replace(" ", "-")
                for name in [*option.opts, *option.secondary_opts]:
                    assert f"{program}.{name}" in documented


def test_pages_name_no_place_of_the_machine_that_wrote_them() -> None:
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        found = re.findall(r"(?:/home/|/root/|C:\\)\S*", page.read_text())
        assert found == [], page
