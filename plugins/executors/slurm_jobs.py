"""The jobs of a run, as the process that submits them sees them: what they ask for, how far they are, how they ended.

It looks at the files that a job's processes leave (:mod:`.slurm_task`), and asks Slurm only for jobs that have left none.
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
from rtbench_plugins.executors.launching import Done
from rtbench_plugins.executors.slurm_task import FAILURE, PROGRESS, STATE, SlurmTask, work

from rtbench.api import Listener, Record, Services, Step, StepState

LEAST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""Between two looks at the queue: ever longer, and short again after a submission."""
GRACE_SECONDS = 5.0
"""Files of a job that has ended may come later than Slurm's word of it, and submitit's later than ours."""
GPU_HOST_GB = 4
"""Main memory that a process takes beside what its step states, for CUDA."""

_SILENT = "it left no result"
_ENDED = {
    "BOOT_FAIL": "a node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": _SILENT,
    "DEADLINE": "its deadline passed",
    "FAILED": _SILENT,
    "FINISHED": _SILENT,  # as submitit's local cluster has it
    "GONE": "it left no result, and Slurm no longer knows it",
    "INTERRUPTED": "it was killed",  # the same
    "NODE_FAIL": "a node failed",
    "OUT_OF_MEMORY": "it took more memory than it had asked for",
    "PREEMPTED": "another job took its place",
    "REVOKED": "it was revoked",
    "TIMEOUT": "its time was over",
}
"""States in which a job is over."""
_MEND = {
    "OUT_OF_MEMORY": "Raise the model's `memory_gb`, or `mem` in the option `slurm`.",
    "TIMEOUT": "Give more (`time_minutes`) and run again to go on.",
}


class SlurmOptions(Record, frozen=True):
    """Options of the Slurm executor."""

    workers: int | None = None
    """Jobs at once, those that Slurm lets wait included. None: 64; on the cluster ``local``, 1."""
    local_workers: int = 4
    """Other steps at once, on the submitting machine; never more than it has CPU cores."""
    gpus_per_node: int = 8
    gpus_per_process: int = 0
    """Each process of a job gets at least so many, whatever its step states; above 0, a student or teacher that names no
    device takes one."""
    processes_per_node: int | None = None
    """None: as many as there are GPUs for; without GPUs, all."""
    time_minutes: int = 240
    """A job may take so long."""
    partition: str | int | None = None
    account: str | int | None = None
    slurm: dict[str, Any] = {}
    """Further parameters of sbatch, by their long names; they count before all others."""
    cluster: Literal["slurm", "local"] = "slurm"
    """``local``: submitit's own executor on this machine, to try things out without Slurm."""


@dataclass(frozen=True)
class JobShape:
    """How a step's processes lie on nodes: as many on each."""

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
    """What :meth:`submitit.AutoExecutor.update_parameters` takes for a step."""
    shape = JobShape.of(step, options)
    cpus = _threads(step)
    beside = GPU_HOST_GB * shape.processes_per_node if shape.gpus_per_process else 0
    return {
        "name": f"rtbench-{step.kind}-{step.key[:8]}",
        "nodes": shape.nodes,
        "tasks_per_node": shape.processes_per_node,
        "cpus_per_task": cpus,
        "gpus_per_node": shape.processes_per_node * shape.gpus_per_process or None,
        "mem_gb": max(1, math.ceil(step.resources.memory_gb / shape.nodes)) + beside,
        "timeout_min": options.time_minutes,
        "slurm_partition": None if options.partition is None else str(options.partition),
        "slurm_account": None if options.account is None else str(options.account),
        # Since Slurm 22.05 srun does not know the CPUs per task that sbatch was given.
        "slurm_srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={cpus}"],
        # A job that lost its place fails its step, and the next run begins it again: not Slurm, behind our back.
        "slurm_additional_parameters": {"no-requeue": True, **options.slurm},
    }


