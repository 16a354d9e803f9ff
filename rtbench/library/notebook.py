"""Display in notebooks: progress as bars, runs and plans as tables. Elsewhere, progress is printed as lines."""

from __future__ import annotations

import functools
import html
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rtbench.running.lines import LineListener, QuietListener
from rtbench.schema.progress import Throttle
from rtbench.texts import shown_in_line

if TYPE_CHECKING:
    import pandas as pd

    from rtbench.plugin.plans import Plan
    from rtbench.running.listener import RunListener
    from rtbench.schema.steps import Step, StepState
    from rtbench.session import Session

REFRESH_SECONDS = 0.5
"""Minimum number of seconds between two updates of a display."""


def listener_for(*, shown: bool) -> Callable[[Plan, Session], RunListener]:
    """Return what makes the display of a run: nothing, bars in a notebook, or lines."""
    if shown and _display() is not None:
        return NotebookListener
    return functools.partial(LineListener if shown else QuietListener, say=_say)


def _say(text: str) -> None:
    print(shown_in_line(text), file=sys.stderr)  # noqa: T201 - in a notebook, it is shown below the cell


class NotebookListener(QuietListener):
    """Shows bars in a notebook: of all steps, and of those that are running. It needs no widgets."""

    def __init__(self, plan: Plan, session: Session) -> None:
        super().__init__(plan, session, _say)
        self._running: dict[str, tuple[str, int, int, str]] = {}
        """Title, units done and in all, and their name, of running steps by key."""
        self._throttle = Throttle(REFRESH_SECONDS)
        display = _display()
        assert display is not None
        self._handle = display(_Html(self.html()), display_id=True)

    def show_started(self, step: Step) -> None:
        """Add a bar for the step."""
        self._running[step.key] = (step.title, 0, 0, "")
        self._update()

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        """Move the step's bar."""
        self._running[step.key] = (step.title, done, total, unit)
        self._update()

    def show_finished(self, step: Step, state: StepState) -> None:
        """Remove the step's bar, and move that of all steps."""
        self._running.pop(step.key, None)
        if state.state == "failed":
            self.line(f"failed: {step.title}: {state.error}")
        self._update(last=self.ended == self.total)

    def __exit__(self, *ended: object) -> None:
        self._running.clear()
        self._update(last=True)

    def _update(self, *, last: bool = False) -> None:
        if self._throttle.due() or last:
            self._handle.update(_Html(self.html()))

    def html(self) -> str:
        """Return the present state as HTML."""
        failed = f", {self.failed} failed" if self.failed else ""
        left = f", about {self.eta()} left" if self.ended < self.total else ""
        if not self.total:
            return _bar(1, 1, "all steps were done already")
        lines = [_bar(self.ended, self.total, f"{self.ended} of {self.total} steps{failed}{left}")]
        for key, (title, done, total, unit) in self._running.items():
            seconds = time.monotonic() - self.since.get(key, time.monotonic())
            counted = f"{done} of {total} {unit}, " if total else ""
            lines.append(_bar(done, total, f"{title}: {counted}{seconds:.0f} s"))
        return "".join(lines)


class _Html:
    """HTML that a notebook displays."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "progress"


def _bar(done: int, total: int, text: str) -> str:
    """Return a bar with a text as HTML."""
    value = f'value="{done}" max="{total}"' if total else ""
    return f"<div><progress {value} style='width:12em'></progress> {html.escape(shown_in_line(text))}</div>"


def _display() -> Callable[..., Any] | None:
    """Return the function that displays an object in the present notebook; None where there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):  # a terminal's IPython shows no HTML
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


def run_html(title: str, board: pd.DataFrame) -> str:
    """Return a run's leaderboard as HTML, without columns that are empty."""
    kept = [name for name in board.columns if not board[name].isna().all()]
    table = board[kept].astype(object).where(board[kept].notna(), "–")
    shown = table.to_html(index=False, border=0, float_format=lambda value: f"{value:.1f}")
    return f"<p>{html.escape(shown_in_line(title))}; accuracy in percent</p>{shown}"


def planned_html(title: str, steps: pd.DataFrame, lacking: list[str]) -> str:
    """Return the sums of a plan by kind of step as HTML."""
    grouped = steps.groupby(["kind", "state"], sort=False)
    sums = grouped[["new_requests", "prompt_tokens", "new_tokens"]].sum()
    sums.insert(0, "steps", grouped.size())
    needed = "".join(f"<p>needed before the run: {html.escape(shown_in_line(one))}</p>" for one in lacking)
    return f"<p>{html.escape(shown_in_line(title))}</p>{sums.reset_index().to_html(index=False, border=0)}{needed}"
