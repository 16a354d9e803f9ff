"""Hub ids: which commit they stand for, asked of a hub that runs beside the tests."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.hf.students import causal_student
from rtbench_plugins.hf.teacher import hf_teacher

from rtbench.errors import MissingDataError
from tests.helpers.sessions import session

PATIENT = {"HF_HUB_ETAG_TIMEOUT": "300", "HF_HUB_DOWNLOAD_TIMEOUT": "300"}
"""The hub answers, however long that takes a busy machine."""
FIRST, SECOND = "a" * 40, "b" * 40
ASK = """
import json, sys
from rtbench.api import RtbenchError
from rtbench_plugins.hf.students import causal_student, seq2seq_student
from rtbench_plugins.hf.teacher import hf_teacher
from rtbench.api import Environment
from rtbench.session import Session

def session(**fields):
    return Session(Environment(workspace="rtbench-workspace", **fields))

kind, options, load, ready = json.loads(sys.argv[1])
make = {"student": causal_student, "seq2seq": seq2seq_student, "teacher": hf_teacher}[kind]
said = {"error": None}
try:
    one = make("mine", options, session())
    spec = one.members()[0] if kind == "teacher" else one.model()
    said |= {"fingerprint": spec.fingerprint, "options": spec.options}
    said |= {"family": one.family, "torch": "torch" in sys.modules}
    if ready:
        offline = make(spec.name, spec.options, session(offline=True))
        (offline.check_ready if kind == "teacher" else offline.check_base)()
    if load:
        again = make(spec.name, spec.options, session())
        model = again.open(spec) if kind == "teacher" else again.load(None, (), spec.fingerprint)
        said["parameters"] = sum(one.numel() for one in model._base().model.parameters())
except RtbenchError as error:
    said |= {"error": type(error).__name__, "text": str(error)}
print(json.dumps(said))
"""


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does, with its headers."""

    def __init__(self, hub: FakeHub, *arguments: Any) -> None:
        self.hub = hub
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        hub = self.hub
        hub.asked.append(self.path)
        parts = self.path.split("?")[0].strip("/").split("/")
        if "tree" in parts:
            self.answer(None, None, "EntryNotFound")
        elif parts[:4] == ["api", "models", "org", "tiny"]:
            self.answer(json.dumps({"id": "org/tiny", "sha": hub.main}).encode())
        elif parts[:3] == ["org", "tiny", "resolve"] and parts[3] in {"main", FIRST, SECOND}:
            path = hub.folder / parts[4]
            commit = hub.main if parts[3] == "main" else parts[3]
            self.answer(path.read_bytes() if path.is_file() else None, commit, "EntryNotFound")
        else:
            self.answer(None, None, "RepoNotFound")

    def do_GET(self) -> None:
        self.do_HEAD()

    def answer(self, data: bytes | None, commit: str | None = None, fault: str = "") -> None:
        self.send_response(404 if data is None else 200)
        if data is None:
            self.send_header("X-Error-Code", fault)
        if commit:
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hash(data) & 0xFFFFFFFF:x}"')
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if self.command == "GET" and data:
            self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None: ...


class FakeHub:
    """One repository, ``org/tiny``, over HTTP as huggingface_hub asks for it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.main = FIRST
        self.asked: list[str] = []
        self.home = home
        self.folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, self))
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __call__(
        self, kind: str = "student", *, load: bool = False, ready: bool = False, **options: Any
    ) -> dict[str, Any]:
        """What a process of its own says of a model, once it is planned, loaded, or asked whether an offline run could begin;
        the requests it made stand in ``asked``."""
        self.asked.clear()
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
        environment |= {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home), "HF_HUB_DISABLE_XET": "1"} | PATIENT
        options = {"model": "org/tiny", "device": "cpu"} | options
        done = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps([kind, options, load, ready])],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def hub(tiny, tmp_path):
    made = FakeHub(tiny.folder("decoder", tmp_path / "base"), tmp_path / "home")
    yield made
    made.stop()


def test_hub_id_without_a_commit_means_one_commit_from_the_first_plan_on(hub):
    first = hub()
    assert first["fingerprint"] == f"org/tiny@{FIRST}"
    assert first["options"]["revision"] == FIRST, "workers load exactly it"
    assert not first["torch"]
    hub.main = SECOND
    loaded = hub(load=True)
    assert loaded["fingerprint"] == f"org/tiny@{FIRST}"
    assert loaded["parameters"] > 1000
    assert not [path for path in hub.asked if "/main/" in path or SECOND in path]
    hub.stop()
    assert hub() == first, "a later run needs no network to know it"


def test_branch_is_named_by_its_commit_as_well(hub):
    assert hub(revision="main")["fingerprint"] == f"org/tiny@{FIRST}"


def test_commit_is_taken_as_it_is_without_asking(hub):
    assert hub(revision=SECOND)["fingerprint"] == f"org/tiny@{SECOND}"
    assert hub.asked == []


def test_model_that_the_hub_does_not_have_is_one_clear_error(hub):
    for options in ({"model": "org/huge"}, {"model": "huge"}):
        said = hub(**options)
        assert said["error"] == "BadInputError"
        assert "no such model" in said["text"]


def test_hub_that_cannot_be_reached_is_one_clear_error(hub):
    hub.stop()
    said = hub()
    assert said["error"] == "MissingDataError"
    assert "revision: <commit>" in said["text"]
    assert "local folder" in said["text"]


def test_hub_is_asked_once_for_what_it_cannot_say(hub, monkeypatch):
    from rtbench_plugins.hf import hub as facts

    asked = []

    def refuse(model, revision, gguf_file, *, offline):
        asked.append(model)
        raise MissingDataError("no network")

    monkeypatch.setattr(facts, "found", refuse)
    student = causal_student("mine", {"model": "org/tiny"}, session())
    for _ in range(3):
        with pytest.raises(MissingDataError):
            student.model()
    assert asked == ["org/tiny"]


def test_teacher_is_asked_in_the_way_of_its_family(hub, tiny, tmp_path):
    assert hub("teacher")["family"] == "decoder"
    assert not hub("teacher")["torch"]
    hub.stop()
    other = FakeHub(tiny.folder("encoder_decoder", tmp_path / "t5"), tmp_path / "other")
    said = other("teacher", load=True, revision=FIRST)
    assert (said["family"], said["fingerprint"]) == ("encoder_decoder", f"org/tiny@{FIRST}")
    assert said["parameters"] > 1000
    other.stop()


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_offline_run_begins_where_the_weights_are_here_and_only_there(hub, kind):
    said = hub(kind, ready=True)
    assert "'mine': the safetensors of org/tiny are not all on this machine (this run is offline)" in said["text"]
    assert f"hf download org/tiny --revision {FIRST}" in said["text"]
    assert hub(kind, load=True)["error"] is None
    assert hub(kind, ready=True)["error"] is None
    (config,) = hub.home.rglob("config.json")
    index = config.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}))
    assert "not all on this machine" in hub(kind, ready=True)["text"], "a download that broke off"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    assert hub(kind, ready=True)["error"] is None


def test_offline_run_does_not_ask(tiny, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    one = tiny.student("decoder", model="nobody/no-such-model")
    with pytest.raises(MissingDataError, match="this run is offline"):
        one.model()
    with pytest.raises(MissingDataError, match="this run is offline"):
        hf_teacher("mine", {"model": "nobody/no-such-model"}, session(offline=True)).members()
