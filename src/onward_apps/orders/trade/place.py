"""Orders -> the broker, and where they stand there."""

from __future__ import annotations

import msgspec

from onward import Later, Record

from .broker import Broker, client_order_id
from .errors import Rejected, Throttled
from .market import WireOrder
from .model import FINAL, Order, Report
from .settings import Settings
from .standing import Target


async def place(cause: Record[Order], settings: Settings, broker: Broker, target: Target) -> Report | Later:
    """Sends one order and reports what the broker says; sent again, it is recognised by the id of its record.

    What newer decisions have overtaken before it was sent is not sent any more.
    """
    order, id = cause.value, client_order_id(cause.id)
    if settings.dry_orders:
        return Report(order, "withheld", id, reason="orders are run dry")
    try:
        if target.newest(settings.strategy_id) > order.decision_ts:
            found = await broker.find(id)
            if found is None:
                return Report(order, "superseded", id, reason="there are newer decisions")
            return report(order, found)
        return report(order, await broker.place(order, id))
    except Rejected as error:
        return Report(order, "rejected", id, reason=error.reason)
    except Throttled as error:
        return Later(error.after)


async def follow(before: Report, settings: Settings, broker: Broker) -> Report | Later | None:
    """The next report of an order that is open, when there is one; nothing follows a final one."""
    if before.status in FINAL:
        return None
    try:
        found = await broker.order(before.order_id)
    except Throttled as error:
        return Later(error.after)
    if found is None:
        return msgspec.structs.replace(before, status="lost", reason="the broker does not know it any more")
    now = report(before.order, found)
    return Later(settings.follow_every) if now == before else now


def report(order: Order, found: WireOrder) -> Report:
    reason = "the broker rejected it after it had accepted it" if found.status == "rejected" else ""
    return Report(
        order,
        found.status,
        found.client_order_id,
        found.id,
        found.filled_qty,
        found.filled_avg_price,
        reason,
    )
