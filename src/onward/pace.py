"""A pace: what one process may still call of a budget that all workers share.

Portions come from the store, each for a fifth of a second; while one lasts nothing is asked. What is not used soon is
lost: it is neither saved up nor given back, so a process that dies takes one portion along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError

from onward.clock import Clock
from onward.errors import OnwardError
from onward.rate import Portion, Rate

PART = 0.2
"""Seconds of a budget in one portion."""

GOOD = 1.0
"""Seconds after which what is left of a portion is not good any more; longer where its calls take longer."""


class Pace:
    """Of one budget in one process, for all its stages and handlers that use it.

    Args:
        draw: asks the store for a portion of so many.
        unit: how many are wanted at once, as for a batch.
    """

    def __init__(self, rate: Rate, clock: Clock, draw: Callable[[int], Awaitable[Portion]]) -> None:
        self.rate = rate
        self._clock = clock
        self._draw = draw
        self._unit = 1
        self._ask = 1
        self._left = 0
        self._got = 0
        self._from = 0.0
        self._until = 0.0
        self._early = False
        self._drawing: asyncio.Task[None] | None = None
        self._line = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Callable[[], None]] = []
        self._awake = asyncio.Event()
        self._closed = False

    def listen(self, listener: Callable[[], None], unit: int) -> None:
        """Has somebody told when there is more; `unit` is how many they would rather have at once."""
        self._listeners.append(listener)
        self._unit = max(self._unit, unit)
        self._ask = max(self._ask, self._unit)

    @property
    def at(self) -> float | None:
        """When there may be more, if there was nothing when it was last asked. Asked anew there might be where there
        was nothing a moment ago, and who found nothing then would not be woken."""
        return self._from if self._early and self._drawing is None else None

    def may(self, wanted: int) -> int:
        """How many of so many may be called now."""
        now = self._clock.now()
        self._early = now < self._from
        if self._early:
            return 0
        if self._left and now > self._until:
            self._ask, self._left = max(self._unit, self._got - self._left), 0
        return min(wanted, self._left)

    def spend(self, count: int) -> None:
        """So many are being called."""
        self._left = max(0, self._left - count)
        if not self._left:
            self._ask = max(self._unit, min(2 * self._got, int(self.rate.per_second * PART)))

    def give_back(self, count: int) -> None:
        """So many of them were not called after all."""
        if count and self._clock.now() <= self._until:
            self._left = min(self._got, self._left + count)

    @property
    def wanting(self) -> bool:
        """Whether it is time to ask for more."""
        return self._drawing is None and not self._left and self._clock.now() >= self._from

    def ask(self, wanted: int) -> None:
        """Asks for more; listeners are told when it has come."""
        self._drawing = asyncio.create_task(self._more(max(1, min(wanted, self._ask))))

    async def _more(self, count: int) -> None:
        try:
            portion = await self._draw(count)
        except OnwardError:  # whoever needs the store for something else tells of it
            portion = Portion(0, GOOD)
        self._left = self._got = portion.count
        self._from = self._clock.now() + portion.wait
        self._until = self._from + max(GOOD, portion.count / self.rate.per_second)
        self._drawing = None
        for listener in self._listeners:
            listener()

    async def take(self) -> None:
        """See `onward.rate.Meter`; who comes first goes first."""
        async with self._line:
            while not self.may(1):
                if self.wanting:
                    self.ask(self._ask)
                if self._drawing is not None:
                    await asyncio.wait([self._drawing])
                elif not self.may(1):
                    self._clock.idle(self._from)
                    self._awake.clear()
                    await self._clock.wait(self._awake, self._from)
                if self._closed:
                    raise asyncio.CancelledError
            self.spend(1)

    def take_here(self) -> None:
        """See `onward.rate.Meter`."""
        try:
            asyncio.run_coroutine_threadsafe(self.take(), self._loop).result()
        except CancelledError:
            raise InterruptedError(f"the worker ends; {self.rate.name} is not waited for any longer") from None

    def close(self) -> None:
        """Ends all waiting."""
        self._closed = True
        self._awake.set()
        if self._drawing is not None:
            self._drawing.cancel()
