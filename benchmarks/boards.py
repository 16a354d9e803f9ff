"""Leaderboards and sites: wall seconds and peak memory of ``rtbench report``.

    python benchmarks/boards.py [--rounds 3] > docs/benchmarks/boards.md

The matrix is pocket-full (12 twins, three seeds, two folds), answered by students that train and write at once
(``benchmarks/instant.py``) and are right with a chance of .4, .5 and .6, so that intervals and comparisons have work to do. The run
itself, claims and leaderboard and all, is measured once; each report is a command of its own.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from harness import head, measured, parser_of, tell

STUDENTS = {"pocket-0.5m": (0.4, 500_000), "pocket-2m": (0.5, 2_000_000), "pocket-6m": (0.6, 6_000_000)}
REPORTS = {"leaderboard (csv)": ["--format", "csv"], "site (html)": ["--html", "site"], "LaTeX": ["--format", "tex"]}


def matrix() -> dict[str, Any]:
    """pocket-full with other students."""
    found: dict[str, Any] = yaml.safe_load((files("rtbench_plugins.matrices") / "pocket-full.yaml").read_text())
    for block in (found, *found["blocks"]):
        if "students" in block:
            block["students"] = [
                {"name": name, "use": "instant", "right": STUDENTS[name][0], "parameters": STUDENTS[name][1]}
                for name in block["students"]
            ]
    return found | {"name": "boards"}


def command(folder: Path, *arguments: str) -> dict[str, Any]:
    """Runs rtbench; wall seconds, and the peak memory of its largest process."""
    plugin = str(Path(__file__).with_name("instant.py"))
    before = time.perf_counter()
    done = subprocess.run(
        [Path(sys.executable).with_name("rtbench"), *arguments, "--plugin", plugin, "--workspace", str(folder)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - before
    if done.returncode:
        sys.exit(done.stderr)
    return {"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def main() -> None:
    given = parser_of(__doc__, 2).parse_args()
    if given.child:
        folder, name = given.child
        asked = ["run", "--matrix", "matrix.yaml", "--workers", "2"] if name == "run" else ["report", *REPORTS[name]]
        tell(command(Path(folder), *asked))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "matrix.yaml").write_text(json.dumps(matrix()))
        run = measured(__file__, folder, "run")
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(given.rounds):
            for name in REPORTS:
                found.setdefault(name, []).append(measured(__file__, folder, name))
        cells = len(json.loads((folder / "runs" / "boards.json").read_text())["cells"])
        written = [path for path in (folder / "site").rglob("*") if path.is_file()]
        megabytes = sum(path.stat().st_size for path in written) / 1e6
        samples = sum(path.read_bytes().count(b'"ok":') for path in (folder / "site" / "data").glob("*.js"))
    head("Leaderboards and sites", f"wall seconds, medians of {given.rounds} interleaved rounds; {cells} cells")
    print("\n| | seconds | peak memory of one process, MB |\n|---|---:|---:|")
    print(f"| the run, with two workers, once | {run['seconds']:.1f} | {run['mb']:.0f} |")
    for name, rounds in found.items():
        seconds = statistics.median(one["seconds"] for one in rounds)
        print(f"| {name} | {seconds:.1f} | {max(one['mb'] for one in rounds):.0f} |")
    print(f"\nThe site has {samples:,} samples in {len(written):,} files of {megabytes:.0f} MB together.")


if __name__ == "__main__":
    main()
