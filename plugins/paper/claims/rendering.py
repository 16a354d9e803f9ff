"""Claims as a table for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench_plugins.paper.claims.records import CLAIMS, ClaimResult
from rtbench_plugins.reporters.printing import escaped, text_console, text_of
from rtbench_plugins.reporters.wording import intervals

from rtbench.api import Fold

HEADS = ("claim", "task", "verdict", "effect", "interval", "n × seeds", "patterns", "paper")
LEADING = 3
"""Heads of words; the rest are of numbers."""


def points(share: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * share:+.1f}"


def table(results: Sequence[ClaimResult], run: str, fold: Fold, *, cells: bool = False) -> str:
    """For the terminal.

    Args:
        results: lines of all claims.
        run: its name.
        fold: where students were tested.
        cells: name those behind each line, and what else is to be known of it.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out = text_console()
    tested = [one for one in results if one.verdict != "not tested"]
    grid = Table(title=escape(f"The paper's claims ({run}, {fold})"), title_justify="left", box=box.SIMPLE_HEAD)
    for head in HEADS:
        grid.add_column(head, justify="right" if head in HEADS[LEADING:] else "left")
    for one in tested:
        style = "green" if one.verdict == "held" else "yellow"
        grid.add_row(*(escape(value) for value in _line(one, results)), style=style)
    if tested:
        out.print(grid)
    for line in overall(results):
        out.print(line, markup=False, soft_wrap=True)
    for line in [*legend(results), *untested(results)]:
        out.print(line, style="dim", markup=False, soft_wrap=True)
    for one in tested if cells else ():
        out.print(f"{one.claim} {_task(one, results)}: {one.compared}", markup=False, soft_wrap=True)
        for line in _details(one):
            out.print(f"    {line}", style="dim", markup=False, soft_wrap=True)
    return text_of(out).strip("\n")


def markdown(results: Sequence[ClaimResult], run: str, fold: Fold) -> str:
    """Markdown, with all details."""
    tested = [one for one in results if one.verdict != "not tested"]
    lines = [f"# The paper's claims: {run}, fold {fold}", "", *(f"- {escaped(line)}" for line in overall(results)), ""]
    if tested:
        heads = (*HEADS, "paper's figures", "cells")
        numbers = len(HEADS) - LEADING
        lines += ["| " + " | ".join(heads) + " |", "|---|---|---|" + "---:|" * numbers + "---|---|"]
        for one in tested:
            said = one.paper.said if one.paper else "–"
            values = (*_line(one, results), said, one.compared)
            lines.append("| " + " | ".join(escaped(value) for value in values) + " |")
        lines.append("")
    lines += [f"- {escaped(line)}" for line in [*legend(results), *untested(results)]]
    if tested:
        lines += ["", "## Details", ""]
    for one in tested:
        lines.append(f"- {one.claim} {escaped(_task(one, results))}: {escaped('; '.join(_details(one)))}")
    return "\n".join(lines)


def _line(one: ClaimResult, results: Sequence[ClaimResult]) -> tuple[str, ...]:
    assert one.effect is not None
    assert one.interval is not None
    per_seed, rest = divmod(one.n, one.seeds)
    return (
        one.claim,
        _task(one, results),
        _verdict(one),
        points(one.effect),
        f"[{points(one.interval.low)}, {points(one.interval.high)}]",
        f"{one.n} in {one.seeds}" if rest else f"{per_seed}×{one.seeds}",
        str(one.patterns) if one.patterns < one.n else "–",
        points(one.paper.effect) if one.paper else "–",
    )


def _verdict(one: ClaimResult) -> str:
    if one.claim == "C1 opposite" and one.verdict == "held":
        return "held (no lead)"
    return "not held (reversed)" if one.reversed else one.verdict


