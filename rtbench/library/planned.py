"""What a run would do, for Python programs and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.planning.estimate import estimate
from rtbench.planning.preflight import unready

if TYPE_CHECKING:
    import pandas as pd

    from rtbench.plugin.plans import Plan
    from rtbench.session import Session


class PlannedRun:
    """The steps of a run that has not begun, each done or to do. Made by :func:`rtbench.plan`."""

    def __init__(self, plan: Plan, session: Session) -> None:
        self._plan = plan
        self._session = session
        self._estimates = estimate(session, plan)

    @property
    def lacking(self) -> list[str]:
        """Return what is missing for the run on this machine, such as keys of endpoints and packages; empty if nothing."""
        return [str(error) for error in unready(self._session, self._plan, self._estimates)]

    def steps(self) -> pd.DataFrame:
        """Return the steps: title, kind, state (``to do`` or ``cached``), requests, tokens, money, seconds, memory.

        Prompt tokens are estimated from characters; new tokens and money are upper bounds; seconds are missing where
        nothing comparable was measured.
        """
        import pandas as pd

        todo = {step.key for step in self._plan.todo}
        rows = []
        for key, step in self._plan.steps.items():
            found = self._estimates.get(key)
            rows.append(
                {
                    "step": step.title,
                    "kind": step.kind,
                    "state": "to do" if step.key in todo else "cached",
                    "requests": found.requests if found else 0,
                    "new_requests": found.work if found and found.requests else 0,
                    "prompt_tokens": found.prompt_tokens if found else 0,
                    "new_tokens": found.new_tokens if found else 0,
                    "money": found.money if found else None,
                    "currency": found.currency if found else "",
                    "seconds": found.seconds if found else None,
                    "memory_gb": step.resources.memory_gb,
                    "key": step.key,
                }
            )
        columns = "step kind state requests new_requests prompt_tokens new_tokens money currency seconds memory_gb key"
        return pd.DataFrame(rows, columns=columns.split())

    def cells(self) -> pd.DataFrame:
        """Return the cells: name, and why a cell cannot run."""
        import pandas as pd

        rows = [
            {"name": one.cell.name, "runs": one.score is not None, "reason": one.reason} for one in self._plan.cells
        ]
        return pd.DataFrame(rows, columns=["name", "runs", "reason"])

    @property
    def money(self) -> dict[str, float]:
        """Return the highest cost of the steps that are to do, by currency; empty where nothing has a price."""
        total: dict[str, float] = {}
        for step in self._plan.todo:
            found = self._estimates.get(step.key)
            if found is not None and found.money is not None:
                total[found.currency] = total.get(found.currency, 0.0) + found.money
        return total

    @property
    def seconds(self) -> float | None:
        """Return the sum of the steps' expected seconds; None where one of them is not known."""
        known = [found.seconds for step in self._plan.todo if (found := self._estimates.get(step.key)) and found.work]
        return None if None in known else float(sum(second for second in known if second is not None))

    def __repr__(self) -> str:
        unable = sum(one.score is None for one in self._plan.cells)
        cannot = f", of which {unable} cannot run" if unable else ""
        money = "".join(f", at most {amount:,.2f} {currency}" for currency, amount in self.money.items())
        return (
            f"<PlannedRun of {self._plan.matrix!r}: {len(self._plan.cells)} cells{cannot}; "
            f"{len(self._plan.todo)} of {len(self._plan.steps)} steps to do{money}>"
        )

    def _repr_html_(self) -> str:
        """Return the sums by kind of step, for notebooks."""
        from rtbench.library.notebook import planned_html

        return planned_html(repr(self), self.steps(), self.lacking)
