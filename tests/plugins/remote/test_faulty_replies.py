"""Replies that are too long, too deep, too slow, or cannot be true: the call fails with a short reason, and no more."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.remote.limits import retry_after
from rtbench_plugins.remote.wire import read_reply

from rtbench.errors import StepFailedError
from rtbench.schema.completions import Completion
from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget
from tests.helpers.raw_server import RawServer, chat, raw_server, reply
from tests.helpers.servers import asked, teacher

LIMIT = 600
"""Characters of a failure, of which the server's words are a part."""
WORST = 400 * 1000
"""More than a call of the tests can cost, in billionths of a dollar."""


def ask(server: RawServer, n: int = 1, budget: Budget | None = None, **options: Any) -> list[Completion]:
    given = {"model": "m", "base_url": server.url, "api_key_env": None, "retries": 1, "patience": 600, "timeout": 600}
    asks = teacher({**given, "price": {"input": 1, "output": 1}, **options}, budget)
    return list(asks.open(asks.members()[0]).generate(asked(n)))


def failure(sent: bytes, pieces: bytes = b"", pause: float = 0.0, **options: Any) -> tuple[str, RawServer]:
    with raw_server(sent, pieces, pause) as server, pytest.raises(StepFailedError) as error:
        ask(server, **options)
    assert len(str(error.value)) < LIMIT
    return str(error.value), server


def account(tmp_path: Path) -> Budget:
    budget = Budget(BudgetCap(path=str(tmp_path / "x.spend"), nano=10**9, currency="USD"))
    budget.begin()
    return budget


BIG = "A" * 5_000_000


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Oops", "404 Not Found", "302 Found"])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": BIG}}),
        json.dumps({"error": BIG}),
        json.dumps({"detail": [BIG]}),
        BIG,
        f"<html>{BIG}",
    ],
    ids=["object", "text", "detail", "plain", "page"],
)
def test_long_error_is_a_short_reason(body: str, status: str) -> None:
    said, _ = failure(reply(body, f"Location: http://elsewhere.example/{'x' * 3000}", status=status), retries=0)
    assert "AAAA" in said or status.startswith("302")


CHUNKED = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"10000\r\n" + b" " * 65536 + b"\r\n"


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"500 Oops", b"201 Created"])
def test_endless_reply_is_left_early(status: bytes) -> None:
    _, server = failure(CHUNKED % status, PIECE, retries=0)
    assert server.bytes < 50_000_000


def test_reply_without_an_end_or_a_length_is_left_early() -> None:
    said, _ = failure(b"HTTP/1.0 200 OK\r\n\r\n", b" " * 65536)
    assert "the reply is longer than" in said


def test_reply_that_trickles_ends_at_the_deadline_of_the_call() -> None:
    said, _ = failure(CHUNKED % b"200 OK", b"1\r\n \r\n", pause=0.05, retries=0, timeout=1)
    assert "no answer in 1 s" in said


@pytest.mark.parametrize("body", [gzip.compress(b" " * 300_000_000, 1), gzip.compress(b"x" * 100_000_000, 1)])
def test_small_reply_that_unpacks_to_a_large_one_is_left(body: bytes) -> None:
    said, _ = failure(reply(body, "Content-Encoding: gzip"))
    assert "the reply is longer than" in said


