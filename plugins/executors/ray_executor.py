"""Executor ``ray``: runs steps as tasks of a Ray cluster.

Each step states the CPU cores, GPUs and memory that it needs, and Ray places it. A task whose node is lost is started again on
another one, where it finds what was stored. The workspace is a folder that all nodes see, or below a URL. One actor, where the
run was started, keeps the account; this process keeps the order of steps and lets one step at a time ask an endpoint.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from rtbench_plugins.executors.ray_nodes import Needs, RayNode, last_line, nodes_of_cluster, refuse_silent
from rtbench_plugins.executors.ray_worker import Owner, decode_state, do_step, look, lost_text
from rtbench_plugins.executors.schedule import Schedule

from rtbench import __version__
from rtbench.api import (
    BadInputError,
    Executor,
    Listener,
    Machine,
    MissingExtraError,
    Outcome,
    Plan,
    Positive,
    Record,
    Services,
    Step,
    StepState,
    cache_folder,
    convert,
    hookimpl,
    shortened_error,
)

if TYPE_CHECKING:
    from rtbench.api import Register

POLL_SECONDS = 0.5
"""Longest wait between two looks at progress, in seconds."""
STOP_SECONDS = 10.0
"""Seconds in which interrupted steps may close their files."""
LOOK_SECONDS, NODES_SECONDS = 300.0, 5.0
_GIB = 1 << 30


class RayOptions(Record, frozen=True):
    """Options of the executor ``ray``."""

    address: str | None = None
    """Address of the cluster. None: ``$RAY_ADDRESS``, or else a cluster of this machine alone, for the time of the run."""
    cpus: Positive = 1
    """CPU cores of each step that computes, at least."""
    gpus: float | None = None
    """GPUs of each step that uses one; a fraction lets several share it."""
    retries: int = 3
    """How often a step is started again after its node or process was lost."""
    workers: Positive | None = None
    """Highest number of steps that are handed to Ray at once. None: twice the cluster's CPU cores, and at least 8."""

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError("retries: a number of 0 or more is needed")
        if self.gpus is not None and not 0 < self.gpus <= 1:
            raise ValueError("gpus: a fraction between 0 and 1 is needed, such as 0.5; whole GPUs are what steps state")


class RayExecutor(Executor):
    """Executor that runs steps as Ray tasks."""

    name = "ray"

    def __init__(self, options: RayOptions) -> None:
        try:
            import ray  # noqa: F401
        except ImportError:
            raise MissingExtraError.of("ray", "ray") from None
        self.options = options

    def machine(self) -> Machine:
        """Return what a step may use: as much as the node with the most GPUs, or else cores, has."""
        largest = max(self._nodes, key=lambda node: (node.gpus, node.cpus, node.memory))
        gpus = int(largest.gpus)
        memory = largest.memory / _GIB
        return Machine(gpus=min(1, gpus), most_gpus=gpus, gpu_memory_gb=lambda: None, memory_gb=memory)

    @property
    def _address(self) -> str | None:
        return self.options.address or os.environ.get("RAY_ADDRESS")

    @cached_property
    def _nodes(self) -> list[RayNode]:
        """Connect to the cluster, and return its nodes.

        Raises:
            BadInputError: the cluster does not answer, or has no node.
        """
        import ray

        if not ray.is_initialized():
            address = self._address
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports to its makers
            try:
                refuse_silent(address or "")
                ray.init(
                    address=self.options.address,
                    namespace="rtbench",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    configure_logging=True,
                )
            except (OSError, RuntimeError, ValueError) as error:
                raise BadInputError(
                    f"no Ray cluster answers: {shortened_error(error)}",
                    where=f"address {address or 'of a cluster on this machine'}",
                    next_step="Start one with `ray start --head`, or leave the address out to use this machine alone.",
                ) from None
        nodes = nodes_of_cluster()
        if not nodes:
            raise BadInputError("no node of the cluster has a CPU core for steps", where="executor ray")
        return nodes

    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome:
        if services.place.url is not None and (self._address or "").startswith("ray://"):
            raise BadInputError(
                "a client of a cluster keeps its copy of the workspace, with the account, outside the cluster",
                where=f"address {self._address}",
                next_step="Start the run on a node of the cluster, or use a folder that all nodes see.",
            )
        schedule = Schedule(plan, listener)
        if schedule.steps:
            with contextlib.redirect_stdout(io.StringIO()):  # Ray prints the logs of lost nodes where results belong
                self._run(schedule, services, listener)
        services.place.fetch(services.workspace)
        return schedule.outcome

    def _run(self, schedule: Schedule, services: Services, listener: Listener) -> None:
        import ray

        tasks = _Tasks(self.options, self._nodes, services, listener)
        tasks.check_nodes()
        try:
            schedule.drive(tasks)
        finally:
            ray.shutdown()


