"""What runs on a Ray cluster: the steps, and the one owner of a run's account and progress. Imports ray only where it is used."""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.executors.processes import variables_set
from rtbench_plugins.executors.schedule import attempt, use_threads

from rtbench.api import (
    CALLS_AHEAD,
    Account,
    Budget,
    BudgetCap,
    Environment,
    Place,
    Progress,
    Services,
    Step,
    StepFailedError,
    StepResult,
    StepState,
    open_services,
    prepare_streams,
    throttled,
)

PROGRESS_SECONDS = 0.5
"""Shortest time between two reports of progress, in seconds."""


class Owner:
    """The actor that keeps a run's account and takes its progress. It runs where the run was started.

    Money is reserved for an attempt at a step. What an attempt that was lost with its node had reserved counts as spent,
    because its calls may have been answered and billed.

    Args:
        environment: of the run, encoded.
    """

    def __init__(self, environment: bytes) -> None:
        self._account = _session(environment).budget
        self._held: dict[str, int] = defaultdict(int)
        """Billionths that are reserved for each step."""
        self._progress: dict[str, tuple[int, int, str]] = {}
        self._running: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._again: list[str] = []
        """Steps that were started again since the last call of :meth:`take_news`."""

    def begin(self, key: str) -> int:
        """Note that an attempt at a step begins, and return its number, from 1.

        What an attempt that was lost had reserved counts as spent.
        """
        if key in self._running:
            self._again.append(key)
            self._close(key)
        self._running.add(key)
        self._attempts[key] += 1
        return self._attempts[key]

    def end(self, key: str) -> None:
        """Note that a step has ended."""
        self._attempts.pop(key, None)
        self._close(key)

    def _close(self, key: str) -> None:
        self._running.discard(key)
        if self._account is not None and (lost := self._held.pop(key, 0)):
            self._account.settle(lost, lost)

    def reserve(self, key: str, amount: int, ahead: int) -> bool:
        """Reserve an amount for a step; see :meth:`rtbench.storage.budget.Budget.reserve`."""
        assert self._account is not None
        allowed = self._account.reserve(amount, ahead=ahead)
        if allowed:
            self._held[key] += amount
        return allowed

    def settle(self, key: str, reserved: int, spent: int) -> None:
        """Book the cost of a call in place of what was reserved for it."""
        assert self._account is not None
        self._account.settle(reserved, spent)
        self._held[key] = max(0, self._held[key] - reserved)

    def account(self) -> bytes:
        """Return the account, encoded."""
        assert self._account is not None
        return msgspec.msgpack.encode(self._account.account())

    def progressed(self, key: str, done: int, total: int, unit: str) -> None:
        """Take the progress of a step."""
        self._progress[key] = (done, total, unit)

    def take_news(self) -> tuple[dict[str, tuple[int, int, str]], list[str]]:
        """Return the progress since the last call, by step, and the steps that were started again."""
        progress, self._progress = self._progress, {}
        again, self._again = self._again, []
        return progress, again


class OwnedBudget(Budget):
    """The account of a run, which its owner keeps for the processes of all nodes.

    Args:
        cap: path of the account on the owner's machine, and limit of the budget.
        place: of the workspace.
        owner: handle of the :class:`Owner`.
        key: the step that books.
    """

    def __init__(self, cap: BudgetCap, place: Place, owner: Any, key: str) -> None:
        super().__init__(cap, place)
        self._owner = owner
        self._key = key

    def reserve(self, amount: int, *, ahead: int = CALLS_AHEAD) -> bool:
        return bool(_answer(self._owner.reserve.remote(self._key, amount, ahead)))

    def settle(self, reserved: int, spent: int) -> None:
        _answer(self._owner.settle.remote(self._key, reserved, spent))

    def account(self) -> Account:
        return msgspec.msgpack.decode(_answer(self._owner.account.remote()), type=Account)


def _answer(ref: Any) -> Any:
    """Return the owner's answer.

    Raises:
        StepFailedError: the owner is gone, and money cannot be counted any more.
    """
    import ray

    try:
        return ray.get(ref)
    except ray.exceptions.RayActorError as error:
        raise OwnerLostError(f"the account's process is gone: {error}", where="executor ray") from None


class OwnerLostError(StepFailedError):
    """The process that keeps the run's account has died."""

    stops_run = True


@functools.lru_cache(maxsize=4)
def _session(environment: bytes) -> Services:
    """Return the services of an environment. A worker process keeps them for many steps."""
    prepare_streams()  # plugins and libraries may print what a model wrote
    return open_services(msgspec.msgpack.decode(environment, type=Environment))


def do_step(environment: bytes, message: bytes, threads: int, owner: Any, attempts: int) -> bytes:
    """Do a step in a worker process of a node, and return its state, encoded.

    Args:
        environment: of the run, encoded.
        message: the step, encoded.
        threads: threads of the step.
        owner: handle of the :class:`Owner`.
        attempts: highest number of attempts. Ray itself starts a task again for ever that runs out of memory.
    """
    import ray

    step = msgspec.msgpack.decode(message, type=Step)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    use_threads(threads)
    session = _session(environment)
    if session.environment.budget is not None:
        session.book_on(OwnedBudget(session.environment.budget, session.place, owner, step.key))
    if _answer(owner.begin.remote(step.key)) > attempts:
        state = StepState(key=step.key, state="failed", error=lost_text(attempts))
        _answer(owner.end.remote(step.key))
        return msgspec.msgpack.encode(state)
    gpus = [str(gpu) for gpu in ray.get_gpu_ids()]

    def report(done: int, total: int, unit: str) -> None:
        owner.progressed.remote(step.key, done, total, unit)

    def launch(step: Step, folder: Path, progress: Progress) -> StepResult:
        from rtbench_plugins.executors.launching import launched

        return launched(session.environment, step, folder, progress, ",".join(gpus) or None)

    # Ray hides the GPUs of other steps from a step with GPUs, and none from one without.
    with variables_set({} if gpus else {"CUDA_VISIBLE_DEVICES": ""}):
        state = attempt(session, step, throttled(report, PROGRESS_SECONDS), launch)
    _answer(owner.end.remote(step.key))
    return msgspec.msgpack.encode(state)


def lost_text(attempts: int) -> str:
    """Return the error of a step whose attempts were all lost."""
    return f"its node or process was lost {attempts} time{'s' if attempts > 1 else ''}"


def look(workspace: str | None, token: str) -> tuple[bool, str]:
    """Return whether a node sees a file of the workspace, and its version of rtbench.

    Args:
        workspace: folder of the workspace; None: it is below a URL.
        token: name of the file.
    """
    from rtbench import __version__

    return workspace is None or (Path(workspace) / token).exists(), __version__


def decode_state(message: bytes) -> StepState:
    """Return the state that :func:`do_step` has encoded."""
    return msgspec.msgpack.decode(message, type=StepState)
