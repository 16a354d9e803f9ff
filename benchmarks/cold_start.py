"""How long ``rtbench --help`` and ``rtbench tasks`` take, beside lm-eval's, bare Python and two imports.

Whole processes, bytecode compiled, runs interleaved, medians. Run on an idle machine:

    python benchmarks/cold_start.py --runs 15
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "rtbench --help": [str(BIN / "rtbench"), "--help"],
    "lm_eval --help": [str(BIN / "lm_eval"), "--help"],
    "rtbench tasks": [str(BIN / "rtbench"), "tasks"],
    "rtbench plugins": [str(BIN / "rtbench"), "plugins"],
    "import transformers": [sys.executable, "-c", "import transformers"],
    "import torch": [sys.executable, "-c", "import torch"],
}
SLOW = {"lm_eval ls tasks": [str(BIN / "lm_eval"), "ls", "tasks"]}


def once(command: list[str], environment: dict[str, str]) -> float:
    """Wall seconds of one process."""
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode()}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--slow-runs", type=int, default=2, help="of `lm_eval ls tasks`, which takes 20 s")
    runs = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in [*COMMANDS, *SLOW]}
    for command in [*COMMANDS.values(), *SLOW.values()]:
        once(command, environment)  # compiles bytecode, fills the file cache
    for _ in range(runs.runs):
        for name, command in COMMANDS.items():
            times[name].append(once(command, environment))
    for _ in range(runs.slow_runs):
        for name, command in SLOW.items():
            times[name].append(once(command, environment))
    print("| command | median s | min | max | n |\n|---|---:|---:|---:|---:|")
    for name, found in times.items():
        if found:
            print(f"| `{name}` | {statistics.median(found):.3f} | {min(found):.3f} | {max(found):.3f} | {len(found)} |")


if __name__ == "__main__":
    main()
