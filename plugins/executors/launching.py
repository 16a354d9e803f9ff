"""A step that several processes do together, started by torch's elastic agent.

A process learns its rank as torchrun's processes do and what to do from a file. Over several machines Slurm starts them
(:mod:`rtbench_plugins.executors.slurm_task`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rtbench.api import (
    Environment,
    Progress,
    Step,
    StepFailedError,
    StepResult,
    decode_result,
    no_progress,
    write_atomic,
)

_POLL_SECONDS = 0.2


class ProcessJob(msgspec.Struct, frozen=True):
    """What each process reads to know what to do."""

    environment: Environment
    step: Step
    folder: str


class Done(msgspec.Struct, frozen=True):
    """How far the first process is, in units of work."""

    done: int
    total: int
    unit: str


def launched(environment: Environment, step: Step, folder: Path, progress: Progress, devices: str | None) -> StepResult:
    """Runs a step's work in as many processes as it asks for.

    Args:
        environment: for their sessions.
        step: what to do.
        folder: private directory of the step.
        progress: told what the first process does.
        devices: GPUs that they share, as ``CUDA_VISIBLE_DEVICES`` names them; None: none.

    Returns:
        What the first process returned.

    Raises:
        StepFailedError: one of them failed or died; the others are ended.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with tempfile.TemporaryDirectory(prefix="rtbench-") as logs, _handlers_kept(), _environment(step, devices):
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
    """One process of a step."""
    from rtbench.api import do_work, open_services

    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    job = msgspec.msgpack.decode(path.read_bytes(), type=ProcessJob)
    first = os.environ["RANK"] == "0"
    progress = progress_into(_progress_file(path), _POLL_SECONDS) if first else no_progress
    result = do_work(open_services(job.environment), job.step, Path(job.folder), progress)
    if first:
        write_atomic(_result_file(path), msgspec.msgpack.encode(result))


def progress_into(file: Path, seconds: float) -> Progress:
    """Writes :class:`Done` into a file for another process to read, at most once in so many seconds."""
    last = 0.0

    def progress(done: int, total: int, unit: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= seconds or done == total:
            last = now
            write_atomic(file, msgspec.msgpack.encode(Done(done, total, unit)))

    return progress


def _progress_file(job: Path) -> Path:
    return job.with_name("progress")


def _result_file(job: Path) -> Path:
    return job.with_name("result")


def _reason(error: Any) -> str:
    """What the process that failed first said."""
    rank, failure = error.get_first_failure()
    said = failure.message.get("message", "") if isinstance(failure.message, dict) else failure.message
    said = str(said).removeprefix("StepFailedError: ").removeprefix("BadInputError: ")
    return f"{said} (in process {rank + 1})"


@contextlib.contextmanager
def _watched(file: Path, progress: Progress) -> Iterator[None]:
    """Passes on what the first process says of its progress."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            if file.is_file():
                found = msgspec.msgpack.decode(file.read_bytes(), type=Done)
                progress(found.done, found.total, found.unit)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def _environment(step: Step, devices: str | None) -> Iterator[None]:
    """What the processes inherit: each takes its part of the step's threads."""
    threads = max(1, int(os.environ.get("RTBENCH_THREADS", "1")) // step.resources.processes)
    given = {name: str(threads) for name in ("RTBENCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    given |= {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """The agent sets signal handlers of its own and leaves them."""
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(name) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    from torch.distributed.elastic.multiprocessing.errors import record

    record(main)(Path(sys.argv[1]))
