"""Tables of claims for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtbench_plugins.reporters.printing import markdown_table, text_console, text_of
from rtbench_plugins.reporters.wording import intervals

from rtbench.api import (
    UNKNOWN,
    ClaimResult,
    ClaimSet,
    Effort,
    Fold,
    Verdict,
    in_percent,
    markdown_text,
    money_text,
    shown_in_line,
)

HEADS = ("claim", "task", "verdict", "effect", "interval", "p", "n × seeds", "patterns", "paper")
LEADING = 3
"""How many columns, from the left, contain words; the others contain numbers."""

_STYLES: dict[Verdict, str] = {"supported": "green", "contradicted": "red"}


def points(share: float) -> str:
    """Return a difference of accuracies (a fraction) in percentage points, with its sign."""
    return in_percent(share, sign=True)


@dataclass(frozen=True)
class Shown:
    """The results of a set of claims on a run."""

    claims: ClaimSet
    results: Sequence[ClaimResult]
    run: str
    """Name of the run."""
    fold: Fold
    """Fold on which the students were tested."""


def table(shown: Shown, *, cells: bool = False) -> str:
    """Return the claims as text for the terminal.

    Args:
        shown: the results.
        cells: list the cells that each row compares, with details and notes.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out, results = text_console(), shown.results
    tested = tested_of(results)
    title = Text(shown_in_line(f"{shown.claims.title} ({shown.run}, {shown.fold})"))
    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in HEADS:
        grid.add_column(head, justify="right" if head in HEADS[LEADING:] else "left")
    for result in tested:
        style = _STYLES.get(result.verdict, "yellow")
        grid.add_row(*map(shown_in_line, _row(result, results)), style=style)
    if tested:
        out.print(grid)
    for line in overall(shown):
        out.print(shown_in_line(line), soft_wrap=True)
    for line in [*legend(shown), *untested(results)]:
        out.print(shown_in_line(line), style="dim", soft_wrap=True)
    for result in tested if cells else ():
        out.print(f"{result.claim} {task_of(result, results)}: {result.compared}", soft_wrap=True)
        for line in details_of(result):
            out.print(f"    {line}", style="dim", soft_wrap=True)
    return text_of(out).strip("\n")


def markdown(shown: Shown) -> str:
    """Return the claims as Markdown, with all details."""
    results = shown.results
    tested = tested_of(results)
    title = f"# {markdown_text(f'{shown.claims.title}: {shown.run}')}, fold {shown.fold}"
    lines = [title, "", *(f"- {markdown_text(line)}" for line in overall(shown)), ""]
    if tested:
        heads = (*HEADS, "paper's figures", "cells")
        rows = [
            (*_row(result, results), result.paper.said if result.paper else "–", result.compared) for result in tested
        ]
        lines += [*markdown_table(heads, rows, range(LEADING, len(HEADS))), ""]
    lines += [f"- {markdown_text(line)}" for line in [*legend(shown), *untested(results)]]
    if tested:
        lines += ["", "## Details", ""]
    for result in tested:
        details = markdown_text("; ".join(details_of(result)))
        lines.append(f"- {markdown_text(f'{result.claim} {task_of(result, results)}')}: {details}")
    return "\n".join(lines)


