"""rtbench's own time per cell and per document, beside lm-eval's: everything that is not the model.

    python benchmarks/overhead.py --data-dir DIR [--rounds 3] > docs/benchmarks/overhead.md

The model answers at once (``benchmarks/instant.py``). Per cell: ``rtbench run`` of a whole matrix (12 tasks' twins; zero-shot-cot,
fine-tune, fine-tune-cot of degree 1 and 8, the teacher's rows; two students), one worker, start, scripted teacher, leaderboard
and claims and all, divided by its cells. Per document: ``rtbench run`` of 48 cells on gsm8k, the time of 1,319 questions each less
that of 119, divided by 48 × 1,200; every question is asked, synced to the ledger, read again, scored and written, by
the task's four extractors. lm-eval's is the same difference, once, of ``simple_evaluate`` on the same task, exported, whose four
filters they are.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import head, measured, parser_of, tell

ALL, SOME, CELLS = 1319, 119, 48
PLUGIN = Path(__file__).with_name("instant.py")
STUDENTS = [{"name": name, "use": "instant"} for name in ("one", "two")]
WHOLE = {
    "source": "twin", "teachers": ["scripted"], "temperature": 0.7, "students": STUDENTS,
    "recipe": {"selection": "last", "epochs": 1},
    "blocks": [{"methods": ["zero-shot-cot", "fine-tune"]}, {"methods": ["fine-tune-cot"], "degrees": [1, 8]}],
}  # fmt: skip


def run(matrix: dict[str, Any], data_dir: str) -> dict[str, Any]:
    """Wall seconds of the command, and its cells."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.yaml"
        path.write_text(json.dumps(matrix))
        command = [
            Path(sys.executable).with_name("rtbench"), "run", "--matrix", path, "--plugin", PLUGIN, "--workers", "1",
            "--workspace", folder, "--data-dir", data_dir, "--format", "json", "--name", "benchmark",
        ]  # fmt: skip
        before = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - before
        if done.returncode:
            sys.exit(done.stderr)
        record = json.loads((Path(folder) / "runs" / "benchmark.json").read_text())
    return {"seconds": seconds, "cells": len(record["cells"])}


def ours(limit: int, data_dir: str) -> dict[str, Any]:
    students = [{"name": f"s{at}", "use": "instant"} for at in range(CELLS)]
    matrix = {"tasks": ["gsm8k"], "methods": ["zero-shot"], "students": students, "limit": limit}
    return run(matrix, data_dir)


def lm_eval(limit: int, data_dir: str) -> dict[str, Any]:
    import instant
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager
    from rtbench_plugins.lm_eval.export import export_tasks

    from rtbench.schema.environment import Environment
    from rtbench.session import Session

    class Instant(LM):  # type: ignore[misc]
        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [instant.text_of(f"{at:08x}") for at in range(len(requests))]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    session = Session(Environment(workspace="unused", data_dir=data_dir, offline=True))
    with tempfile.TemporaryDirectory() as folder:
        export_tasks([session.task("gsm8k")], Path(folder) / "out", "original", "default", session.files)
        manager = TaskManager(include_path=f"{folder}/out", include_defaults=False)
        before = time.perf_counter()
        simple_evaluate(Instant(), tasks=["rtbench_gsm8k"], limit=limit, task_manager=manager, bootstrap_iters=0)
        return {"seconds": time.perf_counter() - before}


WAYS = {"ours": ours, "lm-eval": lm_eval}


def main() -> None:
    given = parser_of(__doc__, 3).parse_args()
    if given.child:
        way, limit, data_dir = given.child
        tell(run(WHOLE, data_dir) if way == "whole" else WAYS[way](int(limit), data_dir))
        return
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    asked = [(way, limit) for limit in (ALL, SOME) for way in WAYS]
    for _ in range(given.rounds):
        for key in (("whole", 0), *asked):
            found.setdefault(key, []).append(measured(__file__, *key, given.data_dir.resolve()))
    seconds = {key: statistics.median(one["seconds"] for one in rounds) for key, rounds in found.items()}
    head("Overhead: what is not the model", f"wall seconds, medians of {given.rounds} interleaved rounds")
    cells, whole = found["whole", 0][0]["cells"], seconds["whole", 0]
    each = whole / cells
    print(f"\n## Per cell\n\n{cells} cells in {whole:.1f} s: {each:.3f} s a cell, {each / 60:.2%} of a minute.\n")
    print("## Per document\n")
    print("| | µs per document | times rtbench's | 119 documents a cell, s | 1,319 a cell, s |")
    print("|---|---:|---:|---:|---:|")
    few, many = ({way: seconds[way, limit] for way in WAYS} for limit in (SOME, ALL))
    per = {way: (many[way] - few[way]) / (ALL - SOME) * 1e6 / (CELLS if way == "ours" else 1) for way in WAYS}
    for way, name in (("ours", "rtbench"), ("lm-eval", "lm-eval")):
        print(f"| {name} | {per[way]:.0f} | {per[way] / per['ours']:.1f} | {few[way]:.2f} | {many[way]:.2f} |")


if __name__ == "__main__":
    main()
