"""Exceptions that a plugin let through, as one message that names the plugin."""

from __future__ import annotations

import importlib.metadata
import traceback
from collections.abc import Mapping

from rtbench.errors import PluginError
from rtbench.plugin.hookspecs import PROJECT
from rtbench.plugin.manager import FILE_MODULE
from rtbench.texts import shortened_error


def plugin_error(error: Exception) -> PluginError | None:
    """Return an error that names the third-party plugin whose code raised an exception; None where there was none.

    Of the calls that led to the exception, the innermost in a plugin counts: what it called may be a library, or rtbench.
    If it is one of rtbench's own plugins, the fault is of rtbench.
    """
    points = _entry_points()
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", ""))
        point = points.get(module.partition(".")[0])
        if point is None and not module.startswith(FILE_MODULE):
            continue
        if point is not None and (point.dist is None or point.dist.name == PROJECT):
            return None
        cure = "leave --plugin out" if point is None else f"run without it: -p no:{point.name}"
        return PluginError(
            f"{frame.f_code.co_qualname} raised {shortened_error(error)}",
            where=f"plugin {frame.f_code.co_filename!r}, line {line}",
            next_step=f"Fix it, or {cure}. --traceback shows where.",
        )
    return None


def _entry_points() -> Mapping[str, importlib.metadata.EntryPoint]:
    """Return an entry point of each package that has plugins."""
    return {point.module.partition(".")[0]: point for point in importlib.metadata.entry_points(group=PROJECT)}
