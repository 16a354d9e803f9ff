"""An OpenAI-compatible server that goes wrong on purpose: what tests and benchmarks ask.

``python -m tests.helpers.fault_server '{"latency": 0.2, "limit": 64, "errors": 0.05}'`` prints its port and serves until its
standard input closes. ``GET /_stats`` tells what it counted; ``POST /_set`` changes settings.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from typing import Any

import msgspec
from aiohttp import web

from tests.helpers.fault_batches import Batches
from tests.helpers.fault_jobs import Jobs


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How it behaves. Shares are probabilities per call, and exclude each other in the order written."""

    latency: float = 0.0
    limit: int | None = None
    """Calls at once; more are answered 429."""
    retry_after: str | None = None
    """Header of a 429."""
    until_refused: bool = False
    """No call is answered before the limit has refused one."""
    until_under_way: int = 0
    """No call is answered before so many were under way at once."""
    answers_at_most: int | None = None
    """Good replies; further calls wait until this is changed."""
    throttled: float = 0.0
    """429 at any time, every other one with Retry-After."""
    errors: float = 0.0
    """500."""
    errors_first: int = 0
    """So many calls are answered 500, whatever the shares, before any other."""
    resets: float = 0.0
    cut: float = 0.0
    """The body breaks off."""
    malformed: float = 0.0
    """A whole body that is no JSON."""
    empty: float = 0.0
    """No choices."""
    doubled: float = 0.0
    """More choices than asked for."""
    ignores_n: bool = False
    thoughts: str = "none"
    """``reasoning``, ``reasoning_content``, ``reasoning_details``, ``think``, ``mixed`` or ``none``."""
    status: int | None = None
    """Every call is answered with this."""
    message: str = "as the settings say"
    code: str | None = None
    headers: dict[str, str] = {}
    allowed: int | None = None
    """Requests in a window of time; told in headers, and enforced."""
    window: float = 60.0
    """Seconds."""
    refuses: list[str] = []
    """Fields that are answered 400."""
    filters: str = ""
    """A prompt that holds this is answered as OpenRouter answers one that it flags."""
    bodies: dict[str, str] = {}
    """A prompt that holds the key is answered 200 with this body."""
    content_type: str = "application/json"
    """Of those bodies."""
    hangs: str = ""
    """A prompt that holds this is never answered."""
    key: str | None = None
    """The only key that is let in."""
    seed: int = 0
    text: str = ""
    """What is said before the answer; empty: something of the prompt."""
    answer: str = ""
    finish: str = "stop"
    batch_seconds: float = 0.0
    batch_errors: float = 0.0
    """Share of a batch's lines that end in the error file."""
    batch_expires: float = 0.0
    """Share of a batch's lines that are not done when it expires."""
    batch_fails: bool = False
    batch_refuses: bool = False
    """Every line is answered 400, with the key in the message."""
    batches_at_once: int | None = None
    """More are answered 429."""
    batch_mumbles: bool = False
    """A batch is created, and the reply says nothing of it."""
    counts_tokens: bool = True
    job_seconds: float = 0.0
    job_ends: str = "succeeded"
    """How a fine-tuning job ends."""
    jobs_at_once: int | None = None
    """More are answered 429."""
    job_vanishes: bool = False
    """The connection is reset when a job has been created."""
    job_never: bool = False
    """The connection is reset, and no job has been created."""
    job_mumbles: str | None = None
    """A job is created, and this is all that the reply says."""
    checkpoints: list[float] = []
    """Losses on the validation part of the weights that a job keeps on its way."""


