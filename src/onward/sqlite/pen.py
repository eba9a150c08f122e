"""The one writer of a store file in this process: what comes while it writes goes into the next transaction.

Each job is a function of the connection, under a savepoint of its own: one that fails is undone and told so, the
others of the same transaction are kept. So many small commits share one fsync, and each is still all or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import apsw

from onward.errors import StoreAway
from onward.sqlite.connection import DURABLE, PAGES_BEFORE_CHECKPOINT, File, away
from onward.sqlite.turn import Turn

T = TypeVar("T")
Job = Callable[[apsw.Connection], T]

_MOST_AT_ONCE = 64

BUSY, CLOSING = 60.0, 4.0
"""Seconds that it waits for a file that somebody else keeps locked: at work, and when it is closed."""


class Pen:
    """Writes jobs in the order in which they were given, from any thread."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._connection: apsw.Connection | None = None
        self._turn = Turn(str(file.path))
        self._jobs: queue.SimpleQueue[tuple[Job[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._pages = 0
        self._closed = False
        self._busy_since = 0.0
        self._opened()
        self._checkpoint: threading.Thread | None = None
        self._giving = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="onward-pen", daemon=True)
        self._thread.start()

    async def write(self, job: Job[T]) -> T:
        """Runs the job in a transaction; returns when that is on disk."""
        return await asyncio.wrap_future(self.submit(job))

    def submit(self, job: Job[T]) -> Future[T]:
        """As `write`, for those without an event loop."""
        future: Future[T] = Future()
        with self._giving:
            if not self._closed:
                self._jobs.put((job, future))
                return future
        future.set_exception(StoreAway(f"{self._file.path} has been closed"))
        return future

    def close(self) -> bool:
        """Writes what was given, then ends. Calling it again does nothing.

        Where somebody else keeps the file locked it waits for some seconds and gives up; then the answer is false, and
        a thread may use the file until the process ends.
        """
        with self._giving:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join(CLOSING)
        if self._checkpoint is not None:
            self._checkpoint.join(CLOSING)
        if self._thread.is_alive() or (self._checkpoint is not None and self._checkpoint.is_alive()):
            return False
        self._turn.close()
        return True

    def _write_on(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            last = False
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _MOST_AT_ONCE and not last:
                    following = self._jobs.get_nowait()
                    if following is None:
                        last = True
                    else:
                        jobs.append(following)
            if wanted := [job for job in jobs if job[1].set_running_or_notify_cancel()]:
                self._write(wanted)
            if last:
                return

    def _write(self, jobs: list[tuple[Job[Any], Future[Any]]]) -> None:
        # Told only after the transaction has ended: what a job saw of another's may still be undone with it.
        kept: list[tuple[Future[Any], Any]] = []
        refused: list[tuple[Future[Any], Exception]] = []
        try:
            connection = self._opened()
            with self._turn:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    for job, future in jobs:
                        self._write_one(connection, job, future, kept, refused, alone=len(jobs) == 1)
                    connection.execute("COMMIT")
                except BaseException:
                    if not self._file.roll_back(connection):
                        self._connection = None
                    raise
        except BaseException as error:
            meaning = away(error, str(self._file.path)) if isinstance(error, apsw.Error) else error
            for _, future in jobs:
                future.set_exception(meaning)
            return
        for future, refusal in refused:
            future.set_exception(refusal)
        for future, result in kept:
            future.set_result(result)
        if self._pages >= PAGES_BEFORE_CHECKPOINT:
            self._copy_back()

    def _opened(self) -> apsw.Connection:
        """The connection; a new one where the last one could not end its transaction."""
        if self._connection is None:
            self._connection = self._file.connect()
            self._connection.set_wal_hook(self._count_pages)
            self._connection.set_busy_handler(self._wait)
        return self._connection

    def _wait(self, tries: int) -> bool:
        """What SQLite asks while somebody else has the file: whether to try again. A pen that is closed waits less."""
        if tries == 0:
            self._busy_since = time.monotonic()
        time.sleep(min(0.001 * (tries + 1), 0.05))
        return time.monotonic() - self._busy_since < (CLOSING / 2 if self._closed else BUSY)

    def _write_one(
        self,
        connection: apsw.Connection,
        job: Job[Any],
        future: Future[Any],
        kept: list[tuple[Future[Any], Any]],
        refused: list[tuple[Future[Any], Exception]],
        *,
        alone: bool,
    ) -> None:
        """One job; a failure of its own is its alone, one of the file is everybody's."""
        execute = connection.execute
        if not alone:
            execute("SAVEPOINT job")
        try:
            kept.append((future, job(connection)))
        except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.CorruptError):
            raise
        except Exception as error:
            if alone:
                raise
            execute("ROLLBACK TO job")
            refused.append((future, error))
        if not alone:
            execute("RELEASE job")

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _copy_back(self) -> None:
        """Copies the log into the file: most of it beside the writer, the rest in its turn.

        The log starts again from its beginning when all of it has been copied and nobody reads it, which a writer
        that never pauses would never see; so the writer does the last part, which is short, itself.
        """
        if self._checkpoint is None:
            self._checkpoint = threading.Thread(target=self._copy_beside, name="onward-checkpoint", daemon=True)
            self._checkpoint.start()
        elif not self._checkpoint.is_alive():
            self._checkpoint = None
            with contextlib.suppress(apsw.Error, StoreAway):  # the next one copies more
                self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._pages = 0

    def _copy_beside(self) -> None:
        with contextlib.suppress(apsw.Error), contextlib.closing(apsw.Connection(str(self._file.path))) as connection:
            for pragma in DURABLE:
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
