"""A Ray cluster of several nodes on this machine, in a process of its own.

``python -m tests.helpers.ray_cluster '[{"num_cpus": 1, "env_vars": {}}, …]'`` starts a node for each entry, the first one as the
head. It prints the address, and then a line for each command that it has read from standard input: ``kill N``, or ``add`` with
the options of a node. It ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.helpers.cli import ROOT
from tests.helpers.runs import LONG, await_end


@dataclass
class RayCluster:
    """A running cluster."""

    process: subprocess.Popen[str]
    address: str

    def kill(self, node: int) -> None:
        """Kill a node and all of its processes at once."""
        self._do(f"kill {node}")

    def add(self, **node: Any) -> None:
        self._do(f"add {json.dumps(node)}")

    def _do(self, command: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def ray_cluster(nodes: Sequence[dict[str, Any]], environment: dict[str, str]) -> Iterator[RayCluster]:
    """Run a cluster.

    Args:
        nodes: options of each node, the first one being the head.
        environment: of its processes; a node's ``env_vars`` come on top.
    """
    command = [sys.executable, "-m", "tests.helpers.ray_cluster", json.dumps(nodes)]
    with tempfile.TemporaryFile("w+") as log:
        for _ in range(2):  # Ray gives its own processes 30 s to start, which a busy machine may not keep to
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            process: subprocess.Popen[str] = subprocess.Popen(
                command, cwd=ROOT, text=True, env={**environment, "RAY_USAGE_STATS_ENABLED": "0"}, **pipes
            )
            assert process.stdin is not None
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if address:
                break
            process.communicate()
        log.seek(0)
        assert address, log.read()
        try:
            yield RayCluster(process, address)
        finally:
            process.stdin.close()
            await_end(process)
            process.stdout.close()


def main() -> None:
    """Run a cluster until standard input ends."""
    from ray.cluster_utils import Cluster

    Cluster._wait_for_node.__defaults__ = (LONG,)  # noqa: SLF001 - no option of it
    options = json.loads(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **options[0]})
    nodes = [cluster.head_node, *(cluster.add_node(**one) for one in options[1:])]
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        command, _, rest = line.partition(" ")
        if command == "kill":
            cluster.remove_node(nodes[int(rest)], allow_graceful=False)
        else:
            nodes.append(cluster.add_node(**json.loads(rest)))
        sys.stdout.write("done\n")
        sys.stdout.flush()
    cluster.shutdown()


if __name__ == "__main__":
    main()
