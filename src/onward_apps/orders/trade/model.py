"""The values that travel from prices to positions. Money, quantities and weights are `Decimal`, instants UTC."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

AssetType = Literal["STOCK", "CRYPTO"]

UNSENT = frozenset({"withheld", "superseded"})
FINAL = UNSENT | {"lost", "filled", "canceled", "expired", "replaced", "rejected"}
"""States after which nothing comes. `withheld` (orders run dry) and `superseded` (a newer decision came before it was
sent) are ours, as are `lost` (the broker does not know it any more) and `planned`, with which each order begins; the
others are the broker's."""


def ticker(asset_type: str) -> str:
    """The `asset_id_type` of assets of this type."""
    return f"{asset_type}_TICKER"


class Bar(Struct, frozen=True):
    """What one asset was traded at over one interval."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)


class Prices(Struct, frozen=True):
    """The bars of all assets over one interval that begins at `datadate`.

    `live`: it was the newest interval when it was brought. Only such prices lead to orders.
    """

    asset_type: AssetType
    interval: str
    datadate: datetime
    bars: dict[str, Bar]
    live: bool = True


class Decision(Struct, frozen=True):
    """`decision` is 1 for long and -1 for short; `weight` is from 0 to 1."""

    asset_id: str
    decision: int
    weight: Decimal


class Decisions(Struct, frozen=True):
    """All that a strategy says at one date. `decision_ts` grows from one to the next, also when prices of a date are
    corrected. `round` 2 is about what is `left` when the orders that set money free are done."""

    strategy_id: int
    asset_type: AssetType
    datadate: datetime
    decision_ts: datetime
    decisions: list[Decision]
    round: int = 1
    left: list[str] = []


class Order(Struct, frozen=True):
    """One order to be sent: `side` 1 buys, -1 sells; `quantity` is positive, at the `price` it was sized with.

    `target_wgt` is what the strategy wants, `real_wgt` what the position weighs once this is filled; both negative
    for shorts.
    """

    portfolio_id: int
    asset_id: str
    asset_type: AssetType
    symbol: str
    datadate: datetime
    decision_ts: datetime
    round: int
    order_ts: datetime
    side: int
    quantity: Decimal
    price: Decimal
    target_wgt: Decimal
    real_wgt: Decimal


class Refusal(Struct, frozen=True):
    """An asset for which nothing was ordered although the strategy wants it (by `sizing`), or an order that the broker
    did not take (by `broker`)."""

    portfolio_id: int
    asset_id: str
    datadate: datetime
    decision_ts: datetime
    round: int
    by: Literal["sizing", "broker"]
    reason: str


class Plan(Struct, frozen=True):
    """What to order for one round of decisions. `seen` is the number of plans booked when its facts were gathered;
    `left` are the assets for which another round follows when these are settled."""

    portfolio_id: int
    account_id: str
    decided: Decisions
    seen: int
    order_ts: datetime
    orders: list[Order]
    refusals: list[Refusal]
    left: list[str]


class Report(Struct, frozen=True):
    """Where an order stands. `order_id` is the broker's; empty if it never got there."""

    order: Order
    status: str
    client_order_id: str = ""
    order_id: str = ""
    filled_quantity: Decimal = Decimal(0)
    filled_price: Decimal | None = None
    reason: str = ""


class Look(Struct, frozen=True):
    """A portfolio that is to be looked at."""

    portfolio_id: int
    because: str


class Holding(Struct, frozen=True):
    """`quantity` and `notional` are negative for shorts."""

    asset_id: str
    quantity: Decimal
    price: Decimal
    notional: Decimal


class Snapshot(Struct, frozen=True):
    """What the broker says of a portfolio at one instant."""

    portfolio_id: int
    account_id: str
    asset_type: AssetType
    at: datetime
    equity: Decimal
    cash: Decimal
    holdings: list[Holding]
