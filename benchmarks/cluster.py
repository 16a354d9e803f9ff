"""One node of a Ray cluster against two: wall seconds of a run that waits for teachers.

    python benchmarks/cluster.py > docs/benchmarks/cluster.md

Eight teachers wait for a while before each answer, as ones behind a slow endpoint do, and each takes a core of its node. The nodes
are on this machine and have one core each, so the second one helps only because waiting takes no time of a processor.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import head

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.helpers.ray_cluster import ray_cluster

PLUGIN = """
import time
from rtbench.api import hookimpl
from rtbench_plugins.teachers.scripted import ScriptedModel, ScriptedTeacher

class Slow(ScriptedModel):
    def generate(self, requests):
        for completion in super().generate(requests):
            time.sleep(0.25)
            yield completion

class SlowTeacher(ScriptedTeacher):
    def open(self, member):
        model = super().open(member)
        model.__class__ = Slow
        return model

@hookimpl
def rtbench_register_teachers(register):
    register("slow", SlowTeacher, summary="waits before each answer")
"""
MATRIX = """
name: slow
source: twin
tasks: [multiarith]
methods: [teacher]
teachers: [{teachers}]
students: []
limit: 60
"""
TEACHERS = 8


def seconds(nodes: int, folder: Path) -> tuple[float, str]:
    """Return the wall seconds of a run on a cluster, and its board."""
    names = ", ".join(f"{{name: t{number}, use: slow, verbosity: {number % 3}}}" for number in range(TEACHERS))
    (folder / "slow.py").write_text(PLUGIN)
    (folder / "m.yaml").write_text(MATRIX.format(teachers=names))
    with ray_cluster([{"num_cpus": 1} for _ in range(nodes)], dict(os.environ)) as cluster:
        command = [
            sys.executable, "-m", "rtbench", "run", "--matrix", "m.yaml", "--plugin", "slow.py", "--workspace", f"ws-{nodes}",
            "--format", "json", "--executor", "ray", "--address", cluster.address,
        ]  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return time.perf_counter() - began, re.sub(r'"made": "[^"]*"', "", done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        (one, board), (two, other) = (seconds(nodes, Path(name)) for nodes in (1, 2))
    head("One node of a Ray cluster against two", "nodes are groups of processes of one machine")
    print("| nodes | wall s |\n|---|---|")
    print(f"| 1 | {one:.1f} |\n| 2 | {two:.1f} |\n")
    print(f"{one / two:.2f} times faster; the boards are {'equal' if board == other else 'different'}.")


if __name__ == "__main__":
    main()
