"""Batches: both files are read, what failed or expired goes out again, and a stopped run picks up what is out."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rtbench_plugins.remote import batches, booking
from rtbench_plugins.remote.engine import EndpointError
from rtbench_plugins.remote.options import remote_options
from rtbench_plugins.remote.teacher import RemoteTeacher

from rtbench.errors import NotYetError, StepFailedError
from rtbench.plugin.models import TextModel
from rtbench.schema.completions import Completion, Request
from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget, BudgetSpentError
from tests.helpers.cli import Cli
from tests.helpers.runs import Heard, rewrite, wait_for
from tests.helpers.s3_server import s3_environment, s3_server
from tests.helpers.servers import MakeServer, Server, asked, completions, matrix
from tests.helpers.small_runs import session_in


def ask(
    server: Server, requests: list[Request], workspace: Path, budget: Budget | None = None, **options: Any
) -> list[Completion]:
    """Asks until nothing is out, as the executor does, and keeps what came, as the ledger does."""
    kept: dict[str, Completion] = {}
    for _ in range(200):
        teacher = server.teacher(budget, workspace, batch=True, **options)
        model = teacher.open(teacher.members()[0])
        try:
            for completion in model.generate([r for r in requests if r.key not in kept]):
                assert completion.key not in kept
                kept[completion.key] = completion
        except NotYetError:
            time.sleep(0.02)
            continue
        return list(kept.values())
    raise AssertionError("it never ends")


def test_all_come_back_whatever_their_order(server: MakeServer, tmp_path: Path) -> None:
    fine = server()
    requests = asked(30, each=4)
    found = {c.key: c for c in ask(fine, requests, tmp_path)}
    assert found.keys() == {r.key for r in requests}
    assert all(f"seed {r.seed % 2**31} " in found[r.key].text for r in requests)
    assert fine.stats()["batches"] == 1
    assert not list(tmp_path.rglob("*.json")), "nothing is out any more"


def test_failures_and_expired_lines_go_out_again(server: MakeServer, tmp_path: Path) -> None:
    bad = server(batch_errors=0.04, batch_expires=0.04)
    found = ask(bad, asked(300), tmp_path)
    stats = bad.stats()
    assert len(found) == 300
    assert stats["batches"] >= 2
    assert stats["answered_twice"] == 0
    assert sum(c.usage.completion_tokens for c in found if c.usage) == stats["completion_tokens"]


def test_lines_that_fail_three_times_are_named_and_asked_in_the_next_go(server: MakeServer, tmp_path: Path) -> None:
    bad = server(batch_errors=1.0)
    with pytest.raises(StepFailedError, match="7 of 7 requests got no completion: 500 broke"):
        ask(bad, asked(7), tmp_path)
    assert bad.stats()["batches"] == 3
    bad.set(batch_errors=0.0)
    assert len(ask(bad, asked(7), tmp_path)) == 7


def test_batch_that_is_refused_as_a_whole_stops_the_run(server: MakeServer, tmp_path: Path) -> None:
    bad = server(batch_fails=True)
    with pytest.raises(EndpointError, match="was refused: no such model"):
        ask(bad, asked(7), tmp_path)
    bad.set(batch_fails=False)
    assert len(ask(bad, asked(7), tmp_path)) == 7


def test_n_shares_a_line(server: MakeServer, tmp_path: Path) -> None:
    choosy = server(ignores_n=True)
    assert len(ask(choosy, asked(5, each=4), tmp_path, n=4)) == 20
    assert choosy.stats()["calls"] == 20, "what is missing of n goes out again"


def test_batches_are_split_at_what_one_may_hold(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = server()
    monkeypatch.setattr(batches, "MOST_BYTES", 5000)
    assert len(ask(fine, asked(60), tmp_path)) == 60
    assert fine.stats()["batches"] > 3


@pytest.fixture(autouse=True)
def _listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server lists a batch as soon as it is there."""
    monkeypatch.setattr(booking, "LOOK_AFTER", 0.0)


