"""A server that answers every call with the same bytes, right or wrong."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.helpers.runs import LONG

USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def reply(body: bytes | str, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP reply, by default with its right length."""
    data = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(data) if length is None else length}",
    ]
    return "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode() + data


def chat(*choices: dict[str, Any], text: str = "The answer is 5.", usage: Any = USAGE, **more: Any) -> str:
    """A body with choices, by default a single good one."""
    good = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": list(choices or (good,)), "usage": usage, **more})


class RawServer(socketserver.ThreadingTCPServer):
    """Sends ``bytes`` to every call. ``pieces`` are sent afterwards, one by one, until the client goes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, sent: bytes, pieces: bytes = b"", pause: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent, self.pieces, self.pause = sent, pieces, pause
        self.calls: list[bytes] = []
        """Heads of the calls."""
        self.bytes = 0
        """Number of bytes of pieces that were sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(socketserver.StreamRequestHandler):
    server: RawServer

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.rfile.read(length)
        self.server.calls.append(head)
        with contextlib.suppress(OSError):
            self.wfile.write(self.server.sent)
            until = time.monotonic() + LONG  # a client that never goes fails its test, and does not hang it
            while self.server.pieces and time.monotonic() < until:
                self.wfile.write(self.server.pieces)
                self.server.bytes += len(self.server.pieces)
                time.sleep(self.server.pause)


@contextlib.contextmanager
def raw_server(sent: bytes, pieces: bytes = b"", pause: float = 0.0) -> Iterator[RawServer]:
    """Run a raw server while the block runs."""
    with RawServer(sent, pieces, pause) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
