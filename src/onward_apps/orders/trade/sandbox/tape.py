"""Sample prices, and what time it is on the stand-in's market."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

OPENS, CLOSES = timedelta(hours=14, minutes=30), timedelta(hours=21)
"""09:30 and 16:00 in New York, in winter."""

MIDNIGHT = timedelta(hours=5)
CENT = Decimal("0.01")


class Tape:
    """Daily sessions of some assets; the price goes straight from one close to the next.

    Args:
        closes: per symbol, one per day.
        days: the dates of the sessions, ascending, at 00:00 UTC.
    """

    def __init__(self, closes: dict[str, Sequence[Decimal]], days: Sequence[datetime]) -> None:
        self.closes, self.days = closes, days

    def price(self, symbol: str, at: datetime) -> Decimal:
        """The price at this moment, to the cent; outside of sessions the last one."""
        closes = self.closes[symbol]
        last = max((n for n, day in enumerate(self.days) if day + OPENS <= at), default=0)
        part = Decimal(min(max((at - self.days[last] - OPENS) / (CLOSES - OPENS), 0.0), 1.0))
        before = closes[max(last - 1, 0)]
        return (before + (closes[last] - before) * part).quantize(CENT)

    def is_open(self, at: datetime) -> bool:
        return any(day + OPENS <= at < day + CLOSES for day in self.days)

    def next_open(self, at: datetime) -> datetime:
        """The next session's beginning; a week later where the tape ends."""
        return next((day + OPENS for day in self.days if day + OPENS > at), at + timedelta(days=7))

    def bars(self, symbol: str, start: datetime, until: datetime) -> list[dict[str, object]]:
        """Daily bars that begin from `start` on, the one of today as far as it has come, as the wire has them."""
        found = []
        for number, day in enumerate(self.days):
            if not start <= day + MIDNIGHT or day + OPENS > until:
                continue
            before = self.closes[symbol][max(number - 1, 0)]
            last = self.price(symbol, min(until, day + CLOSES))
            low, high = sorted((before, last))
            bar = {"o": before, "h": high, "l": low, "c": last, "vw": (low + high) / 2}
            found.append(
                {"t": f"{day + MIDNIGHT:%Y-%m-%dT%H:%M:%SZ}", "v": 10_000, "n": 100}
                | {name: float(value) for name, value in bar.items()}
            )
        return found


def weekdays(first: datetime, count: int) -> list[datetime]:
    found, day = [], first
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def sample(symbols: dict[str, Decimal], count: int, *, seed: int = 1, first: datetime | None = None) -> Tape:
    """A random walk from each first price, 1.5 % a day and a drift of its own; the same seed gives the same tape."""
    pick = random.Random(seed)
    closes = {}
    for symbol, price in symbols.items():
        drift, made = pick.uniform(-0.002, 0.003), [price]
        for _ in range(count - 1):
            made.append((made[-1] * Decimal(1 + pick.gauss(drift, 0.015))).quantize(CENT))
        closes[symbol] = made
    return Tape(closes, weekdays(first or datetime(2024, 11, 4, tzinfo=UTC), count))


def played(tape: Tape, first: int, seconds: float, elapsed: Callable[[], float]) -> Callable[[], datetime]:
    """A clock that goes from session `first` on through one session in so many seconds, without nights, and stands
    still shortly before the end of the last."""
    sessions = len(tape.days) - first

    def now() -> datetime:
        passed = min(elapsed() / seconds, sessions - 0.01)
        return tape.days[first + int(passed)] + OPENS + (CLOSES - OPENS) * (passed % 1)

    return now
