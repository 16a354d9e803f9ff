"""``rtbench doctor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.printing import console, print_json
from rtbench.machine import cpu_count, gpu_count, memory_gb

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command()
@format_option("text", "json")
@with_session
def doctor(session: Session, format_: str) -> None:
    """Check the installation. Shows what is installed, what is missing, and the packages of each extra."""
    sections = examine(session)
    if format_ == "json":
        print_json(sections)
        return
    out = console()
    for section, lines in sections.items():
        out.print(section, style="bold")
        for name, value in lines.items():
            out.print(f"  {name}: {value}")


def examine(session: Session) -> dict[str, dict[str, Any]]:
    """Return facts about the installation, by section and name. They contain no secrets."""
    import platform

    required, extras = requirements()
    packages = {name: _version(name) for name in ("rtbench", *required)}
    states = {name: _states(session, name) for name in session.registry("tasks").names()}
    return {
        "ready": _ready(packages, states),
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cpu cores": cpu_count(),
            "memory": f"{memory_gb():.0f} GiB",
            "gpu": f"{gpu_count()} NVIDIA" if gpu_count() else "none",
            **session.machine_facts(),
        },
        "packages": packages,
        "extras": {name: _extra(name, needs) for name, needs in extras.items()},
        "folders": {
            "workspace": f"{session.workspace} ({'exists' if session.workspace.exists() else 'not created yet'})",
            "data": session.environment.data_dir or "not set (--data-dir, RTBENCH_DATA_DIR)",
            "recordings": str(session.recordings or "not set (--recordings, RTBENCH_RECORDINGS)"),
        },
        "data": {
            name: ", ".join(f"{file}: {state}" for file, state in by_file.items()) or "no pinned files"
            for name, by_file in states.items()
        },
    }


def _ready(packages: Mapping[str, str], states: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return what can be run in this installation."""
    missing = [name for name, version in packages.items() if version == "missing"]
    files = {file: state for by_file in states.values() for file, state in by_file.items()}
    local = sum(state in {"data-dir", "cache"} for state in files.values())
    more = "" if local == len(files) else "; the others are downloaded when needed, or read from --data-dir"
    return {
        "rtbench run": f"no, missing: {', '.join(missing)}" if missing else "yes (needs no data, key, GPU or network)",
        "runs on published data": f"{local} of {len(files)} data files found locally{more}",
    }


def requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Return the packages that rtbench requires, and those of each extra, from the distribution's metadata."""
    import importlib.metadata

    from packaging.requirements import Requirement

    required: list[str] = []
    extras: dict[str, list[str]] = {
        name: [] for name in importlib.metadata.metadata("rtbench").get_all("Provides-Extra") or []
    }
    for text in importlib.metadata.requires("rtbench") or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            required.append(requirement.name)
            continue
        for name, packages in extras.items():
            if requirement.marker.evaluate({"extra": name}):
                packages.append(requirement.name)
    return required, extras


def _extra(name: str, packages: Sequence[str]) -> str:
    """Return whether an extra is installed, with the packages that it adds."""
    missing = [package for package in packages if _version(package) == "missing"]
    if missing:
        return f"pip install 'rtbench[{name}]' (missing: {', '.join(missing)})"
    return f"installed ({', '.join(packages)})"


def _version(name: str) -> str:
    """Return the version of a package, or ``missing``."""
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _states(session: Session, name: str) -> dict[str, str]:
    """Return the states of a task's pinned files, by name."""
    return {pin.name: session.files.status(pin) for pin in session.task(name).pins}
