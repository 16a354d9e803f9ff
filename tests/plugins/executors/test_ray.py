"""Steps as tasks of a Ray cluster of two nodes: the same plan, keys and results as on one machine, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.executors.ray_executor import RayOptions
from rtbench_plugins.executors.ray_worker import Owner

from rtbench.errors import RtbenchError
from rtbench.schema.environment import Environment
from rtbench.schema.money import BudgetCap
from rtbench.session import Session
from rtbench.storage.plain_data import convert
from tests.helpers.cli import Cli, undated
from tests.helpers.ray_cluster import RayCluster, ray_cluster
from tests.helpers.runs import LONG, wait_for
from tests.helpers.s3_server import s3_environment, s3_server
from tests.helpers.servers import MakeServer, Server, matrix
from tests.helpers.small_runs import session_in

WIDE = """
name: wide
extractor: last-word
tasks: [parity]
methods: [zero-shot, fine-tune, fine-tune-cot]
teachers: [counter, {name: sloppy, use: counter, errors: 0.5}]
students: [parrot]
degrees: [1, 2]
seeds: [0, 1]
recipe: {epochs: 2}
"""


@contextmanager
def cluster_for(cli: Cli, tmp_path: Path, nodes: int = 2, **variables: str) -> Iterator[RayCluster]:
    """A cluster whose nodes keep their copies of workspaces apart."""
    environment = {**cli.environment, **variables}
    environment.pop("RTBENCH_CACHE")
    options = [
        {"num_cpus": 1, "env_vars": {"RTBENCH_CACHE": str(tmp_path / f"cache-{number}")}} for number in range(nodes)
    ]
    with ray_cluster(options, environment) as cluster:
        cli.environment["RTBENCH_CACHE"] = str(tmp_path / "cache-0")
        yield cluster


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A workspace that all nodes see."""
    with ExitStack() as stack:
        if request.param == "s3":
            address, _ = stack.enter_context(s3_server())
            cli.environment.update(s3_environment(address))
            for name, value in s3_environment(address).items():
                monkeypatch.setenv(name, value)
        yield "s3://bucket/shared/ws" if request.param == "s3" else str(cli.folder / "ray-ws")


def on_ray(cluster: RayCluster, **options: object) -> tuple[str, ...]:
    given = {"address": cluster.address, **options}
    return (
        "--executor",
        "ray",
        *(part for name, value in given.items() for part in ("--executor-option", f"{name}={value}")),
    )


def ledger_of(session: Session) -> Counter[str]:
    """How often each completion is stored."""
    found = Counter[str]()
    for partition in session.ledger.partitions():
        for segment in partition.segments():
            found.update(json.loads(line)["key"] for line in segment.read_bytes().splitlines())
    return found


def steps_of(session: Session) -> dict[tuple[str, str], Any]:
    return {(kind, key): session.store.meta(kind, key).files for kind, key in session.store.all()}


def has_answers(cli: Cli) -> bool:
    """Whether a whole line of the counter's is stored."""
    return any(b"\n" in path.read_bytes() for path in cli.workspace.glob("ledger/counter*/*/*/*.jsonl"))


def test_two_nodes_give_what_one_machine_gives_though_one_is_killed(cli: Cli, tmp_path: Path, place: str) -> None:
    (cli.folder / "wide.yaml").write_text(WIDE)
    local = cli("run", "--matrix", "wide.yaml", "--format", "json").stdout
    with cluster_for(cli, tmp_path, COUNTER_DELAY="0.02", PARROT_DELAY="0.3") as cluster:
        run = ("run", "--matrix", "wide.yaml", "--format", "json", "--workspace", place, *on_ray(cluster))
        process = cli.start(*run)
        said: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if len(said) == 1:
                cluster.kill(1)
                cluster.add(num_cpus=1, env_vars={"RTBENCH_CACHE": str(tmp_path / "cache-2")})
        assert process.stdout is not None
        far = process.stdout.read()
        assert process.wait() == 0, "".join(said)
        process.stdout.close()
        process.stderr.close()
    assert undated(far) == undated(local)
    here = Session(Environment(workspace=str(cli.workspace)))
    there = session_in(place, cache_dir=str(tmp_path / "fresh"))
    assert ledger_of(there).keys() == ledger_of(here).keys()
    assert steps_of(there) == steps_of(here)
    plan = cli("plan", "--matrix", "wide.yaml", "--workspace", place)
    assert "0 to do" in plan.stdout or "nothing is left to do" in plan.stdout, plan.stdout


