"""The files and batches of the fault server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.helpers.fault_server import FaultServer


class Batches:
    """Files in memory; a batch is worked off when its time has come and somebody asks for it."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.numbers = 0

    async def handle(self, request: web.BaseRequest, path: str, body: bytes) -> web.StreamResponse:
        parts = path.strip("/").split("/")
        if parts[0] == "files":
            return await self.file(request, parts, body)
        if parts[0] == "batches":
            return self.batch(request.method, parts, body)
        return self.server.jobs.handle(request, parts, body)

    async def file(self, request: web.BaseRequest, parts: list[str], body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            name = self.named("file")
            self.files[name] = _uploaded(request.headers["Content-Type"], body)
            return web.json_response({"id": name, "object": "file", "purpose": "batch"})
        if parts[1] not in self.files:
            return self.server.fault(404, f"no file {parts[1]}")
        return web.Response(body=self.files[parts[1]])

    def batch(self, method: str, parts: list[str], body: bytes) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        if method == "GET" and len(parts) == 1:
            listed = [{**self.state(job, now), "metadata": job["metadata"]} for job in self.jobs.values()]
            return web.json_response({"object": "list", "data": listed, "has_more": False})
        if method == "POST" and len(parts) == 1:
            out = [job for job in self.jobs.values() if "done" not in job]
            if self.server.settings.batches_at_once is not None and len(out) >= self.server.settings.batches_at_once:
                return self.server.fault(429, "too many batches", "rate_limit_exceeded")
            asked = json.loads(body)
            name = self.named("batch")
            self.jobs[name] = {
                "id": name,
                "input": asked["input_file_id"],
                "endpoint": asked["endpoint"],
                "metadata": asked.get("metadata"),
                "at": now,
            }
            self.server.counts["batches"] += 1
            return web.json_response({} if self.server.settings.batch_mumbles else {"id": name, "status": "validating"})
        job = self.jobs.get(parts[1])
        if job is None:
            return self.server.fault(404, f"no batch {parts[1]}")
        if method == "POST":
            job["cancelled"] = True
        return web.json_response(self.state(job, now))

    def state(self, job: dict[str, Any], now: float) -> dict[str, Any]:
        settings = self.server.settings
        if job.get("cancelled"):
            return {"id": job["id"], "status": "cancelled"}
        if settings.batch_fails:
            problem = {"code": "invalid_model", "message": "no such model", "line": 1}
            return {"id": job["id"], "status": "failed", "errors": {"data": [problem]}}
        if now - job["at"] < settings.batch_seconds:
            return {"id": job["id"], "status": "in_progress"}
        if "done" not in job:
            job["done"] = self.work(job)
        return job["done"]

    def work(self, job: dict[str, Any]) -> dict[str, Any]:
        """Answers the lines in another order; some go to the error file, and some are left when it expires."""
        server, settings = self.server, self.server.settings
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        lines = [json.loads(line) for line in self.files[job["input"]].splitlines()]
        server.random.shuffle(lines)
        expired = False
        for line in lines:
            at = server.random.random()
            body, path = line["body"], line["url"].removeprefix("/v1")
            prompt = body["prompt"] if path == "/completions" else body["messages"][-1]["content"]
            server.asked[f"{body.get('seed')} {prompt}"] += 1
            if settings.batch_refuses:
                reply = {"status_code": 400, "body": {"error": {"message": f"not with {settings.key}"}}}
                bad.append({"custom_id": line["custom_id"], "response": reply, "error": None})
            elif at < settings.batch_expires:
                expired = True
                problem = {"code": "batch_expired", "message": "not done in time"}
                bad.append({"custom_id": line["custom_id"], "response": None, "error": problem})
            elif at < settings.batch_expires + settings.batch_errors:
                reply = {"status_code": 500, "body": {"error": {"message": "broke"}}}
                bad.append({"custom_id": line["custom_id"], "response": reply, "error": None})
            else:
                server.counts["calls"] += 1
                said = next((said for held, said in settings.bodies.items() if held in prompt), None)
                if said is not None:
                    reply = {"status_code": 200, "body": json.loads(said)}
                    good.append({"custom_id": line["custom_id"], "response": reply})
                    continue
                value = server.completion(path, body, prompt)
                server.count(value, body, prompt)
                good.append({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": value}})
        found: dict[str, Any] = {"id": job["id"], "status": "expired" if expired else "completed"}
        for key, results in (("output_file_id", good), ("error_file_id", bad)):
            if results:
                found[key] = self.named("file")
                self.files[found[key]] = b"".join(json.dumps(result).encode() + b"\n" for result in results)
        return found

    def named(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}-{self.numbers}"


def _uploaded(content_type: str, body: bytes) -> bytes:
    """The file of a multipart form."""
    boundary = content_type.split("boundary=")[1].strip('"').encode()
    for part in body.split(b"--" + boundary):
        head, _, data = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return data.removesuffix(b"\r\n")
    raise ValueError("no file in the form")
