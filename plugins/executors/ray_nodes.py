"""The nodes of a Ray cluster, and what steps need of them. Imports ray only where it is used."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from rtbench.api import shortened_error

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class RayNode:
    """Resources of a node."""

    id: str
    name: str
    cpus: float
    gpus: float
    memory: float
    """In bytes."""


@dataclass(frozen=True)
class Needs:
    """What a step asks Ray for."""

    cpus: int
    gpus: float
    memory: int

    def fit(self, node: RayNode) -> bool:
        """Return whether a node has as much."""
        return self.cpus <= node.cpus and self.gpus <= node.gpus and self.memory <= node.memory


def nodes_of_cluster() -> list[RayNode]:
    """Return the living nodes that have cores for steps."""
    import ray

    nodes = [
        RayNode(
            id=one["NodeID"],
            name=one["NodeManagerHostname"],
            cpus=one["Resources"].get("CPU", 0.0),
            gpus=one["Resources"].get("GPU", 0.0),
            memory=one["Resources"].get("memory", 0.0),
        )
        for one in ray.nodes()  # type: ignore[no-untyped-call]
        if one["Alive"]
    ]
    return [node for node in nodes if node.cpus]


def refuse_silent(address: str) -> None:
    """Connect to a cluster's port for a moment, because Ray itself tries for minutes.

    Raises:
        OSError: nothing answers.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def last_line(error: Exception) -> str:
    """Return the last line of an error of another process, which ends with the line that says why."""
    lines = str(error).strip().splitlines()
    return shortened_error(RuntimeError(lines[-1])).partition(": ")[2] if lines else type(error).__name__
