"""Faulty replies about files, batches and jobs: a short error, or what can be used of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from rtbench_plugins.remote.batch_lines import BatchLine
from rtbench_plugins.remote.client import Client
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.fine_tuning import OpenAiJobs
from rtbench_plugins.remote.http import Connection
from rtbench_plugins.remote.options import EndpointOptions, remote_options

from tests.helpers.raw_server import RawServer, raw_server, reply

LIMIT = 700
DEEP = '{"id": "x", "y": ' + "[" * 5000 + "]" * 5000 + "}"


def options(server: RawServer) -> EndpointOptions:
    given = {"model": "m", "base_url": server.url, "api_key_env": None, "retries": 0, "patience": 1, "timeout": 600}
    return remote_options("t", given)


def with_client(server: RawServer, work: Any) -> Any:
    async def run() -> Any:
        async with Client(Connection(options(server), where="t"), Policy(0, 1.0, "t"), next_step="Wait.") as client:
            return await work(client)

    return asyncio.run(run())


BAD_OBJECTS = [
    reply(DEEP),
    reply('{"id": 5}'),
    reply(json.dumps({"id": "x" * 10_000})),
    reply("[1]"),
    reply("<html>login</html>"),
    reply(b"\xff\xfe"),
    reply(json.dumps({"error": {"message": "A" * 3_000_000}}), status="400 Bad"),
    reply(json.dumps({"error": {"message": "A" * 3_000_000}}), status="500 Bad"),
    reply(DEEP, status="400 Bad"),
    reply('{"id": "' + "x" * 20_000_000 + '"}'),
]


@pytest.mark.parametrize("sent", BAD_OBJECTS)
def test_faulty_object_is_a_short_error(sent: bytes) -> None:
    with raw_server(sent) as server, pytest.raises(EndpointError) as error:
        with_client(server, lambda client: client.create("batches", {}))
    assert len(str(error.value)) < LIMIT


@pytest.mark.parametrize(
    "page",
    [
        {"data": 7},
        {"data": "abc"},
        {"data": [1, None, "x"], "has_more": True},
        {"data": [{"metadata": ["rtbench"]}, {"metadata": {"rtbench": 3}}]},
        {},
    ],
)
def test_odd_listing_has_no_object_of_ours(page: Any) -> None:
    with raw_server(reply(json.dumps(page))) as server:
        assert OpenAiJobs(options(server), {}, where="s").find("mark") is None


def line(name: str, **more: Any) -> str:
    return json.dumps({"custom_id": name, "response": {"status_code": 200, "body": {}}, **more})


def test_line_that_cannot_be_read_does_not_cost_the_others() -> None:
    lines = [line("a"), "{cut", DEEP, line("b", error=7), json.dumps([1]), line("half \ud800"), "", line("c")]
    with raw_server(reply("\n".join(lines))) as server:
        found = with_client(server, lambda client: client.lines("f", BatchLine, most=10**6))
    assert [one.custom_id for one in found] == ["a", "half \ufffd", "c"]


@pytest.mark.parametrize("sent", [reply(line("a") + "\n" + "x" * 5000), reply("<html>login"), reply(DEEP)])
def test_file_that_is_too_long_or_no_file_of_lines_is_an_error(sent: bytes) -> None:
    with raw_server(sent) as server, pytest.raises(EndpointError) as error:
        with_client(server, lambda client: client.lines("f", BatchLine, most=3000))
    assert len(str(error.value)) < LIMIT


def test_id_of_a_server_stays_in_its_place_of_the_address() -> None:
    with raw_server(reply(line("a"))) as server:
        with_client(server, lambda client: client.lines("../../admin?x#", BatchLine, most=3000))
        assert server.calls[0].startswith(b"GET /v1/files/..%2F..%2Fadmin%3Fx%23/content ")


@pytest.mark.parametrize("tokens", [-5, 10**30, 10**15])
def test_trained_tokens_that_cannot_be_are_unknown(tokens: int) -> None:
    job = {"id": "j", "status": "succeeded", "fine_tuned_model": "m", "trained_tokens": tokens}
    with raw_server(reply(json.dumps(job))) as server:
        found = OpenAiJobs(options(server), {}, where="s").look_at("j")
    assert found is not None
    assert found.trained_tokens is None


def test_words_of_a_job_are_short_and_without_control_characters() -> None:
    said = "\x1b[2J" + "A" * 100_000
    job = {"id": "j", "status": said, "error": {"message": said}, "metadata": [1]}
    event = {"id": "e", "message": said, "data": {"x": said}, "created_at": 5}
    with raw_server(reply(json.dumps({**job, "data": [event]}))) as server:
        jobs = OpenAiJobs(options(server), {}, where="s")
        found, events = jobs.look_at("j"), jobs.events("j")
    assert found is not None
    stored = msgspec.json.encode([found, events])
    assert len(stored) < 2 * LIMIT
    assert b"\\u001b" not in stored
    assert events[0]["created_at"] == 5
