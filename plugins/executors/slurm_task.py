"""Work of a process in a Slurm job: a step, or its part of a step.

The processes of a job communicate with each other, and with the submitting process, through small files in the job's
folder, which is on a file system that all machines share.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.executors.launching import progress_into
from rtbench_plugins.executors.schedule import attempt, use_threads, visible

from rtbench.api import (
    Environment,
    Progress,
    RtbenchError,
    Step,
    StepFailedError,
    StepResult,
    shortened_error,
    write_atomic,
)

PROGRESS_SECONDS = 1.0
"""Shortest time between two reports of progress, in seconds."""
LOOK_SECONDS = 0.5
"""Time between two checks for a file, in seconds."""
GRACE_SECONDS = 5.0
"""Seconds in which a process may end by itself after another process has failed."""

PROGRESS, STATE, FAILURE = "progress", "state", "failure"
"""Names of files: progress of the first process; final state of the step; error of the process that failed first."""
_PART = "part"
"""Name of the file with what the other processes need for their parts."""


class SlurmTask(msgspec.Struct, frozen=True):
    """Input of each process of a job."""

    environment: Environment
    step: Step
    folder: str
    """Folder of the job."""
    threads: int
    """Threads of each process."""
    gpus: int
    """GPUs of each process."""
    minutes: int
    """Time limit of the job."""


class SlurmProcess(msgspec.Struct, frozen=True):
    """Facts that the first process gives to the others."""

    folder: str
    """Private directory of the step."""
    address: str
    port: int
    """Address and port at which the processes connect, on the first process's machine."""


class _EndedError(KeyboardInterrupt):
    """Raised when Slurm ends the job, so that the step closes its files. asyncio lets only a KeyboardInterrupt pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def work(message: bytes) -> None:
    """Do the work of a process. submitit calls this function in each process of a job.

    Raises:
        RtbenchError: the step failed. srun then ends the job's other processes.
    """
    from submitit import JobEnvironment

    place = JobEnvironment()
    task = msgspec.msgpack.decode(message, type=SlurmTask)
    _install_signal_handlers()
    use_threads(task.threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if task.step.resources.processes > 1:
        _join(place, task.gpus)
        threading.Thread(target=_end_with_others, args=(Path(task.folder),), daemon=True).start()
    if place.global_rank == 0:
        _lead(task)
    else:
        _follow(task, place.global_rank)


def _lead(task: SlurmTask) -> None:
    """Do the step in the first process. If it has several processes, the others begin once there is work for them."""
    from rtbench.api import do_work, open_services

    folder = Path(task.folder)
    with _recording_failure(task, rank=0):
        session = open_services(task.environment)

        def launch(step: Step, private: Path, progress: Progress) -> StepResult:
            part = SlurmProcess(str(private.absolute()), _address(), _free_port())
            _set_rendezvous(part)
            write_atomic(folder / _PART, msgspec.msgpack.encode(part))
            with _recording_failure(task, rank=0):
                return do_work(session, step, private, progress)

        state = attempt(session, task.step, progress_into(folder / PROGRESS, PROGRESS_SECONDS), launch)
        write_atomic(folder / STATE, msgspec.msgpack.encode(state))
    if state.state == "failed":
        raise StepFailedError(state.error or "")


def _follow(task: SlurmTask, rank: int) -> None:
    """Do the part of another process, after waiting until the first process has work for it or has ended."""
    from rtbench.api import do_work, no_progress, open_services

    folder = Path(task.folder)
    with _recording_failure(task, rank):
        session = open_services(task.environment)
        while not (folder / _PART).exists():
            if (folder / STATE).exists():
                return
            time.sleep(LOOK_SECONDS)
        part = msgspec.msgpack.decode((folder / _PART).read_bytes(), type=SlurmProcess)
        _set_rendezvous(part)
        do_work(session, task.step, Path(part.folder), no_progress)


@contextlib.contextmanager
def _recording_failure(task: SlurmTask, rank: int) -> Iterator[None]:
    """Write the error of the process that fails first. The others then fail only because that process is missing."""
    started = time.monotonic()
    try:
        yield
    except (Exception, _EndedError) as error:
        if isinstance(error, _EndedError):
            if error.number in {signal.SIGTERM, signal.SIGINT}:
                raise  # the job was cancelled or another process died; Slurm's state shows which
            message = _why_warned(time.monotonic() - started, task.minutes)
        elif isinstance(error, RtbenchError):
            message = f"{error} (in process {rank + 1})"
        else:
            message = f"{shortened_error(error)} (in process {rank + 1})"
        mine = Path(task.folder) / f"{FAILURE}-{rank}"
        write_atomic(mine, message.encode())
        with contextlib.suppress(FileExistsError):
            os.link(mine, mine.with_name(FAILURE))
        raise


def _end_with_others(folder: Path) -> None:
    """Exit after another process has failed.

    A process that waits for another one inside a library receives no signals, and may not notice that the other is gone.
    """
    while not (folder / FAILURE).exists():
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _join(place: Any, gpus: int) -> None:
    """Set the environment by which torch's processes find each other, as torchrun would set it."""
    from submitit.helpers import TorchDistributedEnvironment

    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    if place.num_nodes == 1:
        os.environ["MASTER_ADDR"] = "localhost"  # on one machine, the name need not be resolvable
    if gpus:
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if named is None or len(named.split(",")) > gpus:  # otherwise Slurm has assigned GPUs to each process
            first = place.local_rank * gpus
            os.environ["CUDA_VISIBLE_DEVICES"] = visible(range(first, first + gpus))
        os.environ["LOCAL_RANK"] = "0"  # among the GPUs that it sees


def _set_rendezvous(part: SlurmProcess) -> None:
    os.environ |= {"MASTER_ADDR": part.address, "MASTER_PORT": str(part.port)}


def _address() -> str:
    """Return this machine's address: Slurm's name for it if that can be resolved, otherwise its host name."""
    name = os.environ["MASTER_ADDR"]
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return socket.gethostname()
    return name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _install_signal_handlers() -> None:
    """Replace submitit's signal handlers, which would restart a preempted job and ignore SIGTERM."""
    from submitit import JobEnvironment

    signals = [signal.SIGTERM, signal.SIGINT, signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]]

    def end(number: int, _frame: Any) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise _EndedError(number)

    for each in signals:
        signal.signal(each, end)


def _why_warned(seconds: float, minutes: int) -> str:
    """Return why Slurm sent its warning signal, which it sends shortly before a time limit or a preemption."""
    if seconds > 60 * minutes - 120:
        why, what = (
            f"its time limit of {minutes} minutes was reached",
            "Increase `time_minutes` and run again to continue.",
        )
    else:
        why, what = "it was preempted by another job", "Run again to continue."
    return f"Slurm ended its job: {why}\n{what}"
