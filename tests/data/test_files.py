"""Data files: order of places, digests, missing files, downloads over a real connection."""

import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rtbench.data.download import CHUNK
from rtbench.data.files import DataFiles
from rtbench.data.pins import PinnedFile
from rtbench.errors import BadInputError, MissingDataError
from rtbench.storage.locks import locked


def pin(content: bytes = b"right", **changes: object) -> PinnedFile:
    fields: dict[str, object] = {
        "name": "Set/file.json",
        "repository": "owner/name",
        "commit": "0123456789abcdef",
        "path": "some/file.json",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return PinnedFile(**(fields | changes))


def put(folder: Path, content: bytes = b"right") -> Path:
    path = folder / "Set" / "file.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("given", ["", "raw", "teacher"])
def test_data_dir_may_be_the_upstream_folder_its_parent_or_a_sibling(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "data"
    path = put(folder if given == "teacher" else folder / "raw")
    (folder / "teacher").mkdir()
    assert DataFiles(folder / given, tmp_path / "cache", offline=True).find(pin()) == path


def test_data_dir_comes_before_the_cache(tmp_path: Path) -> None:
    files = DataFiles(tmp_path / "data-dir", tmp_path / "cache", offline=True) if put(tmp_path / "data-dir") else None
    assert files is not None
    cached = tmp_path / "cache" / "owner--name" / "0123456789ab" / "some" / "file.json"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"right")
    assert files.find(pin()) == tmp_path / "data-dir" / "Set" / "file.json"
    assert DataFiles(None, tmp_path / "cache", offline=True).find(pin()) == cached


def test_wrong_digest_names_file_expected_and_found(tmp_path: Path) -> None:
    path = put(tmp_path, b"wrong")
    files = DataFiles(tmp_path, tmp_path / "cache", offline=True)
    with pytest.raises(BadInputError) as raised:
        files.find(pin())
    said = str(raised.value)
    assert str(path) in said
    assert hashlib.sha256(b"right").hexdigest() in said
    assert hashlib.sha256(b"wrong").hexdigest() in said
    assert files.status(pin()) == "wrong digest"


def test_changed_file_is_noticed_although_digests_are_remembered(tmp_path: Path) -> None:
    path = put(tmp_path)
    files = DataFiles(tmp_path, tmp_path / "cache", offline=True)
    assert files.find(pin()) == path
    path.write_bytes(b"tampered")
    with pytest.raises(BadInputError, match="wrong SHA-256"):
        files.find(pin())


def test_file_without_known_digest_is_accepted(tmp_path: Path) -> None:
    put(tmp_path, b"anything")
    files = DataFiles(tmp_path, tmp_path / "cache", offline=True)
    assert files.find(pin(sha256=None)).read_bytes() == b"anything"
    assert files.verify(pin(sha256=None)) == "not pinned"


def test_offline_missing_file_says_the_cure(tmp_path: Path) -> None:
    files = DataFiles(None, tmp_path / "cache", offline=True)
    with pytest.raises(MissingDataError, match="--data-dir") as raised:
        files.find(pin())
    assert "rtbench data pull" in str(raised.value)
    assert files.status(pin()) == "absent"
    assert files.verify(pin()) == "absent"


def test_unknown_data_dir_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        DataFiles(tmp_path / "nowhere")


# -------------------------------------------------------------------------------------------------------- downloads

WHOLE = bytes(range(256)) * 1024
Answer = Callable[["Handler"], None]


@dataclass
class Mirror:
    """A server on this machine that answers as told, one answer per request, the last one for good."""

    address: str = ""
    answers: list[Answer] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    """The ``Range`` header of each request."""
    paths: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        mirror = self.mirror
        mirror.ranges.append(self.headers["Range"])
        mirror.paths.append(self.path)
        answer = mirror.answers.pop(0) if len(mirror.answers) > 1 else mirror.answers[0]
        answer(self)

    def log_message(self, *args: object) -> None: ...


def sends(content: bytes = WHOLE, *, ranges: bool = True, breaks_off: int | None = None) -> Answer:
    """Sends the content, or the range asked for; breaks off after so many bytes of it."""

    def answer(handler: Handler) -> None:
        asked = handler.headers["Range"]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        if start >= len(content):
            return says(416)(handler)
        handler.send_response(206 if asked and ranges else 200)
        if asked and ranges:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:breaks_off])
        return None

    return answer


def says(status: int) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setattr("rtbench.data.download.PAUSE", 0.001)
    made = Mirror()
    handler = type("OneHandler", (Handler,), {"mirror": made})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()


def downloads(tmp_path: Path, mirror: Mirror, *answers: Answer) -> DataFiles:
    mirror.answers[:] = answers
    return DataFiles(None, tmp_path / "cache", base_url=mirror.address)


