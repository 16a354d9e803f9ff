"""The replay teacher: where recordings come from, and what is said where there is none."""

import gzip
import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.teachers import replay

from rtbench.plugin.tasks import Task
from rtbench.recordings.importing import fingerprint_of, import_recording, read_note, recorded_partition
from rtbench.schema.environment import Environment
from rtbench.session import Session
from rtbench.storage.files import file_digest
from tests.helpers.recordings import read_recording

TASK = """
task: riddles
dataset_path: json
doc_to_text: "Q: {{question}}"
doc_to_target: "{{answer}}"
metadata: {version: 1, rtbench: {answer_type: number, files: [{name: riddles.jsonl}]}}
"""
QUESTIONS = {"How many legs have two hens?": "4", "How many wheels have three carts of four?": "12"}
MODEL, KEY, COMMIT = "oracle", "zs_cot", "0123456789abcdef"
TRIGGER = "Therefore, the answer (arabic numerals) is"


def log_text() -> str:
    stars = "*" * 25
    records = "".join(
        f"{stars}\n{i}st data\nQ: {question}\nA: Let's think step by step. I count {gold}. \n{TRIGGER} {gold}.\n"
        f"pred_before : {gold}.\npred_after : {gold}\nGT : {gold}\n{stars}\n"
        for i, (question, gold) in enumerate(QUESTIONS.items(), 1)
    )
    return (
        f"{stars}\nNamespace(cot_trigger=\"Let's think step by step.\", dataset='riddles', "
        f"direct_answer_trigger='\\n{TRIGGER}', method='zero_shot_cot', model='oracle')\ndata size : 2\n{records}"
    )


@dataclass
class Place:
    """A task, a pinned log of it, and sessions that may or may not find the log."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "published" / "log" / "riddles.log"

    def session(self, name: str = "workspace", **changes: Any) -> Session:
        settings = {"cache_dir": str(self.folder / "cache"), "offline": True} | changes
        task = str(self.folder / "riddles.yaml")
        return Session(Environment(workspace=str(self.folder / name), task_files=(task,), **settings))

    def ask(self, session: Session, recording: str = f"{MODEL}/{KEY}") -> tuple[replay.ReplayTeacher, str | None]:
        teacher = replay.replay("some", {"recordings": [recording]}, session)
        assert isinstance(teacher, replay.ReplayTeacher)
        return teacher, teacher.prepare(teacher.members()[0], self.task(session), "original", session)

    def task(self, session: Session) -> Task:
        return session.task("riddles")


def texts(session: Session) -> dict[int, tuple[str | None, str]]:
    held = recorded_partition(session, fingerprint_of(MODEL, KEY), "riddles").load().values()
    return {c.sample_index: (c.reasoning, c.text) for c in held}


FOUND = {i: (f" I count {gold}.", f"{gold}.") for i, gold in enumerate(QUESTIONS.values())}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    (tmp_path / "riddles.yaml").write_text(TASK)
    lines = (json.dumps({"question": q, "answer": a}) + "\n" for q, a in QUESTIONS.items())
    (tmp_path / "riddles.jsonl").write_text("".join(lines))
    place.log.parent.mkdir(parents=True)
    place.log.write_text(log_text())
    pinned = tmp_path / "recordings.yaml"
    file = {
        "task": "riddles",
        "path": "log/riddles.log",
        "bytes": place.log.stat().st_size,
        "sha256": file_digest(place.log),
    }
    entry = {"model": MODEL, "key": KEY, "repository": "owner/name", "commit": COMMIT, "files": [file]}
    pinned.write_text(json.dumps([entry]))  # JSON is YAML
    monkeypatch.setattr(replay, "PINNED", pinned)
    return place


def test_published_recording_is_taken_from_the_data_folder(place: Place) -> None:
    session = place.session(data_dir=str(place.folder / "published"))
    teacher, reason = place.ask(session)
    assert reason is None
    assert texts(session) == FOUND
    assert teacher.answer_prefix(teacher.members()[0], "riddles") is None
    note = read_note(recorded_partition(session, fingerprint_of(MODEL, KEY), "riddles"))
    assert note is not None
    assert [(f.file, f.sha256, f.matched) for f in note.files] == [("riddles.log", file_digest(place.log), 2)]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], list[str]]]:
    """Serves a folder as the mirror; returns the paths asked for."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> list[str]:
        asked: list[str] = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *args: object) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("RTBENCH_MIRROR", f"http://127.0.0.1:{server.server_port}")
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_published_recording_is_downloaded_once(place: Place, serve: Callable[[Path], list[str]]) -> None:
    served = place.folder / "mirror" / "owner" / "name" / COMMIT / "log"
    served.mkdir(parents=True)
    place.log.rename(served / "riddles.log")
    asked = serve(place.folder / "mirror")
    for name in ("first", "first", "second"):
        session = place.session(name, offline=False)
        assert place.ask(session)[1] is None
        assert texts(session) == FOUND
    assert asked == [f"/owner/name/{COMMIT}/log/riddles.log"]


