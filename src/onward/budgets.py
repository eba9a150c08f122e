"""The budgets of one worker: of each `Rate` that its apps name, the pace at which this process may call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from onward.clock import Clock
from onward.pace import Pace
from onward.rate import Portion, Rate


class Budgets:
    """One pace for all that name a budget.

    Args:
        rates: those that handlers may call; they are connected while the worker runs.
        draw: asks the store for a portion of a budget, of so many calls.
    """

    def __init__(self, rates: Iterable[Rate], clock: Clock, draw: Callable[[Rate, int], Awaitable[Portion]]) -> None:
        self._rates = list(rates)
        self._clock = clock
        self._draw = draw
        self.paces: dict[str, Pace] = {}

    def pace(self, rate: Rate) -> Pace:
        """What this process may call of a budget."""
        if rate.name not in self.paces:
            self.paces[rate.name] = Pace(rate, self._clock, lambda count: self._draw(rate, count))
        return self.paces[rate.name]

    async def take(self, name: str) -> None:
        """Waits for one call of a budget."""
        await self.paces[name].take()

    def connect(self) -> None:
        for rate in self._rates:
            rate.connect(self.pace(rate))

    def disconnect(self) -> None:
        for rate in self._rates:
            rate.connect(None)

    def close(self) -> None:
        """Nobody waits any more."""
        for pace in self.paces.values():
            pace.close()
