"""Where an order stands -> tables; what was refused -> records of their own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import localcontext

import apsw

from onward import Record

from .book import planned
from .entities import BROKER_ORDER, ORDERS, ORDERS_LATEST
from .keep import Kept, keep
from .model import FINAL, UNSENT, Look, Refusal, Report, ticker


def settle(cause: Record[Report], tx: apsw.Connection) -> Iterator[Refusal | Look]:
    """`broker_order` follows every order; `orders` and `orders_latest` hold what the broker has taken, alone."""
    report = cause.value
    order = report.order
    row = planned(order) | {
        "client_order_id": report.client_order_id,
        "order_id": report.order_id or None,
        "filled_quantity": report.filled_quantity,
        "filled_price": report.filled_price,
        "status": report.status,
        "reason": report.reason or None,
    }
    writes = [Kept(BROKER_ORDER, [row])]
    if report.status not in UNSENT and report.status != "rejected":
        placed = _placed(report)
        writes += [Kept(ORDERS, [placed]), Kept(ORDERS_LATEST, [placed])]
    keep(tx, cause, *writes)
    if report.status == "rejected":
        at = (order.datadate, order.decision_ts, order.round)
        yield Refusal(order.portfolio_id, order.asset_id, *at, by="broker", reason=report.reason)
    if report.status in FINAL and report.status not in UNSENT:
        yield Look(order.portfolio_id, f"{order.asset_id} {report.status}")


def _placed(report: Report) -> dict[str, object]:
    """`notional` is what was paid as soon as something is filled, what it was sized with until then."""
    order = report.order
    with localcontext(prec=60):
        paid = report.filled_quantity * report.filled_price if report.filled_price else order.quantity * order.price
    return {
        "portfolio_id": order.portfolio_id,
        "asset_id": order.asset_id,
        "order_ts": order.order_ts,
        "side": order.side,
        "asset_id_type": ticker(order.asset_type),
        "target_wgt": order.target_wgt,
        "real_wgt": order.real_wgt,
        "quantity": order.quantity,
        "notional": paid,
    }
