"""A way to a server that is cut at what passes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Literal

CHUNK = 65_536

When = Literal["before", "after"]


class Cutter:
    """Before a server on a port of this machine. All that passes passes unchanged, until it is told to cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._cut: tuple[bytes, When, int] | None = None
        self._turn = threading.Lock()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seen: bytes, when: When, at: int = 1) -> None:
        """Cuts the connection in which a client sends something with these bytes for the n-th time from now: `before`
        the server gets it, or `after` the server has answered, which nobody hears."""
        with self._turn:
            self._cut = seen, when, at

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                _Line(self, client, socket.create_connection(("127.0.0.1", self._to)))

    def when(self, data: bytes) -> When | None:
        """Whether to cut at what a client sends."""
        with self._turn:
            if self._cut is None or self._cut[0] not in data:
                return None
            seen, when, left = self._cut
            self._cut = (seen, when, left - 1) if left > 1 else None
            self.cuts += left == 1
            return when if left == 1 else None


class _Line:
    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter, self._client, self._server = cutter, client, server
        self._deaf = False
        for work in (self._asks, self._answers):
            threading.Thread(target=self._until_cut, args=(work,), daemon=True).start()

    def _until_cut(self, work: object) -> None:
        with contextlib.suppress(OSError):
            work()  # type: ignore[operator]
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _asks(self) -> None:
        while data := self._client.recv(CHUNK):
            when = self._cutter.when(data)
            if when == "before":
                return
            self._deaf = when == "after"
            self._server.sendall(data)

    def _answers(self) -> None:
        while (data := self._server.recv(CHUNK)) and not self._deaf:
            self._client.sendall(data)


@contextlib.contextmanager
def before(port: int) -> Iterator[Cutter]:
    cutter = Cutter(port)
    try:
        yield cutter
    finally:
        cutter.close()
