"""The ``slurm`` executor: trainings, what students write, and all that wants a GPU are jobs of a Slurm cluster, through
submitit; everything else is done in worker processes of the machine that submits.

A job's processes are its tasks: Slurm starts them, on one node or on several. What they do is in :mod:`.slurm_task`, what the
submitting process makes of it in :mod:`.slurm_jobs`.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from rtbench_plugins.executors.local import Workers
from rtbench_plugins.executors.schedule import Schedule
from rtbench_plugins.executors.slurm_jobs import Jobs, SlurmOptions

from rtbench.api import (
    BadInputError,
    CompleteSpec,
    Executor,
    Listener,
    Machine,
    MissingExtraError,
    Outcome,
    Plan,
    Services,
    Step,
    TrainSpec,
    convert,
    cpu_count,
    here,
    hookimpl,
)

if TYPE_CHECKING:
    from rtbench.api import Register

POLL_SECONDS = 0.5


class SlurmExecutor(Executor):
    """Runs steps as Slurm jobs."""

    name = "slurm"

    def __init__(self, options: SlurmOptions) -> None:
        for name in ("workers", "local_workers", "gpus_per_node", "processes_per_node", "time_minutes"):
            value = getattr(options, name)
            if value is not None and value < 1:
                raise BadInputError(f"must be at least 1, not {value}", where=f"executor slurm, {name}")
        if options.gpus_per_process < 0:
            raise BadInputError("must be at least 0", where="executor slurm, gpus_per_process")
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise MissingExtraError.of("submitit", "slurm") from None
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it speaks on standard output, where results go
        lacking = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
        if options.cluster == "slurm" and lacking:
            raise BadInputError(
                f"{', '.join(lacking)} cannot be found on this machine",
                where="executor slurm",
                next_step="Run where jobs are submitted; `--executor-option cluster=local` tries it without Slurm.",
            )
        self.options = options

    def machine(self) -> Machine:
        """Of the nodes it is known what the options say."""
        if self.options.cluster == "local":
            return here()
        return Machine(gpus=self.options.gpus_per_process, most_gpus=None, gpu_memory_gb=lambda: None, memory_gb=None)

    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        schedule = Schedule(plan, listener)
        if not schedule.steps:
            return schedule.outcome
        workers = Workers(services.environment, listener, min(self.options.local_workers, cpu_count()))
        jobs = Jobs(self.options, services, listener)
        kinds: dict[str, bool] = {}

        def take(step: Step) -> bool:
            if step.key not in kinds:
                kinds[step.key] = is_job(step, services)
            return jobs.take(step) if kinds[step.key] else workers.take(step)

        try:
            while schedule.open or workers.busy or jobs.busy:
                schedule.begin(take, lambda: jobs.free or workers.free())
                pause = schedule.pause()
                if jobs.busy:
                    pause = min(POLL_SECONDS, POLL_SECONDS if pause is None else pause)
                for step, state in [*workers.listen(pause), *jobs.ended()]:
                    schedule.ended(step, state)
        except KeyboardInterrupt:
            schedule.outcome.interrupted = True
        finally:
            jobs.stop()
            workers.stop()
            schedule.close()
        return schedule.outcome


def is_job(step: Step, services: Services) -> bool:
    """A training, a student's own answering, and what wants a GPU or several processes; not what an endpoint does."""
    spec, needs = step.spec, step.resources
    if needs.gpus or needs.processes > 1:
        return True
    if not isinstance(spec, TrainSpec | CompleteSpec) or spec.model.role != "student":
        return False
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    if isinstance(spec, TrainSpec):
        return not student.elsewhere
    return student.engine(trained=spec.trained) is not None


def slurm(options: dict[str, Any]) -> Executor:
    return SlurmExecutor(convert(options, SlurmOptions, where="executor slurm"))


@hookimpl
def rtbench_register_executors(register: Register) -> None:
    register("slurm", "rtbench_plugins.executors.slurm:slurm", summary="jobs of a Slurm cluster (extra `slurm`)")