def test_batch_whose_creation_was_cut_off_is_found_by_its_mark(server: MakeServer, tmp_path: Path) -> None:
    """As if the process had been killed between the creation and the note of its id."""
    fine = server(batch_seconds=0.3)
    teacher = fine.teacher(None, tmp_path, batch=True)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    (note,) = tmp_path.rglob("*.json")
    known = json.loads(note.read_text())
    del known["id"]
    rewrite(note, known)
    assert len(ask(fine, asked(9), tmp_path)) == 9
    assert fine.stats()["batches"] == 1


def test_batch_whose_creation_was_answered_with_nonsense_is_found_and_not_paid_twice(
    server: MakeServer, tmp_path: Path
) -> None:
    odd = server(batch_mumbles=True)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    price = {"price": {"input": 0.0, "output": 1000.0}}
    with pytest.raises(EndpointError, match="the reply has no 'id'"):
        ask(odd, asked(9), tmp_path, budget, **price)
    assert budget.account().spent == 9 * 50 * 10**6, "at its worst, as it may have been created"
    found = ask(odd, asked(9), tmp_path, budget, **price)
    assert len(found) == 9
    assert odd.stats()["batches"] == 1
    assert budget.account().spent == sum(c.usage.completion_tokens for c in found if c.usage) * 10**6


def test_note_of_a_batch_that_never_was_sends_another(server: MakeServer, tmp_path: Path) -> None:
    fine = server()
    teacher = fine.teacher(None, tmp_path, batch=True)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    (note,) = tmp_path.rglob("*.json")
    known = json.loads(note.read_text())
    del known["id"]
    rewrite(note, {**known, "mark": "another"})
    assert len(ask(fine, asked(9), tmp_path)) == 9
    assert fine.stats()["batches"] == 2


def test_budget_holds_the_worst_of_a_batch_until_its_truth_is_known(server: MakeServer, tmp_path: Path) -> None:
    fine = server(batch_seconds=0.2)
    price = {"price": {"input": 0.0, "output": 2000.0, "batch": 0.5}}
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9)
    budget = Budget(cap)
    budget.begin()
    found = ask(fine, asked(100), tmp_path, budget, **price)
    written = sum(c.usage.completion_tokens for c in found if c.usage)
    assert budget.account().spent == written * 10**6
    assert budget.account().reserved == 0
    with pytest.raises(BudgetSpentError):
        ask(fine, asked(700, top_p=0.9)[100:], tmp_path, budget, **price)
    stats = fine.stats()
    assert stats["batches"] > 2, "as much as the money reaches for, and more when the truth is known"
    assert budget.account().spent == stats["completion_tokens"] * 10**6
    assert 10 * 10**9 - 50 * 10**6 < budget.account().spent <= 10 * 10**9, "no more is left than one call may cost"


def test_line_without_usage_counts_at_its_worst(server: MakeServer, tmp_path: Path) -> None:
    silent = server(counts_tokens=False)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    ask(silent, asked(20), tmp_path, budget, price={"input": 0.0, "output": 1000.0})
    assert budget.account().spent == 20 * 50 * 10**6


def test_steps_that_share_a_batch_fetch_what_each_wants_and_pay_once(server: MakeServer, tmp_path: Path) -> None:
    fine = server(batch_seconds=0.2)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    options = {"n": 4, "price": {"input": 0.0, "output": 1000.0}}
    requests = asked(10, each=4)
    teacher = fine.teacher(budget, tmp_path, batch=True, **options)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(requests))
    parts = [[r for r in requests if r.completion_index < 2 and r.sample_index < 6]]
    parts += [[r for r in requests if r.completion_index == 3], [r for r in requests if r not in parts[0]]]
    parts[2] = [r for r in parts[2] if r.completion_index != 3]
    found: list[Completion] = []
    for part in parts:
        found += ask(fine, part, tmp_path, budget, **options)
    assert sorted(c.key for c in found) == sorted(r.key for r in requests)
    stats = fine.stats()
    assert (stats["batches"], stats["answered"], stats["answered_twice"]) == (1, 10, 0)
    assert sum(c.usage.completion_tokens for c in found if c.usage) == stats["completion_tokens"]
    assert budget.account().spent == stats["completion_tokens"] * 10**6
    assert not list(tmp_path.rglob("*.json")), "nothing is left of it"