def _task(one: ClaimResult, results: Sequence[ClaimResult]) -> str:
    """With what tells lines of one claim and task apart, where there are several."""
    same = [other for other in results if (other.claim, other.task) == (one.claim, one.task)]
    if len(same) == 1:
        return one.task
    facts = [one.selection or "", one.wording, one.split, one.extractor]
    differing = [
        fact
        for place, fact in enumerate(facts)
        if len({(o.selection or "", o.wording, o.split, o.extractor)[place] for o in same}) > 1
    ]
    return f"{one.task} ({', '.join(differing)})" if differing else one.task


def _details(one: ClaimResult) -> list[str]:
    """What stands behind a line: both sides, parts, notes."""
    assert one.left is not None
    assert one.right is not None
    found = [
        (f"{100 * one.left:.1f} − {100 * one.right:.1f} %; paper: {one.paper.said if one.paper else 'no such figures'}")
    ]
    for head, parts in (("by student", one.by_student), ("by seed", one.by_seed), ("beside it", one.also)):
        if len(parts) > 1 or (parts and head == "beside it"):
            said = [
                f"{part.name} {points(part.effect)} [{points(part.interval.low)}, {points(part.interval.high)}]"
                for part in parts
            ]
            found.append(f"{head}: {'; '.join(said)}")
    return [*found, *one.notes]


def overall(results: Sequence[ClaimResult]) -> list[str]:
    """One line per claim: on which tasks it held."""
    lines: list[str] = []
    for claim, statement in CLAIMS.items():
        here = [one for one in results if one.claim == claim]
        tested = [one for one in here if one.verdict != "not tested"]
        if not here:
            continue
        if not tested:
            lines.append(f"{claim}, {statement}: not tested.")
            continue
        held = [_task(one, results) for one in tested if one.verdict == "held"]
        reverse = [_task(one, results) for one in tested if one.reversed]
        others = [_task(one, results) for one in tested if one.verdict != "held" and not one.reversed]
        said = f"{claim}, {statement}: held on {', '.join(held) or 'no task'} ({len(held)} of {len(tested)} tested)"
        said += f"; not on {', '.join(others)}" if others else ""
        lines.append(said + (f"; reversed on {', '.join(reverse)}." if reverse else "."))
    return lines


def untested(results: Sequence[ClaimResult]) -> list[str]:
    """Why claims could not be tested, tasks of one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in results:
        if one.verdict == "not tested":
            groups.setdefault((one.claim, one.reason or ""), []).append(_task(one, results))
    return [f"not tested  {claim} on {', '.join(tasks)}: {reason}" for (claim, reason), tasks in groups.items()]


def legend(results: Sequence[ClaimResult]) -> list[str]:
    """What must stand beside the numbers."""
    tested = [one for one in results if one.verdict != "not tested"]
    if not tested:
        return []

    def all_of(fact: str) -> str:
        return ", ".join(sorted({str(getattr(one, fact) or "none") for one in tested}))

    lines = [
        (
            "effect: difference of accuracies in points over the same questions, with a 95 % interval "
            f"({intervals({one.interval.method for one in tested if one.interval})}); held: the interval lies above 0; "
            "not held: it holds 0, and nothing is decided; reversed: it lies below 0 (C1 opposite is its own); n: questions; "
            "patterns: how many these are of, where fewer; "
            f"source: {all_of('source')}; extractor: {all_of('extractor')}; selection: {all_of('selection')}."
        )
    ]
    if any(one.claim == "C1 opposite" for one in tested):
        lines.append(
            "C1 opposite, where the paper found no lead: held means no more than that the interval does not lie above 0, "
            "that is, no significant lead of fine-tune-cot; not that fine-tune is as good. Not held: it lies above 0, and "
            "fine-tune-cot leads."
        )
    if untaught := sorted({name for one in tested for name in one.random_weights}):
        lines.append(
            f"{', '.join(untaught)}: random weights before training, so that this is no test of the paper's claims."
        )
    if any(one.claim == "C6" for one in tested):
        lines.append("C6: the best of all students tried; its interval is Bonferroni-adjusted for their number.")
    if any(one.paper for one in tested):
        lines.append("paper: the same difference in the paper's figures, on the published questions.")
    return lines
