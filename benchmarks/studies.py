"""Write results/studies from finished runs of the studies' matrices, and the table of docs/studies.md.

    python benchmarks/studies.py --workspace DIR

Each study has its leaderboard (leaderboard.md, leaderboard.csv) and its claims (claims.md) in a folder. Rows of studies
that are not finished in the workspace stay as they are. The text between ``<!-- verdicts -->`` and ``<!-- end -->`` in docs/studies.md
is replaced.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench_plugins.claims.rendering import Shown, markdown, verdict_text
from rtbench_plugins.studies import STUDIES

from rtbench.api import (
    Environment,
    Runs,
    build_leaderboard,
    claim_set,
    evaluate_claims,
    open_services,
    write_atomic,
)

if TYPE_CHECKING:
    from rtbench.api import ClaimResult, Services

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "studies.md"
RESULTS = ROOT / "results" / "studies"
FOLDER = "../results/studies"
"""The same folder, as the page links to it."""
LEAST_P = 0.001
"""Lowest p value that is written out."""


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    given = parser.parse_args()
    services = open_services(Environment(workspace=str(given.workspace), offline=True))
    lines = ["| study | claim | task | verdict | effect in points [interval] | adjusted p | questions × seeds |"]
    lines.append("| --- | --- | --- | --- | ---: | ---: | ---: |")
    text = PAGE.read_text(encoding="utf-8")
    for study in STUDIES:
        if finished(services, given.workspace, study):
            results = written(services, given.workspace, study)
            tested = {result.claim for result in results if result.verdict != "not tested"}
            # Some claims are about some tasks only; the study's own page lists the others.
            lines += [row(study, one) for one in results if one.verdict != "not tested" or one.claim not in tested]
        else:
            lines += [line for line in text.splitlines() if line.startswith(f"| [{study}]({FOLDER}/{study}/claims.md)")]
    table = "\n".join(lines)
    text = re.sub(r"(<!-- verdicts -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
    _write(PAGE, text)


def finished(services: Services, workspace: Path, study: str) -> bool:
    """Return whether every cell of a study's run is scored."""
    if not (workspace / "runs" / f"pocket-study-{study}.json").is_file():
        return False
    return all(services.store.scored(cell) for cell in Runs(workspace).load(f"pocket-study-{study}").cells)


def written(services: Services, workspace: Path, study: str) -> Sequence[ClaimResult]:
    """Write the files of a study, and return the results of its claims."""
    run = Runs(workspace).load(f"pocket-study-{study}")
    board = build_leaderboard(run, services)
    folder = RESULTS / study
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("md", "csv"):
        reporter = services.reporter(name)
        _write(folder / f"leaderboard.{name}", reporter.render(board))
    claims = claim_set(services, f"study-{study}")
    results = evaluate_claims(claims, run, services.store, "test", services.ledger)
    _write(folder / "claims.md", markdown(Shown(claims, results, run.name, "test")))
    return results


def _write(path: Path, text: str) -> None:
    write_atomic(path, (text.rstrip("\n") + "\n").encode())


def row(study: str, result: ClaimResult) -> str:
    """Return a row of the table."""
    effect = p = "–"
    if result.effect is not None and result.interval is not None:
        low, high = 100 * result.interval.low, 100 * result.interval.high
        effect = f"{100 * result.effect:+.1f} [{low:+.1f}, {high:+.1f}]"
    if result.adjusted is not None:
        p = f"{result.adjusted:.3f}" if result.adjusted >= LEAST_P else f"< {LEAST_P}"
    count = f"{result.n // result.seeds} × {result.seeds}" if result.seeds else "–"
    folder = f"[{study}]({FOLDER}/{study}/claims.md)"
    return f"| {folder} | {result.statement} | {result.task} | {verdict_text(result)} | {effect} | {p} | {count} |"


if __name__ == "__main__":
    main()
