"""A plan -> orders to be sent, written down before any of them is."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from onward import Record, Unavailable

from .entities import BROKER_ORDER, ORDERS_CONFIG, ORDERS_CONTROL
from .keep import Kept, keep, read
from .model import Decisions, Order, Plan, Refusal
from .settings import Settings


def book(cause: Record[Plan], tx: apsw.Connection, settings: Settings) -> Iterator[Order | Refusal | Decisions]:
    """The orders and refusals of a plan, and the decisions again where another round follows.

    If another plan was booked since the facts of this one were gathered, it would order twice what that one has
    ordered: then the decisions go back to be planned anew, and nothing else happens.

    Raises:
        Unavailable: the account, or the name, is another portfolio's.
    """
    plan, decided = cause.value, cause.value.decided
    _own(tx, plan, settings)
    control = next(iter(read(tx, ORDERS_CONTROL, "portfolio_id = :id", id=plan.portfolio_id)), None)
    if (control["plans"] if control else 0) != plan.seen:
        yield decided
        return
    keep(
        tx,
        cause,
        Kept(ORDERS_CONFIG, [_config(plan, settings)]),
        Kept(ORDERS_CONTROL, [_control(tx, plan, control, settings)]),
        Kept(BROKER_ORDER, [planned(order) for order in plan.orders]),
    )
    yield from plan.refusals
    yield from plan.orders
    if plan.left:
        yield msgspec.structs.replace(decided, round=decided.round + 1, left=plan.left)


def _own(tx: apsw.Connection, plan: Plan, settings: Settings) -> None:
    """Two portfolios on one account would close each other's positions."""
    claims = (("account_id", plan.account_id, "API_KEY"), ("portfolio_name", settings.portfolio_name, "PORTFOLIO_NAME"))
    for column, value, setting in claims:
        others = read(
            tx, ORDERS_CONFIG, f"{column} = :value AND portfolio_id <> :id", value=value, id=plan.portfolio_id
        )
        if others:
            raise Unavailable(
                f"{column} {value} is that of portfolio {others[0]['portfolio_id']} in this target;"
                f" set another {setting}, or the PORTFOLIO_ID that it belongs to"
            )


def planned(order: Order) -> dict[str, object]:
    """The row of an order that has not been sent yet."""
    return {
        "portfolio_id": order.portfolio_id,
        "asset_id": order.asset_id,
        "decision_ts": order.decision_ts,
        "round": order.round,
        "datadate": order.datadate,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "filled_quantity": 0,
        "status": "planned",
    }


def _config(plan: Plan, settings: Settings) -> dict[str, object]:
    return {
        "portfolio_id": plan.portfolio_id,
        "strategy_id": plan.decided.strategy_id,
        "portfolio_name": settings.portfolio_name,
        "account_id": plan.account_id,
    }


def _control(
    tx: apsw.Connection, plan: Plan, before: dict[str, object] | None, settings: Settings
) -> dict[str, object]:
    """Orders that are run dry consume no decision."""
    before = before or {}
    decided = plan.decided
    read_to = tx.execute(
        "SELECT max(delivery_id) FROM strategy_latest WHERE strategy_id = ?", (decided.strategy_id,)
    ).fetchone()
    dry = settings.dry_orders
    return {
        "portfolio_id": plan.portfolio_id,
        "plans": plan.seen + 1,
        "planned_decision_ts": decided.decision_ts,
        "planned_round": decided.round,
        "last_read_delivery_id": before.get("last_read_delivery_id") if dry else read_to and read_to[0],
        "last_decision_datadate": before.get("last_decision_datadate") if dry else decided.datadate,
        "last_rebal_ts": before.get("last_rebal_ts") if dry or not plan.orders else plan.order_ts,
    }
