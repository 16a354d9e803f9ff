"""Registration of the pocket students (causal students with the shipped base models) and of their command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register

MODELS = Path(__file__).parent / "models"
_TARGET = "rtbench_plugins.hf.students:causal_student"
_SUMMARIES = {
    "pocket-0.5m": "shipped base model of half a million parameters",
    "pocket-2m": "shipped base model of two million parameters",
    "pocket-6m": "shipped base model of six million parameters",
}


def shipped() -> list[str]:
    """Return the names of the base models in the package, smallest first."""
    return [name for name in _SUMMARIES if (MODELS / name).is_dir()]


@hookimpl
def rtbench_register_students(register: Register) -> None:
    for name in shipped():
        options = {"model": str(MODELS / name), "series": "pocket", "generation_batch": 128}
        register(name, _TARGET, summary=_SUMMARIES[name], options=options)


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("pocket", "rtbench_plugins.pocket.commands:pocket", summary="pre-train or probe the pocket base models")
