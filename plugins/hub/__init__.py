"""Share a run on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("hub", "rtbench_plugins.hub.push:hub", summary="share a run on the Hugging Face hub")
