"""Compare training, sampling, planning, ledger and cold start of two checkouts, process by process in turns.

    python benchmarks/before_after.py --before FOLDER --before-python FOLDER/.venv/bin/python --data-dir DIR

Each checkout needs an environment of its own, in which it is installed. The current checkout is the one of this file. Every
measurement is a process of its own (the ``--child`` of the checkout's own benchmark); the two checkouts take turns, so both
meet the same neighbours on the machine. Shown are medians, and the median of the ratios of each round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import head

FAMILIES = ("decoder", "encoder_decoder")
COMMANDS = {"rtbench --help": "--help", "rtbench tasks": "tasks", "rtbench plugins": "plugins"}
EPOCHS = 6
"""Of the training whose models write the texts: enough for texts that end and texts that do not."""
SEEDS = 76
"""Of the planned matrix: just above 100,000 cells."""
COMPLETIONS = 200_000
"""In the ledger."""
LEDGER = {"append": "appending", "keys": "reading all keys of", "load": "finding 1,000, with texts, in"}


@dataclass(frozen=True)
class Checkout:
    """One of the two versions, and the Python of its environment."""

    folder: Path
    python: Path

    def child(self, script: str, *arguments: object) -> dict[str, Any]:
        """What the benchmark ``script`` of this checkout says of itself."""
        path = self.folder / "benchmarks" / script
        done = self.process([str(self.python), str(path), "--child", *map(str, arguments)], path.parent)
        result: dict[str, Any] = json.loads(done.splitlines()[-1])
        return result

    def seconds(self, option: str) -> float:
        """Wall seconds of one command of ``rtbench``."""
        before = time.perf_counter()
        self.process([str(self.python), "-m", "rtbench", option], self.folder)
        return time.perf_counter() - before

    def process(self, command: list[str], folder: Path) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed\n{done.stderr[-2000:]}")
        return done.stdout


Measure = Callable[[Checkout], float]
"""Seconds of one process; less is better."""


def prepared(current: Checkout, folder: Path, data_dir: Path) -> dict[str, Measure]:
    """What is measured: rows and trained models come from the current checkout and are the same for both."""
    rows = folder / "rows.json"
    prepare = (
        "import json, sys; sys.path.insert(0, 'benchmarks'); from pathlib import Path; import training, sampling; "
        f"sampling.EPOCHS = {EPOCHS}; "
        f"rows = training.recorded(Path({str(data_dir)!r}), training.ROWS); "
        f"Path({str(rows)!r}).write_text(json.dumps(rows)); "
        f"[((home := Path({str(folder)!r}) / family).mkdir(), sampling.prepare(home, family, Path({str(data_dir)!r}))) "
        f"for family in {FAMILIES!r}]"
    )
    current.process([str(current.python), "-c", prepare], current.folder)
    measures: dict[str, Measure] = {}
    for family in FAMILIES:
        home = folder / family
        measures[f"training, {family}"] = lambda one, f=family: 1 / one.child("training.py", "rtbench", rows, f)["rate"]  # type: ignore[misc]
        for batch in ("16 at once", "64 at once (its default)"):
            name = f"rtbench, {batch}"
            measures[f"sampling, {family}, {batch.split(' (')[0]}"] = (
                lambda one, n=name, h=home, f=family: one.child("sampling.py", n, h, f)["seconds"]  # type: ignore[misc]
            )
    measures["planning 100,000 cells"] = lambda one: planned(one, data_dir)
    for way, said in LEDGER.items():
        measures[f"{said} {COMPLETIONS:,} completions"] = lambda one, w=way: ledger(one, w, data_dir)  # type: ignore[misc]
    for name, option in COMMANDS.items():
        measures[f"`{name}`"] = lambda one, o=option: one.seconds(o)  # type: ignore[misc]
    return measures


def planned(one: Checkout, data_dir: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return float(one.child("planning.py", folder, data_dir, SEEDS, "empty")["seconds"])


def ledger(one: Checkout, way: str, data_dir: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        appended = one.child("store.py", "append", folder, data_dir, COMPLETIONS)
        found = appended if way == "append" else one.child("store.py", way, folder, data_dir, COMPLETIONS)
        return float(found["seconds"])


def recorded(path: Path | None, commits: list[str]) -> dict[tuple[int, str], tuple[float, float]]:
    """Return the measurements of two commits that a file keeps, by round and name."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path is not None and path.exists() else []
    return {(turn, name): (early, late) for of, turn, name, early, late in lines if of == commits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--before-python", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--record", type=Path, help="file that keeps each measurement, from which a stopped one goes on"
    )
    given = parser.parse_args()
    # Not resolved: the Python of an environment is a link, and is known by the link's place.
    before = Checkout(given.before.resolve(), given.before_python.absolute())
    after = Checkout(Path(__file__).resolve().parents[1], Path(sys.executable))
    commits = [one.process(["git", "rev-parse", "--short", "HEAD"], one.folder).strip() for one in (before, after)]
    with tempfile.TemporaryDirectory() as folder:
        measures = prepared(after, Path(folder), given.data_dir.resolve())
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
        kept = recorded(given.record, commits)
        for turn in range(given.rounds + 1):
            for name, measure in measures.items():
                if (turn, name) not in kept:
                    sides = (before, after) if turn % 2 else (after, before)
                    taken = {one: measure(one) for one in sides}
                    kept[turn, name] = taken[before], taken[after]
                    if given.record is not None:
                        with given.record.open("a") as file:
                            file.write(json.dumps([commits, turn, name, *kept[turn, name]]) + "\n")
                if turn:  # the first round compiles bytecode and fills the cache of files
                    found[name].append(kept[turn, name])
    head(
        "Before and after",
        f"commits {commits[0]} and {commits[1]} in turns, {given.rounds} rounds after one to warm up",
    )
    print("\n| what | before | after | after by before | least | most |\n|---|---:|---:|---:|---:|---:|")
    for name, pairs in found.items():
        ratios = [late / early for early, late in pairs]
        early, late = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        unit = "{:.1f} µs a token" if name.startswith("training") else "{:.2f} s"
        scale = 1e6 if name.startswith("training") else 1
        shown = [unit.format(value * scale) for value in (early, late)]
        middle = statistics.median(ratios)
        print(f"| {name} | {shown[0]} | {shown[1]} | {middle:.3f} | {min(ratios):.3f} | {max(ratios):.3f} |")


if __name__ == "__main__":
    main()
