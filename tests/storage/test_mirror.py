"""A workspace below a URL, as several machines see it. A machine is here a folder for copies."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtbench.errors import BadInputError
from rtbench.planning.damage import move_all_damage_away
from rtbench.schema.completions import Completion, Sampling
from rtbench.schema.environment import Environment
from rtbench.schema.money import BudgetCap
from rtbench.session import Session
from rtbench.steps.run import run_step
from rtbench.storage import appending, leases, objects
from rtbench.storage.active import active_run, alone_in
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import make_request
from rtbench.storage.objects import NotReachedError
from rtbench.storage.runs import Runs
from tests.helpers.s3_server import FaultyS3, s3_environment, s3_server
from tests.helpers.small_runs import TAUGHT, TRAINED, flipped, plan_of, run_here, session_in

# Drivers forget connections that a server has cut.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.1)
    monkeypatch.setattr(leases, "DEAD_AFTER", 3600.0)  # nobody dies here, however late signs of life are
    monkeypatch.setattr(leases, "POLL", 0.02)
    monkeypatch.setattr(objects, "FIRST_PAUSE", 0.01)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with s3_server() as (address, faults):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        yield faults


@pytest.fixture
def url(s3: FaultyS3) -> str:
    return "s3://bucket/team/ws"


def machine(url: str, folder: Path) -> Session:
    """A session of one machine, whose copy is in a folder."""
    return session_in(url, cache_dir=str(folder))


def stored(session: Session) -> dict[str, bytes]:
    """The files of a workspace that do not depend on time: results of steps, and completions."""
    root = session.workspace
    steps = {p for p in root.glob("store/*/*/*") if p.name != "timing.json" and p.is_file()}
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in steps}


def completions(session: Session) -> dict[str, Completion]:
    return {key: one for part in session.ledger.partitions() for key, one in part.load().items()}


@pytest.mark.parametrize("matrix", [TAUGHT, TRAINED], ids=["taught", "trained"])
def test_results_are_those_of_a_folder_and_another_machine_sees_them(matrix: str, url: str, tmp_path: Path) -> None:
    rows = run_here(tmp_path / "folder" / "ws", matrix)
    assert run_here(url, matrix, cache_dir=str(tmp_path / "a")) == rows
    folder, here, there = (
        session_in(tmp_path / "folder" / "ws"),
        machine(url, tmp_path / "a"),
        machine(url, tmp_path / "b"),
    )
    assert completions(folder) == completions(here) == completions(there)
    if matrix == TAUGHT:  # the bytes of weights depend on threads
        assert stored(folder) == stored(here)
    assert stored(here) == stored(there)
    assert not plan_of(there, matrix).todo
    assert run_here(url, matrix, cache_dir=str(tmp_path / "b")) == rows
    trained = [key for kind, key in there.store.all() if kind == "train"]
    for key in trained:
        assert not (there.store.path("train", key) / "checkpoint").exists()
        weights = there.store.weights("train", key, "checkpoint")
        mine = here.store.weights("train", key, "checkpoint")
        assert {p.name: p.read_bytes() for p in weights.iterdir()} == {p.name: p.read_bytes() for p in mine.iterdir()}
    assert bool(trained) == (matrix == TRAINED)


def test_a_run_through_faults_ends_as_without(
    s3: FaultyS3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A lock's file can remain torn, though rarely. Its lock is then free only when it counts as dead.
    monkeypatch.setattr(leases, "DEAD_AFTER", 120.0)
    rows = run_here(tmp_path / "folder" / "ws")
    s3.shares = {"busy": 0.02, "lost": 0.02, "cut": 0.02, "torn": 0.02, "dropped": 0.02}
    s3.behind = 0.3
    assert run_here(url, cache_dir=str(tmp_path / "a")) == rows
    assert run_here(url, cache_dir=str(tmp_path / "b")) == rows
    assert sum(s3.met.values()) >= 3
    s3.shares, s3.behind = {}, 0.0
    assert completions(session_in(tmp_path / "folder" / "ws")) == completions(machine(url, tmp_path / "c"))


def written(session: Session, numbers: range) -> list[Completion]:
    """Append completions to a partition of the ledger."""
    made = [completion(number) for number in numbers]
    with session.ledger.partition("m", "d", "p").writer() as writer:
        for one in made:
            writer.append(one)
    return made


def completion(number: int) -> Completion:
    request = make_request("m", "d", number, 0, f"question {number}", Sampling(max_new_tokens=5))
    return Completion(
        key=request.key, task="d", sample_index=number, completion_index=0, prompt=request.prompt, text=str(number)
    )


def test_an_open_segment_is_seen_up_to_its_last_sync(
    s3: FaultyS3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "SYNC_SECONDS", 3600.0)
    here, there = machine(url, tmp_path / "a"), machine(url, tmp_path / "b")
    ours, theirs = (one.ledger.partition("m", "d", "p") for one in (here, there))
    keys = {completion(number).key for number in range(3)}
    with ours.writer() as writer:
        for number in range(2):
            writer.append(completion(number))
            writer.sync()
        assert theirs.load(keys).keys() == {completion(0).key, completion(1).key}
        writer.append(completion(2))
        assert completion(2).key not in theirs.load(keys)
    assert theirs.load(keys).keys() == keys
    assert [path.name for path in ours.segments()] == [path.name for path in theirs.segments()]
    assert theirs.load() == ours.load()


def test_what_a_lost_machine_has_synced_is_kept_and_the_machine_may_come_back(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "SYNC_SECONDS", 3600.0)
    lost = machine(url, tmp_path / "a")
    writer = lost.ledger.partition("m", "d", "p").writer()
    for number in range(3):
        writer.append(completion(number))
    writer.sync()
    writer.append(completion(3))  # on its disk only
    for name in ("publish", "append"):  # nothing of it is heard any more
        monkeypatch.setattr(lost.place, name, lambda _: None)
    other = machine(url, tmp_path / "b")
    assert len(completions(other)) == 3
    again = machine(url, tmp_path / "a")
    with active_run(again.place, "x"):
        pass
    assert len(completions(other.fetch())) == 4
    names = {path.name for path in other.ledger.partition("m", "d", "p").segments()}
    assert not any("part" in name for name in names)
    writer.__exit__(None, None, None)


def test_requests_are_sent_once_whoever_asks(url: str, tmp_path: Path) -> None:
    asked: list[int] = []

    def ask(name: str) -> None:
        session = machine(url, tmp_path / name)
        part = session.ledger.partition("m", "d", "p")
        with part.alone():
            lacking = {completion(number).key for number in range(20)} - part.keys()
            asked.append(len(lacking))
            with part.writer() as writer:
                for number in range(20) if lacking else ():
                    writer.append(completion(number))

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == [0, 0, 20]


def test_what_a_killed_process_did_not_publish_is_published_by_the_next_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = machine(url, tmp_path / "a")
    plan = plan_of(cut_off, TAUGHT)
    for name in ("publish", "append"):
        monkeypatch.setattr(cut_off.place, name, lambda _: None)
    for step in plan.todo:
        run_step(cut_off, step)
    assert not completions(machine(url, tmp_path / "b"))
    with active_run(machine(url, tmp_path / "a").place, "x"):
        pass
    there = machine(url, tmp_path / "b")
    assert completions(there) == completions(cut_off)
    assert not plan_of(there, TAUGHT).todo


def test_a_step_without_its_last_file_is_not_there(s3: FaultyS3, url: str, tmp_path: Path) -> None:
    run_here(url, cache_dir=str(tmp_path / "a"))
    place = objects.Objects(url)
    metas = [name for name in place.list("store") if name.endswith("meta.json")]
    place.remove(metas)
    other = machine(url, tmp_path / "b")
    assert not stored(other)
    assert plan_of(other, TAUGHT).todo


def test_what_one_machine_removes_is_gone_on_the_other(url: str, tmp_path: Path) -> None:
    run_here(url, cache_dir=str(tmp_path / "a"))
    here, there = machine(url, tmp_path / "a"), machine(url, tmp_path / "b")
    Runs(here.place).remove("small")
    with alone_in(here.place):
        for kind, key in list(here.store.all()):
            shutil.rmtree(here.store.path(kind, key))
            here.place.withdraw(here.store.path(kind, key))
    assert Runs(there.fetch().place).names() == []
    assert not list(there.store.all())
    with active_run(there.place, "y"):  # nothing comes back
        pass
    assert not list(machine(url, tmp_path / "c").store.all())


def test_a_copy_that_was_deleted_takes_nothing_with_it(url: str, tmp_path: Path) -> None:
    rows = run_here(url, cache_dir=str(tmp_path / "a"))
    here = machine(url, tmp_path / "a")
    shutil.rmtree(here.workspace / "ledger")
    shutil.rmtree(here.workspace / "store" / "score")
    assert run_here(url, cache_dir=str(tmp_path / "a")) == rows
    assert len(completions(machine(url, tmp_path / "b"))) == len(completions(machine(url, tmp_path / "a"))) > 0


def test_damage_of_a_copy_is_cured_from_the_place(url: str, tmp_path: Path) -> None:
    import random

    rows = run_here(url, cache_dir=str(tmp_path / "a"))
    here = machine(url, tmp_path / "a")
    before = {path.name: path.read_bytes() for path in here.workspace.glob("store/score/*/scores-*.jsonl")}
    flipped(next(here.workspace.glob("store/score/*/scores-flexible.jsonl")), random.Random(1))
    segment = next(here.workspace.glob("ledger/*/*/*/*.checked.jsonl"))
    right = segment.read_bytes()
    segment.write_bytes(right.replace(b"key", b"kez", 1))
    (part,) = here.ledger.partitions()
    assert len(part.load()) > 0
    assert segment.read_bytes() == right
    assert move_all_damage_away(here)
    assert {path.name: path.read_bytes() for path in here.workspace.glob("store/score/*/scores-*.jsonl")} == before
    assert not plan_of(here, TAUGHT).todo
    assert run_here(url, cache_dir=str(tmp_path / "b")) == rows


def test_one_run_is_run_by_one_machine(url: str, tmp_path: Path) -> None:
    here, there = machine(url, tmp_path / "a"), machine(url, tmp_path / "b")
    with active_run(here.place, "mine", exclusive=True):
        with (
            pytest.raises(BadInputError, match="the run mine is running on"),
            active_run(there.place, "mine", exclusive=True),
        ):
            pass
        with pytest.raises(BadInputError, match="the run mine is running"), alone_in(there.place):
            pass
        with active_run(there.place, "other"), active_run(here.place, "mine", exclusive=True):
            pass
        with active_run(there.place, "mine"):  # a run whose name is not known yet
            pass
    with active_run(there.place, "mine", exclusive=True):
        pass


def account(session: Session, nano: int | None) -> Budget:
    cap = BudgetCap(path=str(session.workspace / "runs" / "r.spend"), nano=nano, currency="USD")
    budget = Budget(cap, session.place)
    budget.begin()
    return budget


def test_money_of_a_lost_machine_counts_as_spent(url: str, tmp_path: Path) -> None:
    lost = account(machine(url, tmp_path / "a"), 10_000)
    assert lost.reserve(10)
    lost.settle(10, 4)
    seen = account(machine(url, tmp_path / "b"), 10_000).account()
    assert 4 <= seen.spent <= 10 + 64 * 10


def test_money_is_stated_exactly_at_the_end_and_never_too_low(url: str, tmp_path: Path) -> None:
    spent = 0
    for turn, name in enumerate("abab"):
        budget = account(machine(url, tmp_path / name), None)
        assert budget.account().spent == spent
        for _ in range(200):
            assert budget.reserve(10)
            budget.settle(10, turn + 1)
            spent += turn + 1
        told = account(machine(url, tmp_path / "c"), None).account()
        assert told.spent >= spent
        budget.close()
    assert account(machine(url, tmp_path / "d"), None).account().spent == spent


def test_few_calls_wait_for_the_account_to_be_told(s3: FaultyS3, url: str, tmp_path: Path) -> None:
    budget = account(machine(url, tmp_path / "a"), None)
    before = s3.asked["PUT"]
    for _ in range(640):
        assert budget.reserve(10)
        budget.settle(10, 10)
    assert s3.asked["PUT"] - before <= 11


def test_a_place_that_is_gone_stops_a_run_and_nothing_is_lost(
    s3: FaultyS3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "TRIES", 2)
    here = machine(url, tmp_path / "a")
    plan = plan_of(here, TAUGHT)
    with active_run(here.place, "x"):
        s3.shares = {"busy": 1.0}
        with pytest.raises(NotReachedError, match="s3://bucket/team/ws") as caught:
            run_step(here, plan.todo[0])
        assert caught.value.stops_run
        s3.shares = {}
    rows = run_here(url, cache_dir=str(tmp_path / "a"))
    assert rows == run_here(tmp_path / "folder" / "ws")


@pytest.mark.parametrize("name", ["../../evil", "store/../../evil", "store/\x1b[2J/x", "runs/a\nb.json"])
def test_hostile_names_stay_out(name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(url, cache_dir=str(tmp_path / "a"))
    real = objects.Objects.list

    def with_evil(self: objects.Objects, prefix: str = "") -> dict[str, str]:
        return {**real(self, prefix), name: "1:evil"}

    monkeypatch.setattr(objects.Objects, "list", with_evil)
    monkeypatch.setattr(objects.Objects, "get", _refuse_evil(objects.Objects.get))
    there = machine(url, tmp_path / "b")
    assert completions(there)
    assert not list(tmp_path.rglob("*evil*"))


def _refuse_evil(get: Any) -> Any:
    def checked(self: objects.Objects, name: str, path: Path) -> bool:
        assert path.resolve().is_relative_to(path.parents[-2]), path
        assert "evil" not in name
        return bool(get(self, name, path))

    return checked


def test_weights_of_another_machine_are_tested_and_not_trained_again(url: str, tmp_path: Path) -> None:
    run_here(url, TRAINED, cache_dir=str(tmp_path / "a"))
    longer = TRAINED.replace("max_new_tokens: 4", "max_new_tokens: 5")
    there = machine(url, tmp_path / "b")
    assert {step.kind for step in plan_of(there, longer).todo} == {"complete", "score"}
    rows = run_here(url, longer, cache_dir=str(tmp_path / "b"))
    assert rows == run_here(url, longer, cache_dir=str(tmp_path / "a"))


def test_a_worker_with_an_empty_copy_finds_the_inputs_of_its_step(url: str, tmp_path: Path) -> None:
    here = machine(url, tmp_path / "a")
    todo = plan_of(here, TRAINED).todo
    for number, step in enumerate(todo):  # each on a node of its own, which has fetched nothing
        run_step(Session(Environment(workspace=url, cache_dir=str(tmp_path / f"node-{number}"))), step)
    assert not plan_of(here.fetch(), TRAINED).todo
    assert run_here(url, TRAINED, cache_dir=str(tmp_path / "b")) == run_here(tmp_path / "folder" / "ws", TRAINED)


def test_a_step_that_another_machine_did_meanwhile_is_not_done_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine(url, tmp_path / "a")
    todo = plan_of(here, TAUGHT).todo
    run_here(url, cache_dir=str(tmp_path / "b"))
    monkeypatch.setattr("rtbench.steps.run.do_work", None)
    for step in todo:
        run_step(here, step)


def at_once(work: Any, count: int = 4) -> list[Any]:
    """Results of a function that several threads call at once with their numbers."""
    results: list[Any] = [None] * count

    def call(number: int) -> None:
        try:
            results[number] = work(number)
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_processes_of_one_machine_find_what_one_of_them_fetched(url: str, tmp_path: Path) -> None:
    run_here(url, TRAINED, cache_dir=str(tmp_path / "a"))
    here = machine(url, tmp_path / "a")
    keys = {key for part in here.ledger.partitions() for key in part.load()}
    trained = next(key for kind, key in here.store.all() if kind == "train")

    def look(_: int) -> tuple[int, bool, int]:
        # A process of a node that has fetched nothing.
        session = Session(Environment(workspace=url, cache_dir=str(tmp_path / "node")))
        parts = [
            session.ledger.partition_of(session.workspace / p.path.relative_to(here.workspace) / "x")
            for p in here.ledger.partitions()
        ]
        found = {key for part in parts for key in part.load(keys)}
        return (
            len(found),
            session.store.fetched("train", trained),
            len(list(session.store.weights("train", trained, "checkpoint").iterdir())),
        )

    results = at_once(look)
    assert results[0][:2] == (len(keys), True)
    assert len(set(results)) == 1, results


def test_half_fetched_weights_are_fetched(url: str, tmp_path: Path) -> None:
    run_here(url, TRAINED, cache_dir=str(tmp_path / "a"))
    there = machine(url, tmp_path / "b")
    trained = next(key for kind, key in there.store.all() if kind == "train")
    folder = there.store.weights("train", trained, "checkpoint")
    next(folder.glob("*.safetensors")).unlink()
    again = machine(url, tmp_path / "b")
    assert list(again.store.weights("train", trained, "checkpoint").glob("*.safetensors"))


def test_an_open_segment_is_not_left_over(url: str, tmp_path: Path) -> None:
    here, other = machine(url, tmp_path / "a"), machine(url, tmp_path / "a")
    part = here.ledger.partition("m", "d", "p")
    with part.alone(), part.writer() as writer:
        for number in range(3):
            writer.append(completion(number))
        writer.sync()
        with active_run(other.place, "x"):
            pass
        for number in range(3, 6):
            writer.append(completion(number))
        writer.sync()
        assert len(completions(machine(url, tmp_path / "b"))) == 6
    assert len(completions(machine(url, tmp_path / "b"))) == 6


def test_lines_of_a_dead_process_are_published_before_a_step_uses_them(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = machine(url, tmp_path / "node")
    part = node.ledger.partition("m", "d", "p")
    with monkeypatch.context() as dead:
        for name in ("publish", "append"):
            dead.setattr(node.place, name, lambda _: None)
        written(node, range(3))
    with part.alone():
        assert len(part.keys()) == 3
    assert len(completions(machine(url, tmp_path / "b"))) == 3


def test_local_damage_never_reaches_the_place(url: str, tmp_path: Path) -> None:
    here = machine(url, tmp_path / "a")
    written(here, range(3))
    part = here.ledger.partition("m", "d", "p")
    (segment,) = part.segments()
    right = segment.read_bytes()
    segment.write_bytes(right.replace(b"question 1", b"question 9", 1))
    assert part.cut_out_damage(segment, tmp_path / "aside")
    assert segment.read_bytes() == right
    segment.write_bytes(right.replace(b"question 1", b"question 9", 1))
    assert len(part.keys()) == 3
    assert len(completions(machine(url, tmp_path / "b"))) == 3


def test_a_second_run_does_not_make_money_smaller(url: str, tmp_path: Path) -> None:
    here = machine(url, tmp_path / "a")
    budget = account(here, None)
    assert budget.reserve(10)
    with active_run(machine(url, tmp_path / "a").place, "other"):
        pass
    assert budget.reserve(10)
    assert account(machine(url, tmp_path / "b"), None).account().spent >= 20
    budget.settle(20, 500)  # an endpoint billed more than was possible
    assert account(machine(url, tmp_path / "c"), None).account().spent >= 500


def test_reservations_of_a_lost_machine_are_no_one_s_any_more(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = account(machine(url, tmp_path / "a"), 10_000)
    with monkeypatch.context() as there:
        there.setattr("rtbench.storage.budget._owner", lambda: "elsewhere:1:1")
        assert lost.reserve(100)
    lost.close()
    assert lost.account().held
    found = account(machine(url, tmp_path / "b"), 10_000).account()
    assert (found.held, found.spent) == ({}, 100)


def test_meta_is_published_after_all_files(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off = machine(url, tmp_path / "a")
    with monkeypatch.context() as dead:
        for name in ("publish", "append"):
            dead.setattr(cut_off.place, name, lambda _: None)
        for step in plan_of(cut_off, TRAINED).todo:
            run_step(cut_off, step)
    order: list[str] = []
    real = objects.Objects.put

    def put(self: objects.Objects, name: str, content: Any, **more: Any) -> str:
        order.append(name)
        return real(self, name, content, **more)

    monkeypatch.setattr(objects.Objects, "put", put)
    with active_run(machine(url, tmp_path / "a").place, "x"):
        pass
    steps = [name for name in order if name.startswith("store/train")]
    assert any("safetensors" in name for name in steps)
    assert steps[-1].endswith("meta.json")


def test_an_outage_loses_no_answer(s3: FaultyS3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "TRIES", 2)
    here = machine(url, tmp_path / "a")
    part = here.ledger.partition("m", "d", "p")
    with pytest.raises(NotReachedError), part.writer() as writer:
        for number in range(3):
            writer.append(completion(number))
            writer.sync()
            s3.shares = {"busy": 1.0}
    assert len(part.keys()) == 3
    s3.shares = {}
    with active_run(here.place, "x"):
        pass
    assert len(completions(machine(url, tmp_path / "b"))) == 3


def test_a_lock_that_could_not_be_released_is_free(
    s3: FaultyS3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "TRIES", 2)
    here, there = machine(url, tmp_path / "a"), machine(url, tmp_path / "b")
    lock = here.workspace / "x.lock"
    with here.place.alone(lock):
        s3.shares = {"busy": 1.0}
    s3.shares = {}
    with here.place.alone(lock):
        pass
    with there.place.alone(there.workspace / "x.lock"):
        pass


def test_a_workspace_that_was_removed_keeps_its_copy(url: str, tmp_path: Path) -> None:
    run_here(url, cache_dir=str(tmp_path / "a"))
    place = objects.Objects(url)
    place.remove(place.list())
    with pytest.raises(BadInputError, match="the workspace is gone"):
        machine(url, tmp_path / "a")
    assert list((tmp_path / "a").rglob("meta.json"))


def test_a_place_without_conditional_writes_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = objects.Objects.put
    monkeypatch.setattr(objects.Objects, "create", lambda self, name, content: bool(real(self, name, content)))
    here = machine(url, tmp_path / "a")
    with pytest.raises(BadInputError, match="can be created twice"), active_run(here.place, "x"):
        pass


def test_a_copy_without_weights_takes_none_from_the_place(url: str, tmp_path: Path) -> None:
    run_here(url, TRAINED, cache_dir=str(tmp_path / "a"))
    here = machine(url, tmp_path / "a")
    trained = next(key for kind, key in here.store.all() if kind == "train")
    shutil.rmtree(here.store.path("train", trained))
    again = machine(url, tmp_path / "a")
    with active_run(again.place, "x"):
        pass
    assert list(again.store.weights("train", trained, "checkpoint").glob("*.safetensors"))
