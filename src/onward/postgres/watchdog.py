"""Cuts connections on which an answer has not come for so long that it never will.

A server that is gone is noticed by the machine's network (`tcp_user_timeout`), a statement that takes long is ended by
the server (`statement_timeout`). What is left is a peer that lives and says nothing: a process that is stopped, a
proxy that holds something back. Who waits for it would wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any


class Watchdog:
    """Of one handle. Its thread lives while there is something to watch.

    Args:
        seconds: what a transaction may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._busy: dict[Any, float] = {}
        self._watching = False
        self._one = threading.Lock()

    @contextlib.contextmanager
    def over(self, connection: Any) -> Iterator[None]:
        """While a transaction is under way on a connection."""
        with self._one:
            self._busy[connection] = time.monotonic()
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="onward-watchdog", daemon=True).start()
        try:
            yield
        finally:
            with self._one:
                self._busy.pop(connection, None)

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(self._seconds / 8)
            with self._one:
                idle = 0 if self._busy else idle + 1
                if idle > 8:
                    self._watching = False
                    return
                now = time.monotonic()
                late = [connection for connection, since in self._busy.items() if now - since > self._seconds]
            for connection in late:
                cut(connection)


def cut(connection: Any) -> None:
    """Ends a connection under whoever waits on it in another thread."""
    with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
