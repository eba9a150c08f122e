"""Writers of one process: a few connections, each with a thread; what comes while one writes goes into its next
transaction.

What is given under one name is written in the order in which it is given. A transaction that is refused is done again,
each job alone, so that one that is refused takes nobody along.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import select
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import psycopg

from onward.errors import StoreAway, StoreUncertain
from onward.postgres.connection import UNPREPARED, Connection, Database, is_lost, is_passing
from onward.postgres.desk import TRIES

J = TypeVar("J")

PENS = 4
TOGETHER = 64
"""So many jobs share a transaction, at most."""


class Again(Exception):
    """What was to be written rests on something that has changed: it is to be made anew, and written again."""


class Pens(Generic[J]):
    """Writes jobs, each durably when it is told so.

    Args:
        keep: writes jobs in one transaction of a connection, and commits it.
        alone: whether a job is to share no transaction.
        meaning: what an error that the server gave means to who gave the job; raises `Again` if it is to be done again.
    """

    def __init__(
        self,
        database: Database,
        keep: Callable[[Connection, Sequence[J]], None],
        alone: Callable[[J], bool],
        meaning: Callable[[psycopg.Error, J], Exception],
    ) -> None:
        self._pens = [_Pen(database, keep, alone, meaning) for _ in range(PENS)]
        self._names: dict[Hashable, _Pen[J]] = {}

    async def write(self, name: Hashable, job: J) -> None:
        """Returns when it is kept.

        Raises:
            StoreAway: it was not kept.
            StoreUncertain: only reading again can tell.
        """
        pen = self._names.get(name)
        if pen is None:
            pen = self._names[name] = self._pens[len(self._names) % PENS]
        await asyncio.wrap_future(pen.give(job))

    async def close(self) -> None:
        """Writes what was given, then ends. Calling it again does nothing."""
        for pen in self._pens:
            pen.end()
        await asyncio.gather(*(asyncio.to_thread(pen.wait) for pen in self._pens if pen.begun))


class _Pen(Generic[J]):
    """One thread and its connection; both begin with the first job."""

    def __init__(
        self,
        database: Database,
        keep: Callable[[Connection, Sequence[J]], None],
        alone: Callable[[J], bool],
        meaning: Callable[[psycopg.Error, J], Exception],
    ) -> None:
        self._database = database
        self._keep = keep
        self._alone = alone
        self._meaning = meaning
        self._jobs: queue.SimpleQueue[tuple[J, Future[None]] | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._giving = threading.Lock()
        self._closed = False

    @property
    def begun(self) -> bool:
        return self._thread is not None

    def give(self, job: J) -> Future[None]:
        future: Future[None] = Future()
        with self._giving:
            if self._closed:
                future.set_exception(StoreAway(f"{self._database.shown} has been closed"))
                return future
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="onward-pen", daemon=True)
                self._thread.start()
            self._jobs.put((job, future))
        return future

    def end(self) -> None:
        with self._giving:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _write_on(self) -> None:
        left: tuple[J, Future[None]] | None = None
        while (first := left or self._jobs.get()) is not None:
            jobs, left = [first], None
            with contextlib.suppress(queue.Empty):
                while len(jobs) < TOGETHER and not self._alone(first[0]):
                    if (following := self._jobs.get_nowait()) is None:
                        self._jobs.put(None)
                        break
                    if self._alone(following[0]):
                        left = following
                        break
                    jobs.append(following)
            if wanted := [job for job in jobs if job[1].set_running_or_notify_cancel()]:
                self._write(wanted)
        if self._connection is not None:
            self._connection.close()

    def _write(self, jobs: list[tuple[J, Future[None]]]) -> None:
        error = self._tried([job for job, _ in jobs])
        if error is None or isinstance(error, StoreAway | StoreUncertain):
            for _, future in jobs:
                _tell(future, error)
        else:
            for job, future in jobs:  # one of them is refused, the others are not
                _tell(future, self._alone_tried(job))

    def _alone_tried(self, job: J) -> Exception | None:
        for tries in range(TRIES):
            error = self._tried([job])
            if not isinstance(error, psycopg.Error):
                return error
            try:
                return self._meaning(error, job)
            except Again:
                time.sleep(0.002 * 4**tries if is_passing(error) else 0)
        return StoreAway(f"{self._database.shown} undid a commit {TRIES} times, as others change the same")

    def _tried(self, jobs: Sequence[J]) -> Exception | None:
        """Writes them in one transaction; what stood in the way, of the driver where the server said it."""
        try:
            connection = self._opened()
        except Exception as error:
            return error
        try:
            with self._database.watchdog.over(connection):
                self._keep(connection, jobs)
            return None
        except psycopg.Error as error:
            if error.sqlstate == UNPREPARED:
                connection.close()
            self._undo(connection)
            return self._database.away(error, committing=True) if is_lost(error) else error
        except Exception as error:
            self._undo(connection)
            return error

    def _undo(self, connection: Connection) -> None:
        with contextlib.suppress(psycopg.Error):
            if not connection.closed:
                connection.rollback()
                return
        connection.close()

    def _opened(self) -> Connection:
        """The connection; a new one where the server has closed it meanwhile, so that nothing is sent in vain."""
        connection = self._connection
        if connection is not None and not connection.closed:
            told = select.poll()
            told.register(connection.fileno(), select.POLLIN)
            if not told.poll(0):
                return connection
            connection.close()
        self._connection = self._database.connect()
        return self._connection


def _tell(future: Future[None], error: Exception | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
