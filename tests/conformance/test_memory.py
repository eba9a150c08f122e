"""The log in memory does what a log must do."""

from onward.clock import HandClock
from onward.conformance.log import LogSuite
from onward.log import Books, Log
from onward.logs.memory import MemoryLog
from onward.logs.memory_books import MemoryBooks
from onward.logs.memory_store import MemoryStore


class TestMemory(LogSuite):
    durable = True  # as long as the store object lives

    async def open(self, clock: HandClock) -> tuple[Log, Books]:
        self.store = MemoryStore()
        return await self.reopen(clock)

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        return MemoryLog(self.store, clock=clock), MemoryBooks(self.store, clock=clock)
