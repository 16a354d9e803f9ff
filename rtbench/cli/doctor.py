"""``rtbench doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, print_json, with_session
from rtbench.machine import cpu_count, gpu_count, memory_gb

if TYPE_CHECKING:
    from rtbench.session import Session

REQUIRED = ("torch", "transformers", "lm-eval", "datasets", "safetensors", "tokenizers", "msgspec", "pluggy", "scipy")
EXTRAS = {
    "lm-eval": (("accelerate",), "runs the exported tasks with `lm_eval --model hf`"),
    "lora": (("peft",), "trains adapters instead of all weights (students' option `lora`)"),
    "qlora": (("accelerate", "bitsandbytes", "peft"), "holds the base in 4 bits meanwhile (`lora: {quantize: nf4}`)"),
    "distributed": (("accelerate",), "trains a student in several processes (students' option `processes`)"),
    "vllm": (("vllm",), "teachers, and causal students' texts, in vLLM's engine on this machine's GPUs"),
    "slurm": (("submitit",), "trainings and other heavy steps as jobs of a Slurm cluster (`--executor slurm`)"),
    "inspect": (("inspect_ai",), "a run as inspect_ai's logs (`report --format inspect`)"),
    "test": (("pytest", "hypothesis", "mypy", "ruff"), "runs the project's own tests"),
}
"""Extra: its packages and what it adds."""


@click.command()
@format_option("text", "json")
@with_session
def doctor(session: Session, format_: str) -> None:
    """Say what is installed, what is missing, and what each extra would add."""
    found = examine(session)
    if format_ == "json":
        print_json(found)
        return
    out = console()
    for section, lines in found.items():
        out.print(section, style="bold")
        for name, value in lines.items():
            out.print(f"  {name}: {value}", markup=False)


def examine(session: Session) -> dict[str, dict[str, Any]]:
    """Sections of facts. Holds no secrets: of keys only whether a variable is set."""
    import platform

    packages = {name: _version(name) for name in ("rtbench", *REQUIRED)}
    extras = {
        name: ("installed" if all(_version(p) != "missing" for p in needs) else f"pip install 'rtbench[{name}]'")
        + f" — {adds}"
        for name, (needs, adds) in EXTRAS.items()
    }
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
        "extras": extras,
        "folders": {
            "workspace": f"{session.workspace} ({'there' if session.workspace.exists() else 'not made yet'})",
            "data": session.environment.data_dir or "not given (--data-dir, RTBENCH_DATA_DIR)",
            "recordings": str(session.recordings or "not given (--recordings, RTBENCH_RECORDINGS)"),
        },
        "data": {
            name: ", ".join(f"{file}: {state}" for file, state in found.items()) or "own files"
            for name, found in states.items()
        },
    }


def _ready(packages: Mapping[str, str], states: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What can be run as things stand."""
    missing = [name for name, version in packages.items() if version == "missing"]
    files = {file: state for found in states.values() for file, state in found.items()}
    there = sum(state in {"data-dir", "cache"} for state in files.values())
    more = "" if there == len(files) else "; the rest is downloaded when needed, or named with --data-dir"
    return {
        "rtbench run": f"no, missing: {', '.join(missing)}" if missing else "yes (needs no data, key, GPU or network)",
        "runs on published data": f"{there} of {len(files)} data files at hand{more}",
    }


def _version(name: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _states(session: Session, name: str) -> dict[str, str]:
    """A task's pinned files, and whether they are at hand."""
    return {pin.name: session.files.status(pin) for pin in getattr(session.task(name), "pins", ())}
