"""A store on PostgreSQL under test, whose segments begin when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from onward.clock import HandClock
from onward.conformance.case import IN, OUT, WORK, Case, Suite, app_spec
from onward.log import Books, Log, StageSpec
from onward.logs import postgres_life, postgres_segments
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.postgres.connection import Connection, Database


class Store(Suite):
    durable = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.side = Database(url).connect()
        self.clock = HandClock()

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        return PostgresLog(self.url, clock=clock), PostgresBooks(self.url, clock=clock)

    def in_one(self, job: Callable[[Connection], bool]) -> bool:
        with self.side.transaction():
            return job(self.side)

    def segment(self) -> bool:
        """Begins a new segment, as if the newest were old; not where there is nothing in it."""
        self.clock.advance(100)
        self.side.execute("UPDATE onward.segment SET began = 'epoch'")
        return self.in_one(lambda connection: postgres_segments.begin(connection, self.clock.now()))

    def tidy(self) -> bool:
        return self.in_one(postgres_life.tidy)

    def moved_long_ago(self) -> None:
        self.side.execute("UPDATE onward.segment SET moved = moved - interval '1 hour'")

    @property
    def segments(self) -> list[str]:
        found = self.side.execute("SELECT relname FROM pg_class WHERE relname ~ '^block_[0-9]+$' ORDER BY relname")
        return [name for (name,) in found]


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Store, Case]]:
    store = Store(url)
    case = Case(store, store.clock, *await store.reopen(store.clock))
    await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,))]))
    try:
        yield store, case
    finally:
        for close in reversed(case.closing):
            await close()
        store.side.close()


def on(url: str, test: Callable[[Store, Case], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), opened(url) as (store, case):
            await test(store, case)

    asyncio.run(run())
