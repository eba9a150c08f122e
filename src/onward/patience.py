"""Patience: doing what needs the store, again and again while it is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from onward.errors import StoreAway
from onward.failure import message_of

T = TypeVar("T")

FIRST, MOST = 0.05, 5.0
"""Seconds between two tries, at first and at most."""


class Absence:
    """What one stage or source waits for, to be shown while it does.

    Args:
        patiently: does work again and again while what it needs is away.
        changed: is called when there is another thing to be shown.
    """

    def __init__(self, patiently: Callable[..., Awaitable[Any]], changed: Callable[[], None]) -> None:
        self._patiently = patiently
        self._changed = changed
        self._told: dict[object, str] = {}

    @property
    def told(self) -> str:
        """What is away, and why; empty while nothing is. Of several things the one that is away longest."""
        return next(iter(self._told.values()), "")

    async def over(self, work: Callable[[], Awaitable[T]], *, or_stop: bool = False) -> T:
        """As `Patience.until_done`."""
        one = object()

        async def attempt() -> T:
            try:
                return await work()
            except StoreAway as error:
                known, self._told[one] = one in self._told, message_of(error)
                if not known:
                    self._changed()
                raise

        try:
            return cast(T, await self._patiently(attempt, or_stop=or_stop))
        finally:
            if self._told.pop(one, None) is not None:
                self._changed()


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
