"""Settings of the documentation site: `python -m sphinx -W --keep-going -n -c docs . build/docs`, then open its index.html.

The source folder is that of the repository, so that the same relative links work on the site and on a Git host.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from rtbench import __version__

project = "rtbench"
author = "The rtbench authors"
version = release = __version__
root_doc = "docs/index"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "navigation",
    "api_reference",
    "cli_reference",
]
include_patterns = [
    "*.md",
    "docs/**.md",
    "docs/reference/*.rst",
    "examples/*.md",
    "results/**.md",
    "tasks/*/README.md",
]
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "**/__pycache__",
    "tests",
    "plugins",
    "rtbench",
    "**/*.egg-info",
    "**/rtbench-workspace",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
pages_without_navigation = ["README", "results/*/*", "results/studies/*/*"]
"""Pages that are reached by links only. Every other page must be on a list of an index page."""

myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
default_role = "code"
smartquotes = False
suppress_warnings = ["myst.header", "config.cache"]  # some pages are written by programs and begin below level 1

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "rtbench"
html_static_path = ["_static"]
html_css_files = ["rtbench.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