def test_what_is_out_in_a_batch_is_not_asked_directly(server: MakeServer, tmp_path: Path) -> None:
    fine = server(batch_seconds=0.2)
    teacher = fine.teacher(None, tmp_path, batch=True)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    direct = fine.teacher(None, tmp_path)
    with pytest.raises(StepFailedError, match="9 of 12 requests are in pending batches"):
        list(direct.open(direct.members()[0]).generate(asked(12)))
    ask(fine, asked(9), tmp_path)
    assert len(list(direct.open(direct.members()[0]).generate(asked(12)))) == 12


def test_lost_batch_is_reported_and_asked_again_by_the_next_run(server: MakeServer, tmp_path: Path) -> None:
    fine = server(batch_seconds=60.0)
    teacher = fine.teacher(None, tmp_path, batch=True)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    (note,) = tmp_path.rglob("*.json")
    rewrite(note, json.loads(note.read_text().replace("batch-", "lost-")))
    fine.set(batch_seconds=0.0)
    with pytest.raises(EndpointError, match="no longer exists"):
        ask(fine, asked(9), tmp_path)
    assert len(ask(fine, asked(9), tmp_path)) == 9


def test_endpoint_that_takes_no_more_batches_is_asked_later(server: MakeServer, tmp_path: Path) -> None:
    busy = server(batches_at_once=0)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    teacher = busy.teacher(budget, tmp_path, batch=True, price={"input": 0.0, "output": 1000.0})
    with pytest.raises(NotYetError, match="too many batches") as error:
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    assert error.value.after >= 1
    assert budget.account().spent == 0
    busy.set(batches_at_once=None)
    assert len(ask(busy, asked(9), tmp_path)) == 9


def test_cancelled_batch_stops_the_run_with_what_it_had(server: MakeServer, tmp_path: Path) -> None:
    fine = server(batch_seconds=60.0)
    teacher = fine.teacher(None, tmp_path, batch=True)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(asked(9)))
    (note,) = tmp_path.rglob("*.json")
    batch = json.loads(note.read_text())["id"]
    with urllib.request.urlopen(f"{fine.url}/batches/{batch}/cancel", b"{}") as reply:
        reply.read()
    with pytest.raises(EndpointError, match=f"{batch} was cancelled"):
        ask(fine, asked(9), tmp_path)


