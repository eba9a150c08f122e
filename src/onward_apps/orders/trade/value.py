"""Snapshots -> positions and portfolio, with returns."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import apsw

from onward import Drop, Record

from .entities import BROKER_ORDER, PORTFOLIO, PORTFOLIO_CONTROL, PORTFOLIO_LATEST, POSITION, POSITION_LATEST
from .keep import Kept, keep, read
from .model import Holding, Snapshot, ticker
from .returns import change, compound, moved, weight
from .settings import Settings

ZERO = Decimal(0)


def value(cause: Record[Snapshot], tx: apsw.Connection, settings: Settings) -> Drop | None:
    """Writes what has changed since the last look; a look at an unchanged portfolio writes nothing."""
    snapshot = cause.value
    bound = {"where": "portfolio_id = :id", "id": snapshot.portfolio_id}
    before = next(iter(read(tx, PORTFOLIO_LATEST, **bound)), None)
    held = {row["asset_id"]: row for row in read(tx, POSITION_LATEST, **bound)}
    if before and snapshot.at < before["portfolio_ts"]:
        return Drop("a later look was valued before")
    rows = [_position(each, snapshot) for each in snapshot.holdings]
    if before and before["total_notional"] == _money(snapshot.equity) and _same(rows, held):
        return Drop("nothing has changed since the last look")
    there = {row["asset_id"] for row in rows}
    gone = [row for asset, row in held.items() if asset not in there]
    closed = [_closed(row, snapshot) for row in gone]
    portfolio = valued(snapshot, before, list(held.values()), _prices(tx, snapshot, gone), settings)
    keep(
        tx,
        cause,
        Kept(POSITION, [*rows, *closed]),
        Kept(POSITION_LATEST, rows, gone),
        Kept(PORTFOLIO, [portfolio]),
        Kept(PORTFOLIO_LATEST, [portfolio]),
        Kept(PORTFOLIO_CONTROL, [{"portfolio_id": snapshot.portfolio_id, "last_monitor_ts": snapshot.at}]),
    )
    return None


def valued(
    snapshot: Snapshot,
    before: Mapping[str, Any] | None,
    held: list[dict[str, Any]],
    prices: Mapping[str, Decimal],
    settings: Settings,
) -> dict[str, object]:
    """The row of a portfolio: notionals and weights of now, returns since `before`."""
    long = sum((each.notional for each in snapshot.holdings if each.quantity > 0), ZERO)
    short = sum((each.notional for each in snapshot.holdings if each.quantity < 0), ZERO)
    start = settings.initial_portfolio_value or snapshot.equity
    total = change(before["total_notional"] if before else start, snapshot.equity)
    then = [Holding(row["asset_id"], row["quantity"], row["price"], row["notional"]) for row in held]
    row: dict[str, object] = {
        "portfolio_id": snapshot.portfolio_id,
        "portfolio_ts": snapshot.at,
        "long_notional": long,
        "short_notional": short,
        "total_notional": snapshot.equity,
        "long_wgt": weight(long, snapshot.equity),
        "short_wgt": weight(short, snapshot.equity),
    }
    returns = {"": total, "long_": moved(then, prices, 1), "short_": moved(then, prices, -1)}
    for name, rtn in returns.items():
        old = before[f"{name}cum_rtn"] if before else ZERO
        row |= {f"{name}rtn": rtn, f"{name}cum_rtn": compound(old, rtn)}
    return row


def _position(each: Holding, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "portfolio_id": snapshot.portfolio_id,
        "asset_id": each.asset_id,
        "position_ts": snapshot.at,
        "side": 1 if each.quantity > 0 else -1,
        "asset_id_type": ticker(snapshot.asset_type),
        "wgt": weight(each.notional, snapshot.equity),
        "quantity": each.quantity,
        "price": each.price,
        "notional": each.notional,
    }


def _closed(row: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """The last row of a position that is no more: zeros, not nulls."""
    return {**row, "position_ts": snapshot.at, "wgt": ZERO, "quantity": ZERO, "notional": ZERO}


def _prices(tx: apsw.Connection, snapshot: Snapshot, gone: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Prices of now; of what was closed since, what it was sold (or bought back) at."""
    prices = {each.asset_id: each.price for each in snapshot.holdings}
    for row in gone:
        sold = read(
            tx,
            BROKER_ORDER,
            "portfolio_id = :id AND asset_id = :asset AND filled_price IS NOT NULL"
            ' ORDER BY decision_ts DESC, "round" DESC LIMIT 1',
            id=snapshot.portfolio_id,
            asset=row["asset_id"],
        )
        if sold:
            prices[row["asset_id"]] = sold[0]["filled_price"]
    return prices


def _same(rows: list[dict[str, Any]], held: Mapping[str, Mapping[str, Any]]) -> bool:
    if {row["asset_id"] for row in rows} != held.keys():
        return False
    return all(
        row["quantity"] == held[row["asset_id"]]["quantity"]
        and _money(row["notional"]) == held[row["asset_id"]]["notional"]
        for row in rows
    )


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.0001"))