class FaultServer:
    """The server's state and its handlers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.random = random.Random(settings.seed)
        self.under_way = 0
        self.most_under_way = 0
        self.refused = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """Calls by prompt and seed, good or bad."""
        self.answered: Counter[str] = Counter()
        self.of_late: list[float] = []
        self.batches = Batches(self)
        self.jobs = Jobs(self)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removeprefix("/v1")
        body = await request.read()
        if path == "/_stats":
            return web.json_response(self.stats())
        if path == "/_set":
            changed = msgspec.json.decode(body)
            for key, value in changed.items():
                assert hasattr(self.settings, key), key
                setattr(self.settings, key, value)
            return web.json_response({})
        if self.settings.key is not None and request.headers.get("Authorization") != f"Bearer {self.settings.key}":
            given = request.headers.get("Authorization", "no key")
            return self.fault(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        if path.startswith(("/files", "/batches", "/fine_tuning")):
            return await self.batches.handle(request, path, body)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self.call(request, path, body)
        finally:
            self.under_way -= 1

    async def call(self, request: web.BaseRequest, path: str, body: bytes) -> web.StreamResponse:
        asked = msgspec.json.decode(body)
        prompt = asked["prompt"] if path == "/completions" else asked["messages"][-1]["content"]
        self.counts["calls"] += 1
        self.asked[f"{asked.get('seed')} {prompt}"] += 1
        settings = self.settings
        if settings.hangs and settings.hangs in prompt:
            await asyncio.sleep(3600)
        if settings.status is not None:
            await asyncio.sleep(settings.latency)
            return self.fault(settings.status, settings.message, settings.code, settings.headers)
        if settings.filters and settings.filters in prompt:
            flagged = {"message": "flagged", "code": 403, "metadata": {"flagged_input": prompt, "reasons": ["x"]}}
            return web.json_response({"error": flagged}, status=403)
        for field in settings.refuses:
            if field in asked:
                return self.fault(400, f"Unsupported parameter: '{field}'", "unsupported_parameter")
        if settings.limit is not None and self.under_way > settings.limit:
            self.counts["429"] += 1
            self.refused.set()
            headers = {} if settings.retry_after is None else {"Retry-After": settings.retry_after}
            return self.fault(429, "too many at once", "rate_limit_exceeded", headers)
        headers = self.within_the_window()
        if headers is None:
            self.counts["429"] += 1
            return self.fault(429, "too many of late", "rate_limit_exceeded")
        await self.held_up()
        if settings.latency:
            await asyncio.sleep(settings.latency)
        while self.has_answered_enough():  # noqa: ASYNC110 - settings change from outside
            await asyncio.sleep(0.02)
        return self.stated(prompt) or await self.reply(request, path, asked, prompt, headers)

    def has_answered_enough(self) -> bool:
        most = self.settings.answers_at_most
        return most is not None and self.counts["good"] >= most

    async def held_up(self) -> None:
        """Wait for what the settings want to have happened before a call is answered."""
        if self.settings.until_refused:
            await self.refused.wait()
        while self.most_under_way < self.settings.until_under_way:  # noqa: ASYNC110 - settings change from outside
            await asyncio.sleep(0.005)

    def stated(self, prompt: str) -> web.Response | None:
        """The body that the settings state for a prompt."""
        for held, said in self.settings.bodies.items():
            if held in prompt:
                return web.Response(body=said.encode(), headers={"Content-Type": self.settings.content_type})
        return None

    def within_the_window(self) -> dict[str, str] | None:
        """Headers that tell the limit; None where it is passed."""
        most, window = self.settings.allowed, self.settings.window
        if most is None:
            return self.settings.headers
        now = asyncio.get_running_loop().time()
        self.of_late = [at for at in self.of_late if now - at < window]
        if len(self.of_late) >= most:
            return None
        self.of_late.append(now)
        reset = window - (now - self.of_late[0])
        return {
            "x-ratelimit-limit-requests": str(most),
            "x-ratelimit-remaining-requests": str(most - len(self.of_late)),
            "x-ratelimit-reset-requests": f"{reset:.3f}s",
        }

    async def reply(
        self, request: web.BaseRequest, path: str, asked: dict[str, Any], prompt: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        kind = self.draw()
        self.counts[kind] += 1
        if kind == "errors":
            return self.fault(500, "something broke", "server_error")
        if kind == "throttled":
            self.counts["429"] += 1
            hint = {"Retry-After": "0.05"} if self.counts["429"] % 2 else {}
            return self.fault(429, "slower", "rate_limit_exceeded", hint)
        if kind == "resets":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        value = self.completion(path, asked, prompt, doubled=kind == "doubled", empty=kind == "empty")
        data = msgspec.json.encode(value)
        if kind == "malformed":
            return web.Response(body=b"<html>" + data[:40], content_type="application/json")
        if kind == "cut":
            response = web.StreamResponse(
                headers={"Content-Length": str(len(data)), "Content-Type": "application/json"}
            )
            await response.prepare(request)
            await response.write(data[: len(data) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        if kind != "empty":
            self.count(value, asked, prompt)
        return web.Response(body=data, content_type="application/json", headers=headers)

    def draw(self) -> str:
        if self.counts["errors"] < self.settings.errors_first:
            return "errors"
        at = self.random.random()
        for kind in ("throttled", "errors", "resets", "cut", "malformed", "empty", "doubled"):
            at -= getattr(self.settings, kind)
            if at < 0:
                return kind
        return "good"

    def count(self, value: dict[str, Any], asked: dict[str, Any], prompt: str) -> None:
        """A good reply has left."""
        self.answered[f"{asked.get('seed')} {prompt}"] += 1
        if value["usage"] is not None:
            self.counts["prompt_tokens"] += value["usage"]["prompt_tokens"]
            self.counts["completion_tokens"] += value["usage"]["completion_tokens"]

    def completion(
        self, path: str, asked: dict[str, Any], prompt: str, *, doubled: bool = False, empty: bool = False
    ) -> dict[str, Any]:
        n = 1 if self.settings.ignores_n else asked.get("n", 1)
        texts = [self.text(asked, prompt, i) for i in range(n)]
        written = sum(len(text.split()) for text in texts)
        choices = [self.choice(path, i, text) for i, text in enumerate(texts)]
        if doubled:
            choices += choices
        usage = {
            "prompt_tokens": len(prompt.split()),
            "completion_tokens": written,
            "total_tokens": len(prompt.split()) + written,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        return {
            "id": f"c-{self.counts['calls']}",
            "object": "chat.completion",
            "model": asked["model"],
            "choices": [] if empty else choices,
            "usage": usage if self.settings.counts_tokens else None,
        }

    def text(self, asked: dict[str, Any], prompt: str, i: int) -> str:
        label = self.jobs.label(asked["model"], prompt)
        if label is not None:
            for stop in asked.get("stop", []):
                label = label.split(stop)[0]
            return label
        said = self.settings.text or f"On {prompt[-40:]!r} with seed {asked.get('seed')} I say {i}."
        return f"{said} The answer is {self.settings.answer or len(prompt)}."

    def choice(self, path: str, index: int, text: str) -> dict[str, Any]:
        if path == "/completions":
            return {"index": index, "text": text, "finish_reason": self.settings.finish}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        kind = self.settings.thoughts
        if kind == "mixed":
            kind = ("none", "reasoning", "reasoning_content", "reasoning_details", "think")[self.counts["calls"] % 5]
        if kind == "think":
            message["content"] = f"<think>Hm {index}.</think>{text}"
        elif kind == "reasoning_details":
            message[kind] = [{"type": "reasoning.text", "text": "Hm "}, {"type": "x", "text": f"{index}."}]
        elif kind != "none":
            message[kind] = f"Hm {index}."
        return {"index": index, "message": message, "finish_reason": self.settings.finish}

    def fault(
        self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)

    def stats(self) -> dict[str, Any]:
        return {
            **self.counts,
            "under_way": self.under_way,
            "most_under_way": self.most_under_way,
            "distinct": len(self.asked),
            "answered": sum(self.answered.values()),
            "answered_twice": sum(n - 1 for n in self.answered.values() if n > 1),
        }


async def serve(settings: Settings) -> None:
    runner = web.ServerRunner(web.Server(FaultServer(settings).handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    assert site._server is not None
    sys.stdout.write(f"{site._server.sockets[0].getsockname()[1]}\n")  # type: ignore[attr-defined]
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until whoever started it has gone


if __name__ == "__main__":
    asyncio.run(serve(msgspec.convert(json.loads(sys.argv[1] if sys.argv[1:] else "{}"), Settings)))
