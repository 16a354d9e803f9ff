"""Planning matrices of up to 100,000 cells: seconds, memory, growth.

    python benchmarks/planning.py --data-dir DIR [--rounds 3] > docs/benchmarks/planning.md

A matrix of 11 tasks, the paper's six methods, a teacher that can be asked, six students of a given config, degrees,
seeds and parts of the training questions; most of its cells are fine-tuned on rationales, each with a curation, a training, a
test and a score of its own or shared. Measured is resolving the matrix and :func:`rtbench.planning.plan.make_plan`: cells, steps with their content keys, and
which of them the store holds. The store is empty, or (second table) holds every step.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import head, measured, parser_of, peak_mb, tell

from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.plugin.plans import Plan
from rtbench.schema.environment import Environment
from rtbench.session import Session

SEEDS = (10, 19, 38, 76)
"""Cells grow with seeds; at 76 they are just above 100,000."""
TASKS = (
    "single_eq", "addsub", "multiarith", "gsm8k", "svamp", "date_understanding", "tracking_shuffled_objects",
    "last_letter_concatenation", "coin_flip", "commonsense_qa", "strategy_qa",
)  # fmt: skip
"""All but aqua, whose training questions are not at hand everywhere."""


def matrix(seeds: int) -> dict[str, Any]:
    config = {"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_positions": 256}
    return {
        "name": "benchmark",
        "tasks": list(TASKS),
        "methods": ["zero-shot", "zero-shot-cot", "few-shot", "few-shot-cot", "fine-tune", "fine-tune-cot"],
        "teachers": [{"name": "teacher", "use": "openai", "model": "gpt-4o", "base_url": "http://localhost:9/v1"}],
        "students": [{"name": f"s{n}", "use": "hf-causal", "config": config | {"n_embd": 64 * n}} for n in range(1, 7)],
        "degrees": [1, 2, 4, 8],
        "fractions": [0.25, 0.5, 0.75, 1.0],
        "seeds": list(range(seeds)),
        "temperature": 0.7,
    }


def plan(folder: Path, data_dir: Path, seeds: int) -> tuple[Plan, float, Session]:
    path = folder / "matrix.yaml"
    path.write_text(json.dumps(matrix(seeds)))  # JSON is YAML
    session = Session(Environment(workspace=str(folder / "workspace"), data_dir=str(data_dir), offline=True))
    as_read = read_matrix(path)
    before = time.perf_counter()
    made = make_plan(resolve(as_read, session), session)
    return made, time.perf_counter() - before, session


def child(folder: Path, data_dir: Path, seeds: int, *, fill: bool) -> None:
    made, seconds, session = plan(folder, data_dir, seeds)
    tell(
        {
            "cells": len(made.cells),
            "steps": len(made.steps),
            "todo": len(made.todo),
            "seconds": seconds,
            "mb": peak_mb(),
        }
    )
    reasons = {one.reason for one in made.cells if one.reason}
    assert not reasons, reasons
    for key, step in made.steps.items() if fill else ():
        where = session.store.path(step.kind, key)
        where.mkdir(parents=True)
        (where / "meta.json").touch()


def main() -> None:
    given = parser_of(__doc__, 4).parse_args()
    if given.child:
        folder, data_dir, seeds, what = given.child
        child(Path(folder), Path(data_dir), int(seeds), fill=what == "fill")
        return
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for seeds in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                for state in ("empty", "fill", "filled"):  # each a process of its own
                    one = measured(__file__, folder, given.data_dir.resolve(), seeds, state)
                    found.setdefault((state, seeds), []).append(one)
    head(
        "Planning: 100,000 cells", f"wall seconds, medians of {given.rounds} interleaved rounds, data sets read and all"
    )
    for state, title in (("empty", "Nothing done yet"), ("filled", "Everything in the store")):
        print(f"\n## {title}\n\n| cells | steps | s | µs per cell | peak MB |\n|---:|---:|---:|---:|---:|")
        for seeds in SEEDS:
            rounds = found[state, seeds]
            one = rounds[0]
            seconds, mb = (statistics.median(r[what] for r in rounds) for what in ("seconds", "mb"))
            each = seconds / one["cells"] * 1e6
            print(f"| {one['cells']:,} | {one['steps']:,} | {seconds:.2f} | {each:.0f} | {mb:.0f} |")


if __name__ == "__main__":
    main()
