"""lm-evaluation-harness: export of tasks, reading of its samples, writing of its results files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register(
        "lm-eval", "rtbench_plugins.lm_eval.results:LmEvalReporter", summary="results and samples files of lm-eval"
    )


@hookimpl
def rtbench_register_recordings(register: Register) -> None:
    register("lm-eval", "rtbench_plugins.lm_eval.samples:LmEvalSamples", summary="samples logged by lm-eval")


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("tasks.export", "rtbench_plugins.lm_eval.command:export", summary="write tasks for lm-eval")
