"""The claims of a run on its page: sentences, a table and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from rtbench_plugins.claims.rendering import Shown, details_of, legend, points, task_of, tested_of, untested
from rtbench_plugins.reporters.wording import SHORT
from rtbench_plugins.site import captions, specs
from rtbench_plugins.site.chart import Chart, Datum, Series
from rtbench_plugins.site.palette import VERDICTS

from rtbench.api import ClaimResult, Verdict, listed

HEADS = (
    "claim",
    "statement",
    "task",
    "verdict",
    "difference, points",
    "low",
    "high",
    "p (adjusted)",
    "n",
    "seeds",
    "paper",
)
_ORDER: tuple[Verdict, ...] = ("supported", "inconclusive", "contradicted")


@dataclass(frozen=True)
class Compared:
    """The result of a claim on a task."""

    task: str
    verdict: str
    effect: str
    interval: str
    p: str
    n: str
    paper: str
    """The same difference in the source's figures; a dash where there is none."""
    details: str


@dataclass(frozen=True)
class Finding:
    """A claim: a sentence, and its results by task."""

    claim: str
    title: str
    """What the claim says, with its name."""
    sentence: str
    """The title, and on which tasks it held up."""
    results: tuple[Compared, ...]


@dataclass(frozen=True)
class ClaimsView:
    """The claims of a run."""

    title: str
    findings: tuple[Finding, ...]
    said: tuple[str, ...]
    """What a reader must know beside the findings."""
    notes: tuple[str, ...]
    chart: Chart
    table: tuple[tuple[str, ...], ...]
    """Rows of :data:`HEADS`."""


def claims_view(shown: Shown) -> ClaimsView:
    """Return what the page shows of tested claims."""
    tested = tested_of(shown.results)
    by_claim = {result.claim: result.statement for result in tested}
    findings = tuple(
        _finding(claim, statement, [one for one in tested if one.claim == claim], shown.results)
        for claim, statement in by_claim.items()
    )
    notes = (*legend(shown), *untested(shown.results))
    return ClaimsView(
        shown.claims.title, findings, _said(shown.results), notes, _chart(tested, shown.results), _table(tested)
    )


def _said(results: Sequence[ClaimResult]) -> tuple[str, ...]:
    """Return which claims were not tested, and whose weights make the results no test of the claims."""
    tested = tested_of(results)
    known = {result.claim for result in tested}
    untested_claims = list(dict.fromkeys(result.claim for result in results if result.claim not in known))
    untaught = sorted({name for result in tested for name in result.random_weights})
    lines = [f"Not tested by this run: {', '.join(untested_claims)}."] if untested_claims else []
    warning = "random weights before training, so this is no test of the claims"
    return (*lines, *([f"{', '.join(untaught)}: {warning}."] if untaught else []))


def _finding(claim: str, statement: str, results: Sequence[ClaimResult], every: Sequence[ClaimResult]) -> Finding:
    parts: list[str] = []
    for verdict in _ORDER:
        found = [result for result in results if result.verdict == verdict]
        tasks = [f"{task_of(result, every)} {points(result.effect or 0.0)} points" for result in found]
        if tasks:
            parts.append(f"{verdict} on {listed(tasks, 3)}")
    title = f"{_capital(statement)} ({claim})"
    return Finding(claim, title, f"{title}: {'; '.join(parts)}.", tuple(_compared(result, every) for result in results))


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _compared(result: ClaimResult, every: Sequence[ClaimResult]) -> Compared:
    assert result.effect is not None
    assert result.interval is not None
    per_seed, rest = divmod(result.n, result.seeds)
    return Compared(
        task=task_of(result, every),
        verdict=str(result.verdict),
        effect=points(result.effect),
        interval=f"[{points(result.interval.low)}, {points(result.interval.high)}]",
        p=_p(result.adjusted),
        n=f"{result.n} in {result.seeds}" if rest else f"{per_seed}×{result.seeds}",
        paper=points(result.paper.effect) if result.paper else "–",
        details="; ".join([result.compared, *details_of(result)]),
    )


def _p(value: float | None) -> str:
    return "–" if value is None else "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def _table(tested: Sequence[ClaimResult]) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    for one in tested:
        assert one.effect is not None
        assert one.interval is not None
        numbers = (points(one.effect), points(one.interval.low), points(one.interval.high))
        adjusted = "" if one.adjusted is None else f"{one.adjusted:.6g}"
        paper = points(one.paper.effect) if one.paper else ""
        rows.append(
            (one.claim, one.statement, one.task, one.verdict, *numbers, adjusted, str(one.n), str(one.seeds), paper)
        )
    return tuple(rows)


def _chart(tested: Sequence[ClaimResult], every: Sequence[ClaimResult]) -> Chart:
    drawn: list[Datum] = []
    for one in tested:
        assert one.effect is not None
        assert one.interval is not None
        task = task_of(one, every)
        name = f"{_capital(one.statement)} ({one.claim})"
        effect, low, high = (round(100 * value, 2) for value in (one.effect, one.interval.low, one.interval.high))
        short = task.replace(one.task, SHORT.get(one.task, one.task))
        said = f"{name}, {task}: {one.verdict}, {points(one.effect)} points"
        drawn.append(
            {
                "claim": name, "task": short, "verdict": one.verdict, "effect": effect, "low": low, "high": high, "said": said,
            }
        )  # fmt: skip
    claims = list(dict.fromkeys(point["claim"] for point in drawn))
    rows = tuple(
        (p["claim"], p["task"], p["verdict"], f"{p['effect']:+.1f}", f"{p['low']:+.1f} to {p['high']:+.1f}")
        for p in drawn
    )
    heads = ("claim", "task", "verdict", "difference, points", "95 % interval")
    return Chart(
        "effects", "The differences behind the claims", captions.effects(drawn), partial(specs.effects, drawn, claims), heads, rows,
        tuple(Series(verdict, VERDICTS[verdict]) for verdict in _ORDER if any(p["verdict"] == verdict for p in drawn)),
    )  # fmt: skip
