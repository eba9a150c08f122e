"""Prices -> decisions, kept with all earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import apsw

from onward import Record

from .entities import SPOT, STRATEGY, STRATEGY_CONFIG, STRATEGY_CONTROL, STRATEGY_LATEST
from .keep import Kept, keep, read
from .model import Decision, Decisions, Prices, ticker
from .settings import Settings
from .strategy import Strategy


def decide(cause: Record[Prices], tx: apsw.Connection, settings: Settings, strategy: Strategy) -> Decisions | None:
    """What the strategy says at this date; None unless it is news, live and the newest.

    Prices of a date that was decided before count as a correction: history is amended, and if it is the newest date
    and something changed, there are new decisions.
    """
    prices, id = cause.value, settings.strategy_id
    kind = ticker(prices.asset_type)
    keep(tx, cause, Kept(SPOT, _spot(prices, kind)))
    control = next(iter(read(tx, STRATEGY_CONTROL, "strategy_id = :id", id=id)), None)
    there = _rows(tx, id, prices.datadate)
    made = strategy.decide(_closes(tx, prices, kind, strategy), _before(tx, id, prices.datadate))
    if not made or made == _decisions(there):
        return None
    newest = control is None or prices.datadate >= control["last_datadate"]
    at = cause.time
    if control is not None and newest:
        at = max(at, control["last_decision_ts"] + timedelta(microseconds=1))
    said = {"strategy_id": id, "asset_id_type": kind, "datadate": prices.datadate, "decision_ts": at}
    rows = [said | {"asset_id": each.asset_id, "decision": each.decision, "weight": each.weight} for each in made]
    decided = {each.asset_id for each in made}
    writes = [
        Kept(STRATEGY_CONFIG, [_config(settings, strategy, prices)]),
        Kept(STRATEGY, rows, [row for row in there if row["asset_id"] not in decided]),
    ]
    if newest:
        latest = read(tx, STRATEGY_LATEST, "strategy_id = :id", id=id)
        gone = [row for row in latest if (row["asset_id"] not in decided or row["asset_id_type"] != kind)]
        writes.append(Kept(STRATEGY_LATEST, rows, gone))
        last = {"strategy_id": id, "last_datadate": prices.datadate, "last_decision_ts": at}
        writes.append(Kept(STRATEGY_CONTROL, [last]))
    keep(tx, cause, *writes)
    return Decisions(id, prices.asset_type, prices.datadate, at, made) if prices.live and newest else None


def _spot(prices: Prices, kind: str) -> list[dict[str, object]]:
    said = {"asset_id_type": kind, "interval": prices.interval, "open_time": prices.datadate}
    return [
        said
        | {"asset_id": asset, "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
        | {"volume": bar.volume}
        for asset, bar in prices.bars.items()
    ]


def _closes(tx: apsw.Connection, prices: Prices, kind: str, strategy: Strategy) -> dict[str, list[Decimal]]:
    """Per asset the last closes up to this date, oldest first."""
    at = f"{prices.datadate:%Y-%m-%dT%H:%M:%S.%fZ}"
    bound = {"kind": kind, "interval": prices.interval, "at": at, "count": strategy.lookback + 1}
    assets: Sequence[str] = strategy.assets or [
        row[0]
        for row in tx.execute(
            'SELECT DISTINCT asset_id FROM spot WHERE asset_id_type = :kind AND "interval" = :interval', bound
        )
    ]
    found = {}
    for asset in assets:
        rows = tx.execute(
            "SELECT close FROM spot WHERE asset_id_type = :kind AND asset_id = :asset"
            ' AND "interval" = :interval AND open_time <= :at ORDER BY open_time DESC LIMIT :count',
            bound | {"asset": asset},
        )
        found[asset] = [Decimal(row[0]) for row in rows][::-1]
    return found


def _before(tx: apsw.Connection, id: int, datadate: datetime) -> dict[str, Decimal]:
    """The signed weights of the decisions before this date."""
    earlier = "strategy_id = :id AND datadate = (SELECT max(datadate) FROM strategy"
    found = read(
        tx,
        STRATEGY,
        f"{earlier} WHERE strategy_id = :id AND datadate < :at)",
        id=id,
        at=f"{datadate:%Y-%m-%dT%H:%M:%S.%fZ}",
    )
    return {row["asset_id"]: row["weight"] * row["decision"] for row in found}


def _rows(tx: apsw.Connection, id: int, datadate: datetime) -> list[dict[str, object]]:
    at = f"{datadate:%Y-%m-%dT%H:%M:%S.%fZ}"
    return read(tx, STRATEGY, "strategy_id = :id AND datadate = :at ORDER BY asset_id", id=id, at=at)


def _decisions(rows: list[dict[str, object]]) -> list[Decision]:
    return [Decision(row["asset_id"], row["decision"], row["weight"]) for row in rows]  # type: ignore[arg-type]


def _config(settings: Settings, strategy: Strategy, prices: Prices) -> dict[str, object]:
    return {
        "strategy_id": settings.strategy_id,
        "strategy_type": strategy.type,
        "asset_type": prices.asset_type,
        "interval": prices.interval,
        "lookback": strategy.lookback,
        "strategy_config": settings.strategy_config or "{}",
        "strategy_hash": strategy.hash,
    }
