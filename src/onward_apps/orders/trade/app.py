"""Prices -> decisions -> orders -> a broker -> positions and a portfolio.

What is decided and planned is committed in the target together with its tables, and only then sent: one order per
decision and asset, under an id that the broker knows again. What the broker says of it, and of the portfolio, comes
back the same way. Everything of a portfolio stays in order, and a new plan is made only when nothing is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import apsw

from onward import App, Checkpoint, Database, Drop, Later, Record, Retry

from . import bars as bars_
from . import book as book_
from . import broker as broker_
from . import decide as decide_
from . import look as look_
from . import place as place_
from . import settle as settle_
from . import survey as survey_
from . import value as value_
from .broker import Broker
from .model import Decisions, Look, Order, Plan, Prices, Refusal, Report, Snapshot
from .settings import Settings
from .standing import Target
from .strategy import Strategy

app = App("trade")
app.settings(Settings)
within = Database(lambda settings: settings.target)
patient = Retry(attempts=8, first="1s", most="1m")

prices = app.topic("prices", Prices, key=lambda prices: (prices.asset_type, prices.interval))
decisions = app.topic("decisions", Decisions, key="strategy_id")
plans = app.topic("plans", Plan, key="portfolio_id")
orders = app.topic("orders", Order, key=lambda order: (order.portfolio_id, order.asset_id))
reports = app.topic("reports", Report, key=lambda report: (report.order.portfolio_id, report.order.asset_id))
refusals = app.topic("refusals", Refusal, key=lambda refusal: (refusal.portfolio_id, refusal.asset_id))
looks = app.topic("looks", Look, key="portfolio_id")
snapshots = app.topic("snapshots", Snapshot, key="portfolio_id")


@app.resource
def strategy(settings: Settings) -> Iterator[Strategy]:
    yield Strategy.read(
        settings.strategy_type,
        settings.lookback,
        settings.strategy_config,
        previous=settings.requires_prev_weights,
    )


@app.resource
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """Open when the account has answered, so that a wrong key shows at once."""
    async with broker_.connect(settings) as broker:
        await broker.account()
        yield broker


@app.resource
def target(settings: Settings) -> Iterator[Target]:
    target = Target(settings.target.removeprefix("sqlite:///"))
    yield target
    target.close()


@app.source(to=prices)
async def bars(
    cursor: datetime | None, settings: Settings, strategy: Strategy, broker: Broker, once: bool
) -> AsyncIterator[Prices | Checkpoint]:
    async for each in bars_.bring(cursor, settings, strategy, broker, once):
        yield each


@app.stage(prices, to=decisions, within=within)
def decide(price: Record[Prices], tx: apsw.Connection, settings: Settings, strategy: Strategy) -> Decisions | None:
    return decide_.decide(price, tx, settings, strategy)


@app.stage(decisions, to=plans, effect=True, retry=patient)
async def survey(
    decided: Decisions, settings: Settings, broker: Broker, target: Target, dry_run: bool
) -> Plan | Later | Drop:
    return await survey_.survey(decided, settings, broker, target, dry_run)


@app.stage(plans, to=[orders, refusals, decisions], within=within)
def book(plan: Record[Plan], tx: apsw.Connection, settings: Settings) -> Iterator[Order | Refusal | Decisions]:
    yield from book_.book(plan, tx, settings)


@app.stage(orders, to=reports, effect=True, parallel=4, retry=patient)
async def place(order: Record[Order], settings: Settings, broker: Broker, target: Target) -> Report | Later:
    return await place_.place(order, settings, broker, target)


@app.stage(reports, to=reports, parallel=4, retry=patient)
async def follow(report: Report, settings: Settings, broker: Broker) -> Report | Later | None:
    return await place_.follow(report, settings, broker)


@app.stage(reports, to=[refusals, looks], within=within)
def settle(report: Record[Report], tx: apsw.Connection) -> Iterator[Refusal | Look]:
    yield from settle_.settle(report, tx)


@app.source(to=looks, every=("15s", "30s"))
def tick(cursor: int | None, settings: Settings) -> Iterator[Look]:
    yield Look(settings.portfolio_id, "interval")


@app.stage(looks, to=snapshots, batch=50, retry=patient)
async def look(looks: list[Look], settings: Settings, broker: Broker) -> list[Snapshot | Later | None]:
    return await look_.look(looks, settings, broker)


@app.stage(snapshots, within=within)
def value(snapshot: Record[Snapshot], tx: apsw.Connection, settings: Settings) -> Drop | None:
    return value_.value(snapshot, tx, settings)


@app.demo
def demo(folder: Path) -> dict[str, str]:
    """Sample prices and a stand-in for the broker, played day by day."""
    from .sandbox.demo import start

    return start(folder)
