"""An S3 server on loopback (moto's), which can be made to misbehave as real ones do."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Start = Callable[..., Any]
_KEY = re.compile(rb"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>", re.DOTALL)


class FaultyS3:
    """moto's S3 with faults.

    Args:
        seed: of the faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self.shares: dict[str, float] = {}
        """Share of the requests that meet a fault, by fault: ``busy`` (503), ``lost`` (done, and the answer is an error),
        ``cut`` (the body of an answer ends early), ``torn`` (half of a file is stored) or ``dropped`` (no answer at all)."""
        self.behind = 0.0
        """Seconds for which a listing does not have a new file."""
        self.met: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """Requests by method."""
        self._app = DomainDispatcherApplication(create_backend_app)
        self._random = random.Random(seed)
        self._born: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        with self._lock:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.asked[method] += 1
            fault = self._fault(method, path)
            if fault is not None:
                self.met[fault] += 1
            if fault == "busy":
                return _error(start, "503 Service Unavailable", "SlowDown")
            if fault == "dropped":
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return _error(start, "200 OK", "never arrives")
            if fault == "torn":
                _tear(environ)
            if method == "PUT":
                self._born.setdefault(path.partition("/")[2].partition("/")[2], time.monotonic())
            status, headers, body = self._answer(environ)
        if fault == "lost":
            return _error(start, "500 Internal Server Error", "InternalError")
        if "list-type=2" in environ.get("QUERY_STRING", "") and self.behind:
            body = self._older(body)
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start(status, headers)
        return [body[: len(body) // 2]] if fault == "cut" else [body]

    def _fault(self, method: str, path: str) -> str | None:
        if path.count("/") < 2:  # of the bucket
            return None
        possible = {"GET": {"busy", "cut", "dropped"}, "PUT": {"busy", "lost", "torn", "dropped"}}.get(method, {"busy"})
        drawn = self._random.random()
        for fault, share in self.shares.items():
            drawn -= share
            if drawn < 0:
                return fault if fault in possible else None
        return None

    def _answer(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        started: list[Any] = []
        body = b"".join(self._app(environ, lambda status, headers, *_: started.extend((status, headers))))
        return started[0], list(started[1]), body

    def _older(self, body: bytes) -> bytes:
        now = time.monotonic()
        return _KEY.sub(lambda m: b"" if now - self._born.get(m[1].decode(), 0.0) < self.behind else m[0], body)


def _error(start: Start, status: str, code: str) -> list[bytes]:
    start(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]


def _tear(environ: dict[str, Any]) -> None:
    """Make the server store half of what was sent, as if the rest had never been sent."""
    import io

    data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(data[: len(data) // 2])
    environ["CONTENT_LENGTH"] = str(len(data) // 2)


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def s3_server(seed: int = 0) -> Iterator[tuple[str, FaultyS3]]:
    """Run a server with a bucket named ``bucket``; yield its address and its faults."""
    app = FaultyS3(seed)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        _make_bucket(address)
        yield address, app
    finally:
        server.shutdown()
        thread.join()


def _make_bucket(address: str) -> None:
    import requests

    requests.post(f"{address}/moto-api/reset", timeout=300)
    requests.put(f"{address}/bucket", timeout=300).raise_for_status()


def s3_environment(address: str) -> dict[str, str]:
    """Return the environment variables with which s3fs uses the server. A connection that is dropped is closed, so no
    call waits for its time to end."""
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_MAX_ATTEMPTS": "1",
        "FSSPEC_S3": '{"config_kwargs": {"read_timeout": 60, "connect_timeout": 60}}',
    }
