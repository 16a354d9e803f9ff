"""The engine against a server that goes wrong in every way it can."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from rtbench_plugins.remote import engine
from rtbench_plugins.remote.engine import EndpointError

from rtbench.errors import StepFailedError
from rtbench.storage.ledger import Ledger
from tests.helpers.runs import LONG
from tests.helpers.servers import MakeServer, asked

FAULTS = dict.fromkeys(("throttled", "errors", "resets", "cut", "malformed", "empty", "doubled"), 0.05 / 7)


def test_ten_thousand_requests_under_faults_of_every_kind_all_end_in_the_ledger_once(
    server: MakeServer, tmp_path
) -> None:
    faulty = server(**FAULTS, thoughts="mixed")
    requests = asked(2500, each=4)
    teacher = faulty.teacher()
    partition = Ledger(tmp_path).partition("f", "d", "p")
    with partition.writer() as writer:
        for completion in teacher.open(teacher.members()[0]).generate(requests):
            writer.append(completion)
    lines = [line for segment in partition.path.glob("*.jsonl") for line in segment.read_bytes().splitlines()]
    found = partition.load()
    assert len(lines) == len(found) == 10_000
    assert found.keys() == {request.key for request in requests}
    counted = faulty.stats()
    assert all(counted[kind] > 10 for kind in FAULTS)
    assert sum(c.usage.prompt_tokens for c in found.values()) == counted["prompt_tokens"]
    assert sum(c.usage.completion_tokens for c in found.values()) == counted["completion_tokens"]
    assert counted["answered"] == 10_000
    thoughts = Counter(c.reasoning is not None for c in found.values())
    assert thoughts[True] > thoughts[False] > 1000, "four kinds of thoughts, and none"
    assert all("Hm" not in c.text and "think" not in c.text for c in found.values())
    assert {c.reasoning for c in found.values()} == {None, "Hm 0."}


def test_each_completion_has_its_own_seed_and_the_same_one_again(server: MakeServer) -> None:
    fine = server()
    requests = asked(3, each=4)
    texts = {c.key: c.text for c in fine.ask(requests)}
    assert len(set(texts.values())) == 12
    assert {c.key: c.text for c in fine.ask(requests)} == texts


@pytest.mark.parametrize("ignored", [False, True])
def test_n_asks_once_for_several_and_tops_up_what_is_missing(server: MakeServer, ignored: bool) -> None:
    choosy = server(ignores_n=ignored)
    found = choosy.ask(asked(5, each=7), n=4)
    assert len({c.key for c in found}) == 35
    counted = choosy.stats()
    assert counted["calls"] == (35 if ignored else 10)
    assert sum(c.usage.completion_tokens for c in found) == counted["completion_tokens"]
    assert sum(c.usage.prompt_tokens for c in found) == counted["prompt_tokens"], "a prompt is counted once per call"
    assert len({c.text for c in found}) == 35


def test_no_more_calls_at_once_than_allowed(server: MakeServer) -> None:
    slow = server(latency=0.02, until_under_way=5)
    slow.ask(asked(60), concurrency=5)
    assert slow.stats()["most_under_way"] == 5


def test_a_server_that_takes_fewer_at_once_is_asked_fewer(server: MakeServer) -> None:
    narrow = server(latency=0.02, limit=8)
    assert len(narrow.ask(asked(400), concurrency=64)) == 400
    refused = narrow.stats()["429"]
    assert refused < 400, "the first wave, and then a few where it feels for more; about 1,000 without narrowing"


def test_limit_that_a_server_enforces_is_learned_from_its_headers(server: MakeServer) -> None:
    """Its windows end all at once, which no header tells: a few refusals at each, not one per call."""
    strict = server(allowed=10, window=1.0, latency=0.02)
    assert len(strict.ask(asked(40), concurrency=10)) == 40
    assert strict.stats().get("429", 0) <= 45, "about 60 where refusals are ignored, and 100 where headers are"


def test_limit_that_leaves_nothing_for_longer_than_one_has_patience_stops_the_run(server: MakeServer) -> None:
    told = {"limit": "10", "remaining": "0", "reset": "3h"}
    spent = server(headers={f"x-ratelimit-{what}-requests": value for what, value in told.items()})
    with pytest.raises(EndpointError, match="takes no more calls for"):
        spent.ask(asked(12), concurrency=1, patience=2)


def test_retry_after_nothing_is_no_reason_to_hurry(server: MakeServer) -> None:
    closed = server(status=503, headers={"Retry-After": "0"})
    with pytest.raises(EndpointError, match="no successful response for"):
        closed.ask(asked(20), concurrency=4, patience=2, retries=3)
    assert closed.stats()["calls"] < 200


def test_retry_after_is_honoured(server: MakeServer) -> None:
    """A call that is sent again sooner is refused again: the other one takes 0.3 s from the refusal."""
    busy = server(limit=1, latency=0.3, retry_after="1", until_refused=True)
    assert len(busy.ask(asked(2), concurrency=2)) == 2
    assert busy.stats()["429"] == 1


@pytest.mark.parametrize(
    ("status", "code"), [(401, None), (403, None), (404, None), (429, "insufficient_quota"), (307, None)]
)
def test_what_no_call_can_mend_stops_at_once(server: MakeServer, status: int, code: str | None) -> None:
    closed = server(status=status, message="no model of that name", code=code)
    with pytest.raises(EndpointError, match="no model of that name|redirect") as error:
        closed.ask(asked(500), concurrency=4)
    assert error.value.stops_run
    assert closed.stats()["calls"] <= 8


def test_request_that_is_refused_is_not_sent_again_and_named(server: MakeServer) -> None:
    fussy = server(refuses=["top_p"])
    odd = asked(1, top_p=0.5)
    with pytest.raises(StepFailedError, match=r"1 of 4 requests got no completion: 400 Unsupported parameter: 'top_p'"):
        fussy.ask([*asked(4)[1:], *odd])
    assert fussy.stats()["calls"] == 4


def test_refusals_that_are_not_about_content_fail_even_if_those_may_be_missing(server: MakeServer) -> None:
    fussy = server(refuses=["top_p"], filters="Question 1:")
    with pytest.raises(StepFailedError, match=r"1 of 5 requests got no completion: 400 Unsupported parameter: 'top_p'"):
        fussy.ask([*asked(5)[1:], *asked(1, top_p=0.5)], refused="missing")
    assert len(fussy.ask(asked(5), refused="missing")) == 4, "without the prompt that is filtered"


def test_parameter_that_every_call_is_refused_for_stops_soon(server: MakeServer) -> None:
    fussy = server(refuses=["temperature"])
    with pytest.raises(EndpointError, match="Unsupported parameter: 'temperature'"):
        fussy.ask(asked(500), concurrency=4)
    assert fussy.stats()["calls"] < 20
    assert len(fussy.ask(asked(20), profile={"without": ["temperature"]})) == 20


def test_server_that_fails_for_good_stops_the_run_with_what_was_said(server: MakeServer) -> None:
    broken = server()
    assert len(broken.ask(asked(5))) == 5
    broken.set(status=500, message="out of memory")
    with pytest.raises(EndpointError, match=r"no successful response for .* s; last error: 500 out of memory"):
        broken.ask(asked(500), patience=1.0)


def test_calls_that_hang_do_not_hold_up_the_end_of_a_run(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GRACE", 0.2)
    closed = server(status=404, message="no such path", hangs="Question 1")
    with pytest.raises(EndpointError, match="no such path"):
        closed.ask(asked(40), concurrency=16)


def test_nobody_listening_is_one_clear_error(server: MakeServer) -> None:
    gone = server()
    gone.process.stdin.close()
    gone.process.wait(LONG)
    with pytest.raises(EndpointError, match="cannot connect"):
        gone.ask(asked(10), patience=0.5)


def test_server_that_asks_for_more_patience_than_there_is_stops(server: MakeServer) -> None:
    daily = server(limit=0, retry_after="3600")
    with pytest.raises(EndpointError, match="asks for a wait of 3600 s"):
        daily.ask(asked(10))


def test_server_that_comes_back_is_asked_on(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_AT_FIRST", 600.0)  # two waves of errors, however long they take
    away = server(errors_first=80)
    assert len(away.ask(asked(40), patience=600)) == 40
    assert away.stats()["calls"] == 80 + 40


def test_what_came_before_a_fault_is_yielded(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GRACE", 600.0)  # what is under way when the fault comes is waited for
    broken = server(latency=0.01)
    teacher = broken.teacher(concurrency=4)
    found = []
    with pytest.raises(EndpointError):
        for completion in teacher.open(teacher.members()[0]).generate(asked(200)):
            found.append(completion)
            if len(found) == 50:
                broken.set(status=401)
    assert 50 <= len(found) < 70
    assert len({c.key for c in found}) == broken.stats()["answered"]


def test_consumer_that_stops_leaves_nothing_under_way(server: MakeServer) -> None:
    slow = server(latency=0.05)
    teacher = slow.teacher(concurrency=8)
    answers = teacher.open(teacher.members()[0]).generate(asked(100))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    end = time.monotonic() + LONG
    while slow.stats()["under_way"]:
        assert time.monotonic() < end, "calls are under way for ever"
        time.sleep(0.02)
    calls = slow.stats()["calls"]
    time.sleep(0.3)  # in which a consumer that had not stopped would send others
    assert slow.stats()["calls"] == calls < 30
