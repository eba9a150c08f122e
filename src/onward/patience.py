"""Patience: doing what needs the store, again and again while it is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from onward.errors import StoreAway

T = TypeVar("T")

FIRST, MOST = 0.05, 5.0
"""Seconds between two tries, at first and at most."""


class Patience:
    """Of one worker.

    Args:
        seconds: after so many it gives up; None if never.
        stopped: set when the worker is to end.
        away: is told of each try that failed, and in how many seconds the next one comes.
        gave_up: is told when it gives up.
    """

    def __init__(
        self,
        seconds: float | None,
        stopped: asyncio.Event,
        away: Callable[[StoreAway, float], None],
        gave_up: Callable[[], None],
    ) -> None:
        self._seconds = seconds
        self._stopped = stopped
        self._away = away
        self._gave_up = gave_up

    async def until_done(self, work: Callable[[], Awaitable[T]], *, or_stop: bool) -> T:
        """What `work` gives, once it does; with `or_stop` only until the worker is stopped.

        Raises:
            StoreAway: of the last try, when it was given up.
        """
        tick = asyncio.get_running_loop().time
        wait, begun = FIRST, tick()
        while True:
            try:
                return await work()
            except StoreAway as error:
                if or_stop and self._stopped.is_set():
                    raise
                if self._seconds is not None and tick() >= begun + self._seconds:
                    self._gave_up()
                    raise
                self._away(error, wait)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await (self._stopped.wait() if or_stop else asyncio.sleep(wait))
                wait = min(wait * 2, MOST)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """A stop does not wait for a store that does not answer."""
        doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait([doing, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise StoreAway("the store had not answered when the worker was stopped")
            return doing.result()
        finally:
            doing.cancel()
            stopped.cancel()
