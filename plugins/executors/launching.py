"""Launcher of steps with several processes, on one machine, by torch's elastic agent.

Each process gets its rank as torchrun's processes do, and reads its work from a file. Where a step uses several machines,
Slurm starts the processes (:mod:`rtbench_plugins.executors.slurm_task`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.executors.processes import end_with_parent, variables_set

from rtbench.api import (
    Environment,
    Progress,
    Step,
    StepFailedError,
    StepResult,
    decode_result,
    no_progress,
    throttled,
    write_atomic,
)

_POLL_SECONDS = 0.2


class ProcessJob(msgspec.Struct, frozen=True):
    """Contents of the file that each process reads: the step to do."""

    environment: Environment
    step: Step
    folder: str


class ProcessProgress(msgspec.Struct, frozen=True):
    """Progress of the first process, in units of work."""

    done: int
    total: int
    unit: str


def launched(environment: Environment, step: Step, folder: Path, progress: Progress, devices: str | None) -> StepResult:
    """Run a step in the number of processes that its resources state.

    Args:
        environment: for the processes' sessions.
        step: step to do.
        folder: private directory of the step.
        progress: called with the progress of the first process.
        devices: GPUs that the processes share, in the form of ``CUDA_VISIBLE_DEVICES``; None: no GPUs.

    Returns:
        the result of the first process.

    Raises:
        StepFailedError: a process failed or died; the other processes are terminated.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with (
        tempfile.TemporaryDirectory(prefix="rtbench-") as logs,
        _handlers_kept(),
        variables_set(_variables(step, devices)),
    ):
        job = Path(logs) / "job"
        job.write_bytes(msgspec.msgpack.encode(ProcessJob(environment, step, str(folder))))
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=step.resources.processes,
            run_id=step.key,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            monitor_interval=_POLL_SECONDS,
            virtual_local_rank=devices is not None,
            logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=Std.ALL),
        )
        try:
            with _watched(_progress_file(job), progress):
                elastic_launch(config, sys.executable)("-m", __name__, str(job))
        except ChildFailedError as error:
            raise StepFailedError(_reason(error), where=step.title) from error
        except SignalException:
            raise KeyboardInterrupt from None
        return decode_result(step.kind, _result_file(job).read_bytes())


def main(path: Path) -> None:
    """Do the work of one process of a step, which is described in the file ``path``."""
    from rtbench.api import do_work, open_services

    end_with_parent()
    job = msgspec.msgpack.decode(path.read_bytes(), type=ProcessJob)
    first = os.environ["RANK"] == "0"
    progress = progress_into(_progress_file(path), _POLL_SECONDS) if first else no_progress
    result = do_work(open_services(job.environment), job.step, Path(job.folder), progress)
    if first:
        write_atomic(_result_file(path), msgspec.msgpack.encode(result))


def progress_into(file: Path, seconds: float) -> Progress:
    """Return a progress callback that writes :class:`ProcessProgress` to a file, at most once in the given number of seconds."""

    def progress(done: int, total: int, unit: str) -> None:
        write_atomic(file, msgspec.msgpack.encode(ProcessProgress(done, total, unit)))

    return throttled(progress, seconds)


def _progress_file(job: Path) -> Path:
    return job.with_name("progress")


def _result_file(job: Path) -> Path:
    return job.with_name("result")


def _reason(error: Any) -> str:
    """Return the error message of the process that failed first."""
    rank, failure = error.get_first_failure()
    message = failure.message.get("message", "") if isinstance(failure.message, dict) else failure.message
    message = str(message).removeprefix("StepFailedError: ").removeprefix("BadInputError: ")
    return f"{message} (in process {rank + 1})"


@contextlib.contextmanager
def _watched(file: Path, progress: Progress) -> Iterator[None]:
    """Report the progress that the first process writes to a file."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            if file.is_file():
                state = msgspec.msgpack.decode(file.read_bytes(), type=ProcessProgress)
                progress(state.done, state.total, state.unit)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _variables(step: Step, devices: str | None) -> dict[str, str]:
    """Return the variables that the processes inherit: the GPUs, and an equal share of the step's threads for each."""
    threads = max(1, int(os.environ.get("RTBENCH_THREADS", "1")) // step.resources.processes)
    variables = {name: str(threads) for name in ("RTBENCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return variables if devices is None else {**variables, "CUDA_VISIBLE_DEVICES": devices}


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Restore the signal handlers afterwards, since the agent replaces them and does not restore them."""
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(name) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


if __name__ == "__main__":
    from torch.distributed.elastic.multiprocessing.errors import record

    record(main)(Path(sys.argv[1]))
