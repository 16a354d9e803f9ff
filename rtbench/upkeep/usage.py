"""Space that a workspace takes, by run, kind and model."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rtbench.errors import BadInputError
from rtbench.schema.results import CompleteResult
from rtbench.steps.complete import partition_at
from rtbench.storage.runs import Runs
from rtbench.upkeep.collect import size_of
from rtbench.upkeep.references import steps_of

if TYPE_CHECKING:
    from pathlib import Path

    from rtbench.plugin.services import Services

By = Literal["run", "kind", "model"]


@dataclass
class DiskUsage:
    """Space that a run, kind or model takes."""

    bytes_: int = 0
    alone: int = 0
    """Bytes that no other run uses."""
    steps: int = 0


@dataclass
class _Sizes:
    """Sizes of the steps in a workspace, and of the parts of the ledger."""

    steps: dict[tuple[str, str], int] = field(default_factory=dict)
    partitions: dict[Path, int] = field(default_factory=dict)


def usage(services: Services, by: By) -> dict[str, DiskUsage]:
    """Return the space that is taken, by run, kind or model, largest first.

    A step that several runs use counts for each of them. The ledger counts for the runs whose steps refer to it. What no run
    uses is in the row ``(no run)``.
    """
    sizes = _Sizes(
        {(kind, key): size_of(services.store.path(kind, key)) for kind, key in services.store.all()},
        {partition.path: size_of(partition.path) for partition in services.ledger.partitions()},
    )
    found = {"run": _by_run, "kind": _by_kind, "model": _by_model}[by](services, sizes)
    return dict(sorted(found.items(), key=lambda item: -item[1].bytes_))


def _by_kind(services: Services, sizes: _Sizes) -> dict[str, DiskUsage]:
    del services
    found: dict[str, DiskUsage] = {}
    for (kind, _), bytes_ in sizes.steps.items():
        _add(found, kind, bytes_)
    for bytes_ in sizes.partitions.values():
        _add(found, "ledger", bytes_)
    return found


def _by_model(services: Services, sizes: _Sizes) -> dict[str, DiskUsage]:
    found: dict[str, DiskUsage] = {}
    for (kind, key), bytes_ in sizes.steps.items():
        try:
            spec = services.store.meta(kind, key).spec
        except BadInputError:
            spec = {}
        _add(found, str(spec.get("model", {}).get("name", "(no model)")), bytes_)
    for path, bytes_ in sizes.partitions.items():
        _add(found, f"ledger of {path.parts[-3]}", bytes_)
    return found


def _by_run(services: Services, sizes: _Sizes) -> dict[str, DiskUsage]:
    runs = Runs(services.place)
    users: Counter[object] = Counter()
    parts: dict[str, set[object]] = {}
    for name in runs.names():
        try:
            steps, _ = steps_of(runs.load(name), services.store)
        except BadInputError:
            continue
        mine: set[object] = set(steps)
        for kind, key in steps:
            with contextlib.suppress(BadInputError):  # a damaged step does not say where its completions are
                if kind == "complete":
                    mine.add(partition_at(services.ledger, services.store.result(CompleteResult, key).address).path)
        parts[name] = mine
        users.update(mine)
    all_sizes: dict[object, int] = dict([*sizes.steps.items(), *sizes.partitions.items()])
    parts["(no run)"] = {part for part in all_sizes if part not in users}
    found: dict[str, DiskUsage] = {}
    for name, mine in parts.items():
        used = found.setdefault(name, DiskUsage())
        for part in mine:
            bytes_ = all_sizes.get(part, 0)
            used.bytes_ += bytes_
            used.alone += bytes_ if users[part] <= 1 else 0
            used.steps += isinstance(part, tuple)
    return found


def _add(found: dict[str, DiskUsage], name: str, bytes_: int) -> None:
    one = found.setdefault(name, DiskUsage())
    one.bytes_ += bytes_
    one.alone += bytes_
    one.steps += 1
