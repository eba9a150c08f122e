"""The log on PostgreSQL does what a log must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onward.clock import HandClock
from onward.conformance.log import LogSuite
from onward.log import Books, Log
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from servers.postgres import database, empty


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    with database(postgres_server) as url:
        yield url


class TestPostgres(LogSuite):
    durable = True

    @pytest.fixture(autouse=True)
    def _store(self, url: str) -> Iterator[None]:
        self.url = url
        yield
        empty(url)

    async def open(self, clock: HandClock) -> tuple[Log, Books]:
        return await self.reopen(clock)

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        return PostgresLog(self.url, clock=clock, listen=True), PostgresBooks(self.url, clock=clock)
