"""Live display of a run in a terminal: cells by method and task, running steps with rate and time left, and costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table
from rich.text import Text

from rtbench.running.listener import RunListener
from rtbench.schema.progress import Throttle
from rtbench.schema.steps import StepState
from rtbench.texts import shown_in_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID

    from rtbench.plugin.plans import Plan
    from rtbench.schema.steps import Step
    from rtbench.session import Session

MONEY_SECONDS = 2.0
"""Seconds between two reads of the run's account."""
HEAD = 9
"""Maximum number of characters of a task's name in a column heading."""


class CellCounts:
    """Counts the cells of each method and task that are done, failed or left."""

    def __init__(self, plan: Plan) -> None:
        self.tasks: list[str] = list(dict.fromkeys(planned.cell.task.name for planned in plan.cells))
        self.counts: dict[str, dict[str, list[int]]] = {}
        """Number of cells that are done, that failed, and in all, by method and task."""
        self._waiting: dict[str, list[tuple[str, str]]] = {}
        """Method and task of unfinished cells, by key of the score step, which several cells may share."""
        for planned in plan.cells:
            method, task = planned.cell.method, planned.cell.task.name
            counts = self.counts.setdefault(method, {}).setdefault(task, [0, 0, 0])
            counts[2] += 1
            if planned.score is None:
                counts[1] += 1
            elif planned.score.key in plan.cached:
                counts[0] += 1
            else:
                self._waiting.setdefault(planned.score.key, []).append((method, task))

    def ended(self, key: str, state: StepState) -> None:
        """Count the cells of a score step that has ended."""
        for method, task in self._waiting.pop(key, ()):
            self.counts[method][task][0 if state.state == "done" else 1] += 1

    def table(self) -> Table:
        """Return the counts as a table."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("cells done", style="bold")
        for task in self.tasks:
            table.add_column(shown_in_line(task)[:HEAD], justify="right")
        for method, by_task in self.counts.items():
            table.add_row(method, *(_count(by_task.get(task)) for task in self.tasks))
        return table


def _count(counts: list[int] | None) -> Text:
    if counts is None:
        return Text("")
    done, failed, total = counts
    style = "red" if failed else "green" if done == total else "yellow" if done else "dim"
    return Text(f"{done}/{total}" + (f" {failed}!" if failed else ""), style=style)


class LiveListener(RunListener):
    """Shows the live display. Failures and warnings are printed above it and stay."""

    def __init__(self, plan: Plan, session: Session, console: Console) -> None:
        super().__init__(plan, session)
        self._console = console
        self._session = session
        self._cells = CellCounts(plan)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            Remaining(),
            console=console,
        )
        self._ids: dict[str, TaskID] = {}
        self._all = self._bars.add_task("all steps", total=self.total, rate="")
        self._before: dict[str, int] = {}
        self._money = ""
        self._money_throttle = Throttle(MONEY_SECONDS)
        self._live = Live(console=console, get_renderable=self.view, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._live.stop()

    def view(self) -> RenderableType:
        """Return the current display."""
        parts: list[RenderableType] = [self._cells.table(), self._bars]
        if money := self._spent():
            parts.append(Text(money, style="dim"))
        return Group(*parts)

    def line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _spent(self) -> str:
        """Return what the run has spent so far; empty where no account is kept."""
        budget = self._session.budget
        if budget is not None and self._money_throttle.due():
            from rtbench.storage.budget import money

            account, cap = budget.account(), budget.cap
            limit = "" if cap.nano is None else f" of {money(cap.nano, cap.currency)}"
            self._money = f"spent {money(account.spent, cap.currency)}{limit}"
        return self._money

    def show_started(self, step: Step) -> None:
        self._ids[step.key] = self._bars.add_task(shown_in_line(step.title), total=None, rate="")

    def show_progress(self, step: Step, done: int, total: int, unit: str) -> None:
        before = self._before.setdefault(step.key, done)  # done in an earlier run
        seconds = max(time.monotonic() - self.since[step.key], 1e-3)
        rate = f"{(done - before) / seconds:.1f} {unit}/s"
        self._bars.update(self._ids[step.key], completed=done, total=total, rate=rate)

    def show_waits(self, step: Step, why: str) -> None:
        if step.key in self._ids:
            self._bars.remove_task(self._ids.pop(step.key))
        super().show_waits(step, why)

    def show_finished(self, step: Step, state: StepState) -> None:
        self._cells.ended(step.key, state)
        if step.key in self._ids:
            self._bars.remove_task(self._ids.pop(step.key))
        self._bars.update(self._all, completed=self.ended, rate=f"{self.failed} failed" if self.failed else "")
        if state.state == "failed":
            self.line(f"failed: {step.title}: {state.error}")
