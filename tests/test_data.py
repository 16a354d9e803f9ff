"""Data files: order of places, digests, missing files."""

import hashlib
from pathlib import Path

import pytest

from rtbench.data import DataFiles, PinnedFile
from rtbench.errors import BadInputError, MissingDataError


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


def test_failed_download_is_a_missing_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench.data.RAW_URL", "http://127.0.0.1:9/{repository}/{commit}/{path}")
    files = DataFiles(None, tmp_path / "cache")
    with pytest.raises(MissingDataError, match="download failed"):
        files.find(pin())
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_unknown_data_dir_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        DataFiles(tmp_path / "nowhere")


def test_download_of_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import http.server
    import threading

    served = tmp_path / "served"
    (served / "owner" / "name").mkdir(parents=True)
    (served / "owner" / "name" / "file.json").write_bytes(b"wrong")
    (served / "owner" / "name" / "good.json").write_bytes(b"right")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(served))

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("rtbench.data.RAW_URL", f"http://127.0.0.1:{server.server_port}/{{repository}}/{{path}}")
        files = DataFiles(None, tmp_path / "cache")
        with pytest.raises(BadInputError, match="not the pinned file"):
            files.find(pin(path="file.json"))
        assert files.find(pin(path="good.json")).read_bytes() == b"right"
        server.shutdown()
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["good.json"]