def part(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "cache" / "owner--name" / "0123456789ab" / "some" / "file.json.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_download_comes_from_the_mirror_by_repository_commit_and_path(tmp_path: Path, mirror: Mirror) -> None:
    seen: list[int] = []
    files = downloads(tmp_path, mirror, sends())
    path = files.find(pin(WHOLE), lambda done, total, unit: seen.append(done))
    assert path.read_bytes() == WHOLE
    assert mirror.paths == ["/owner/name/0123456789abcdef/some/file.json"]
    assert seen[-1] == len(WHOLE)
    assert left(tmp_path) == ["file.json"]
    assert files.status(pin(WHOLE)) == "cache"


def test_mirror_is_a_setting(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.answers.append(sends())
    monkeypatch.setenv("RTBENCH_MIRROR", mirror.address + "/")
    assert DataFiles(None, tmp_path / "cache").find(pin(WHOLE)).read_bytes() == WHOLE
    monkeypatch.setenv("RTBENCH_MIRROR", "mirror.example")
    with pytest.raises(BadInputError, match="RTBENCH_MIRROR"):
        DataFiles(None, tmp_path / "cache")


def test_broken_connection_is_resumed_where_it_stopped(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends(breaks_off=5 * CHUNK), sends(breaks_off=3 * CHUNK + 10), sends())
    assert files.find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == [None, f"bytes={5 * CHUNK}-", f"bytes={8 * CHUNK}-"]
    assert left(tmp_path) == ["file.json"]


def test_download_is_resumed_by_a_later_process(tmp_path: Path, mirror: Mirror) -> None:
    part(tmp_path, WHOLE[:1000])
    assert downloads(tmp_path, mirror, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == ["bytes=1000-"]
    assert left(tmp_path) == ["file.json"]


def test_download_that_breaks_off_for_good_keeps_what_came(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends(breaks_off=CHUNK), says(503))
    with pytest.raises(MissingDataError, match="HTTP 503"):
        files.find(pin(WHOLE))
    assert left(tmp_path) == ["file.json.part"]
    assert files.status(pin(WHOLE)) == "absent"
    assert downloads(tmp_path, mirror, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges[-1] == f"bytes={CHUNK}-"


def test_server_without_ranges_is_asked_from_the_beginning(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends(breaks_off=100_000), sends(ranges=False))
    assert files.find(pin(WHOLE)).read_bytes() == WHOLE


def test_server_that_always_breaks_off_and_knows_no_ranges_is_given_up(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends(ranges=False, breaks_off=1000))
    with pytest.raises(MissingDataError, match="download failed"):
        files.find(pin(WHOLE))
    assert len(mirror.ranges) == 4


def test_other_range_than_asked_for_starts_again(tmp_path: Path, mirror: Mirror) -> None:
    def shifted(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{len(WHOLE) - 1}/{len(WHOLE)}")
        handler.send_header("Content-Length", str(len(WHOLE)))
        handler.end_headers()
        handler.wfile.write(WHOLE)

    part(tmp_path, WHOLE[:1000])
    assert downloads(tmp_path, mirror, shifted, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == ["bytes=1000-", None]


def test_part_file_longer_than_the_file_starts_again(tmp_path: Path, mirror: Mirror) -> None:
    part(tmp_path, WHOLE + b"more")
    assert downloads(tmp_path, mirror, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == [f"bytes={len(WHOLE) + 4}-", None]


def test_complete_part_file_needs_no_request(tmp_path: Path, mirror: Mirror) -> None:
    part(tmp_path, WHOLE)
    assert downloads(tmp_path, mirror, says(500)).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == []
    assert left(tmp_path) == ["file.json"]


def test_damaged_part_file_starts_again(tmp_path: Path, mirror: Mirror) -> None:
    part(tmp_path, b"\0" * 1000)
    assert downloads(tmp_path, mirror, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == ["bytes=1000-", None]


def test_part_of_a_file_without_digest_is_not_trusted(tmp_path: Path, mirror: Mirror) -> None:
    part(tmp_path, b"\0" * 1000)
    files = downloads(tmp_path, mirror, sends(breaks_off=1000), sends())
    assert files.find(pin(sha256=None)).read_bytes() == WHOLE
    assert mirror.ranges == [None, None]
    assert left(tmp_path) == ["file.json"]


def test_download_of_other_bytes_is_refused_and_not_kept(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends(b"wrong"))
    with pytest.raises(BadInputError, match="not the pinned file") as raised:
        files.find(pin())
    for content in (b"right", b"wrong"):
        assert hashlib.sha256(content).hexdigest() in str(raised.value)
    assert mirror.address in str(raised.value)
    assert left(tmp_path) == []


def test_missing_upstream_file_is_not_asked_for_twice(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, says(404))
    for _ in range(2):
        with pytest.raises(MissingDataError, match="HTTP 404 Not Found") as raised:
            files.find(pin())
    assert "--data-dir" in str(raised.value)
    assert len(mirror.paths) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize("status", [429, 503])
def test_busy_server_is_asked_again(tmp_path: Path, mirror: Mirror, status: int) -> None:
    files = downloads(tmp_path, mirror, says(status), says(status), sends())
    assert files.find(pin(WHOLE)).read_bytes() == WHOLE


def test_without_a_network_the_first_file_waits_and_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("rtbench.data.download.time.sleep", waits.append)
    files = DataFiles(None, tmp_path / "cache", base_url="http://127.0.0.1:9")
    for path in ("one.json", "two.json"):
        with pytest.raises(MissingDataError, match="download failed .*refused"):
            files.find(pin(path=path))
    assert waits == [0.5, 1.0, 2.0]
    assert left(tmp_path) == []


def test_full_disk_is_one_clear_error(tmp_path: Path, mirror: Mirror) -> None:
    files = downloads(tmp_path, mirror, sends())

    def full(done: int, total: int, unit: str) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(MissingDataError, match=os.strerror(28)):
        files.find(pin(WHOLE), full)


def test_part_file_of_a_running_process_is_left_alone(tmp_path: Path, mirror: Mirror) -> None:
    path = part(tmp_path, WHOLE[:1000])
    with locked(path.with_name(f"{path.name}.lock")):
        assert downloads(tmp_path, mirror, sends()).find(pin(WHOLE)).read_bytes() == WHOLE
    assert mirror.ranges == [None]
    assert path.read_bytes() == WHOLE[:1000]
    assert left(tmp_path) == ["file.json", "file.json.part"]
