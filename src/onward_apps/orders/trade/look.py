"""A portfolio that is to be looked at -> what the broker says of it."""

from __future__ import annotations

from datetime import UTC

from onward import Later

from .broker import Broker, value_of
from .errors import Throttled
from .model import Holding, Look, Snapshot
from .settings import Settings


async def look(looks: list[Look], settings: Settings, broker: Broker) -> list[Snapshot | Later | None]:
    """One snapshot for all that ask at the same time."""
    try:
        found = await _snapshot(settings, broker)
    except Throttled as error:
        return [Later(error.after) for _ in looks]
    return [*[None for _ in looks[1:]], found]


async def _snapshot(settings: Settings, broker: Broker) -> Snapshot:
    positions = await broker.positions(settings.asset_type)
    account = await broker.account()
    clock = await broker.clock()
    holdings = [
        Holding(asset, each.qty, each.current_price or value_of(each) / each.qty, value_of(each))
        for asset, each in sorted(positions.items())
        if each.qty
    ]
    return Snapshot(
        settings.portfolio_id,
        account.id,
        settings.asset_type,
        clock.timestamp.astimezone(UTC),
        account.equity,
        account.cash,
        holdings,
    )
