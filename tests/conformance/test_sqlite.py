"""The log on a SQLite file does what a log must do."""

from pathlib import Path

import pytest

from onward.clock import HandClock
from onward.conformance.log import LogSuite
from onward.log import Books, Log
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks


class TestSQLite(LogSuite):
    durable = True

    @pytest.fixture(autouse=True)
    def _url(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/store.db"

    async def open(self, clock: HandClock) -> tuple[Log, Books]:
        return await self.reopen(clock)

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        return SQLiteLog(self.url, clock=clock, listen=True), SQLiteBooks(self.url, clock=clock)
