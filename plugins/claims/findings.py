"""The results of claims in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench_plugins.claims.rendering import Shown, points, task_of
from rtbench_plugins.reporters.brief import brief_console
from rtbench_plugins.reporters.printing import text_of

from rtbench.api import ClaimResult, Verdict, shown_in_line

if TYPE_CHECKING:
    from rich.text import Text

MOST_NAMED = 3
"""Highest number of tasks that are named for one verdict."""
_COLOURS: dict[Verdict, str] = {"supported": "green", "inconclusive": "yellow", "contradicted": "red"}
"""Verdicts in the order of their mention."""


def findings(shown: Shown) -> str:
    """Return a sentence per tested claim: its verdicts, with the tasks and effects."""
    from rich.table import Table
    from rich.text import Text

    out = brief_console()
    tested = [result for result in shown.results if result.verdict != "not tested"]
    said = "differences in points of accuracy on the same questions, with 95 % intervals"
    count = f"; verdicts allow for {len(tested)} comparisons" if len(tested) > 1 else ""
    out.print(Text("Findings", style="bold"), Text(f"({said}{count})", style="dim"))
    sentences = Table.grid(padding=(0, 1))
    for claim in dict.fromkeys(result.claim for result in tested):
        sentences.add_row("•", _sentence(claim, [result for result in tested if result.claim == claim], shown.results))
    out.print(sentences)
    left = dict.fromkeys(result.claim for result in shown.results)
    if untested := [claim for claim in left if all(result.claim != claim for result in tested)]:
        out.print(shown_in_line(f"Not tested by this run: {', '.join(untested)}."), style="dim")
    if untaught := sorted({name for result in tested for name in result.random_weights}):
        text = f"{', '.join(untaught)}: random weights before training, so this is no test of the claims."
        out.print(shown_in_line(text), style="yellow")
    return text_of(out)


def _sentence(claim: str, results: Sequence[ClaimResult], every: Sequence[ClaimResult]) -> Text:
    """Return what a claim says, and its verdicts: ``Rationales beat answers (C1): supported on aqua +19.0 …``."""
    from rich.text import Text

    statement = results[0].statement
    text = Text(shown_in_line(f"{statement[0].upper()}{statement[1:]} ({claim}): "))
    parts: list[Text] = []
    for verdict, colour in _COLOURS.items():
        found = [result for result in results if result.verdict == verdict]
        if found:
            parts.append(Text.assemble((verdict, colour), shown_in_line(f" on {_where(found, every)}")))
    return text + Text("; ").join(parts) + "."


def _where(results: Sequence[ClaimResult], every: Sequence[ClaimResult]) -> str:
    """Return the tasks with their effects; of many tasks, how many, and the smallest and largest effect."""
    if len(results) > MOST_NAMED:
        effects = sorted(result.effect or 0.0 for result in results)
        return f"{len(results)} tasks ({points(effects[0])} to {points(effects[-1])})"
    return ", ".join(f"{task_of(result, every)} {_effect(result)}" for result in results)


def _effect(result: ClaimResult) -> str:
    assert result.effect is not None
    assert result.interval is not None
    return f"{points(result.effect)} [{points(result.interval.low)}, {points(result.interval.high)}]"
