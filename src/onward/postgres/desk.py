"""Work on a database, with connections that are opened at need, and anew when they are lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from onward.errors import StoreAway
from onward.postgres.connection import UNPREPARED, Connection, Database, is_lost, is_passing

T = TypeVar("T")
Job = Callable[[Connection], T]

TRIES = 6
"""So often a transaction is tried that others at work undo."""

LONG = "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '30s', true)"


class Desk:
    """Does jobs on a database, each a function of a connection, in threads of its own or in the caller's.

    Args:
        most: so many at once, and so many connections; with one they are done in the order in which they come.
        looking: statements may take as long as they like.
    """

    def __init__(self, database: Database, name: str, *, most: int = 1, looking: bool = False) -> None:
        self._database = database
        self._looking = looking
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=f"onward-{name}")
        self._places = threading.BoundedSemaphore(most)
        self._idle: deque[Connection] = deque()
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """Each statement of the job sees the newest that is committed."""
        return await self._given(lambda: self.read_now(job))

    async def snapshot(self, job: Job[T]) -> T:
        """All statements of the job see the same."""
        return await self._given(lambda: self.snapshot_now(job))

    async def write(self, job: Job[T], *, long: bool = False) -> T:
        """The job is one transaction; undone by others at work, it is done again. `long`: its statements may take as
        long as they like.

        Raises:
            StoreAway: nothing was kept.
            StoreUncertain: the database went away while it was to keep it.
        """
        return await self._given(lambda: self.write_now(job, long=long))

    def read_now(self, job: Job[T]) -> T:
        """As `read`, in this thread."""

        def work(connection: Connection) -> T:
            connection.autocommit = True
            return job(connection)

        return self._until_done(work, patient=self._looking)

    def snapshot_now(self, job: Job[T]) -> T:
        """As `snapshot`, in this thread."""

        def work(connection: Connection) -> T:
            connection.autocommit = False
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            result = job(connection)
            connection.commit()  # after a rollback the driver would have all prepared anew
            return result

        return self._until_done(work, patient=self._looking)

    def write_now(self, job: Job[T], *, long: bool = False) -> T:
        """As `write`, in this thread."""
        committing = False

        def work(connection: Connection) -> T:
            nonlocal committing
            committing = False
            connection.autocommit = False
            connection.isolation_level = None
            connection.read_only = None
            if long:
                connection.execute(LONG)
            result = job(connection)
            committing = True
            connection.commit()
            return result

        return self._until_done(work, lambda: committing, patient=long or self._looking)

    async def close(self) -> None:
        """Waits for what is under way, and closes the connections. Calling it again does nothing."""
        if not self._closed:
            await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        self._closed = True
        self._executor.shutdown(wait=True)
        while self._idle:
            self._idle.pop().close()

    async def _given(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreAway(f"{self._database.shown} has been closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _until_done(self, work: Job[T], committing: Callable[[], bool] = lambda: False, *, patient: bool = False) -> T:
        with self._places:
            for tries in range(TRIES):
                connection = self._idle.pop() if self._idle else None
                fresh = connection is None or connection.closed
                if connection is None or connection.closed:
                    connection = self._database.connect(looking=self._looking)
                try:
                    with contextlib.nullcontext() if patient else self._database.watchdog.over(connection):
                        result = work(connection)
                except psycopg.Error as error:
                    if error.sqlstate == UNPREPARED:
                        connection.close()
                    self._undo(connection)
                    if is_passing(error) and tries < TRIES - 1:
                        time.sleep(0.01 * 2**tries)
                        continue
                    if is_lost(error) and not (committing() or fresh):
                        self._idle.clear()
                        continue  # the server was started anew since it was last asked, as it may be
                    raise self._database.away(error, committing=committing()) from error
                except BaseException:
                    self._undo(connection)
                    raise
                self._idle.append(connection)
                return result
        raise AssertionError

    def _undo(self, connection: Connection) -> None:
        with contextlib.suppress(psycopg.Error):
            if not connection.closed:
                connection.rollback()
                self._idle.append(connection)
                return
        connection.close()
