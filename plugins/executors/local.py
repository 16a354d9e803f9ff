"""The ``local`` executor: independent steps run at once in worker processes on this machine.

A worker builds its session once and keeps it (plugins, task data, imported torch) for many steps. A worker that dies
fails the step it had and is replaced; Ctrl-C lets workers close their ledger segments; when the main process is
killed, its workers end themselves.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.errors import BadInputError, NotYetError, RtbenchError
from rtbench.files import convert
from rtbench.hookspecs import hookimpl
from rtbench.interfaces import Environment, Executor, Listener, Outcome, Progress, Services, StepState
from rtbench.machine import cpu_count, gpu_count, memory_gb
from rtbench.plan import Plan
from rtbench.records import Record
from rtbench.specs import Step

if TYPE_CHECKING:
    from rtbench.registry import Register
    from rtbench.session import Session

PROGRESS_SECONDS = 0.2


class LocalOptions(Record, frozen=True):
    """Options of the local executor."""

    workers: int | None = None
    """None: one per CPU core, and no more than there are steps."""


class LocalExecutor(Executor):
    """Runs steps in worker processes."""

    name = "local"

    def __init__(self, options: LocalOptions) -> None:
        if options.workers is not None and options.workers < 1:
            raise BadInputError(f"must be at least 1, not {options.workers}", where="--workers")
        self.options = options

    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        cores = cpu_count()
        todo = plan.todo
        count = max(1, min(self.options.workers or cores, len(todo)))
        outcome = Outcome()
        for key in plan.steps:
            if key in plan.cached:
                outcome.states[key] = StepState(key=key, state="cached")
        if not todo:
            return outcome
        _Run(plan, services.environment, listener, outcome, count, cores).go()
        return outcome


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    gpu: int | None
    """The one that this worker sees; None on a machine without."""
    step: Step | None = None
    taken: frozenset[int] = frozenset()
    """GPUs of the step it has."""


class _Run:
    """One run of a plan. The main process only schedules."""

    def __init__(
        self, plan: Plan, environment: Environment, listener: Listener, outcome: Outcome, count: int, cores: int
    ) -> None:
        self.environment = environment
        self.listener = listener
        self.outcome = outcome
        self.count = count
        self.cores = cores
        self.steps = {step.key: step for step in plan.todo}
        self.waiting = {key: {i.key for i in step.inputs if i.key in self.steps} for key, step in self.steps.items()}
        self.dependants: dict[str, list[str]] = {key: [] for key in self.steps}
        for key, inputs in self.waiting.items():
            for i in inputs:
                self.dependants[i].append(key)
        self.ready = deque(key for key, inputs in self.waiting.items() if not inputs)
        self.workers: list[_Worker] = []
        self.gpus = gpu_count()
        self.memory_gb = memory_gb()
        self.waits: dict[str, float] = {}
        """When steps that wait for something outside are to be tried again."""
        self.stopping = False
        """A step met what all others would meet (an account without money, say): none is begun any more."""

    def go(self) -> None:
        try:
            while ((self.ready or self.waits) and not self.stopping) or any(w.step for w in self.workers):
                if not self.stopping:
                    self._wake()
                    self._assign()
                self._listen()
        except KeyboardInterrupt:
            self.outcome.interrupted = True
        finally:
            self._stop()
            for key in self.steps:
                self.outcome.states.setdefault(key, StepState(key=key, state="pending"))

    def _wake(self) -> None:
        """Steps whose wait is over are ready again, after those that have not begun."""
        now = time.monotonic()
        for key in [key for key, at in self.waits.items() if at <= now]:
            del self.waits[key]
            self.ready.append(key)

    def _assign(self) -> None:
        """Gives ready steps to workers, in order; one that does not fit yet lets later ones pass."""
        passed: list[str] = []
        while self.ready and (len(self.workers) < self.count or any(w.step is None for w in self.workers)):
            key = self.ready.popleft()
            step = self.steps[key]
            worker = self._worker_for(step)
            if worker is None:
                passed.append(key)
            elif not self._give(step, worker):
                self.ready.appendleft(key)
        self.ready.extendleft(reversed(passed))

    def _give(self, step: Step, worker: _Worker) -> bool:
        """False: it died while it was idle; nothing is lost, another one takes the step."""
        gpus = self._gpus_for(step, worker)
        message = (step, self._threads(step), _visible(gpus) if len(gpus) > 1 else None)
        try:
            worker.pipe.send_bytes(msgspec.msgpack.encode(message))
        except OSError:
            self.workers.remove(worker)
            worker.process.join()
            return False
        worker.step = step
        worker.taken = frozenset(gpus)
        self.listener.started(step)
        return True

    def _worker_for(self, step: Step) -> _Worker | None:
        """An idle worker, or a new one, that may do the step now: the memory and the cores of all steps under way must
        fit the machine, and a GPU serves one step at a time. A step too large for the machine runs alone."""
        running = [w.step for w in self.workers if w.step is not None]
        if step.resources.lane and any(s.resources.lane == step.resources.lane for s in running):
            return None
        memory = sum(s.resources.memory_gb for s in [*running, step])
        cores = sum(s.resources.cpus for s in [*running, step])
        if running and (memory > self.memory_gb or cores > max(self.cores, self.count)):
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
        """Several of those that are free, or the worker's own."""
        if step.resources.gpus > 1:
            return self._free_gpus()[: step.resources.gpus]
        return [worker.gpu] if step.resources.gpus and worker.gpu is not None else []

    def _free_gpus(self) -> list[int]:
        taken = frozenset[int]().union(*(w.taken for w in self.workers if w.step is not None))
        return [gpu for gpu in range(self.gpus) if gpu not in taken]

    def _threads(self, step: Step) -> int:
        """Threads of a step: its cores, or its share of the machine where it does not say."""
        return max(step.resources.cpus, self.cores // self.count, 1)

    def _idle(self, gpu: int | None = None) -> _Worker | None:
        found = next((w for w in self.workers if w.step is None and gpu in {None, w.gpu}), None)
        if found is None and len(self.workers) < self.count:
            found = self._start_worker(gpu)
        return found

    def _start_worker(self, gpu: int | None) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        environment = msgspec.msgpack.encode(self.environment)
        if gpu is None and self.gpus:
            gpu = len(self.workers) % self.gpus
        process = context.Process(target=_work, args=(theirs, environment, gpu), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours, gpu)
        self.workers.append(worker)
        return worker

    def _listen(self) -> None:
        by_pipe = {worker.pipe: worker for worker in self.workers if worker.step is not None}
        soonest = min(self.waits.values(), default=None)
        pause = None if soonest is None else max(0.0, soonest - time.monotonic())
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
                self._finished(step, StepState(key=step.key, state="failed", error=f"its worker process was {how}"))
                continue
            if message[0] == "progress":
                self.listener.progressed(step, *message[1:])
            else:
                worker.step = None
                self._ended(step, message[1])

    def _ended(self, step: Step, state: StepState) -> None:
        if state.state != "waiting":
            self._finished(step, state)
            return
        self.waits[step.key] = time.monotonic() + state.after
        self.listener.waits(step, state.error or "")

    def _finished(self, step: Step, state: StepState) -> None:
        self.outcome.states[step.key] = state
        self.stopping = self.stopping or state.stops_run
        self.listener.finished(step, state)
        for key in self.dependants[step.key]:
            if state.state in {"failed", "skipped"}:
                if key not in self.outcome.states:
                    reason = state.error if state.state == "skipped" else f"{step.title}: {state.error}"
                    self._finished(self.steps[key], StepState(key=key, state="skipped", error=reason))
                continue
            self.waiting[key].discard(step.key)
            if not self.waiting[key] and key not in self.outcome.states:
                # Depth first: what a finished step leads to comes before new beginnings, so that cells end early.
                self.ready.appendleft(key)

    def _stop(self) -> None:
        """Idle workers are told to end; busy ones are interrupted and given time to close their segments."""
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
    """SIGTERM in a worker: unwinds the step, so that files are closed on the way. (asyncio lets nothing else through.)"""


def _work(pipe: Connection, environment: bytes, gpu: int | None) -> None:
    """A worker's life: steps in, states out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_interrupted)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible([gpu])
    with contextlib.suppress(KeyboardInterrupt):
        from rtbench.session import Session

        session = Session(msgspec.msgpack.decode(environment, type=Environment))
        for message in _messages(pipe):
            step, threads, devices = msgspec.msgpack.decode(message, type=tuple[Step, int, str | None])
            # Read by the models when they open; OpenMP's own variables count only until torch is imported.
            for name in ("RTBENCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
                os.environ[name] = str(threads)
            pipe.send(("finished", _do(session, step, pipe, devices)))


def _visible(gpus: Sequence[int]) -> str:
    """``CUDA_VISIBLE_DEVICES`` for some of the GPUs that this process sees."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else None
    return ",".join(str(gpu) if names is None else names[gpu] for gpu in gpus)


def _messages(pipe: Connection) -> Iterator[bytes]:
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        if not message:
            return
        yield message


def _do(session: Session, step: Step, pipe: Connection, devices: str | None) -> StepState:
    from rtbench.steps import run_step

    started = last = time.monotonic()

    def progress(done: int, total: int, unit: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS or done == total:
            last = now
            pipe.send(("progress", done, total, unit))

    def launch(step: Step, folder: Path, progress: Progress) -> dict[str, Any]:
        from rtbench_plugins.executors.launching import launched

        return launched(session.environment, step, folder, progress, devices)

    stops = False
    notes: tuple[str, ...] = ()
    try:
        notes = tuple(run_step(session, step, progress, launch))
    except NotYetError as error:
        return StepState(key=step.key, state="waiting", error=str(error), after=error.after)
    except RtbenchError as error:
        stops = error.stops_run
        state, said, trace = "failed", str(error), traceback.format_exc()
    except Exception as error:
        state, said, trace = "failed", f"{type(error).__name__}: {error}", traceback.format_exc()
    else:
        state, said, trace = "done", "", ""
    seconds = round(time.monotonic() - started, 3)
    return StepState(
        key=step.key,
        state=state,
        error=said or None,
        trace=trace or None,
        seconds=seconds,
        notes=notes,
        stops_run=stops,
    )


def _raise_interrupted(_signal: int, _frame: Any) -> None:
    raise _InterruptedError


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def local(options: dict[str, Any]) -> Executor:
    return LocalExecutor(convert(options, LocalOptions, where="executor local"))


@hookimpl
def rtbench_register_executors(register: Register) -> None:
    register("local", "rtbench_plugins.executors.local:local", summary="worker processes on this machine")