def test_missing_upstream_recording_is_a_reason_with_its_cure(place: Place, serve: Callable[[Path], list[str]]) -> None:
    serve(place.folder / "cache")
    _, reason = place.ask(place.session(offline=False))
    assert reason is not None
    assert reason.startswith("no recording of oracle/zs_cot for riddles: ")
    assert "log/riddles.log is missing: the download failed (HTTP 404" in reason


def test_recording_that_cannot_be_downloaded_is_a_reason_with_its_cure(place: Place) -> None:
    _, reason = place.ask(place.session())
    assert reason is not None
    for said in ("log/riddles.log", "--offline", "rtbench import", "--recordings", "--data-dir"):
        assert said in reason


def test_wrong_file_in_the_data_folder_is_a_reason_that_names_it(place: Place) -> None:
    place.log.write_text(log_text() + "more\n")
    session = place.session(data_dir=str(place.folder / "published"))
    _, reason = place.ask(session)
    assert reason is not None
    assert f"{place.log}: wrong SHA-256" in reason
    assert texts(session) == {}


def test_recording_that_nobody_publishes_is_a_reason(place: Place) -> None:
    _, reason = place.ask(place.session(), "stranger/zs_cot")
    assert reason is not None
    assert "there is no recordings folder, and none is known to be published" in reason
    assert "rtbench import" in reason


def test_recording_of_other_questions_is_a_reason(place: Place) -> None:
    (place.folder / "riddles.jsonl").write_text('{"question": "Another?", "answer": "1"}\n' * 3)
    _, reason = place.ask(place.session(data_dir=str(place.folder / "published")))
    assert reason is not None
    assert "has none of its questions" in reason


def as_lines(path: Path, **changes: object) -> Path:
    """The log's recording as JSON Lines, with what a log does not say."""
    rows = [
        {
            "question": question,
            "sample_index": i,
            "reasoning_prompt": f"Q: {question}",
            "reasoning_completion": FOUND[i][0],
            "prompt": "So?",
            "completion": FOUND[i][1],
            "finish_reason": "stop",
        }
        | changes
        for i, question in enumerate(QUESTIONS)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def test_recordings_folder_goes_before_what_is_published(place: Place) -> None:
    recordings = place.folder / "recordings"
    as_lines(recordings / f"{MODEL}__{KEY}__riddles.jsonl.gz", completion="another")
    session = place.session(data_dir=str(place.folder / "published"), recordings=str(recordings))
    assert place.ask(session)[1] is None
    assert {text for _, text in texts(session).values()} == {"another"}


def test_one_recording_in_two_formats_is_one_recording(place: Place) -> None:
    """The second import adds nothing, and nothing that was made of the first is made again."""
    session = place.session(data_dir=str(place.folder / "published"))
    teacher, _ = place.ask(session)
    before = teacher.recorded_content(teacher.members()[0], "riddles")
    lines = as_lines(place.folder / f"{MODEL}__{KEY}__riddles.jsonl.gz")
    report = import_recording(session, read_recording(lines), place.task(session))
    assert (report.imported, report.present) == ({"riddles": 0}, 2)
    again, reason = place.ask(place.session())
    assert reason is None
    assert again.recorded_content(again.members()[0], "riddles") == before


def test_content_tells_recordings_apart(place: Place) -> None:
    contents = set()
    for name in ("log", "other"):
        session = place.session(name, data_dir=str(place.folder / "published"))
        if name == "other":
            lines = as_lines(place.folder / f"{MODEL}__{KEY}__riddles.jsonl.gz", completion="another")
            import_recording(session, read_recording(lines), place.task(session))
        teacher, _ = place.ask(session)
        contents.add(teacher.recorded_content(teacher.members()[0], "riddles"))
    assert len(contents) == 2


def test_every_task_of_the_paper_has_a_pinned_recording() -> None:
    [published] = replay.pinned_recordings()
    assert (published.model, published.key) == ("text-davinci-002", "zs_cot")
    assert len({file.task for file in published.files}) == len({file.sha256 for file in published.files}) == 12
    assert all(len(bytes.fromhex(file.sha256)) == hashlib.sha256().digest_size for file in published.files)
    assert all(file.bytes > 0 for file in published.files)


def test_published_recordings_are_listed_with_the_data(make_cli: Any) -> None:
    cli = make_cli(site=None)
    listed = cli.json("data", "list", "--tasks", "multiarith,coin_flip")
    logs = {row["file"]: row["status"] for row in listed if row["file"].startswith("log/")}
    assert logs == {"log/multiarith_zero_shot_cot.log": "absent", "log/coin_flip_zero_shot_cot.log": "absent"}


def test_pull_names_every_file_it_cannot_get(make_cli: Any) -> None:
    done = make_cli(site=None)("data", "pull", "--tasks", "multiarith", "--offline", code=2)
    for name in ("MultiArith/MultiArith.json", "log/multiarith_zero_shot_cot.log", "3 of 3 files", "--data-dir"):
        assert name in done.stderr