def test_money_is_counted_once_for_all_nodes(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    far = server(latency=0.01)
    price = {"input": 1000.0, "output": 1000.0}
    with cluster_for(cli, tmp_path) as cluster:
        path = matrix(cli, far, degree=4, price=price)
        done = cli("run", "--matrix", path, "--budget", "1usd", *on_ray(cluster), code=1)
        assert "the budget of 1.00 USD" in done.stderr
        assert "is used up" in done.stderr
        assert 0 < _booked(cli, far) <= 10**9
        cli("run", "--matrix", path, "--budget", "1000usd", *on_ray(cluster), code=1)  # no answer is right
        assert _booked(cli, far) > 10**10
        stored = ledger_of(Session(Environment(workspace=str(cli.workspace))))
        assert far.stats()["good"] == sum(stored.values()) == len(stored)


def _booked(cli: Cli, server: Server) -> int:
    """What the account says was spent, in billionths: the price of all tokens that the server counted."""
    account = json.loads((cli.workspace / "runs" / "remote.spend").read_text())
    stats = server.stats()
    assert account["held"] == {}
    assert account["spent"] == (stats["prompt_tokens"] + stats["completion_tokens"]) * 10**6
    return int(account["spent"])


def test_reservations_of_a_lost_attempt_count_as_spent(tmp_path: Path) -> None:
    import msgspec

    session = session_in(tmp_path)
    (tmp_path / "runs").mkdir()
    cap = BudgetCap(path=str(tmp_path / "runs" / "r.spend"), nano=100, currency="USD")
    environment = session.with_settings(budget=cap).environment
    owner = Owner(msgspec.msgpack.encode(environment))
    owner.begin("step")
    assert owner.reserve("step", 30, 0)
    assert owner.reserve("step", 30, 0)
    owner.settle("step", 30, 10)
    assert not owner.reserve("other", 70, 0)
    owner.begin("step")  # on another node
    assert json.loads((tmp_path / "runs" / "r.spend").read_text())["spent"] == 40
    assert owner.reserve("step", 60, 0)
    assert not owner.reserve("step", 1, 0)


def test_ctrl_c_stops_and_the_next_run_goes_on(cli: Cli, tmp_path: Path, demo: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with cluster_for(cli, tmp_path, COUNTER_HOLD=f"20:{hold}") as cluster:
        process = cli.start("run", "--matrix", demo, *on_ray(cluster))
        wait_for(lambda: has_answers(cli), process, pause=0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONG)
        assert process.returncode == 130, said
        assert "finished work is kept" in said
        kept = len(ledger_of(Session(Environment(workspace=str(cli.workspace)))))
        assert 0 < kept < 160
        hold.unlink()
        cli("run", "--matrix", demo, *on_ray(cluster))
        again = ledger_of(Session(Environment(workspace=str(cli.workspace))))
        assert max(again.values()) == 1


KILLER = """
import os, signal
from rtbench.api import Teacher, TextModel, ModelSpec, hookimpl
from rtbench_parrot import CounterTeacher

class Deadly(TextModel):
    fingerprint = "deadly"
    def generate(self, requests):
        os.kill(os.getpid(), signal.SIGKILL)
        yield

class DeadlyTeacher(CounterTeacher):
    def members(self):
        return [ModelSpec(role="teacher", plugin="deadly", name=self.name, options={}, fingerprint="deadly")]
    def open(self, member):
        return Deadly()

@hookimpl
def rtbench_register_teachers(register):
    register("deadly", DeadlyTeacher, summary="kills its process")
"""


def test_step_whose_process_dies_again_and_again_fails_alone(cli: Cli, tmp_path: Path) -> None:
    (cli.folder / "killer.py").write_text(KILLER)
    (cli.folder / "m.yaml").write_text(
        WIDE.replace("[counter, {name: sloppy, use: counter, errors: 0.5}]", "[counter, {name: dead, use: deadly}]")
    )
    with cluster_for(cli, tmp_path) as cluster:
        done = cli("run", "--matrix", "m.yaml", "--plugin", "killer.py", *on_ray(cluster, retries=1), code=1)
    assert "its node or process was lost 2 times" in done.stderr
    assert "counter" in done.stdout


def test_cluster_and_nodes_that_cannot_be_used_are_one_error(cli: Cli, tmp_path: Path, demo: Path) -> None:
    none = ("--executor", "ray", "--executor-option", "address=127.0.0.1:1")
    done = cli("run", "--matrix", demo, *none, code=2)
    assert "address 127.0.0.1:1: no Ray cluster answers" in done.stderr
    assert not cli.workspace.exists()


def test_workers_of_a_node_without_the_package_are_named(cli: Cli, tmp_path: Path, demo: Path) -> None:
    with cluster_for(cli, tmp_path, nodes=1, PYTHONPATH=str(tmp_path)) as cluster:
        (tmp_path / "rtbench").mkdir()
        (tmp_path / "rtbench" / "__init__.py").write_text("raise ImportError('not here')")
        done = cli("run", "--matrix", demo, *on_ray(cluster), code=2)
    assert "the node cannot run rtbench" in done.stderr
    assert "not here" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": 2}, "a fraction between 0 and 1"),
        ({"retries": -1}, "retries"),
        ({"cpus": 0}, "cpus"),
        ({"adress": "x"}, "adress"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RtbenchError, match=message):
        convert(options, RayOptions, where="executor ray")


def test_a_node_that_was_just_killed_is_left_out(cli: Cli, tmp_path: Path, demo: Path) -> None:
    with cluster_for(cli, tmp_path) as cluster:
        cluster.kill(1)
        cli("run", "--matrix", demo, *on_ray(cluster))


def test_a_step_that_only_a_lost_node_could_hold_asks_for_less(cli: Cli, tmp_path: Path, demo: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    environment = {**cli.environment, "COUNTER_HOLD": f"20:{hold}"}
    with ray_cluster([{"num_cpus": 1}, {"num_cpus": 2}], environment) as cluster:
        process = cli.start("run", "--matrix", demo, *on_ray(cluster, cpus=2))
        wait_for(lambda: has_answers(cli), process, pause=0.05)
        cluster.kill(1)
        hold.unlink()
        _, said = process.communicate(timeout=LONG)
        assert process.returncode == 0, said


def test_a_machine_alone_is_a_cluster_too(cli: Cli, demo: Path) -> None:
    assert "RAY_ADDRESS" not in os.environ
    local = cli("run", "--matrix", demo, "--format", "json").stdout
    far = cli("run", "--matrix", demo, "--format", "json", "--workspace", "far", "--executor", "ray").stdout
    assert undated(far) == undated(local)