class _Tasks:
    """The steps of a run that Ray has.

    Args:
        options: of the executor.
        nodes: of the cluster.
        services: of the run.
        listener: is notified of progress.
    """

    def __init__(self, options: RayOptions, nodes: Sequence[RayNode], services: Services, listener: Listener) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as OnNode

        self._ray = ray
        self._on_node = OnNode
        self._options = options
        self._nodes = nodes
        self._services = services
        self._listener = listener
        environment = services.environment
        here_alone = replace(environment, cache_dir=str(cache_folder(environment.cache_dir).absolute()))
        # Below a URL, each node has a copy of its own, in its own cache.
        shared = environment if services.place.url is None else replace(environment, cache_dir=None)
        self._environment = msgspec.msgpack.encode(shared)
        self._most = options.workers or max(8, 2 * int(sum(node.cpus for node in nodes)))
        self._running: dict[Any, tuple[Step, Needs]] = {}
        """Steps, and what they have asked for, by the reference to their result."""
        self._looked = time.monotonic()
        self._task = ray.remote(do_step)
        # A process that had a GPU ends with its step: only so is the GPU's memory free. Ray does this if GPUs are stated here.
        self._gpu_task = ray.remote(num_gpus=1)(do_step)
        here = ray.get_runtime_context().get_node_id()
        strategy = OnNode(here, soft=False)
        actor = ray.remote(Owner).options(num_cpus=0, max_restarts=-1, max_task_retries=3, scheduling_strategy=strategy)
        self._owner: Any = actor.remote(msgspec.msgpack.encode(here_alone))

    @property
    def busy(self) -> bool:
        """Return whether Ray has a step."""
        return bool(self._running)

    def free(self) -> bool:
        """Return whether another step may be handed to Ray."""
        return len(self._running) < self._most

    def check_nodes(self) -> None:
        """Check that each node has this version of rtbench and sees the workspace.

        Raises:
            BadInputError: one does not.
        """
        place = self._services.place
        token = f".seen-{secrets.token_hex(8)}"
        with _token(place.root / token) if place.url is None else contextlib.nullcontext():
            looking = self._ray.remote(look)
            folder = None if place.url is not None else str(place.root.absolute())
            refs = {
                node.id: looking.options(
                    num_cpus=0, max_retries=0, scheduling_strategy=self._on_node(node.id, soft=False)
                ).remote(folder, token)
                for node in self._nodes
            }
            self._nodes = [node for node in self._nodes if self._is_usable(node, refs[node.id])]
        if not self._nodes:
            raise BadInputError("no node of the cluster is left", where="executor ray")

    def _is_usable(self, node: RayNode, ref: Any) -> bool:
        """Return whether a node is still there; it must then be able to run steps.

        Raises:
            BadInputError: it is not.
        """
        name, errors = node.name, self._ray.exceptions
        try:
            sees, version = self._ray.get(ref, timeout=LOOK_SECONDS)
        except (errors.TaskUnschedulableError, errors.NodeDiedError):  # lost, and the cluster notices it only now
            return False
        except Exception as error:
            if node.id not in {one.id for one in nodes_of_cluster()}:
                return False
            raise BadInputError(
                f"the node cannot run rtbench: {last_line(error)}",
                where=f"node {name}",
                next_step="Install the same version of rtbench, with the same plugins, on all nodes.",
            ) from None
        if version != __version__:
            raise BadInputError(
                f"the node has rtbench {version}, and this is {__version__}",
                where=f"node {name}",
                next_step="Install the same version on all nodes.",
            )
        if not sees:
            raise BadInputError(
                f"the node does not see the workspace {self._services.workspace}",
                where=f"node {name}",
                next_step="Use a folder that all nodes see, or a URL: --workspace s3://bucket/folder.",
            )
        return True

    def take(self, step: Step, last: bool = False) -> bool:
        """Hand a step to Ray; return False where it must wait for another step of its lane.

        Args:
            step: to do.
            last: whether no other step is ready. If none is running either, it gets all cores of a node.
        """
        lane = step.resources.lane
        if lane and any(other.resources.lane == lane for other, _ in self._running.values()):
            return False
        needs = self._needs(step, alone=last and not self._running)
        task = self._gpu_task if needs.gpus else self._task
        ref = task.options(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            memory=needs.memory,
            max_retries=self._options.retries,
            name=step.title,
        ).remote(
            self._environment, msgspec.msgpack.encode(step), max(1, needs.cpus), self._owner, self._options.retries + 1
        )
        self._running[ref] = step, needs
        return True

    def _needs(self, step: Step, *, alone: bool) -> Needs:
        """Return what a step asks Ray for: never more than a single node has, or it would wait for ever.

        A step that waits for another machine asks for no core.
        """
        wanted = float(step.resources.gpus)
        gpus = self._options.gpus if wanted == 1 and self._options.gpus else wanted
        gpus = min(gpus, max(node.gpus for node in self._nodes))
        node = max((one for one in self._nodes if one.gpus >= gpus), key=lambda one: (one.cpus, one.memory))
        most = int(node.cpus)
        cpus = most if alone else max(1, min(most, max(step.resources.cpus, self._options.cpus)))
        memory = int(min(step.resources.memory_gb * _GIB, node.memory))
        return Needs(cpus if step.resources.cpus else 0, gpus, memory)

    def _look_at_nodes(self) -> list[Step]:
        """Note which nodes are left, and return the steps that fit none of them any more. Ray no longer has these."""
        if time.monotonic() - self._looked < NODES_SECONDS:
            return []
        self._looked = time.monotonic()
        self._nodes = nodes_of_cluster() or self._nodes
        out = []
        for ref, (step, needs) in list(self._running.items()):
            if not any(needs.fit(node) for node in self._nodes):
                self._ray.cancel(ref, force=True)
                out.append(step)
                del self._running[ref]
        return out

    def listen(self, pause: float | None) -> Iterator[tuple[Step, StepState]]:
        """Wait for steps, and yield those that have ended, with their states.

        Args:
            pause: longest wait, in seconds; None: as long as between two looks at progress.
        """
        wait = POLL_SECONDS if pause is None else min(pause, POLL_SECONDS)
        if not self._running:
            time.sleep(wait)
            return
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=wait, fetch_local=False)
        self._report()
        for ref in done:
            step, _ = self._running.pop(ref)
            yield step, self._state(ref, step)
        for step in self._look_at_nodes():
            yield (
                step,
                StepState(key=step.key, state="waiting", after=1.0, error="no node is left that is large enough"),
            )

    def _report(self) -> None:
        by_key = {step.key: step for step, _ in self._running.values()}
        with contextlib.suppress(self._ray.exceptions.RayError):  # the next look gets it
            progress, again = self._ray.get(self._owner.take_news.remote())
            for key in again:
                if key in by_key:
                    self._listener.waits(by_key[key], "its node or process was lost; it is started again")
            for key, (done, total, unit) in progress.items():
                if key in by_key:
                    self._listener.progressed(by_key[key], done, total, unit)

    def _state(self, ref: Any, step: Step) -> StepState:
        errors = self._ray.exceptions
        try:
            return decode_state(self._ray.get(ref))
        except errors.TaskCancelledError:
            return StepState(key=step.key, state="pending")
        except errors.RayTaskError as error:
            return StepState(key=step.key, state="failed", error=last_line(error), trace=str(error))
        except errors.RayError as error:
            self._ray.get(self._owner.end.remote(step.key))
            text = f"{lost_text(self._options.retries + 1)}: {shortened_error(error)}"
            return StepState(key=step.key, state="failed", error=text)

    def stop(self) -> None:
        """Interrupt all steps, which have 10 s to close their ledger segments, and end the owner."""
        for ref in self._running:
            self._ray.cancel(ref, force=False)
        if self._running:
            _, left = self._ray.wait(
                list(self._running), num_returns=len(self._running), timeout=STOP_SECONDS, fetch_local=False
            )
            for ref in left:
                self._ray.cancel(ref, force=True)
        with contextlib.suppress(self._ray.exceptions.RayError):
            for step, _ in self._running.values():
                self._ray.get(self._owner.end.remote(step.key))
        self._running.clear()
        self._ray.kill(self._owner)


@contextlib.contextmanager
def _token(path: Any) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def ray(options: dict[str, Any]) -> Executor:
    """Return the ``ray`` executor."""
    return RayExecutor(convert(options, RayOptions, where="executor ray"))


@hookimpl
def rtbench_register_executors(register: Register) -> None:
    register("ray", "rtbench_plugins.executors.ray_executor:ray", summary="tasks of a Ray cluster (extra `ray`)")
