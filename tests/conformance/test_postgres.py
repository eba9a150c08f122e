"""The log on PostgreSQL, against the suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onward.clock import HandClock
from onward.conformance.log import LogSuite
from onward.log import Books, Log
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks


class TestPostgres(LogSuite):
    durable = True

    @pytest.fixture(autouse=True)
    def database(self, postgres: str) -> Iterator[None]:
        self.url = postgres
        yield

    async def open(self, clock: HandClock) -> tuple[Log, Books]:
        return await self.reopen(clock)

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        return PostgresLog(self.url, clock=clock), PostgresBooks(self.url, clock=clock)
