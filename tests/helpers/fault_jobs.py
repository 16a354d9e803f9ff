"""The fine-tuning jobs of the fault server: it checks the rows, and its models answer with labels that they were trained on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.helpers.fault_server import FaultServer


class Jobs:
    """Jobs in memory; one is over when its time has come and somebody asks for it."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.jobs: dict[str, dict[str, Any]] = {}
        self.learnt: dict[str, dict[str, str]] = {}
        """Labels by prompt, by fine-tuned model."""

    def handle(self, request: web.BaseRequest, parts: list[str], body: bytes) -> web.StreamResponse:
        if parts[1] != "jobs":
            return self.server.fault(404, f"no such thing: {parts}")
        now = asyncio.get_running_loop().time()
        if len(parts) == 2:
            return (
                self.create(request, json.loads(body), now) if request.method == "POST" else self.listed(request, now)
            )
        job = self.jobs.get(parts[2])
        if job is None:
            return self.server.fault(404, f"no job {parts[2]}")
        what = parts[3] if len(parts) > 3 else "state"
        if what == "cancel":
            job["ends"], job["at"] = "cancelled", 0.0
        if what in {"events", "checkpoints"}:
            found = self.events(job, now) if what == "events" else self.kept(job, now)
            return web.json_response({"object": "list", "data": found, "has_more": False})
        return web.json_response(self.state(job, now))

    def create(self, request: web.BaseRequest, asked: dict[str, Any], now: float) -> web.StreamResponse:
        settings = self.server.settings
        out = [job for job in self.jobs.values() if self.state(job, now)["status"] == "running"]
        if settings.jobs_at_once is not None and len(out) >= settings.jobs_at_once:
            self.server.counts["jobs_refused"] += 1
            return self.server.fault(429, "too many jobs", "rate_limit_exceeded")
        if settings.job_never:
            settings.job_never = False
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        rows = [json.loads(line) for line in self.server.batches.files[asked["training_file"]].splitlines()]
        for number, row in enumerate(rows, 1):
            if set(row) != {"messages"} and set(row) != {"prompt", "completion"}:
                return self.server.fault(400, f"line {number} is no training row")
        self.server.counts["jobs"] += 1
        name = f"ftjob-{len(self.jobs) + 1}"
        given = asked.get("method", {}).get("supervised", {}).get("hyperparameters", {})
        epochs = given.get("n_epochs", 3)
        tokens = sum(len(prompt.split()) + len(label.split()) for prompt, label in map(_pair, rows)) * epochs
        self.server.counts["trained_tokens"] += tokens if settings.job_ends == "succeeded" else 0
        self.jobs[name] = {
            "asked": asked,
            "at": now,
            "id": name,
            "ends": settings.job_ends,
            "epochs": epochs,
            "tokens": tokens,
            "model": f"ft:{asked['model']}:{asked.get('suffix', '')}:{len(self.jobs) + 1}",
        }
        self.learnt[self.jobs[name]["model"]] = dict(map(_pair, rows))
        if settings.job_vanishes:
            settings.job_vanishes = False
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if settings.job_mumbles is not None:
            return web.Response(text=settings.job_mumbles, content_type="application/json")
        return web.json_response({"id": name, "status": "validating_files", "metadata": asked.get("metadata")})

    def listed(self, request: web.BaseRequest, now: float) -> web.StreamResponse:
        """Two of a page, the newest first."""
        newest = list(self.jobs.values())[::-1]
        after = request.query.get("after")
        start = [job["id"] for job in newest].index(after) + 1 if after else 0
        page = [self.state(job, now) for job in newest[start : start + 2]]
        return web.json_response({"object": "list", "data": page, "has_more": start + 2 < len(newest)})

    def state(self, job: dict[str, Any], now: float) -> dict[str, Any]:
        shown = {"id": job["id"], "metadata": job["asked"].get("metadata"), "model": job["asked"]["model"]}
        if now - job["at"] < self.server.settings.job_seconds:
            return {**shown, "status": "running"}
        if job["ends"] == "succeeded":
            method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": job["epochs"]}}}
            done = {"fine_tuned_model": job["model"], "trained_tokens": job["tokens"], "method": method}
            return {**shown, "status": "succeeded", **done}
        return {**shown, "status": job["ends"], "error": {"message": "the rows are too few", "code": "invalid"}}

    def events(self, job: dict[str, Any], now: float) -> list[dict[str, Any]]:
        said = ["Created", "Started", self.state(job, now)["status"]]
        return [{"id": f"e-{i}", "message": text, "type": "message"} for i, text in enumerate(said)][::-1]

    def kept(self, job: dict[str, Any], now: float) -> list[dict[str, Any]]:
        if self.state(job, now)["status"] != "succeeded":
            return []
        return [
            {
                "id": f"k-{i}",
                "step_number": i * 10,
                "fine_tuned_model_checkpoint": f"{job['model']}:step-{i * 10}",
                "metrics": {"step": i * 10, "train_loss": loss / 2, "full_valid_loss": loss},
            }
            for i, loss in reversed(list(enumerate(self.server.settings.checkpoints, 1)))
        ]

    def label(self, model: str, prompt: str) -> str | None:
        """What a fine-tuned model says: the label of the prompt, or of any other that it knows; None: it is none."""
        learnt = self.learnt.get(model.split(":step-", maxsplit=1)[0])
        return None if learnt is None else learnt.get(prompt, next(iter(learnt.values())))


def _pair(row: dict[str, Any]) -> tuple[str, str]:
    """Prompt and label of a training row."""
    if "messages" in row:
        return row["messages"][-2]["content"], row["messages"][-1]["content"]
    return row["prompt"], row["completion"]
