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
    "lm-eval": (("accelerate",), "run exported tasks with `lm_eval --model hf`"),
    "lora": (("peft",), "train adapters instead of all weights (student option `lora`)"),
    "qlora": (("accelerate", "bitsandbytes", "peft"), "train adapters on a 4-bit base model (`lora: {quantize: nf4}`)"),
    "distributed": (("accelerate",), "train a student in several processes (student option `processes`)"),
    "vllm": (("vllm",), "generate with vLLM on this machine's GPUs (teachers and causal students)"),
    "slurm": (("submitit",), "run training and other heavy steps as Slurm jobs (`--executor slurm`)"),
    "inspect": (("inspect_ai",), "export a run as inspect_ai logs (`report --format inspect`)"),
    "test": (("pytest", "hypothesis", "mypy", "ruff"), "run the project's own tests"),
}
"""Packages and purpose of each extra."""


@click.command()
@format_option("text", "json")
@with_session
def doctor(session: Session, format_: str) -> None:
    """Check the installation. Shows what is installed, what is missing, and what each extra adds."""
    sections = examine(session)
    if format_ == "json":
        print_json(sections)
        return
    out = console()
    for section, lines in sections.items():
        out.print(section, style="bold")
        for name, value in lines.items():
            out.print(f"  {name}: {value}", markup=False)


def examine(session: Session) -> dict[str, dict[str, Any]]:
    """Return facts about the installation, by section and name. They contain no secrets."""
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
