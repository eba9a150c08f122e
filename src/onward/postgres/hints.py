"""Hints by which workers on one database wake each other: a notification says that something may have changed.

It is sent beside the commits, not in them, by a session of its own, as what notifies is committed one after another
by a server. It may be lost: who waits also looks now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import psycopg

from onward.errors import StoreAway
from onward.postgres.connection import Connection, Database, run

TELL = "SELECT pg_notify('onward', '')"


class Ear:
    """Hears hints, on the event loop, by a connection of its own.

    Args:
        heard: what is called for each.
    """

    def __init__(self, database: Database, heard: Callable[[], None]) -> None:
        self._database = database
        self._heard = heard
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor = -1
        self._closed = False

    @property
    def hears(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        """Begins to hear, if it does not and the server is there."""
        if self._connection is None and not self._closed:
            with contextlib.suppress(StoreAway):
                connection = await asyncio.to_thread(self._listening)
                if self._closed:
                    connection.close()
                    return
                self._connection, self._loop = connection, asyncio.get_running_loop()
                self._descriptor = connection.fileno()
                self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Calling it again does nothing."""
        self._closed = True
        self._drop()

    def _listening(self) -> Connection:
        connection = self._database.connect()
        try:
            run(connection, "LISTEN onward")
        except psycopg.Error as error:
            connection.close()
            raise StoreAway(str(self._database.away(error))) from error
        return connection

    def _read(self) -> None:
        assert self._connection is not None
        driver = self._connection.pgconn
        try:
            driver.consume_input()
            told = False
            while driver.notifies() is not None:
                told = True
        except psycopg.Error:
            self._drop()
            told = True  # who knows what was missed
        if told:
            self._heard()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._loop is not None:
            self._loop.remove_reader(self._descriptor)  # of a connection that is lost it would not say it any more
            connection.close()


class Voice:
    """Gives hints: many that come soon after one another are one.

    Args:
        tell: what sends one.
    """

    PAUSE = 0.02
    """Seconds from one to the next, at least."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._telling: asyncio.Task[None] | None = None
        self._more = False

    def give(self) -> None:
        """Something has changed. To be called on the event loop."""
        self._more = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._give())

    async def _give(self) -> None:
        while self._more:
            self._more = False
            with contextlib.suppress(StoreAway):
                await asyncio.to_thread(self._tell)
            await asyncio.sleep(self.PAUSE)

    async def close(self) -> None:
        """What was to be told is told."""
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)
