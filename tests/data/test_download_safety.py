"""What a mirror can do and learn: bounded files, no passwords, and no secrets in messages."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from rtbench.data import download
from rtbench.data.files import DataFiles
from rtbench.data.pins import PinnedFile
from rtbench.errors import BadInputError, MissingDataError
from rtbench.texts import without_secrets
from tests.helpers.raw_server import chat, raw_server, reply
from tests.helpers.servers import asked, teacher

WHOLE = b"the whole file"


def pin(content: bytes = WHOLE, *, size: int | None = None) -> PinnedFile:
    return PinnedFile(
        name="file.json", repository="owner/name", commit="0123456789abcdef", path="file.json",
        sha256=sha256(content).hexdigest(), bytes=size,
    )  # fmt: skip


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    seen: list[tuple[str, str | None]]
    """Path and ``Authorization`` of each request."""
    answer: Any


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))
        self.server.answer(self)

    def log_message(self, *args: object) -> None: ...


def sends_file(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(WHOLE)))
    handler.end_headers()
    handler.wfile.write(WHOLE)


def sends_without_end(handler: _Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        return


def redirects_to(target: str) -> Any:
    def answer(handler: _Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[_Server]]:
    """Two servers, and a ``.netrc`` with passwords for both."""
    monkeypatch.setattr(download, "PAUSE", 0.001)
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login me password hunter2\nmachine localhost login me password hunter2\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    made: list[_Server] = []
    for _ in range(2):
        server = _Server(("127.0.0.1", 0), _Handler)
        server.seen, server.answer = [], sends_file
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made.append(server)
    yield made
    for server in made:
        server.shutdown()
        server.server_close()


def files(tmp_path: Path, base: str) -> DataFiles:
    return DataFiles(None, tmp_path / "cache", base_url=base)


def test_password_of_the_user_is_sent_to_no_mirror_and_no_target_of_a_redirect(
    servers: list[_Server], tmp_path: Path
) -> None:
    first, second = servers
    first.answer = redirects_to(f"http://localhost:{second.server_port}/elsewhere")
    assert files(tmp_path, f"http://127.0.0.1:{first.server_port}").find(pin()).read_bytes() == WHOLE
    assert [authorization for _, authorization in first.seen + second.seen] == [None, None]


def test_password_of_the_user_is_sent_to_no_endpoint(servers: list[_Server]) -> None:
    with raw_server(reply(chat())) as server:
        asks = teacher({"model": "m", "base_url": server.url, "api_key_env": None})
        assert list(asks.open(asks.members()[0]).generate(asked(1)))
        assert b"authorization" not in server.calls[0].lower()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "/again"])
def test_redirect_to_another_protocol_or_in_a_circle_is_an_error(
    target: str, servers: list[_Server], tmp_path: Path
) -> None:
    servers[0].answer = redirects_to(target)
    with pytest.raises(MissingDataError):
        files(tmp_path, f"http://127.0.0.1:{servers[0].server_port}").find(pin())
    assert not list((tmp_path / "cache").rglob("file.json"))


@pytest.mark.parametrize("size", [len(WHOLE), None])
def test_endless_file_is_left_early(
    size: int | None, servers: list[_Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 10**6)
    servers[0].answer = sends_without_end
    with pytest.raises(MissingDataError, match=r"sends more than the [\d,]+ bytes"):
        files(tmp_path, f"http://127.0.0.1:{servers[0].server_port}").find(pin(size=size))
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*")) < 10**5


def test_file_that_is_announced_as_too_long_is_not_received(servers: list[_Server], tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="the server has 14 bytes, and the file has at most 5"):
        files(tmp_path, f"http://127.0.0.1:{servers[0].server_port}").find(pin(size=5))


SECRET = "s3cr3tvalue"


@pytest.mark.parametrize(
    "base",
    [
        "http://me:s3cr3tvalue@127.0.0.1:{port}/m",
        "http://s3cr3tvalue:@127.0.0.1:{port}",
        "http://127.0.0.1:{port}/m?token=s3cr3tvalue",
        "http://127.0.0.1:{port}/m?a=1&X-Amz-Signature=s3cr3tvalue&X-Amz-Credential=s3cr3tvalue",
        "http://127.0.0.1:{port}/m?sig=s3cr3tvalue&se=2026",
    ],
)  # fmt: skip
def test_secrets_of_a_mirror_reach_it_and_no_message(base: str, servers: list[_Server], tmp_path: Path) -> None:
    address = base.format(port=servers[0].server_port)
    assert files(tmp_path, address).find(pin()).read_bytes() == WHOLE
    path, authorization = servers[0].seen[0]
    assert "/owner/name/0123456789abcdef/file.json" in path
    assert SECRET in path or authorization is not None, "the mirror needs it"
    with pytest.raises(BadInputError) as wrong:
        files(tmp_path / "other", address).find(pin(b"another"))
    servers[0].answer = redirects_to("file:///x")
    with pytest.raises(MissingDataError) as missing:
        files(tmp_path / "third", address).find(pin())
    for error in (wrong.value, missing.value):
        assert SECRET not in repr(error.args) + str(error) + str(error.__cause__)
        assert "127.0.0.1" in str(error)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("see https://u:p@h/x?y=1", "see https://[redacted]@h/x?y=1"),
        ("url: /p?access_token=abc&x=1 (refused)", "url: /p?access_token=[redacted]&x=1 (refused)"),
        ("s3://b/k?AWSAccessKeyId=AKIA&Signature=abc%2F", "s3://b/k?AWSAccessKeyId=[redacted]&Signature=[redacted]"),
        ("a@b.example, 1 + 1 = 2, x=?", "a@b.example, 1 + 1 = 2, x=?"),
        ("https://h/v1?api-version=2024", "https://h/v1?api-version=2024"),
    ],
)
def test_secrets_in_addresses_are_redacted(text: str, safe: str) -> None:
    assert without_secrets(text) == safe


def test_unknown_host_is_said_in_plain_words() -> None:
    unknown = urllib3.exceptions.NameResolutionError("nowhere.invalid", None, socket.gaierror(-2, "not known"))  # type: ignore[arg-type]
    tried = urllib3.exceptions.MaxRetryError(None, "/file", unknown)  # type: ignore[arg-type]
    error = requests.exceptions.ConnectionError(tried)
    assert download.reason_of(error) == "the host's name cannot be resolved: is there a network?"
