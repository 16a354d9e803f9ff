"""Shell completion of names: matrices, tasks, methods, teachers, students, runs and cells.

`eval "$(_RTBENCH_COMPLETE=bash_source rtbench)"` switches it on in bash; zsh and fish have sources of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from rtbench.storage.paths import is_url

if TYPE_CHECKING:
    from rtbench.storage.runs import Runs

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completes_registered(kind: str, *, several: bool = False) -> Completer:
    """Return a completer for registered names, with their summaries.

    Args:
        kind: such as ``tasks``.
        several: the value is a list of names, separated by commas.
    """

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from rtbench.plugin.manager import PluginManager

        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        with contextlib.suppress(Exception):  # a completion never prints an error
            files = [Path(path) for path in ctx.params.get("plugin_files") or ()]
            entries = list(PluginManager(files=files).registries[kind])
            return [
                CompletionItem(f"{before}{comma}{entry.name}", help=entry.summary)
                for entry in entries
                if entry.name.startswith(last)
            ]
        return []

    return complete


def complete_run(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the runs of the workspace, the latest first."""
    return _starting((runs.names()[::-1] if (runs := _runs(ctx)) else ()), incomplete)


def complete_cell(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the cells of the run that ``--run`` names, or of the latest."""
    with contextlib.suppress(Exception):
        runs = _runs(ctx)
        if runs is not None:
            return _starting((cell.name for cell in runs.load(ctx.params.get("run_name")).cells), incomplete)
    return []


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _runs(ctx: click.Context) -> Runs | None:
    """Return the runs of the workspace that the command line names; None where it is below a URL."""
    from rtbench.storage.runs import Runs

    workspace: Any = ctx.params.get("workspace") or ctx.lookup_default("workspace") or "rtbench-workspace"
    return None if is_url(str(workspace)) else Runs(Path(str(workspace)))


def run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--run NAME``, which the command receives as ``run_name``."""
    option = click.option(
        "--run", "run_name", metavar="NAME", help="Run to read.  [default: the latest]", shell_complete=complete_run
    )
    return option(command)
