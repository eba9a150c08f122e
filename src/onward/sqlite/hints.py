"""Datagrams on the loopback by which processes on one file wake each other.

They carry nothing and may be lost: who waits also looks by itself, only later.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence


def tell(ports: Sequence[int]) -> None:
    """Sends a hint to each of these ports."""
    if not ports:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in ports:
            sender.sendto(b"", ("127.0.0.1", port))


class Hints:
    """A port of the loopback where hints are heard."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def heard(self) -> bool:
        return self._loop is not None

    def hear(self, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]) -> None:
        """Calls `woken` on this loop whenever hints have come."""

        def drain() -> None:
            try:
                while True:
                    self._socket.recv(16)
            except OSError:
                woken()

        self._loop = loop
        loop.add_reader(self._socket.fileno(), drain)

    def close(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
