"""Exceptions that a plugin let through, as one message that names the plugin."""

from __future__ import annotations

import importlib.metadata
import traceback
from pathlib import Path

from rtbench.errors import PluginError
from rtbench.plugin.hookspecs import PROJECT
from rtbench.plugin.manager import FILE_MODULE
from rtbench.texts import shortened_error


def plugin_error(error: Exception) -> PluginError | None:
    """Return an error that names the plugin whose code raised an exception; None where no plugin's code was at work.

    Of the calls that led to the exception, the innermost in a plugin counts: what it called may be a library, or rtbench.
    """
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module, path = str(frame.f_globals.get("__name__", "")), Path(frame.f_code.co_filename)
        if (cure := _cure(module)) is not None:
            return PluginError(
                f"{frame.f_code.co_qualname} raised {shortened_error(error)}",
                where=f"plugin {str(path)!r}, line {line}",
                next_step=f"Fix it, or {cure}. --traceback shows where.",
            )
    return None


def _cure(module: str) -> str | None:
    """Return how to do without the plugin that a module belongs to; None where it belongs to none."""
    if module.startswith(FILE_MODULE):
        return "leave --plugin out"
    package = module.partition(".")[0]
    for point in importlib.metadata.entry_points(group=PROJECT):
        foreign = point.dist is not None and point.dist.name != PROJECT
        if foreign and point.module.partition(".")[0] == package:
            return f"run without it: -p no:{point.name}"
    return None
