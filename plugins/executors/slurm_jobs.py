"""The Slurm jobs of a run, in the submitting process: their parameters, their progress and how they ended.

Progress and results are read from files that a job's processes write (:mod:`.slurm_task`). Slurm is only asked about jobs
that have written no result.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace
from rtbench_plugins.executors.launching import ProcessProgress
from rtbench_plugins.executors.processes import variables_set
from rtbench_plugins.executors.slurm_task import FAILURE, PROGRESS, STATE, SlurmTask, work

from rtbench.api import Listener, NotNegative, Positive, Record, Services, Step, StepState

LEAST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""Seconds between two queries of the queue: doubled with each query, and short again after a submission."""
GRACE_SECONDS = 5.0
"""Seconds to wait for files of an ended job: they may appear after Slurm reports its end, and submitit's after ours."""
GPU_HOST_GB = 4
"""Main memory, in GB, that a process needs for CUDA, in addition to what its step states."""

_SILENT = "it wrote no result"
_ENDED = {
    "BOOT_FAIL": "a node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": _SILENT,
    "DEADLINE": "its deadline passed",
    "FAILED": _SILENT,
    "FINISHED": _SILENT,  # submitit's local cluster uses this state
    "GONE": "it wrote no result, and Slurm no longer lists it",
    "INTERRUPTED": "it was killed",  # also a state of submitit's local cluster
    "NODE_FAIL": "a node failed",
    "OUT_OF_MEMORY": "it used more memory than it had requested",
    "PREEMPTED": "it was preempted by another job",
    "REVOKED": "it was revoked",
    "TIMEOUT": "its time limit was reached",
}
"""States of ended jobs, in words."""
_FIXES = {
    "OUT_OF_MEMORY": "Raise the model's `memory_gb`, or `mem` in the option `slurm`.",
    "TIMEOUT": "Increase `time_minutes` and run again to continue.",
}


class SlurmOptions(Record, frozen=True):
    """Options of the Slurm executor."""

    workers: Positive | None = None
    """Highest number of jobs at once, including jobs that wait in the queue. None: 64; on the cluster ``local``, 1."""
    local_workers: Positive = 4
    """Highest number of other steps at once, on the submitting machine; never more than its CPU cores."""
    gpus_per_node: Positive = 8
    gpus_per_process: NotNegative = 0
    """Lowest number of GPUs of each process of a job, whatever its step states. If it is above 0, a student or teacher
    without a stated device uses a GPU."""
    processes_per_node: Positive | None = None
    """None: as many as a node has GPUs for; without GPUs, all processes."""
    time_minutes: Positive = 240
    """Time limit of a job, in minutes."""
    partition: str | int | None = None
    account: str | int | None = None
    slurm: dict[str, Any] = {}
    """Further parameters of sbatch, by their long names; they override all others."""
    cluster: Literal["slurm", "local"] = "slurm"
    """``local``: submitit's own executor on this machine, for tests without Slurm."""


