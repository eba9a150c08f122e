"""Whether a process is well, told over HTTP to whoever watches it: a supervisor, a load balancer, a person.

`GET /live` says whether it works at all: one that does not should be started again. `GET /ready` says whether it can
do its work now, which takes the store; starting it again would not help. `GET /health` is both. Each answers 200 or
503 with the same JSON document. A tripped stage is neither: the outside is away, not this process.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import msgspec
from msgspec import Struct

from onward.errors import Refused

BEATS = 15.0
"""Seconds without a sign of life after which a process counts as stuck."""


class Address(NamedTuple):
    host: str
    port: int


class Health(Struct, frozen=True):
    """What is told; `parts` is the state of each stage and source, or of each process."""

    live: bool
    ready: bool
    told: str
    parts: dict[str, str]


def address(text: str) -> Address:
    """From `HOST:PORT` or `PORT`; the host is 127.0.0.1 unless said, port 0 is any free one.

    Raises:
        Refused: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise Refused(f"{text!r} is no address; write HOST:PORT, as in 127.0.0.1:8080")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


@contextlib.contextmanager
def serving(at: Address, look: Callable[[], Health]) -> Iterator[Address]:
    """Answers in a thread of its own while the block runs; gives the address that it has.

    Raises:
        Refused: the address cannot be used.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = look()
            paths = {"/live": found.live, "/ready": found.ready, "/health": found.live and found.ready}
            path = self.path.partition("?")[0]
            self.send_response((200 if paths[path] else 503) if path in paths else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(msgspec.json.encode(found if path in paths else {"paths": list(paths)}))

        def log_message(self, format: str, *args: object) -> None:
            pass  # a probe every few seconds is no news

    try:
        server = ThreadingHTTPServer(at, Answer)
    except OSError as error:
        raise Refused(f"--health {at.host}:{at.port} cannot be used: {error.strerror}; name another address") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="onward-health", daemon=True)
    thread.start()
    try:
        yield Address(at.host, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
