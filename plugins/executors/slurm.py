"""Executor ``slurm``: runs trainings, students' completions and all steps with GPUs as jobs of a Slurm cluster.

Jobs are submitted through submitit. All other steps run in worker processes on the submitting machine. A job's processes
are its Slurm tasks, on one or several nodes. Their work is in :mod:`.slurm_task`, the submitting process's part in
:mod:`.slurm_jobs`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rtbench_plugins.executors.local import Workers
from rtbench_plugins.executors.schedule import Schedule
from rtbench_plugins.executors.slurm_jobs import Jobs, SlurmOptions

from rtbench.api import (
    BadInputError,
    CompleteSpec,
    Executor,
    LikelihoodSpec,
    Listener,
    Machine,
    MissingExtraError,
    Outcome,
    Plan,
    Services,
    Step,
    StepState,
    TrainSpec,
    convert,
    cpu_count,
    here,
    hookimpl,
)

if TYPE_CHECKING:
    from rtbench.api import Register

POLL_SECONDS = 0.5
"""Time between two checks of the jobs' files, in seconds."""


class SlurmExecutor(Executor):
    """Executor that runs steps as Slurm jobs."""

    name = "slurm"

    def __init__(self, options: SlurmOptions) -> None:
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise MissingExtraError.of("submitit", "slurm") from None
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it logs to standard output, where results are printed
        missing = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
        if options.cluster == "slurm" and missing:
            raise BadInputError(
                f"{', '.join(missing)} not found on this machine",
                where="executor slurm",
                next_step="Run on a machine that can submit jobs, or use `--executor-option cluster=local` to test without Slurm.",
            )
        self.options = options

    def machine(self) -> Machine:
        """Return what the options state about the nodes; nothing else is known about them."""
        if self.options.cluster == "local":
            return here()
        return Machine(gpus=self.options.gpus_per_process, most_gpus=None, gpu_memory_gb=lambda: None, memory_gb=None)

    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        if services.place.url is not None:
            raise BadInputError(
                "jobs find their work in the workspace's folder, and this workspace is below a URL",
                where="executor slurm",
                next_step="Use a folder that all nodes see, or the executor `ray`.",
            )
        schedule = Schedule(plan, listener)
        if schedule.steps:
            workers = Workers(services.environment, listener, min(self.options.local_workers, cpu_count()))
            schedule.drive(_JobsAndWorkers(Jobs(self.options, services, listener), workers, services))
        return schedule.outcome


class _JobsAndWorkers:
    """Slurm's jobs, and the worker processes on this machine."""

    def __init__(self, jobs: Jobs, workers: Workers, services: Services) -> None:
        self._jobs = jobs
        self._workers = workers
        self._services = services
        self._kinds: dict[str, bool] = {}
        """Whether a step is a job, by key."""

    @property
    def busy(self) -> bool:
        """Return whether there is a job or a worker with a step."""
        return self._workers.busy or self._jobs.busy

    def free(self) -> bool:
        """Return whether any step could be taken."""
        return self._jobs.free or self._workers.free()

    def take(self, step: Step, last: bool) -> bool:
        """Submit a step, or send it to a worker; return False if it does not fit yet."""
        if step.key not in self._kinds:
            self._kinds[step.key] = is_job(step, self._services)
        return self._jobs.take(step) if self._kinds[step.key] else self._workers.take(step, last)

    def listen(self, pause: float | None) -> Iterable[tuple[Step, StepState]]:
        """Return the steps that have ended, after that many seconds at most."""
        if self._jobs.busy:
            pause = min(POLL_SECONDS, POLL_SECONDS if pause is None else pause)
        return [*self._workers.listen(pause), *self._jobs.ended()]

    def stop(self) -> None:
        """Cancel all jobs, and interrupt the workers."""
        self._jobs.stop()
        self._workers.stop()


def is_job(step: Step, services: Services) -> bool:
    """Return whether a step is a job: it uses a GPU or several processes, or a local student is trained or generates.

    Steps of models behind an endpoint are not jobs.
    """
    spec, needs = step.spec, step.resources
    if needs.gpus or needs.processes > 1:
        return True
    if not isinstance(spec, TrainSpec | CompleteSpec | LikelihoodSpec) or spec.model.role != "student":
        return False
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    if isinstance(spec, TrainSpec | LikelihoodSpec):
        return not student.elsewhere
    return student.engine(trained=spec.trained) is not None


def slurm(options: dict[str, Any]) -> Executor:
    """Return the ``slurm`` executor."""
    return SlurmExecutor(convert(options, SlurmOptions, where="executor slurm"))


@hookimpl
def rtbench_register_executors(register: Register) -> None:
    register("slurm", "rtbench_plugins.executors.slurm:slurm", summary="jobs of a Slurm cluster (extra `slurm`)")
