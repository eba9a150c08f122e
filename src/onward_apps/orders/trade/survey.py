"""Decisions -> a plan: when, and from which facts."""

from __future__ import annotations

from datetime import UTC, datetime

from onward import Drop, Later

from .broker import Broker
from .errors import Throttled
from .market import Clock
from .model import Decisions, Plan
from .settings import Settings
from .size import Rules, plan
from .standing import Open, Standing, Target

ASK_AGAIN = 60.0
"""Seconds after which a closed market is asked again at the latest: its clock may change."""


async def survey(
    decided: Decisions, settings: Settings, broker: Broker, target: Target, dry_run: bool = False
) -> Plan | Later | Drop:
    """The plan of these decisions, once nothing of an earlier one is open and the market is.

    Orders of earlier decisions that are still open are cancelled, except in a dry run. Decisions that newer ones have
    overtaken are dropped.
    """
    standing = target.standing(settings.portfolio_id, decided.strategy_id)
    if standing.newest > decided.decision_ts:
        return Drop("there are newer decisions")
    if standing.planned >= (decided.decision_ts, decided.round):
        return Drop("it was planned before")
    try:
        if standing.open:
            if not dry_run:
                await _cancel(standing.open, decided.decision_ts, broker)
            return Later(settings.follow_every)
        return await _plan(decided, settings, broker, standing)
    except Throttled as error:
        return Later(error.after)


async def _cancel(opened: list[Open], before: datetime, broker: Broker) -> None:
    for order in opened:
        if order.order_id and order.decision_ts < before:
            await broker.cancel(order.order_id)


async def _plan(decided: Decisions, settings: Settings, broker: Broker, standing: Standing) -> Plan | Later:
    clock = await broker.clock()
    if decided.asset_type == "STOCK" and not clock.is_open:
        return Later(until_open(clock))
    assets = [each.asset_id for each in decided.decisions]
    market = await broker.market(assets, decided.asset_type, clock.timestamp.astimezone(UTC))
    rules = Rules(settings.portfolio_id, settings.cash_allocation, settings.shorts, settings.fractional)
    return plan(decided, market, rules, standing.plans)


def until_open(clock: Clock) -> float:
    """Seconds until it is worth asking again, by the broker's own clock and calendar."""
    return min(max((clock.next_open - clock.timestamp).total_seconds(), 1.0), ASK_AGAIN)