def _threads(step: Step) -> int:
    return max(1, step.resources.cpus // step.resources.processes)


@dataclass
class _SlurmJob:
    step: Step
    folder: Path
    """Of its script, logs and files."""
    handle: Any
    """submitit's."""
    begun: float = field(default_factory=time.monotonic)
    told: bytes = b""
    """The progress that was passed on last."""
    over: float | None = None
    """Since when it is known to have ended, one way or the other."""

    def late(self) -> bool:
        """It ended so long ago that no further file of it is to be expected."""
        self.over = self.over or time.monotonic()
        return time.monotonic() - self.over >= GRACE_SECONDS

    def written(self) -> bool:
        """All that submitit writes is there."""
        return all(self.handle.task(task).paths.result_pickle.exists() for task in range(self.handle.num_tasks))


class Jobs:
    """The jobs of a run."""

    def __init__(self, options: SlurmOptions, services: Services, listener: Listener) -> None:
        self.options = options
        self.environment = services.environment
        self.listener = listener
        self.count = options.workers or (64 if options.cluster == "slurm" else 1)
        self.root = services.workspace.absolute() / "slurm"
        self._jobs: list[_SlurmJob] = []
        self._refused: list[tuple[Step, StepState]] = []
        self._queue: dict[str, str] = {}
        """States of the user's jobs, by number, as Slurm said last."""
        self._asked = float("-inf")
        self._next, self._pause = 0.0, LEAST_SECONDS
        """When it is asked again, and the pause from then on."""

    @property
    def busy(self) -> bool:
        return bool(self._jobs or self._refused)

    @property
    def free(self) -> bool:
        return len(self._jobs) < self.count

    def take(self, step: Step) -> bool:
        """Submits a step; False: enough jobs are out. One that cannot be submitted has failed."""
        if not self.free:
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{step.kind}-{step.key[:8]}-", dir=self.root))
        try:
            self._jobs.append(_SlurmJob(step, folder, self._submit(step, folder)))
            self._next, self._pause = time.monotonic() + LEAST_SECONDS, LEAST_SECONDS
        except Exception as error:
            said = f"its job could not be submitted: {error}"
            self._refused.append((step, StepState(key=step.key, state="failed", error=said)))
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
        """Yields the steps whose jobs have ended, and passes on how far the others are."""
        while self._refused:
            yield self._refused.pop()
        if self._jobs and self.options.cluster == "slurm" and time.monotonic() >= self._next:
            self._ask()
        for job in list(self._jobs):
            os.scandir(job.folder).close()  # has a network file system look at the folder anew
            self._pass_progress(job)
            state = self._state(job)
            if state is not None:
                self._jobs.remove(job)
                yield job.step, state

    def _ask(self) -> None:
        """Slurm shows jobs that have ended for some minutes as well. (sacct would know them longer, but not everywhere.)"""
        command = ["squeue", "--me", "--states=all", "--noheader", "--format=%i %T"]
        now = time.monotonic()
        self._next, self._pause = now + self._pause, min(2 * self._pause, MOST_SECONDS)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=MOST_SECONDS)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return  # Slurm is busy: it is asked again
        self._queue = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if " " in line)
        self._asked = now

    def _word(self, job: _SlurmJob) -> str:
        """What Slurm says of a job."""
        if self.options.cluster == "local":
            return str(job.handle.state)
        known = self._asked > job.begun + GRACE_SECONDS
        return self._queue.get(job.handle.job_id, "GONE" if known else "UNKNOWN")

    def _pass_progress(self, job: _SlurmJob) -> None:
        said = _read(job.folder / PROGRESS)
        if said is not None and said != job.told:
            job.told = said
            found = msgspec.msgpack.decode(said, type=Done)
            self.listener.progressed(job.step, found.done, found.total, found.unit)

    def _state(self, job: _SlurmJob) -> StepState | None:
        """How a job's step ended; None: it has not. Folders of failed ones are kept for their logs."""
        left = _read(job.folder / STATE)
        state = None if left is None else msgspec.msgpack.decode(left, type=StepState)
        if state is None or state.state == "failed":
            return self._failure(job, state)
        if not (job.written() or job.late()):
            return None  # submitit still writes
        shutil.rmtree(job.folder, ignore_errors=True)
        return state

    def _failure(self, job: _SlurmJob, state: StepState | None) -> StepState | None:
        """What the process that failed first said, else what the first one did, else what Slurm says of a job's end."""
        if said := _read(job.folder / FAILURE):
            error = said.decode()
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
        """Cancels what is out. What it had finished is kept."""
        for job in self._jobs:
            self._cancel(job)

    def _cancel(self, job: _SlurmJob) -> None:
        if self.options.cluster == "slurm":
            with contextlib.suppress(OSError):  # submitit would have it complain of jobs that have ended
                subprocess.run(["scancel", "--quiet", job.handle.job_id], check=False, capture_output=True)  # noqa: S603, S607
        elif not job.handle.done():
            # Its number is that of a process, which on SIGTERM has the job end itself; submitit would interrupt it, and it
            # would complain on our standard error.
            os.kill(int(job.handle.job_id), signal.SIGTERM)


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """A run inside a job does not hand that job's variables on, but where Slurm is and what sbatch is told by variables."""
    from submitit.helpers import clean_env

    kept = {name: value for name, value in os.environ.items() if name == "SLURM_CONF" or name.startswith("SBATCH_")}
    with clean_env() if "SLURM_JOB_ID" in os.environ else contextlib.nullcontext():
        os.environ.update(kept)
        yield


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _obituary(job: _SlurmJob, word: str) -> str:
    """What is known of a job that left no word of its own."""
    lines = [line for task in range(job.handle.num_tasks) for line in _log(job.handle.task(task).paths.stderr)]
    lines = [line for line in lines if line.startswith(("srun: error: ", "slurmstepd"))] or lines[-1:]
    last = f": {lines[0]}" if lines and _ENDED[word] == _SILENT else ""
    mend = _MEND.get(word, "What it kept is kept: run again to go on.")
    return f"job {job.handle.job_id} ended ({word}): {_ENDED[word]}{last}\n{mend}"


def _log(file: Path) -> list[str]:
    return [line for line in (_read(file) or b"").decode(errors="replace").splitlines() if line.strip()]