def test_what_a_server_says_of_a_refused_line_is_kept_without_the_key(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted-0123456789")
    bad = server(batch_refuses=True, key="sk-planted-0123456789")
    with pytest.raises(StepFailedError, match=r"7 of 7 requests got no completion: 400 not with \[key\]"):
        ask(bad, asked(7), tmp_path, api_key_env="MY_KEY")
    assert not list(tmp_path.rglob("refused/*")), "told once, and asked again in the next go"


def test_refused_line_that_is_not_about_content_fails_even_if_those_may_be_missing(
    server: MakeServer, tmp_path: Path
) -> None:
    bad = server(batch_refuses=True)
    with pytest.raises(StepFailedError, match="7 of 7 requests got no completion: 400 not with None"):
        ask(bad, asked(7), tmp_path, refused="missing")


def test_filtered_line_may_be_missing(server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filtered = {"error": {"message": "flagged", "code": "content_filter"}}
    refused = batches.BatchLine(custom_id="", response={"status_code": 400, "body": filtered})
    monkeypatch.setattr(batches, "classify_line", lambda _, redact, read=batches.classify_line: read(refused, redact))
    assert ask(server(), asked(7), tmp_path, refused="missing") == []
    with pytest.raises(StepFailedError, match="7 of 7 requests got no completion: 400 flagged"):
        ask(server(), asked(7), tmp_path / "strict")


def test_stopped_run_picks_up_the_batches_that_are_out(cli: Cli, server: MakeServer) -> None:
    slow = server(answer="yes", batch_seconds=600.0)
    path = matrix(cli, slow, degree=3, batch=True)
    process = cli.start("run", "--matrix", path)
    said = Heard(process)
    # The server may know of the second batch before the first step says that it waits.
    waits = "waiting, 1 batches with 120 calls are pending"
    wait_for(lambda: slow.stats().get("batches", 0) == 2 and waits in said.text, process, pause=0.1)
    process.send_signal(signal.SIGINT)
    assert said.until_end() == 130, said.text
    assert not completions(cli.workspace)
    slow.set(batch_seconds=0.0)
    cli("run", "--matrix", path)
    assert slow.stats()["batches"] == 2, "training and test questions, each once"
    assert len(completions(cli.workspace)) == 40 * 3 + 20


def test_upload_that_fails_leaves_no_money_behind(server: MakeServer, tmp_path: Path) -> None:
    locked = server(key="another")
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    price = {"price": {"input": 0.0, "output": 1000.0}}
    with pytest.raises(EndpointError):
        ask(locked, asked(10), tmp_path, budget, **price)
    locked.set(key=None)
    found = ask(locked, asked(10), tmp_path, budget, **price)
    written = sum(c.usage.completion_tokens for c in found if c.usage)
    assert budget.account().spent == written * 10**6


def test_run_that_was_killed_while_it_wrote_a_line_down_takes_the_rest_of_it(
    server: MakeServer, tmp_path: Path
) -> None:
    fine = server(batch_seconds=0.2)
    requests = asked(3, each=4)
    teacher = fine.teacher(None, tmp_path, batch=True, n=4)
    with pytest.raises(NotYetError):
        list(teacher.open(teacher.members()[0]).generate(requests))
    left = [r for r in requests if r.completion_index != 1]
    found = {c.key: c.text for c in ask(fine, left, tmp_path, n=4)}
    assert found.keys() == {r.key for r in left}
    assert all(f"I say {r.completion_index}." in found[r.key] for r in left)
    assert fine.stats()["batches"] == 1


@pytest.mark.parametrize(("age", "wait"), [(0, 1.0), (100, 10.0), (3600, 60.0)])
def test_pending_work_is_looked_at_after_a_tenth_of_its_age(
    age: float, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "time", SimpleNamespace(time=lambda: 10_000.0))
    assert booking.seconds_to_wait(10_000.0 - age) == pytest.approx(wait)


def test_batch_of_one_machine_is_fetched_and_settled_by_another(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = {"input": 1.0, "output": 2.0, "batch": 1.0}
    fine = server(batch_seconds=3600.0)
    requests = asked(10)
    with s3_server() as (address, _):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)

        def machine(name: str) -> tuple[TextModel, Budget]:
            session = session_in("s3://bucket/ws", cache_dir=str(tmp_path / name))
            cap = BudgetCap(path=str(session.workspace / "runs" / "r.spend"), nano=10**12, currency="USD")
            session = session.with_settings(budget=cap)
            assert session.budget is not None
            session.budget.begin()
            options = {"model": "m", "base_url": fine.url, "api_key_env": None, "batch": True, "price": price}
            far = RemoteTeacher("t", remote_options("t", options), session)
            return far.open(far.members()[0]), session.budget

        model, lost = machine("a")
        with pytest.raises(NotYetError):
            list(model.generate(requests))
        booked = lost.account().spent
        lost.close()
        fine.set(batch_seconds=0.0)
        model, budget = machine("b")
        found = list(model.generate(requests))
        assert {one.key for one in found} == {request.key for request in requests}
        assert fine.stats()["batches"] == 1
        used = [one.usage for one in found if one.usage is not None]
        cost = sum(u.prompt_tokens * 1000 + u.completion_tokens * 2000 for u in used)
        assert budget.account().spent == cost < booked
        model, _ = machine("a")
        assert not list((tmp_path / "a").rglob("batches/*/*.json"))
