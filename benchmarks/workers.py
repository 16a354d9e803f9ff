"""A matrix with one worker and with two: wall seconds on two cores.

    python benchmarks/workers.py [--rounds 2] > docs/benchmarks/workers.md

12 tasks (twins) × fine-tune and fine-tune-cot × two small students (pocket-0.5m and pocket-2m), few steps and questions: whole
runs of ``rtbench run`` on an empty workspace, start and leaderboard and all. With one worker a step has both cores as threads,
with two each has one; ``one thread`` is one worker that is held to one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import head

MATRIX = {
    "name": "workers",
    "source": "twin",
    "teachers": ["scripted"],
    "temperature": 0.7,
    "students": ["pocket-0.5m", "pocket-2m"],
    "methods": ["fine-tune", "fine-tune-cot"],
    "limit": 40,
    "recipe": {"steps": 40, "batch_size": 8, "learning_rate": 3e-3, "selection": "last", "max_new_tokens": 100},
}
WAYS: dict[str, tuple[int, list[str]]] = {
    "2 workers": (2, []),
    "1 worker": (1, []),
    "1 worker, one thread": (1, ["taskset", "-c", "0"]),
}


def once(workers: int, prefix: list[str]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.yaml"
        path.write_text(json.dumps(MATRIX))
        command = [
            *prefix, str(Path(sys.executable).with_name("rtbench")), "run", "--matrix", str(path), "--workspace", folder,
            "--workers", str(workers), "--format", "csv",
        ]  # fmt: skip
        before = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        seconds = time.perf_counter() - before
        if done.returncode:
            sys.exit(done.stderr)
        return seconds, len(json.loads((Path(folder) / "runs" / "workers.json").read_text())["cells"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    cells = 0
    for _ in range(given.rounds):
        for name, (workers, prefix) in WAYS.items():
            seconds, cells = once(workers, prefix)
            taken[name].append(seconds)
    head("Two workers", f"{cells} cells (48 and the teacher's rows), medians of {given.rounds} interleaved rounds")
    middle = {name: statistics.median(rounds) for name, rounds in taken.items()}
    print("\n| | s | 2 workers are so many times faster |\n|---|---:|---:|")
    for name, seconds in middle.items():
        print(f"| {name} | {seconds:.0f} | {seconds / middle['2 workers']:.2f} |")


if __name__ == "__main__":
    main()
