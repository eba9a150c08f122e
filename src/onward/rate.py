"""A rate: so many records or calls per second, over all workers of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from onward import units

AHEAD = 1.0
"""Seconds for which portions are promised ahead, in the order in which they are asked for."""


class Portion(NamedTuple):
    """A part of a budget: `count` calls, to be made from `wait` seconds on. With a count of 0 it is too early to
    promise any: ask again after `wait` seconds."""

    count: int
    wait: float


class Account(NamedTuple):
    """What a store keeps of a budget: from when the next portion is, as it stood at an instant, at a rate."""

    free_at: float
    at: float
    per_second: float

    def portion(self, now: float, per_second: float, count: int) -> tuple[Portion, Account]:
        """The next portion of `count` calls, and the account after it.

        Portions follow one another, each as long as its calls take at the rate; what nobody asked for is not saved
        up. A clock that was set back moves the account with it. At a new rate what was taken is paid off by that.
        """
        ahead = max(0.0, self.free_at - max(now, self.at)) * self.per_second / per_second
        if ahead > AHEAD:
            return Portion(0, ahead), Account(now + ahead, now, per_second)
        return Portion(count, ahead), Account(now + ahead + count / per_second, now, per_second)


class Meter(Protocol):
    """What a worker puts behind a rate while it runs."""

    async def take(self) -> None:
        """Returns when one more call may be made."""

    def take_here(self) -> None:
        """As `take`, for a thread without an event loop."""


class Rate:
    """Given by `app.rate`: a budget that calls share by its name, over all workers: `await rate()` before each of them,
    or `rate()` in a plain `def`. It returns when the call may be made. While no worker runs the app, as in a unit test
    of a handler, it returns at once.

    Waiting counts to the `timeout=` of the handler that waits.
    """

    def __init__(self, name: str, text: str, where: str = "") -> None:
        self.name = name
        self.text = text
        self.where = where
        self.per_second = units.rate(text)
        self._meter: Meter | None = None

    def __call__(self) -> Awaitable[None]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._meter is not None:
                self._meter.take_here()
            return _Passed()
        return _Passed() if self._meter is None else self._meter.take()

    def connect(self, meter: Meter | None) -> None:
        """For Onward itself: says who counts the calls, while the app runs."""
        self._meter = meter

    def __repr__(self) -> str:
        return f"Rate({self.name!r}, {self.text!r})"


class _Passed:
    """What may be awaited and need not."""

    def __await__(self):  # type: ignore[no-untyped-def]
        return iter(())
