"""The broker's HTTP API (Alpaca's, and what speaks like it).

Errors are those of `wire`; an order that is not taken is `Rejected`. Placing is idempotent by `client_order_id`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal

from onward import Unavailable

from .errors import BrokerError, Rejected
from .interval import timeframe
from .market import Account, Asset, Clock, Market, Position, Quote, Quotes, WireBar, WireBars, WireOrder
from .model import AssetType, Order
from .settings import Settings
from .symbols import asset_of, symbol_of
from .wire import Wire, opened, read, trouble_of

CLASSES = {"STOCK": "us_equity", "CRYPTO": "crypto"}
_DATA = {"STOCK": "/v2/stocks", "CRYPTO": "/v1beta3/crypto/us"}
_QUOTES = {"STOCK": "/quotes/latest", "CRYPTO": "/latest/quotes"}
_DUPLICATE = "client_order_id must be unique"


def client_order_id(record_id: str) -> str:
    """The id of the order that a record asks for: the same at every attempt, and of no other record."""
    return f"onward-{hashlib.sha256(record_id.encode()).hexdigest()[:32]}"


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Broker]:
    """A broker, with connections that are kept open."""
    async with opened(settings.api_key, settings.secret_key) as wire:
        yield Broker(wire, settings.base_url, settings.data_url, settings.feed)


class Broker:
    """One account at the broker. Safe to use from several tasks.

    Raises (every method): Unavailable, Throttled, BrokerError.
    """

    def __init__(self, wire: Wire, base_url: str, data_url: str, feed: str = "") -> None:
        self._wire = wire
        self._feed = {"feed": feed} if feed else {}
        self._base = base_url.rstrip("/").removesuffix("/v2") + "/v2"
        self._data = data_url.rstrip("/")

    async def account(self) -> Account:
        return await self._wire.get(f"{self._base}/account", Account)

    async def clock(self) -> Clock:
        return await self._wire.get(f"{self._base}/clock", Clock)

    async def positions(self, asset_type: AssetType) -> dict[str, Position]:
        """What is held, by `asset_id`."""
        found = await self._wire.get(f"{self._base}/positions", list[Position])
        return {asset_of(each.symbol): each for each in found if each.asset_class == CLASSES[asset_type]}

    async def assets(self, asset_type: AssetType) -> dict[str, Asset]:
        """All assets of a class, by `asset_id`, with what may be done with them."""
        found = await self._wire.get(f"{self._base}/assets", list[Asset], asset_class=CLASSES[asset_type])
        return {asset_of(each.symbol): each for each in found}

    async def quotes(self, assets: Iterable[str], asset_type: AssetType) -> dict[str, Quote]:
        """The latest bid and ask, by `asset_id`; who has none is left out."""
        symbols = ",".join(symbol_of(asset, asset_type) for asset in sorted(assets))
        if not symbols:
            return {}
        url = self._data + _DATA[asset_type] + _QUOTES[asset_type]
        feed = self._feed if asset_type == "STOCK" else {}
        found = await self._wire.get(url, Quotes, symbols=symbols, **feed)
        return {asset_of(symbol): quote for symbol, quote in found.quotes.items()}

    async def market(self, decided: Iterable[str], asset_type: AssetType, at: datetime) -> Market:
        """All that sizing needs. Positions are read before the account, so that money is not counted twice."""
        assets = await self.assets(asset_type)
        held = {asset: each.qty for asset, each in (await self.positions(asset_type)).items()}
        account = await self.account()
        quotes = await self.quotes({*decided, *held} & assets.keys(), asset_type)
        return Market(at, account, assets, held, quotes)

    async def bars(
        self, assets: Iterable[str], asset_type: AssetType, interval: str, start: datetime
    ) -> dict[str, list[WireBar]]:
        """Bars that begin at `start` or later, oldest first, by `asset_id`."""
        asked: dict[str, str] = {
            "symbols": ",".join(symbol_of(asset, asset_type) for asset in sorted(assets)),
            "timeframe": timeframe(interval),
            "start": start.isoformat(),
            "limit": "10000",
        }
        if asset_type == "STOCK":
            asked |= {"adjustment": "split", **self._feed}
        found: dict[str, list[WireBar]] = {}
        while True:
            page = await self._wire.get(f"{self._data}{_DATA[asset_type]}/bars", WireBars, **asked)
            for symbol, bars in (page.bars or {}).items():
                found.setdefault(asset_of(symbol), []).extend(bars)
            if not page.next_page_token:
                return found
            asked["page_token"] = page.next_page_token

    async def place(self, order: Order, id: str) -> WireOrder:
        """Sends a market order, once: if the broker has one of this id, that is what comes back.

        Raises:
            Rejected: it does not take it.
        """
        body = {
            "symbol": order.symbol,
            "qty": format(order.quantity.normalize(), "f"),
            "side": "buy" if order.side > 0 else "sell",
            "type": "market",
            "time_in_force": "gtc" if order.asset_type == "CRYPTO" else "day",
            "client_order_id": id,
        }
        status, content = await self._wire.send("POST", f"{self._base}/orders", json=body)
        if status in (200, 201):
            return read("POST /orders", 200, content, WireOrder)
        trouble = trouble_of(content)
        if status == 422 and _DUPLICATE in trouble.message:
            found = await self.find(id)
            if found is None:
                raise Unavailable(f"the broker knows order {id} and does not show it yet")
            if (found.symbol, found.side, found.qty) != (body["symbol"], body["side"], order.quantity):
                raise BrokerError("POST /orders", status, f"order {id} is there and is another one: {found}")
            return found
        if status in (400, 403, 404, 422):
            raise Rejected(trouble.message or f"status {status}")
        raise BrokerError("POST /orders", status, content.decode(errors="replace"))

    async def find(self, id: str) -> WireOrder | None:
        """The order with this `client_order_id`."""
        url = f"{self._base}/orders:by_client_order_id"
        status, content = await self._wire.send("GET", url, params={"client_order_id": id})
        return None if status == 404 else read(url, status, content, WireOrder)

    async def order(self, order_id: str) -> WireOrder | None:
        """The order under the broker's own id; None if it knows none, as after a paper account was reset."""
        url = f"{self._base}/orders/{order_id}"
        status, content = await self._wire.send("GET", url)
        return None if status == 404 else read(url, status, content, WireOrder)

    async def cancel(self, order_id: str) -> None:
        """Asks for it; whether it came in time is seen by following the order."""
        status, content = await self._wire.send("DELETE", f"{self._base}/orders/{order_id}")
        if status not in (200, 204, 404, 422):
            raise BrokerError("DELETE /orders", status, content.decode(errors="replace"))


def value_of(position: Position) -> Decimal:
    """What a position is worth, negative for shorts."""
    if position.market_value is not None:
        return position.market_value
    return position.qty * (position.current_price or Decimal(0))
