"""The broker's bars -> prices, one record for each interval that is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from onward import Checkpoint

from .broker import Broker
from .errors import Throttled
from .interval import length
from .market import WireBar
from .model import Bar, Prices
from .settings import Settings
from .strategy import Strategy

ASK_AGAIN = 0.1
MOST_ASKED = 600


async def bring(
    cursor: datetime | None, settings: Settings, strategy: Strategy, broker: Broker, once: bool
) -> AsyncIterator[Prices | Checkpoint]:
    """Prices in order of time; the newest of a call are live.

    The first call brings what the strategy looks back to. With `until` a run that ends (`once`) goes on until the
    prices of that day have come.
    """
    if not strategy.assets:
        return
    until = datetime.fromisoformat(settings.until).replace(tzinfo=UTC) if settings.until and once else None
    for _ in range(MOST_ASKED):
        try:
            prices = await _new(cursor, settings, strategy, broker)
        except Throttled:
            return
        for each in prices:
            yield each
            yield Checkpoint(each.datadate)
            cursor = each.datadate
        if until is None or (cursor is not None and cursor >= until):
            return
        await asyncio.sleep(ASK_AGAIN)


async def _new(cursor: datetime | None, settings: Settings, strategy: Strategy, broker: Broker) -> list[Prices]:
    step = length(settings.interval)
    now = (await broker.clock()).timestamp
    # Markets that close at night and on holidays have bars on fewer than two of three days.
    back = max(step * strategy.lookback * 1.6, timedelta(days=10)) + timedelta(days=5)
    start = now - back if cursor is None else cursor + timedelta(seconds=1)
    found = await broker.bars(strategy.assets, settings.asset_type, settings.interval, start)
    by_time: dict[datetime, dict[str, Bar]] = {}
    for asset, bars in found.items():
        for bar in bars:
            if start <= bar.t and bar.t + step <= now:
                by_time.setdefault(bar.t.astimezone(UTC), {})[asset] = _bar(bar)
    times = sorted(by_time)
    return [
        Prices(settings.asset_type, settings.interval, at, dict(sorted(by_time[at].items())), live=at == times[-1])
        for at in times
    ]


def _bar(bar: WireBar) -> Bar:
    return Bar(open=bar.o, high=bar.h, low=bar.l, close=bar.c, volume=bar.v)
