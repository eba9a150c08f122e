"""A way to a server on which answers can be held back."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Passes on what two sides say to each other, until an answer is held: then nothing more comes back.

    Connections that are made after `let_go` are passed on as ever; one on which an answer was held is not.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._hold: bytes | None = None
        self.held = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def hold(self, answer: bytes) -> None:
        """Holds back the first answer that contains this, and all after it; `held` is set when it has come."""
        self.held.clear()
        self._hold = answer

    def let_go(self) -> None:
        self._hold = None

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to), 5)
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, from_: socket.socket, to: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while said := from_.recv(65_536):
                if answers and self._hold is not None and self._hold in said:
                    self.held.set()
                    return
                to.sendall(said)
        for side in (from_, to):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()
