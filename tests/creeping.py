"""A clock for tests that look for what falls between two looks at it."""

from __future__ import annotations

import asyncio


class Creeping:
    """A clock that goes on whenever somebody looks at it."""

    def __init__(self, start: float, step: float) -> None:
        self._now, self._step = start, step

    def now(self) -> float:
        self._now += self._step
        return self._now

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is None:
            await event.wait()
        while not event.is_set() and until is not None and self.now() < until:
            await asyncio.sleep(0)

    def idle(self, until: float) -> None:
        pass
