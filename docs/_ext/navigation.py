"""Build the site's navigation from the lists of links on its index pages.

On a page whose name is `index` or `README`, or that is named in `INDEX_PAGES`, each section with a list of links becomes a
part of the navigation. So the pages stay Markdown that reads well on a Git host.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

HOME = "docs/index"
FILE_NAME = re.compile(r"[\w./-]+\.md")
INDEX_PAGES = {HOME, "docs/benchmarks/README", "docs/cookbook/README", "docs/task-cards", "results/README"}
"""Pages whose lists are navigation."""
REDIRECT = (
    '<!doctype html><meta charset="utf-8"><title>rtbench</title><meta http-equiv="refresh" content="0; url={url}">\n'
)


class NavigationFromLists(SphinxTransform):
    """Adds a hidden table of contents for each list of links on an index page."""

    default_priority = 10  # before references are resolved

    def apply(self, **_: object) -> None:
        """Add the tables of contents."""
        docname = self.env.docname
        if docname not in INDEX_PAGES:
            return
        for section in list(self.document.findall(nodes.section)):
            lists = [child for child in section.children if isinstance(child, nodes.bullet_list)]
            entries = [entry for one in lists for entry in _entries(one)]
            if entries:
                caption = section.next_node(nodes.title).astext() if docname == HOME else None
                section.append(_toctree(docname, caption, entries))


def _entries(listing: nodes.bullet_list) -> list[tuple[str, str]]:
    """Return the pages whose links the items of a list begin with, as (text of the link, page)."""
    links = [item.next_node(addnodes.pending_xref) for item in listing.children]
    return [(link.astext(), link["reftarget"]) for link in links if link is not None and link.get("refdomain") == "doc"]


def _toctree(docname: str, caption: str | None, entries: list[tuple[str, str]]) -> nodes.compound:
    """Return a hidden table of contents."""
    tree = addnodes.toctree()
    attributes = {
        "parent": docname,
        "entries": entries,
        "includefiles": [page for _, page in entries],
        "maxdepth": 1,
        "caption": caption,
        "rawcaption": caption,
        "rawentries": [text for text, _ in entries],
        "glob": False,
        "hidden": True,
        "includehidden": False,
        "numbered": 0,
        "titlesonly": True,
    }
    for name, value in attributes.items():
        tree[name] = value
    return nodes.compound("", tree, classes=["toctree-wrapper"])


class TitlesForFileNames(SphinxTransform):
    """Shows the title of a page, or of its section, for links whose text is the page's file name, such as `tasks.md`."""

    default_priority = 11

    def apply(self, **_: object) -> None:
        """Mark these links as links without a text of their own."""
        for link in self.document.findall(addnodes.pending_xref):
            if link.get("refdomain") == "doc" and FILE_NAME.fullmatch(link.astext()):
                link["refexplicit"] = False


def mark_pages_without_navigation(app: Sphinx, env: BuildEnvironment) -> None:
    """Do not warn of pages that are reached by links only."""
    for page in env.found_docs:
        if any(fnmatch.fnmatchcase(page, pattern) for pattern in app.config.pages_without_navigation):
            env.metadata[page]["orphan"] = True


def write_redirect(app: Sphinx, error: Exception | None) -> None:
    """Write the site's first page, which leads to the home page."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(REDIRECT.format(url=f"{HOME}.html"))


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.add_config_value("pages_without_navigation", [], "env", [list])
    app.add_transform(NavigationFromLists)
    app.add_transform(TitlesForFileNames)
    app.connect("env-updated", mark_pages_without_navigation)
    app.connect("build-finished", write_redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
