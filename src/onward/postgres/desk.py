"""Work on a database, done in threads, each with a connection of its own that is opened at need, and anew when lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from onward.postgres.connection import Connection, Database, is_lost, is_passing

T = TypeVar("T")
Job = Callable[[Connection], T]

TRIES = 6
"""So often a transaction is tried that others at work undo."""

LONG = "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '30s', true)"


class Desk:
    """Threads that do jobs on a database, each a function of a connection.

    Args:
        threads: so many jobs at once, at most; with one they are done in the order in which they come.
        looking: statements may take as long as they like.
    """

    def __init__(self, database: Database, name: str, *, threads: int = 1, looking: bool = False) -> None:
        self._database = database
        self._looking = looking
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"onward-{name}")
        self._mine = threading.local()
        self._all: list[Connection] = []

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
        """As `read`, in this thread; of several threads each has a connection of its own."""

        def work(connection: Connection) -> T:
            connection.autocommit = True
            return job(connection)

        return self._until_done(work)

    def snapshot_now(self, job: Job[T]) -> T:
        """As `snapshot`, in this thread."""

        def work(connection: Connection) -> T:
            connection.autocommit = False
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            try:
                return job(connection)
            finally:
                with contextlib.suppress(psycopg.Error):
                    connection.rollback()

        return self._until_done(work)

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

        return self._until_done(work, lambda: committing)

    async def close(self) -> None:
        """Ends what is under way and closes the connections. Calling it again does nothing."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        self._executor.shutdown(wait=True)
        while self._all:
            self._all.pop().close()

    async def _given(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _until_done(self, work: Job[T], committing: Callable[[], bool] = lambda: False) -> T:
        fresh = False
        for tries in range(TRIES):
            known = self._mine.__dict__.get("connection")
            connection = self._opened()
            fresh = fresh or connection is not known
            try:
                return work(connection)
            except psycopg.Error as error:
                self._undo(connection)
                if is_passing(error) and tries < TRIES - 1:
                    time.sleep(0.01 * 2**tries)
                    continue
                if is_lost(error) and not committing() and not fresh:
                    continue  # the server was started anew since it was last asked, as it may be
                raise self._database.away(error, committing=committing()) from error
            except BaseException:
                self._undo(connection)
                raise
        raise AssertionError

    def _undo(self, connection: Connection) -> None:
        if not connection.closed:
            with contextlib.suppress(psycopg.Error):
                connection.rollback()
                return
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._mine.connection = None
        with contextlib.suppress(ValueError):
            self._all.remove(connection)

    def _opened(self) -> Connection:
        connection: Connection | None = self._mine.__dict__.get("connection")
        if connection is None or connection.closed:
            connection = self._database.connect(looking=self._looking)
            self._mine.connection = connection
            self._all.append(connection)
        return connection
