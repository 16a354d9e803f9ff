"""Executor ``local``: runs independent steps concurrently in worker processes on this machine.

A worker creates its session once and keeps it (plugins, task data, imported torch) for many steps. If a worker dies, its
step fails and the worker is replaced. On Ctrl-C, workers close their ledger segments. If the main process is killed, its
workers exit.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rtbench_plugins.executors.processes import end_with_parent, variables_set, without_main
from rtbench_plugins.executors.schedule import Schedule, attempt, use_threads, visible

from rtbench.api import (
    Environment,
    Executor,
    Listener,
    Outcome,
    Plan,
    Positive,
    Progress,
    Record,
    Services,
    Step,
    StepResult,
    StepState,
    convert,
    cpu_count,
    gpu_count,
    hookimpl,
    memory_gb,
    throttled,
)

if TYPE_CHECKING:
    from rtbench.api import Register

PROGRESS_SECONDS = 0.2
"""Shortest time between two reports of progress, in seconds."""


class LocalOptions(Record, frozen=True):
    """Options of the local executor."""

    workers: Positive | None = None
    """Number of workers. None: one per CPU core, and at most one per step. More than there are cores help only steps that
    wait for another machine: the others never use more threads than there are cores."""


class LocalExecutor(Executor):
    """Executor that runs steps in worker processes."""

    name = "local"

    def __init__(self, options: LocalOptions) -> None:
        self.options = options

    def notes(self) -> Sequence[str]:
        if (self.options.workers or 0) <= (cores := cpu_count()):
            return ()
        note = (
            f"{self.options.workers} workers on {cores} CPU cores: at most {cores} steps compute at once, since more threads "
            "than cores slow each other down; the other workers are for steps that wait for endpoints"
        )
        return (note,)

    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        schedule = Schedule(plan, listener)
        if not schedule.steps:
            return schedule.outcome
        count = max(1, min(self.options.workers or cpu_count(), len(schedule.steps)))
        workers = Workers(services.environment, listener, count)
        schedule.drive(workers)
        return schedule.outcome


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    gpu: int | None
    """The GPU that this worker sees; None on a machine without GPUs."""
    step: Step | None = None
    """None: the worker is idle."""
    taken: frozenset[int] = frozenset()
    """GPUs of its current step."""


class Workers:
    """Worker processes on this machine, to which the main process sends steps.

    Args:
        environment: for the workers' sessions.
        listener: is notified of progress.
        count: highest number of workers; a worker is started when a step needs it.
    """

    def __init__(self, environment: Environment, listener: Listener, count: int) -> None:
        self.environment = environment
        self.listener = listener
        self.count = count
        self.cores = cpu_count()
        self.gpus = gpu_count()
        self.memory_gb = memory_gb()
        self.workers: list[_Worker] = []

    @property
    def busy(self) -> bool:
        """Return whether a worker has a step."""
        return any(worker.step is not None for worker in self.workers)

    def free(self) -> bool:
        """Return whether there is, or could be started, an idle worker."""
        return len(self.workers) < self.count or any(worker.step is None for worker in self.workers)

    def take(self, step: Step, last: bool = False) -> bool:
        """Send a step to a worker.

        Args:
            step: to do.
            last: whether no other step is ready. If none is running either, it gets all cores.

        Returns:
            False if the step does not fit next to the running steps.
        """
        threads = self.cores if last and not self.busy else self._threads(step)
        while (worker := self._worker_for(step)) is not None:
            if self._give(step, worker, threads):
                return True
        return False

    def _give(self, step: Step, worker: _Worker, threads: int) -> bool:
        """Send a step to an idle worker; return False if that worker has died, so that another worker can take the step."""
        gpus = self._gpus_for(step, worker)
        message = (step, threads, visible(gpus) if len(gpus) > 1 else None)
        try:
            worker.pipe.send_bytes(msgspec.msgpack.encode(message))
        except OSError:
            self.workers.remove(worker)
            worker.process.join()
            return False
        worker.step = step
        worker.taken = frozenset(gpus)
        return True

    def _worker_for(self, step: Step) -> _Worker | None:
        """Return an idle or new worker that may do a step now; None where the step must wait.

        The memory and cores of all running steps must fit the machine, and a GPU is used by one step at a time. A step
        that is too large for the machine runs alone.
        """
        running = [w.step for w in self.workers if w.step is not None]
        if step.resources.lane and any(s.resources.lane == step.resources.lane for s in running):
            return None
        memory = sum(s.resources.memory_gb for s in [*running, step])
        threads = sum(self._threads(s) for s in [*running, step])
        if running and (memory > self.memory_gb or threads > self.cores):
            return None
        if step.resources.gpus and not self.gpus:
            return self._idle() if not any(s.resources.gpus for s in running) else None
        free = self._free_gpus()
        if step.resources.gpus > 1:
            return self._idle() if len(free) >= min(step.resources.gpus, self.gpus) else None
        if step.resources.gpus:
            return next((w for gpu in free if (w := self._idle(gpu))), None)
        return self._idle()

    def _gpus_for(self, step: Step, worker: _Worker) -> list[int]:
        """Return the GPUs of a step: several free GPUs, or the worker's own."""
        if step.resources.gpus > 1:
            return self._free_gpus()[: step.resources.gpus]
        return [worker.gpu] if step.resources.gpus and worker.gpu is not None else []

    def _free_gpus(self) -> list[int]:
        taken = frozenset[int]().union(*(w.taken for w in self.workers if w.step is not None))
        return [gpu for gpu in range(self.gpus) if gpu not in taken]

    def _threads(self, step: Step) -> int:
        """Return the number of threads of a step: its cores or a worker's share of the machine, whichever is more.

        It is 0 for a step that waits for another machine, and never more than there are cores.
        """
        if step.resources.cpus == 0:
            return 0
        return min(self.cores, max(step.resources.cpus, self.cores // self.count, 1))

    def _idle(self, gpu: int | None = None) -> _Worker | None:
        idle = next((w for w in self.workers if w.step is None and gpu in {None, w.gpu}), None)
        if idle is None and len(self.workers) < self.count:
            idle = self._start_worker(gpu)
        return idle

    def _start_worker(self, gpu: int | None) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        environment = msgspec.msgpack.encode(self.environment)
        if gpu is None and self.gpus:
            gpu = len(self.workers) % self.gpus
        process = context.Process(target=_work, args=(theirs, environment, gpu), daemon=True)
        with without_main():
            process.start()
        theirs.close()
        worker = _Worker(process, ours, gpu)
        self.workers.append(worker)
        return worker

    def listen(self, pause: float | None) -> Iterator[tuple[Step, StepState]]:
        """Wait for messages of workers, and yield the steps that have ended, with their states.

        Args:
            pause: longest wait, in seconds; None: until there is a message.
        """
        by_pipe = {worker.pipe: worker for worker in self.workers if worker.step is not None}
        if not by_pipe:
            time.sleep(pause or 0.0)
            return
        for pipe in wait(list(by_pipe), pause):
            worker = by_pipe[pipe]  # type: ignore[index]
            step = worker.step
            assert step is not None
            try:
                message = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join()
                self.workers.remove(worker)
                code = worker.process.exitcode
                how = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
                yield step, StepState(key=step.key, state="failed", error=f"its worker process was {how}")
                continue
            if message[0] == "progress":
                self.listener.progressed(step, *message[1:])
            else:
                worker.step = None
                yield step, message[1]

    def stop(self) -> None:
        """End all workers: idle workers exit, busy workers are interrupted and have 10 s to close their ledger segments."""
        for worker in self.workers:
            if worker.step is None:
                with contextlib.suppress(OSError):
                    worker.pipe.send_bytes(b"")
            else:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join(10)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


class _InterruptedError(KeyboardInterrupt):
    """Raised on SIGTERM in a worker, so that the step closes its files. asyncio lets only a KeyboardInterrupt pass."""


def _work(pipe: Connection, environment: bytes, gpu: int | None) -> None:
    """Run a worker: receive steps over the pipe, and send their states."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_interrupted)
    end_with_parent()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible([gpu])
    with contextlib.suppress(KeyboardInterrupt):
        from rtbench.api import open_services, prepare_streams

        prepare_streams()  # plugins and libraries may print what a model wrote
        session = open_services(msgspec.msgpack.decode(environment, type=Environment))
        for message in _messages(pipe):
            step, threads, devices = msgspec.msgpack.decode(message, type=tuple[Step, int, str | None])
            use_threads(max(1, threads))
            # Several GPUs are for what the step starts (vLLM's engine, for example); its own processes get theirs later.
            several = devices if step.resources.processes == 1 else None
            with variables_set({} if several is None else {"CUDA_VISIBLE_DEVICES": several}):
                state = _do(session, step, pipe, devices)
            pipe.send(("finished", state))


def _messages(pipe: Connection) -> Iterator[bytes]:
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        if not message:
            return
        yield message


def _do(session: Services, step: Step, pipe: Connection, devices: str | None) -> StepState:
    def progress(done: int, total: int, unit: str) -> None:
        pipe.send(("progress", done, total, unit))

    def launch(step: Step, folder: Path, progress: Progress) -> StepResult:
        from rtbench_plugins.executors.launching import launched

        return launched(session.environment, step, folder, progress, devices)

    return attempt(session, step, throttled(progress, PROGRESS_SECONDS), launch)


def _raise_interrupted(_signal: int, _frame: Any) -> None:
    raise _InterruptedError


def local(options: dict[str, Any]) -> Executor:
    """Return the ``local`` executor."""
    return LocalExecutor(convert(options, LocalOptions, where="executor local"))


@hookimpl
def rtbench_register_executors(register: Register) -> None:
    register("local", "rtbench_plugins.executors.local:local", summary="worker processes on this machine")
