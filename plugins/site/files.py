"""Files of the site: its folder, assets, tables as CSV and charts as PNG."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench_plugins.site.chart import WIDE, Chart
from rtbench_plugins.site.drawing import picture
from rtbench_plugins.site.palette import stylesheet

from rtbench.api import BadInputError, csv_field

if TYPE_CHECKING:
    from rtbench.api import CellRecord

HERE = Path(__file__).parent
_MARK = "rtbench-site"
"""Name of a file that marks a folder as a site of rtbench, which may be overwritten."""
_FOLDERS = ("cells", "data", "assets", "tables", "charts")
SHORTEST = 6
"""Fewest characters of a cell's short name."""


def take(folder: Path) -> None:
    """Empty an existing site of rtbench, or create a missing folder.

    Raises:
        BadInputError: the path is a file, or a folder with other contents.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInputError("is a file, not a folder", where=str(folder), next_step="Use another folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise BadInputError(
            "contains files, but is not a site of rtbench", where=str(folder), next_step="Use an empty or a new folder."
        )
    for part in _FOLDERS:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        (folder / part).mkdir(parents=True)
    (folder / _MARK).write_text("A site written by rtbench, which may be overwritten.\n")


def write_assets(folder: Path) -> None:
    """Write the style sheets and scripts."""
    for path in sorted((HERE / "assets").iterdir()):
        (folder / "assets" / path.name).write_bytes(path.read_bytes())
    (folder / "assets" / "colours.css").write_text(stylesheet(), encoding="utf-8")


def write_chart(folder: Path, chart: Chart) -> None:
    """Write a chart as PNG, and its table as CSV."""
    (folder / "charts" / f"{chart.name}.png").write_bytes(picture(chart, WIDE))
    write_table(folder / "charts" / f"{chart.name}.csv", chart.heads, chart.rows)


def write_table(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV."""
    path.write_text(table(heads, rows), encoding="utf-8", newline="")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV. Texts that begin like a formula of a spreadsheet have an apostrophe before them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        writer.writerow(map(_field, row))
    return out.getvalue()


def _field(value: object) -> object:
    """Return a field. Texts that are numbers stay numbers, also with a sign."""
    try:
        float(str(value))
    except ValueError:
        return csv_field(value)
    return value


def short_names(cells: Sequence[CellRecord]) -> dict[str, str]:
    """Return a short name for the page of each cell. It depends on the cell's name alone, unless two would be the same."""
    digests = {cell.name: hashlib.sha256(cell.name.encode(errors="surrogatepass")).hexdigest() for cell in cells}
    length = SHORTEST
    while len({digest[:length] for digest in digests.values()}) < len(digests):
        length += 1
    return {name: digest[:length] for name, digest in digests.items()}
