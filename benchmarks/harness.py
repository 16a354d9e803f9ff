"""What the benchmarks share: the head of a page, and processes that are measured one at a time."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def head(title: str, what: str) -> None:
    """Prints what was run, where and when."""
    print(f"# {title}\n")
    stated = ["DIR" if one.startswith("/") else one for one in sys.argv[1:]]
    print(f"```sh\npython {' '.join([f'benchmarks/{Path(sys.argv[0]).name}', *stated])}\n```\n")
    machine = f"{os.cpu_count()} shared cores ({platform.machine()}), Python {platform.python_version()}"
    print(f"{datetime.now(UTC).date()}, {machine}; {what}.")
    print(f"Bare Python started in {started():.3f} s just then; with quiet neighbours such a machine needs 0.013 s.")


def started() -> float:
    """Wall seconds in which bare Python starts and ends, the median of eleven: how fast the machine is just now."""
    taken = []
    for _ in range(11):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        taken.append(time.perf_counter() - before)
    return statistics.median(taken)


def parser_of(described: str | None, children: int, rounds: int | None = 3) -> argparse.ArgumentParser:
    """``--child`` with so many arguments, ``--data-dir``, and ``--rounds`` where there are several."""
    parser = argparse.ArgumentParser(description=described)
    parser.add_argument("--child", nargs=children)
    parser.add_argument("--data-dir", type=Path)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def measured(script: str, *arguments: object) -> dict[str, Any]:
    """What ``script --child ARGUMENTS`` says of itself (:func:`tell`), in a process of its own."""
    command = [sys.executable, script, "--child", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def tell(result: dict[str, Any]) -> None:
    """A child's answer. Libraries may have taken ``sys.stdout``."""
    assert sys.__stdout__ is not None
    sys.__stdout__.write(json.dumps(result) + "\n")


def peak_mb() -> float:
    """Most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