def tested_of(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    return [result for result in results if result.verdict != "not tested"]


def verdict_text(result: ClaimResult) -> str:
    """Return a verdict for a table, which says that a supported claim is one of no lead."""
    if result.margin is None or result.verdict != "supported":
        return result.verdict
    return f"{result.verdict} (no lead of {in_percent(result.margin, None)})"


def _row(result: ClaimResult, results: Sequence[ClaimResult]) -> tuple[str, ...]:
    assert result.effect is not None
    assert result.interval is not None
    assert result.adjusted is not None
    per_seed, rest = divmod(result.n, result.seeds)
    return (
        result.claim,
        task_of(result, results),
        verdict_text(result),
        points(result.effect),
        f"[{points(result.interval.low)}, {points(result.interval.high)}]",
        _p(result.adjusted),
        f"{result.n} in {result.seeds}" if rest else f"{per_seed}×{result.seeds}",
        str(result.patterns) if result.patterns < result.n else "–",
        points(result.paper.effect) if result.paper else "–",
    )


def _p(value: float) -> str:
    """Return a p value with three digits."""
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def task_of(result: ClaimResult, results: Sequence[ClaimResult]) -> str:
    """Return the task, followed by the facts that distinguish several results of one claim and task."""
    same = [other for other in results if (other.claim, other.task) == (result.claim, result.task)]
    if len(same) == 1:
        return result.task
    names = ("selection", "sampling", "wording", "split", "extractor")
    differing = [
        getattr(result, name) or ("greedy" if name == "sampling" else "")
        for name in names
        if len({getattr(other, name) for other in same}) > 1
    ]
    return f"{result.task} ({', '.join(differing)})" if differing else result.task


def details_of(result: ClaimResult) -> list[str]:
    """Return both sides' accuracies, the partial comparisons and the notes of a result."""
    assert result.left is not None
    assert result.right is not None
    reported = result.paper.said if result.paper else "no such figures"
    details = [f"{in_percent(result.left)} − {in_percent(result.right)} %; paper: {reported}"]
    for head, parts in (("by student", result.by_student), ("by seed", result.by_seed), ("for context", result.also)):
        if len(parts) > 1 or (parts and head == "for context"):
            shown = [
                f"{part.name} {points(part.effect)} [{points(part.interval.low)}, {points(part.interval.high)}]"
                for part in parts
            ]
            details.append(f"{head}: {'; '.join(shown)}")
    if result.margin is not None and result.p_margin is not None:
        details.append(f"p of a difference of {in_percent(result.margin, None)} points: {_p(result.p_margin)}")
    return [*details, *_efforts(result), *result.notes]


def _efforts(result: ClaimResult) -> list[str]:
    """Return what both sides have in common, what they have not, and what is not known, as at most one line."""
    equal = [f"{one.name} ({_amount(one, one.left)})" for one in result.efforts if one.equal]
    differing = [_both(one) for one in result.efforts if one.known and not one.equal]
    lacking = [
        one.name if one.left is None and one.right is None else _both(one) for one in result.efforts if not one.known
    ]
    parts = [f"equal in training: {', '.join(equal)}"] * bool(equal)
    parts += [f"not equal: {', '.join(differing)}"] * bool(differing)
    parts += [f"not known: {', '.join(lacking)}"] * bool(lacking)
    return ["; ".join(parts)] * bool(parts)


def _both(effort: Effort) -> str:
    return f"{effort.name} ({_amount(effort, effort.left)} against {_amount(effort, effort.right)})"


def _amount(effort: Effort, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return money_text(value, effort.currency) if effort.currency else f"{value:,.0f}"


def overall(shown: Shown) -> list[str]:
    """Return a sentence per claim: the tasks that support it, and the tasks that do not."""
    lines: list[str] = []
    results = shown.results
    for claim, statement in {result.claim: result.statement for result in results}.items():
        here = [result for result in results if result.claim == claim]
        by_verdict: dict[Verdict, list[str]] = {}
        for result in tested_of(here):
            by_verdict.setdefault(result.verdict, []).append(task_of(result, results))
        tested = sum(map(len, by_verdict.values()))
        if not tested:
            lines.append(f"Not tested whether {statement} (claim {claim}).")
            continue
        supported = by_verdict.get("supported", [])
        sentence = f"{statement} on {', '.join(supported)}" if supported else f"no task shows that {statement}"
        count = f"{len(supported)} of {tested} task{'s' if tested > 1 else ''} tested"
        others = [
            f"; {verdict} on {', '.join(by_verdict[verdict])}"
            for verdict in ("inconclusive", "contradicted")
            if verdict in by_verdict
        ]
        lines.append(f"{sentence[0].upper()}{sentence[1:]} (claim {claim}: supported on {count}){''.join(others)}.")
    return lines


def untested(results: Sequence[ClaimResult]) -> list[str]:
    """Return why claims could not be tested, with the tasks that share a reason in one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.verdict == "not tested":
            groups.setdefault((result.claim, result.reason or ""), []).append(task_of(result, results))
    return [f"not tested  {claim} on {', '.join(tasks)}: {reason}" for (claim, reason), tasks in groups.items()]


def legend(shown: Shown) -> list[str]:
    """Return what a reader needs to know to read the numbers."""
    tested = tested_of(shown.results)
    if not tested:
        return []

    def all_of(fact: str) -> str:
        return ", ".join(sorted({str(getattr(result, fact) or "none") for result in tested}))

    methods = intervals({result.interval.method for result in tested if result.interval})
    lines = [
        (
            "effect: difference of accuracies on the same questions, in percentage points, with its 95 % interval "
            f"({methods}). p: of no difference, Holm-adjusted over the {len(tested)} rows. Supported: the effect is above 0 "
            "and p below .05. Contradicted: the effect is below 0 and p below .05. Inconclusive: neither. "
            "n: questions; patterns: how many different patterns these questions have, where fewer; "
            f"source: {all_of('source')}; extractor: {all_of('extractor')}; selection: {all_of('selection')}."
        ),
        *shown.claims.legend(tested),
    ]
    if margins := sorted({result.margin for result in tested if result.margin is not None}):
        below = " or ".join(in_percent(margin, None) for margin in margins)
        lines.append(
            f"Claims of no lead: supported where the effect is below {below} points and the p of that "
            "difference (in the details, Holm-adjusted) is below .05; contradicted where the effect is above it and p below "
            ".05; otherwise inconclusive."
        )
    if untaught := sorted({name for result in tested for name in result.random_weights}):
        lines.append(f"{', '.join(untaught)}: random weights before training, so this is no test of the claims.")
    if any(result.paper for result in tested):
        lines.append("paper: the same difference in the figures of the claims' source, on the published questions.")
    return lines
