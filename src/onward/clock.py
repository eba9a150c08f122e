"""Time, injected. Clocks decide when to try; they never decide who may commit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """What tells the time, in seconds since 1970 in UTC, and waits for it."""

    def now(self) -> float: ...

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Returns when the event is set, at the latest at `until`."""

    def idle(self, until: float) -> None:
        """All work waits for this instant, and nothing else will happen before."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is None:
            await event.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.time())):
                await event.wait()

    def idle(self, until: float) -> None:
        pass


class HandClock:
    """A clock that stands still until it is advanced; for tests."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._waiting: set[asyncio.Event] = set()

    def now(self) -> float:
        return self._now

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is not None and until <= self._now:
            return
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)

    def idle(self, until: float) -> None:
        pass

    def advance(self, seconds: float) -> None:
        """Moves on, and wakes all who wait for a time; to be called on their event loop."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += seconds
        for event in list(self._waiting):
            event.set()
