"""The hooks that a plugin may implement.

``register(name, target, summary=..., options=...)`` takes a lazy ``"module:attr"`` target, so that listing plugins
imports none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from rtbench.schema.leaderboard import LeaderboardRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rtbench.data.pins import PinnedFile
    from rtbench.plugin.plans import Plan
    from rtbench.plugin.registry import Register
    from rtbench.plugin.services import Services
    from rtbench.plugin.tasks import Task
    from rtbench.schema.runs import RunRecord
    from rtbench.schema.steps import Step, StepState

PROJECT = "rtbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rtbench_register_tasks(register: Register) -> None:
    """Register tasks: the target is called without arguments and returns a Task, or is the path of a task's YAML file."""


@hookspec
def rtbench_register_teachers(register: Register) -> None:
    """Register teachers: the target is called as factory(name, options, services) and returns a Teacher."""


@hookspec
def rtbench_register_students(register: Register) -> None:
    """Register students: the target is called as factory(name, options, services) and returns a Student."""


@hookspec
def rtbench_register_methods(register: Register) -> None:
    """Register methods: the target is called without arguments and returns a Method."""


@hookspec
def rtbench_register_curators(register: Register) -> None:
    """Register curators: the target is called as factory(options) and returns a Curator."""


@hookspec
def rtbench_register_executors(register: Register) -> None:
    """Register executors: the target is called as factory(options) and returns an Executor."""


@hookspec
def rtbench_register_reporters(register: Register) -> None:
    """Register reporters: the target is called without arguments and returns a Reporter."""


@hookspec
def rtbench_register_recordings(register: Register) -> None:
    """Register formats of recordings: the target is called without arguments and returns a RecordingFormat."""


@hookspec
def rtbench_register_matrices(register: Register) -> None:
    """Register matrices: the target is called without arguments and returns the path of a YAML file."""


@hookspec
def rtbench_register_claims(register: Register) -> None:
    """Register sets of claims: the target is called without arguments and returns a ClaimSet."""


@hookspec
def rtbench_register_commands(register: Register) -> None:
    """Register subcommands of ``rtbench``: the target is a click command."""


@hookspec(firstresult=True)
def rtbench_load_task(path: Path, offline: bool) -> Task | None:
    """Load a task from a file given with --task, without downloads if ``offline``; return None for other files."""


@hookspec
def rtbench_pinned_files(tasks: Sequence[str]) -> Iterable[PinnedFile] | None:
    """Return the pinned files, such as recordings, that may be downloaded for these tasks besides the tasks' own."""


@hookspec
def rtbench_modify_plan(plan: Plan) -> None:
    """Inspect or change a plan before it is shown or run."""


@hookspec
def rtbench_step_started(step: Step) -> None:
    """Note that a step begins (called in the main process)."""


@hookspec
def rtbench_step_finished(step: Step, state: StepState) -> None:
    """Note that a step ended: done, failed or skipped (called in the main process)."""


@hookspec
def rtbench_run_summary(run: RunRecord, services: Services, brief: bool) -> str | None:
    """Return text to show with a run's leaderboard in human-readable formats, or None.

    Args:
        run: the run.
        services: for its results.
        brief: the text is shown above a short leaderboard and should be a few sentences. Otherwise (table, md, the site) it is
            shown below a whole one. An implementation may leave this argument out.
    """


@hookspec
def rtbench_reference_rows(tasks: Sequence[str]) -> Iterable[LeaderboardRow] | None:
    """Return published figures for these tasks as leaderboard rows, or None."""


@hookspec
def rtbench_machine_facts(services: Services) -> dict[str, str] | None:
    """Return facts about this machine for ``rtbench doctor`` to show, by name, or None."""
