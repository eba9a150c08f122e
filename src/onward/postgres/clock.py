"""The server's clock: of many machines whose clocks differ, the one that all can ask.

Leases and meetings are judged by it, as who takes a lease compares what another machine wrote with what it takes for
now. Asking it each time would be a way to the server; so the difference to the clock here is measured now and then.
"""

from __future__ import annotations

import asyncio
import time

from onward.clock import SystemClock
from onward.postgres.connection import Connection, rows

BLUR = 0.005
"""Seconds that a measurement may be off besides what the way takes. Less than that is no difference."""


class ServerClock:
    """The machine's clock, corrected by what the server's was measured to be apart from it."""

    def __init__(self) -> None:
        self._machine = SystemClock()
        self.apart = 0.0

    def measure(self, connection: Connection) -> None:
        before = time.time()
        server = float(rows(connection, "SELECT clock_timestamp()")[0][0])
        after = time.time()
        apart = server - (before + after) / 2
        if abs(apart - self.apart) > (after - before) / 2 + BLUR:
            self.apart = apart

    def now(self) -> float:
        return self._machine.now() + self.apart

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        await self._machine.wait(event, None if until is None else until - self.apart)

    def idle(self, until: float) -> None:
        pass