def test_compressed_reply_is_read() -> None:
    with raw_server(reply(gzip.compress(chat().encode()), "Content-Encoding: gzip")) as server:
        assert [one.text for one in ask(server)] == ["The answer is 5."]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (reply(gzip.compress(chat().encode())[:-12], "Content-Encoding: gzip"), "its compressed data end early"),
        (reply(b"\x1f\x8bnot gzip", "Content-Encoding: gzip"), "its compressed data"),
        (reply(chat(), "Content-Encoding: zstd"), "was not asked for"),
        (reply(chat(), length=100_000), "the connection broke"),
        (reply(chat(), length=20), "the connection broke"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000 + b"\r\n", "the connection broke"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n", "the connection broke"),
        (b"garbage\r\n\r\n", "the connection broke"),
        (reply('{"choices": ' + "[" * 5000 + "]" * 5000 + "}"), "nested too deeply"),
        (reply(chat()[:-1] + ', "x": ' + '{"a":' * 5000 + "1" + "}" * 5001), "nested too deeply"),
        (reply(json.dumps({"error": {"message": "no"}})[:-1] + ', "x": ' + "[" * 9999 + "]" * 9999 + "}", status="400 B"), "400"),
        (reply(chat({"index": 0, "message": {"content": {"a": 1}}})), "has no choice"),
        (reply(chat({"index": 0, "message": "The answer is 5."})), "has no choice"),
        (reply('{"choices": {"0": 1}}'), "has no choice"),
        (reply('{"choices": null}'), "has no choice"),
        (reply(json.dumps({"error": {"message": "no", "code": "9" * 6000}})), "200 with the error"),
        (reply(json.dumps({"error": {"message": ["no"], "code": {}}})), "200"),
    ],
)  # fmt: skip
def test_broken_reply_is_a_failed_call(sent: bytes, said: str) -> None:
    assert said in failure(sent, retries=0)[0]


def test_reply_over_http_1_0_is_read() -> None:
    with raw_server(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + chat().encode()) as server:
        assert len(ask(server)) == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_key_is_not_sent_to_another_host(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-abcdefgh")
    with raw_server(reply(chat())) as other:
        said, server = failure(reply("", f"Location: {other.url}", status=status), api_key_env="SOME_KEY")
        assert not other.calls
        assert b"sk-abcdefgh" in server.calls[0]
    assert "redirect" in said


def usage(**counts: Any) -> Any:
    return {"prompt_tokens": 10, "completion_tokens": 5, **counts}


@pytest.mark.parametrize(
    "counts",
    [
        usage(completion_tokens=10**30),
        usage(completion_tokens=10**6),
        usage(prompt_tokens=10**9),
        usage(completion_tokens=-5),
        usage(prompt_tokens=-(10**12)),
        usage(total_tokens=10**15),
        usage(total_tokens=-1),
        usage(prompt_tokens_details={"cached_tokens": 10**9}),
        usage(prompt_tokens_details={"cached_tokens": -3}),
        usage(completion_tokens_details={"reasoning_tokens": 10**7}),
        usage(completion_tokens=1.5),
        usage(completion_tokens="many"),
        usage(completion_tokens=[5]),
        usage(completion_tokens=None),
        {"completion_tokens": 5},
        {"prompt_tokens": 10},
        {},
        None,
        "10",
        [10, 5],
    ],
)
def test_counts_that_cannot_be_are_not_booked(counts: Any, tmp_path: Path) -> None:
    budget = account(tmp_path)
    with raw_server(reply(chat(usage=counts))) as server:
        (found,) = ask(server, budget=budget)
    assert found.text == "The answer is 5."
    assert found.usage is None
    assert 15 * 1000 < budget.account().spent < WORST, "the most that the call can cost"
    with raw_server(reply(chat())) as server:
        assert len(ask(server, budget=budget)) == 1, "the account is not blocked"


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Oops"])
def test_counts_of_an_error_that_cannot_be_are_not_booked(status: str, tmp_path: Path) -> None:
    budget = account(tmp_path)
    body = json.dumps({"error": {"message": "no"}, "usage": usage(completion_tokens=10**20)})
    with raw_server(reply(body, status=status)) as server, pytest.raises(StepFailedError):
        ask(server, budget=budget, retries=0)
    assert 0 < budget.account().spent < WORST


@pytest.mark.parametrize(
    "counts", [usage(), usage(completion_tokens="5"), usage(total_tokens=40), usage(completion_tokens=900)]
)
def test_counts_that_can_be_are_booked(counts: Any, tmp_path: Path) -> None:
    budget = account(tmp_path)
    with raw_server(reply(chat(usage=counts))) as server:
        (found,) = ask(server, budget=budget)
    assert found.usage is not None
    assert budget.account().spent == (found.usage.prompt_tokens + found.usage.completion_tokens) * 1000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (chat(text="\ud800 x 5."), "\ufffd x 5."),
        (chat(text="x \udfff"), "x \ufffd"),
        (chat(text="\ud83d\ude00 \ud83d."), "😀 \ufffd."),
        (chat(text=r"\ud800 is an escape"), r"\ud800 is an escape"),
        (chat(text="caf#").encode().replace(b"#", b"\xe9"), "caf\ufffd"),
        (chat(text="a#b").encode().replace(b"#", b"\xed\xa0\x80"), "a\ufffd\ufffd\ufffdb"),
        (b"\xef\xbb\xbf" + chat().encode(), "The answer is 5."),
        (chat(text="a\x00b\x1b[2J"), "a\x00b\x1b[2J"),
    ],
)
def test_broken_characters_do_not_cost_the_text(body: str | bytes, text: str) -> None:
    with raw_server(reply(body)) as server:
        assert [one.text for one in ask(server)] == [text]
        assert len(server.calls) == 1


