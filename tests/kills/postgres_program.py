"""The program that the campaign kills, on a PostgreSQL store: it dies at a given COMMIT that it sends to the server.

python -m tests.kills.postgres_program URL FOLDER STEP before|after
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.kills.program import Settings, app

from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.plan import Plan
from onward.worker import Worker

COMMIT = b"COMMIT\0"


class Killing:
    """A way to the server that ends this process when the n-th COMMIT is about to pass it, or when its answer does."""

    def __init__(self, port: int, step: int, how: str) -> None:
        self._to, self._left, self._how = port, step, how
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._one = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listening.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            for from_, to, asks in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass, args=(from_, to, asks), daemon=True).start()

    def _pass(self, from_: socket.socket, to: socket.socket, asks: bool) -> None:
        tail = b""
        with suppress(OSError):
            while said := from_.recv(65_536):
                if asks is (self._how == "before") and COMMIT in tail + said:
                    with self._one:
                        self._left -= (tail + said).count(COMMIT)
                        if self._left <= 0:
                            os.kill(os.getpid(), signal.SIGKILL)
                tail = said[-len(COMMIT) + 1 :]
                to.sendall(said)
            to.shutdown(socket.SHUT_WR)


async def work(url: str, folder: Path) -> bool:
    log, books = PostgresLog(url, listen=True), PostgresBooks(url)
    settings = {"kills": Settings(target=f"sqlite:///{folder / 'target.db'}")}
    report = await Worker([app], log, books, Plan(once=True), settings=settings).run()
    await log.close()
    await books.close()
    if report.failed:
        print(report, file=sys.stderr)
    return not report.failed


if __name__ == "__main__":
    url, folder, step, how = sys.argv[1:]
    if int(step):
        port = urlsplit(url).port
        assert port is not None
        url = url.replace(f":{port}/", f":{Killing(port, int(step), how).port}/")
    sys.exit(0 if asyncio.run(work(url, Path(folder))) else 1)
