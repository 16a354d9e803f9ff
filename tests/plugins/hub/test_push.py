"""Pushing to the hub: to a server on this machine that speaks what huggingface_hub asks of the real one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from msgspec import structs
from rtbench_plugins.hub.results import write_results

from rtbench.schema.runs import CellRecord
from rtbench.schema.scores import ScoreSummary
from tests.helpers.cli import Cli, MakeCli
from tests.helpers.training import matrix

TOKEN = "hf_planted_token"


class Hub(ThreadingHTTPServer):
    """Keeps what is committed, by repository and path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.refuse = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refuse or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            self.server.created.append(asked)
            self.answer(200, {"url": f"{self.server.url}/datasets/me/{asked['name']}", "id": f"me/{asked['name']}"})
        elif "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self.answer(200, {"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer(
                200,
                {
                    "commitUrl": f"{self.server.url}/datasets/me/board/commit/{1:040d}",
                    "commitOid": "1" * 40,
                    "success": True,
                },
            )
        else:
            self.answer(200, {"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self.answer(200, {"id": "me/board", "sha": "0" * 40, "siblings": []})

    def answer(self, code: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def user(cli: Cli, hub: Hub, tmp_path: Path) -> Cli:
    kept = {name: value for name, value in cli.environment.items() if not name.startswith("HF_")}
    more = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    patient = {"HF_HUB_ETAG_TIMEOUT": "300", "HF_HUB_DOWNLOAD_TIMEOUT": "300"}  # however busy the machine is
    return Cli(cli.folder, kept | more | patient)


@pytest.fixture
def ran(user: Cli, demo: Path) -> Cli:
    user("run", "--matrix", demo)
    return user


def test_leaderboard_is_pushed_with_its_card(ran: Cli, hub: Hub) -> None:
    said = ran("hub", "push", "demo", "--repo", "me/board").stdout
    assert hub.url in said
    assert (hub.created[0]["type"], hub.created[0]["visibility"]) == ("dataset", "private")
    assert set(hub.files) == {"README.md", "leaderboard.csv", "run.json"}
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlicense: other\n")
    assert "fine-tune-cot | parrot" in card
    assert TOKEN not in b"".join(hub.files.values()).decode()


def test_rationales_are_those_that_were_learned_from(ran: Cli, hub: Hub) -> None:
    ran("hub", "push", "demo", "--what", "rationales", "--repo", "me/board")
    data = {path: text for path, text in hub.files.items() if path.startswith("data/")}
    assert len(data) == 2, "degrees 1 and 4"
    lines = [json.loads(line) for text in data.values() for line in text.splitlines()]
    assert all(line["rationale"] and line["question"] and line["source"] for line in lines)
    stored = [
        json.loads(line)
        for path in (ran.workspace / "store" / "curate").rglob("examples.jsonl")
        for line in path.read_bytes().splitlines()
    ]
    assert len(lines) == sum("rationale" in one for one in stored)
    card = hub.files["README.md"].decode()
    assert all(f"| {field} |" in card for line in lines for field in line), "each field is described"


def test_invalid_push_is_reported_and_pushes_nothing(ran: Cli, hub: Hub) -> None:
    assert "Add --repo" in ran("hub", "push", "demo", code=2).stderr
    assert "Add --cell" in ran("hub", "push", "demo", "--what", "student", "--repo", "me/x", code=2).stderr
    assert (
        "the weights of its student are not in the store"
        in ran("hub", "push", "--what", "student", "--cell", "parity/fine-tune/parrot", "--repo", "me/x", code=2).stderr
    )
    assert (
        "no trained student"
        in ran("hub", "push", "--what", "student", "--cell", "zero-shot", "--repo", "me/x", code=2).stderr
    )
    hub.refuse = True
    refused = ran("hub", "push", "demo", "--repo", "me/board", code=2).stderr
    assert "401" in refused
    assert TOKEN not in refused
    offline = Cli(ran.folder, ran.environment | {"HF_HUB_OFFLINE": "1"})
    assert "HF_HUB_OFFLINE is set" in offline("hub", "push", "demo", "--repo", "me/board", code=2).stderr
    assert not hub.files


def test_files_can_be_looked_at_first(ran: Cli, hub: Hub) -> None:
    ran("hub", "push", "demo", "--out", "look")
    assert {path.name for path in (ran.folder / "look").iterdir()} == {"README.md", "leaderboard.csv", "run.json"}
    assert "is not empty" in ran("hub", "push", "demo", "--out", "look", code=2).stderr
    assert not hub.files
    assert not hub.created


def test_a_student_is_pushed_with_the_weights_that_its_score_is_of(make_cli: MakeCli) -> None:
    """Under best-test the weights of the best epoch, which need not be the last."""
    import safetensors.torch
    import torch

    cli = make_cli()
    path = matrix(cli, {"use": "hf-causal"}, selection="best-test", epochs=4, learning_rate=3e-3)
    cli("run", "--matrix", path, "--name", "r")
    cli("hub", "push", "r", "--what", "student", "--cell", "fine-tune", "--out", "out")
    (meta,) = (cli.workspace / "store" / "score").glob("*/meta.json")
    result = json.loads(meta.read_text())["result"]
    (trained,) = (cli.workspace / "store" / "train").iterdir()
    chosen = safetensors.torch.load_file(trained / f"epoch-{result['epoch']}" / "model.safetensors")
    pushed = safetensors.torch.load_file(cli.folder / "out" / "model.safetensors")
    assert all(torch.equal(tensor, chosen[name]) for name, tensor in pushed.items())
    card = (cli.folder / "out" / "README.md").read_text()
    best = f"{100 * max(result['accuracy_per_epoch']):.1f}"
    assert best in card
    index = yaml.safe_load(card.split("---")[1])["model-index"]
    values = [one["value"] for shown in index for part in shown["results"] for one in part["metrics"]]
    assert float(best) in values
    assert not (cli.folder / "out" / ".eval_results").exists(), "the hub does not have the parrot's questions"


def test_results_on_published_questions_are_named_for_the_hub(tmp_path: Path) -> None:
    """Only where the hub has the data set; never for twins and other folds."""
    summary = ScoreSummary(
        extractor="flexible",
        version=2,
        n=180,
        correct=99,
        accuracy=0.55,
        contains_answer=0.6,
        correct_format=1,
        complete=1,
    )
    cell = CellRecord(
        name="c", method="fine-tune-cot", task="multiarith", dataset="multiarith", variant="original", split="default",
        teacher="t", student="s", degree=1, seed=3, fraction=1.0, selection="last", extractor="flexible", limit=None,
        recipe=None, temperature=None, recorded=True, score="k",
    )  # fmt: skip
    services: Any = SimpleNamespace(
        store=SimpleNamespace(scored=lambda _: True, result=lambda *_: SimpleNamespace(summaries=[summary]))
    )
    run: Any = SimpleNamespace(made="2026-12-01")
    write_results(services, run, cell, tmp_path)
    (entry,) = yaml.safe_load((tmp_path / ".eval_results" / "rtbench-multiarith.yaml").read_text())
    assert (entry["dataset"]["id"], entry["value"]) == ("ChilleD/MultiArith", 55.0)
    assert "180 questions" in entry["notes"]
    assert "seed 3" in entry["notes"]
    for other in (
        structs.replace(cell, source="twin"),
        structs.replace(cell, fold="ood"),
        structs.replace(cell, task="mine"),
    ):
        write_results(services, run, other, tmp_path / "none")
    assert not (tmp_path / "none").exists()
