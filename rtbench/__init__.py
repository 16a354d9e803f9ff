"""rtbench: which teacher × method × student gives the best small reasoner, and at what price?

From Python (docs/python.md)::

    import rtbench

    run = rtbench.run("pocket", tasks=["multiarith"])
    run.leaderboard()

A name is imported when it is first used, so that ``import rtbench`` is fast. Plugins import :mod:`rtbench.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.library.lazy import importer as _importer
from rtbench.version import __version__

if TYPE_CHECKING:
    from rtbench.errors import RtbenchError
    from rtbench.library.entry import MatrixOptions, open_run, plan, run, runs, score
    from rtbench.library.planned import PlannedRun
    from rtbench.library.registering import register
    from rtbench.library.run import Run
    from rtbench.library.settings import Settings, configure

_HOMES = {
    "MatrixOptions": "rtbench.library.entry",
    "PlannedRun": "rtbench.library.planned",
    "RtbenchError": "rtbench.errors",
    "Run": "rtbench.library.run",
    "Settings": "rtbench.library.settings",
    "configure": "rtbench.library.settings",
    "open_run": "rtbench.library.entry",
    "plan": "rtbench.library.entry",
    "register": "rtbench.library.registering",
    "run": "rtbench.library.entry",
    "runs": "rtbench.library.entry",
    "score": "rtbench.library.entry",
}
"""Module of each name."""


__getattr__ = _importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]


__all__ = [
    "MatrixOptions",
    "PlannedRun",
    "RtbenchError",
    "Run",
    "Settings",
    "__version__",
    "configure",
    "open_run",
    "plan",
    "register",
    "run",
    "runs",
    "score",
]
