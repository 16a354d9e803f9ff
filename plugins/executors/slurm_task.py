"""What each process of a Slurm job does: a step, or its part of one.

Processes of a job tell each other, and whoever submitted it, through small files in the job's folder, which lies on the file
system that all machines share.
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

from rtbench.api import Environment, Progress, RtbenchError, Step, StepFailedError, StepResult, write_atomic

PROGRESS_SECONDS = 1.0
LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""In which a process may end by itself when another one has failed."""

PROGRESS, STATE, FAILURE = "progress", "state", "failure"
"""Files: how far the first process is; how the step ended; what the process that failed first said."""
_PART = "part"
"""File: what the other processes need for their parts."""


class SlurmTask(msgspec.Struct, frozen=True):
    """What each process is given."""

    environment: Environment
    step: Step
    folder: str
    """Of the job."""
    threads: int
    gpus: int
    """Of each process."""
    minutes: int
    """That the job may take."""


class SlurmProcess(msgspec.Struct, frozen=True):
    """What the first process has found out for the others."""

    folder: str
    """Private directory of the step."""
    address: str
    port: int
    """Where they meet: on the first one's machine."""


class _EndedError(KeyboardInterrupt):
    """Slurm ends the job: unwinds the step, so that files are closed on the way. (asyncio lets nothing else through.)"""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def work(message: bytes) -> None:
    """What submitit calls in each process of a job.

    Raises:
        RtbenchError: the step failed. srun then ends the job's other processes.
    """
    from submitit import JobEnvironment

    place = JobEnvironment()
    task = msgspec.msgpack.decode(message, type=SlurmTask)
    _hear()
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
    """The first process does the step; where several do it, it lets the others begin once it knows that there is work."""
    from rtbench.api import do_work, open_services

    folder = Path(task.folder)
    with _telling(task, rank=0):
        session = open_services(task.environment)

        def launch(step: Step, private: Path, progress: Progress) -> StepResult:
            part = SlurmProcess(str(private.absolute()), _address(), _free_port())
            _meet(part)
            write_atomic(folder / _PART, msgspec.msgpack.encode(part))
            with _telling(task, rank=0):
                return do_work(session, step, private, progress)

        state = attempt(session, task.step, progress_into(folder / PROGRESS, PROGRESS_SECONDS), launch)
        write_atomic(folder / STATE, msgspec.msgpack.encode(state))
    if state.state == "failed":
        raise StepFailedError(state.error or "")


def _follow(task: SlurmTask, rank: int) -> None:
    """Another process waits until the first one has work for it, or has ended."""
    from rtbench.api import do_work, no_progress, open_services

    folder = Path(task.folder)
    with _telling(task, rank):
        session = open_services(task.environment)
        while not (folder / _PART).exists():
            if (folder / STATE).exists():
                return
            time.sleep(LOOK_SECONDS)
        part = msgspec.msgpack.decode((folder / _PART).read_bytes(), type=SlurmProcess)
        _meet(part)
        do_work(session, task.step, Path(part.folder), no_progress)


@contextlib.contextmanager
def _telling(task: SlurmTask, rank: int) -> Iterator[None]:
    """Keeps what was said first: once one process has failed, the others fail for want of it."""
    started = time.monotonic()
    try:
        yield
    except (Exception, _EndedError) as error:
        if isinstance(error, _EndedError):
            if error.number in {signal.SIGTERM, signal.SIGINT}:
                raise  # it is cancelled, or another process died: Slurm knows which
            said = _why_warned(time.monotonic() - started, task.minutes)
        elif isinstance(error, RtbenchError):
            said = f"{error} (in process {rank + 1})"
        else:
            said = f"{type(error).__name__}: {error} (in process {rank + 1})"
        mine = Path(task.folder) / f"{FAILURE}-{rank}"
        write_atomic(mine, said.encode())
        with contextlib.suppress(FileExistsError):
            os.link(mine, mine.with_name(FAILURE))
        raise


def _end_with_others(folder: Path) -> None:
    """A process that waits for another one deep in a library hears no signal, and perhaps not that the other is gone."""
    while not (folder / FAILURE).exists():
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _join(place: Any, gpus: int) -> None:
    """The environment in which torch's processes find each other, as torchrun would set it."""
    from submitit.helpers import TorchDistributedEnvironment

    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    if place.num_nodes == 1:
        os.environ["MASTER_ADDR"] = "localhost"  # one machine needs no name that others can look up
    if gpus:
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if named is None or len(named.split(",")) > gpus:  # else Slurm has given each process its own
            first = place.local_rank * gpus
            os.environ["CUDA_VISIBLE_DEVICES"] = visible(range(first, first + gpus))
        os.environ["LOCAL_RANK"] = "0"  # among the GPUs that it sees


def _meet(part: SlurmProcess) -> None:
    os.environ |= {"MASTER_ADDR": part.address, "MASTER_PORT": str(part.port)}


def _address() -> str:
    """Of this machine: what Slurm calls it, where that can be looked up."""
    name = os.environ["MASTER_ADDR"]
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return socket.gethostname()
    return name


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return int(one.getsockname()[1])


def _hear() -> None:
    """Instead of submitit's handlers: it would begin a preempted job anew, and ignore SIGTERM."""
    from submitit import JobEnvironment

    signals = [signal.SIGTERM, signal.SIGINT, signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]]

    def end(number: int, _frame: Any) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise _EndedError(number)

    for one in signals:
        signal.signal(one, end)


def _why_warned(seconds: float, minutes: int) -> str:
    """Slurm warns a job with a signal of its own a moment before its time is over, and before it gives way to another."""
    if seconds > 60 * minutes - 120:
        why, what = f"its {minutes} minutes are over", "Give more (`time_minutes`) and run again to go on."
    else:
        why, what = "another job took its place", "Run again to go on."
    return f"Slurm ended its job: {why}\n{what}"
