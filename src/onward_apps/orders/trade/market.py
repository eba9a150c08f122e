"""What the broker says of the world, as it says it: Alpaca's names and shapes.

Numbers of the trading API arrive as texts, those of the data API as JSON numbers; both become `Decimal` digit by digit.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct, field


class Account(Struct, frozen=True):
    id: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    non_marginable_buying_power: Decimal | None = None


class Asset(Struct, frozen=True):
    symbol: str
    status: str
    tradable: bool
    shortable: bool = False
    easy_to_borrow: bool = False
    fractionable: bool = False


class Position(Struct, frozen=True):
    """`qty` and `market_value` are negative for shorts."""

    symbol: str
    qty: Decimal
    asset_class: str
    market_value: Decimal | None = None
    current_price: Decimal | None = None


class Quote(Struct, frozen=True):
    ask: Decimal = field(name="ap", default=Decimal(0))
    bid: Decimal = field(name="bp", default=Decimal(0))


class Quotes(Struct, frozen=True):
    quotes: dict[str, Quote]


class Clock(Struct, frozen=True):
    timestamp: datetime
    is_open: bool
    next_open: datetime


class WireBar(Struct, frozen=True):
    t: datetime
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741
    c: Decimal
    v: Decimal = Decimal(0)


class WireBars(Struct, frozen=True):
    bars: dict[str, list[WireBar]] | None = None
    next_page_token: str | None = None


class WireOrder(Struct, frozen=True):
    id: str
    client_order_id: str
    symbol: str
    side: str
    status: str
    qty: Decimal | None = None
    filled_qty: Decimal = Decimal(0)
    filled_avg_price: Decimal | None = None


class Trouble(Struct, frozen=True):
    """The body of an error."""

    message: str = ""
    code: int = 0


class Market(Struct, frozen=True):
    """All that sizing needs, by `asset_id`, of one moment."""

    at: datetime
    account: Account
    assets: dict[str, Asset]
    held: dict[str, Decimal]
    quotes: dict[str, Quote]
