"""Files below a URL: they are whole, whatever the server does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtbench.errors import BadInputError, MissingExtraError
from rtbench.storage import objects
from rtbench.storage.objects import NotReachedError, Objects
from rtbench.storage.paths import is_url
from rtbench.storage.places import copy_name
from tests.helpers.s3_server import s3_environment, s3_server

# Drivers forget connections that a server has cut.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "FIRST_PAUSE", 0.01)


@pytest.mark.parametrize("url", ["file://{}/ws", "memory://{}/ws", "s3"])
def test_files_are_put_read_listed_and_removed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as (address, _):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        place = Objects("s3://bucket/a/ws" if url == "s3" else url.format(tmp_path))
        assert place.list() == {}
        stamp = place.put("x/y", b"hello")
        (tmp_path / "local").write_bytes(b"there")
        place.put("x/z", tmp_path / "local")
        assert place.list("x") == place.list() == {"x/y": stamp, "x/z": place.stamp("x/z")}
        assert place.list("x/y").keys() <= {"x/y"}
        assert (place.read("x/y"), place.read("none"), place.stamp("none")) == (b"hello", None, None)
        assert place.put("x/y", b"again") != stamp
        assert place.get("x/y", tmp_path / "deep" / "copy")
        assert (tmp_path / "deep" / "copy").read_bytes() == b"again"
        assert not place.get("none", tmp_path / "none")
        assert not (tmp_path / "none").exists()
        assert [place.create("new", b"1"), place.create("new", b"1"), place.create("new", b"2")] == [True, True, False]
        place.remove(["x/y", "none", "x/z", "new"])
        assert place.list() == {}


def test_what_is_put_is_read_through_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(seed=1) as (address, faults):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        place = Objects("s3://bucket/faults")
        faults.shares = {"busy": 0.05, "lost": 0.05, "cut": 0.1, "torn": 0.1, "dropped": 0.1}
        for number in range(60):
            content = os.urandom(2000 + number)
            place.put(str(number), content)
            assert place.read(str(number)) == content
            assert place.get(str(number), tmp_path / "copy")
            assert (tmp_path / "copy").read_bytes() == content
        assert set(faults.met) == set(faults.shares)


def test_place_that_does_not_answer_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "TRIES", 2)
    for name, value in s3_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotReachedError, match=r"s3://bucket/x/y: .*connect"):
        Objects("s3://bucket/x").put("y", b"")


def test_bucket_that_is_not_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as (address, _):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(NotReachedError, match="bucket does not exist"):
            Objects("s3://nobucket/x").put("y", b"")


def test_address_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(BadInputError, match="nonsense"):
        Objects("nonsense://bucket/x")


def test_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", fails)
    with pytest.raises(MissingExtraError, match=r"rtbench\[s3\]"):
        Objects("s3://bucket/x")
    with pytest.raises(BadInputError, match="Install"):
        Objects("gs://bucket/x")


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        ("s3://b/x", True), ("memory://x", True), ("file:///x", True), ("a/b", False), ("/a//b", False),
        ("C:\\x", False), ("./s3:/x", False), ("://x", False), ("ab cd://x", False),
    ],
)  # fmt: skip
def test_urls_are_told_from_folders(workspace: str, expected: bool) -> None:
    assert is_url(workspace) is expected


def test_copies_of_different_workspaces_have_different_folders() -> None:
    names = {copy_name(url) for url in ("s3://b/ws", "s3://c/ws", "s3://b/../ws", "s3://b/ws?x", "s3://b/\x1b[31m")}
    assert len(names) == 5
    assert all("/" not in name and name.isprintable() for name in names)
    assert copy_name("s3://b/ws/") == copy_name("s3://b/ws")