def choice(text: str, **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ([choice("a"), choice("b")], ["a"]),
        ([choice("a", index=1), choice("b", index=0)], ["a", "b"]),
        ([choice("a", index=None), choice("b", index=None)], ["a", "b"]),
        ([choice("a", index="x"), choice("b", index=[1])], ["a", "b"]),
        ([choice("a", index=0), choice("b", index=0), choice("c", index=1), choice("c", index=1)], ["a", "c"]),
        ([choice("a", finish_reason=7)], ["a"]),
        ([choice("a", finish_reason={"x": 1})], ["a"]),
        ([{"index": 0}, choice("b", index=1)], ["b"]),
        ([None, "x", choice("b", index=1)], ["b"]),
        ([{"index": 0, "message": {"content": 5}}, choice("b", index=1)], ["b"]),
        ([{"index": 0, "message": {"content": ["a", {"type": "text", "text": "b"}]}}], ["ab"]),
        ([{"index": 0, "message": {"content": "a", "reasoning": {"x": 1}, "refusal": []}}], ["a"]),
        ([{"index": 0, "message": {"content": "a", "reasoning_details": [1, {"text": 2}]}}], ["a"]),
    ],
)
def test_what_a_reply_says_of_its_parts_is_looked_at(choices: list[Any], texts: list[str]) -> None:
    found = read_reply(chat(*choices).encode())
    assert found is not None
    assert [one.text or _content(one) for one in found.choices] == texts


def _content(one: Any) -> str:
    content = one.message.content
    return (
        content
        if isinstance(content, str)
        else "".join(part if isinstance(part, str) else part.text for part in content)
    )


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": ["a", "b", "c"], "top_logprobs": [{"a": -0.1}]},
        {"tokens": ["a"], "top_logprobs": [{"a": -0.1}, {"b": -0.1}]},
        {"tokens": ["a"], "top_logprobs": [{"a": 3.5}]},
        {"content": [{"token": "a", "logprob": 2.0, "top_logprobs": [{"token": "a", "logprob": 2.0}]}]},
        {"content": "x"},
        7,
    ],
)
def test_log_probabilities_of_the_wrong_length_or_size_are_left_out(logprobs: Any) -> None:
    with raw_server(reply(chat(choice("a", logprobs=logprobs)))) as server:
        given = {"model": "m", "base_url": server.url, "api_key_env": None}
        asks = teacher(given)
        (found,) = asks.open(asks.members()[0]).generate(asked(1, top_logprobs=2))
    assert (found.text, found.logprobs) == ("a", None)


@pytest.mark.parametrize("value", ["1000000000", "Fri, 01 Jan 2100 00:00:00 GMT", "1e300", "99999999d"])
def test_wait_beyond_all_patience_stops_the_run_at_once(value: str) -> None:
    said, server = failure(reply("busy", f"Retry-After: {value}", status="429 Busy"))
    assert "asks for a wait of" in said
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "value", ["-5", "nan", "inf", "soon", "", "Mon, 99 Foo 99999 99:99:99 GMT", "9" * 5000, "1e999"]
)
def test_invalid_wait_is_none_or_not_negative(value: str) -> None:
    after = retry_after({"retry-after": value})
    assert after is None or after >= 0
