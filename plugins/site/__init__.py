"""Reporter ``html`` (``rtbench report --html``): a static site that opens from a folder, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register("html", "rtbench_plugins.site.reporter:SiteReporter", summary="a static site, with every sample")