@dataclass(frozen=True)
class JobShape:
    """Distribution of a step's processes over nodes, with the same number on each node."""

    nodes: int
    processes_per_node: int
    gpus_per_process: int

    @classmethod
    def of(cls, step: Step, options: SlurmOptions) -> JobShape:
        needs = step.resources
        gpus = max(needs.gpus // needs.processes, options.gpus_per_process)
        room = options.processes_per_node or (max(1, options.gpus_per_node // gpus) if gpus else needs.processes)
        nodes = math.ceil(needs.processes / room)
        while needs.processes % nodes:
            nodes += 1
        return cls(nodes, needs.processes // nodes, gpus)


def parameters(step: Step, options: SlurmOptions) -> dict[str, Any]:
    """Return the arguments of :meth:`submitit.AutoExecutor.update_parameters` for a step."""
    shape = JobShape.of(step, options)
    cpus = _threads(step)
    for_cuda = GPU_HOST_GB * shape.processes_per_node if shape.gpus_per_process else 0
    return {
        "name": f"rtbench-{step.kind}-{step.key[:8]}",
        "nodes": shape.nodes,
        "tasks_per_node": shape.processes_per_node,
        "cpus_per_task": cpus,
        "gpus_per_node": shape.processes_per_node * shape.gpus_per_process or None,
        "mem_gb": max(1, math.ceil(step.resources.memory_gb / shape.nodes)) + for_cuda,
        "timeout_min": options.time_minutes,
        "slurm_partition": None if options.partition is None else str(options.partition),
        "slurm_account": None if options.account is None else str(options.account),
        # Since Slurm 22.05, srun does not inherit the CPUs per task from sbatch.
        "slurm_srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={cpus}"],
        # A preempted job fails its step, and the next run continues it; Slurm must not requeue it without our knowledge.
        "slurm_additional_parameters": {"no-requeue": True, **options.slurm},
    }


def _threads(step: Step) -> int:
    return max(1, step.resources.cpus // step.resources.processes)


@dataclass
class _SlurmJob:
    step: Step
    folder: Path
    """Folder of its script, logs and files."""
    handle: Any
    """The job object of submitit."""
    begun: float = field(default_factory=time.monotonic)
    told: bytes = b""
    """The last reported progress."""
    over: float | None = None
    """Time since when it is known to have ended."""

    def late(self) -> bool:
        """Return whether it ended so long ago that no more of its files are to be expected."""
        self.over = self.over or time.monotonic()
        return time.monotonic() - self.over >= GRACE_SECONDS

    def written(self) -> bool:
        """Return whether submitit has written all of its files."""
        return all(self.handle.task(task).paths.result_pickle.exists() for task in range(self.handle.num_tasks))


class Jobs:
    """The Slurm jobs of a run."""

    def __init__(self, options: SlurmOptions, services: Services, listener: Listener) -> None:
        self.options = options
        self.environment = services.environment
        self.listener = listener
        self.count = options.workers or (64 if options.cluster == "slurm" else 1)
        self.root = services.workspace.absolute() / "slurm"
        self._jobs: list[_SlurmJob] = []
        self._refused: list[tuple[Step, StepState]] = []
        self._queue: dict[str, str] = {}
        """States of the user's jobs at the last query, by job number."""
        self._asked = float("-inf")
        self._next, self._pause = 0.0, LEAST_SECONDS
        """Time of the next query, and the pause after it."""

    @property
    def busy(self) -> bool:
        """Return whether there are jobs that have not been reported as ended."""
        return bool(self._jobs or self._refused)

    @property
    def free(self) -> bool:
        """Return whether another job may be submitted."""
        return len(self._jobs) < self.count

    def take(self, step: Step) -> bool:
        """Submit a step. If that is impossible, the step has failed.

        Returns:
            False if there are already as many jobs as allowed.
        """
        if not self.free:
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{step.kind}-{step.key[:8]}-", dir=self.root))
        try:
            self._jobs.append(_SlurmJob(step, folder, self._submit(step, folder)))
            self._next, self._pause = time.monotonic() + LEAST_SECONDS, LEAST_SECONDS
        except Exception as error:
            reason = f"its job could not be submitted: {error}"
            self._refused.append((step, StepState(key=step.key, state="failed", error=reason)))
        return True

    def _submit(self, step: Step, folder: Path) -> Any:
        import submitit

        task = SlurmTask(
            self.environment,
            step,
            str(folder),
            threads=_threads(step),
            gpus=JobShape.of(step, self.options).gpus_per_process,
            minutes=self.options.time_minutes,
        )
        executor = submitit.AutoExecutor(folder=folder, cluster=self.options.cluster)
        executor.update_parameters(**parameters(step, self.options))
        with _outside_of_jobs():
            return executor.submit(work, msgspec.msgpack.encode(task))

    def ended(self) -> Iterator[tuple[Step, StepState]]:
        """Yield the steps whose jobs have ended, with their states, and report the progress of the others."""
        while self._refused:
            yield self._refused.pop()
        if self._jobs and self.options.cluster == "slurm" and time.monotonic() >= self._next:
            self._ask()
        for job in list(self._jobs):
            os.scandir(job.folder).close()  # makes a network file system refresh the folder
            self._pass_progress(job)
            state = self._state(job)
            if state is not None:
                self._jobs.remove(job)
                yield job.step, state

    def _ask(self) -> None:
        """Query the states of jobs. squeue lists ended jobs for some minutes; sacct, for longer, is not available everywhere."""
        command = ["squeue", "--me", "--states=all", "--noheader", "--format=%i %T"]
        now = time.monotonic()
        self._next, self._pause = now + self._pause, min(2 * self._pause, MOST_SECONDS)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=MOST_SECONDS)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return  # Slurm is busy; the query is repeated later
        self._queue = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if " " in line)
        self._asked = now

    def _word(self, job: _SlurmJob) -> str:
        """Return Slurm's state of a job."""
        if self.options.cluster == "local":
            return str(job.handle.state)
        known = self._asked > job.begun + GRACE_SECONDS
        return self._queue.get(job.handle.job_id, "GONE" if known else "UNKNOWN")

    def _pass_progress(self, job: _SlurmJob) -> None:
        content = _read(job.folder / PROGRESS)
        if content is not None and content != job.told:
            job.told = content
            progress = msgspec.msgpack.decode(content, type=ProcessProgress)
            self.listener.progressed(job.step, progress.done, progress.total, progress.unit)

    def _state(self, job: _SlurmJob) -> StepState | None:
        """Return the state of a job's step; None while it has not ended. Folders of failed jobs are kept for their logs."""
        content = _read(job.folder / STATE)
        state = None if content is None else msgspec.msgpack.decode(content, type=StepState)
        if state is None or state.state == "failed":
            return self._failure(job, state)
        if not (job.written() or job.late()):
            return None  # submitit is still writing
        shutil.rmtree(job.folder, ignore_errors=True)
        return state

    def _failure(self, job: _SlurmJob, state: StepState | None) -> StepState | None:
        """Return the failed state of a job's step; None while it is unknown whether the job has ended.

        The error is that of the process that failed first, else that of the first process, else Slurm's reason.
        """
        if message := _read(job.folder / FAILURE):
            error = message.decode()
        elif state is not None:
            error = state.error or ""
        else:
            word = self._word(job)
            if word not in _ENDED or not job.late():
                return None
            error = _obituary(job, word)
        self._cancel(job)
        state = state or StepState(key=job.step.key, state="failed")
        return replace(state, error=f"{error}\nLogs: {job.folder}")

    def stop(self) -> None:
        """Cancel all jobs. Their finished work is kept."""
        for job in self._jobs:
            self._cancel(job)

    def _cancel(self, job: _SlurmJob) -> None:
        if self.options.cluster == "slurm":
            with contextlib.suppress(OSError):  # scancel as called by submitit would print errors about ended jobs
                subprocess.run(["scancel", "--quiet", job.handle.job_id], check=False, capture_output=True)  # noqa: S603, S607
        elif not job.handle.done():
            # The job's number is a process id. On SIGTERM, that process ends the job. submitit would interrupt it instead,
            # and it would print a traceback on our standard error.
            os.kill(int(job.handle.job_id), signal.SIGTERM)


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide the variables of a surrounding Slurm job, except Slurm's configuration and those that sbatch reads."""
    from submitit.helpers import clean_env

    kept = {name: value for name, value in os.environ.items() if name == "SLURM_CONF" or name.startswith("SBATCH_")}
    with clean_env() if "SLURM_JOB_ID" in os.environ else contextlib.nullcontext(), variables_set(kept):
        yield


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _obituary(job: _SlurmJob, word: str) -> str:
    """Return the reason why a job ended that wrote no result or error itself."""
    lines = [line for task in range(job.handle.num_tasks) for line in _log(job.handle.task(task).paths.stderr)]
    lines = [line for line in lines if line.startswith(("srun: error: ", "slurmstepd"))] or lines[-1:]
    last = f": {lines[0]}" if lines and _ENDED[word] == _SILENT else ""
    fix = _FIXES.get(word, "Finished work is kept. Run again to continue.")
    return f"job {job.handle.job_id} ended ({word}): {_ENDED[word]}{last}\n{fix}"


def _log(file: Path) -> list[str]:
    return [line for line in (_read(file) or b"").decode(errors="replace").splitlines() if line.strip()]
