"""The stand-in's account and orders: it checks what it is sent as the broker documents it, and fills at the tape's
prices."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from .checks import Listing, Refused, covered, listed, quantity
from .tape import CENT, Tape

ZERO = Decimal(0)
FINAL = ("filled", "canceled", "expired", "rejected")
MULTIPLIER = 2


@dataclass
class Placed:
    """An order. `parts` are the parts of it that each look at it fills, the last one standing for the rest."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    time_in_force: str
    submitted_at: str
    status: str = "accepted"
    filled: Decimal = ZERO
    price: Decimal | None = None
    parts: list[Decimal] = field(default_factory=list)


class Exchange:
    """One account. Not for several threads at once; the server sees to that.

    Args:
        now: the time on its market.
        behaviours: per symbol, the parts that an order is filled in, one at each look at it; an empty list is never
            filled; "rejected" is accepted and rejected at the first look. Unless said, all of it at once.
    """

    def __init__(self, tape: Tape, now: Callable[[], datetime], listings: list[Listing], cash: Decimal) -> None:
        self.tape, self.now, self.cash = tape, now, cash
        self.listings = {each.symbol: each for each in listings}
        self.account_id = str(uuid.UUID(int=0xACC0))
        self.held: dict[str, Decimal] = {}
        self.orders: dict[str, Placed] = {}
        self.behaviours: dict[str, list[Decimal] | str] = {}

    # what is asked

    def account(self) -> dict[str, Any]:
        worth = {symbol: self._worth(symbol) for symbol in self.held}
        long = sum((w for w in worth.values() if w > 0), ZERO)
        short = sum((w for w in worth.values() if w < 0), ZERO)
        equity = self.cash + long + short
        return {
            "id": self.account_id,
            "account_number": "STANDIN",
            "status": "ACTIVE",
            "currency": "USD",
            "cash": str(self.cash),
            "equity": str(equity),
            "long_market_value": str(long),
            "short_market_value": str(short),
            "buying_power": str(self._buying_power()),
            "non_marginable_buying_power": str(max(self.cash, ZERO)),
            "multiplier": str(MULTIPLIER),
            "shorting_enabled": True,
            "trading_blocked": False,
            "account_blocked": False,
        }

    def positions(self) -> list[dict[str, Any]]:
        return [
            {
                "asset_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, symbol)),
                "symbol": symbol.replace("/", ""),
                "exchange": "STANDIN",
                "asset_class": self.listings[symbol].asset_class,
                "qty": str(qty),
                "side": "long" if qty > 0 else "short",
                "market_value": str(self._worth(symbol)),
                "current_price": str(self._price(symbol)),
            }
            for symbol, qty in sorted(self.held.items())
            if qty
        ]

    def assets(self, asset_class: str) -> list[dict[str, Any]]:
        found = [asdict(each) for each in self.listings.values() if each.asset_class == asset_class]
        return [
            {**each, "class": each.pop("asset_class"), "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, each["symbol"]))}
            for each in found
        ]

    def quotes(self, symbols: list[str]) -> dict[str, Any]:
        at = f"{self.now():%Y-%m-%dT%H:%M:%S.%fZ}"
        quotes = {}
        for symbol in symbols:
            if symbol in self.listings:
                price = self._price(symbol)
                quotes[symbol] = {"t": at, "ap": float(price + CENT), "as": 1, "bp": float(price - CENT), "bs": 1}
        return {"quotes": quotes}

    def clock(self) -> dict[str, Any]:
        now = self.now()
        opens = self.tape.next_open(now)
        return {
            "timestamp": now.isoformat(),
            "is_open": self.tape.is_open(now),
            "next_open": opens.isoformat(),
            "next_close": opens.isoformat(),
        }

    def bars(self, symbols: list[str], start: datetime) -> dict[str, list[dict[str, object]]]:
        return {s: self.tape.bars(s, start, self.now()) for s in symbols if s in self.listings}

    # what is ordered

    def place(self, said: dict[str, Any]) -> dict[str, Any]:
        """Takes an order, or says why not.

        Raises:
            Refused
        """
        id = said.get("client_order_id") or str(uuid.uuid4())
        if len(id) > 128:
            raise Refused(422, 40010001, "client_order_id must be no more than 128 characters")
        if any(order.client_order_id == id for order in self.orders.values()):
            raise Refused(422, 40010001, "client_order_id must be unique")
        qty = self._checked(said)
        order = Placed(
            id=str(uuid.uuid4()),
            client_order_id=id,
            symbol=said["symbol"],
            side=said["side"],
            qty=qty,
            time_in_force=said["time_in_force"],
            submitted_at=f"{self.now():%Y-%m-%dT%H:%M:%S.%fZ}",
        )
        behaviour = self.behaviours.get(order.symbol, [qty])
        if behaviour == "rejected":
            order.status = "pending_reject"
        else:
            order.parts = [min(part, qty) for part in behaviour if isinstance(part, Decimal)]
        self.orders[order.id] = order
        return self._shown(order)

    def order(self, id: str) -> dict[str, Any]:
        """An order; while the market is open, looking at it fills the next part."""
        order = self._found(id)
        shown = self._advance(order)
        return self._shown(shown)

    def by_client_order_id(self, id: str) -> dict[str, Any]:
        for order in self.orders.values():
            if order.client_order_id == id:
                return self._shown(order)
        raise Refused(404, 40410000, f"order not found for {id}")

    def cancel(self, id: str) -> None:
        order = self._found(id)
        if order.status in FINAL:
            raise Refused(422, 42210000, f'order is already in "{order.status}" state')
        order.status = "canceled"

    # pieces

    def _checked(self, said: dict[str, Any]) -> Decimal:
        """The quantity of an order that can be taken."""
        listing = listed(self.listings, said)
        held = self.held.get(listing.symbol, ZERO)
        qty = quantity(listing, said, held)
        open_sides = {o.side for o in self.orders.values() if o.symbol == listing.symbol and o.status not in FINAL}
        cost = qty * (self._price(listing.symbol) + CENT)
        covered(listing, said["side"], qty, held, open_sides, cost, self._buying_power())
        return qty

    def _advance(self, order: Placed) -> Placed:
        crypto = self.listings[order.symbol].asset_class == "crypto"
        if order.status in FINAL or not (crypto or self.tape.is_open(self.now())):
            return order
        if order.status == "pending_reject":
            order.status = "rejected"
        elif order.parts:
            part = min(order.parts.pop(0), order.qty - order.filled)
            price = self._price(order.symbol) + (CENT if order.side == "buy" else -CENT)
            self._fill(order, part, price)
        else:
            order.status = "new"
        return order

    def _fill(self, order: Placed, part: Decimal, price: Decimal) -> None:
        signed = part if order.side == "buy" else -part
        self.cash -= signed * price
        self.held[order.symbol] = self.held.get(order.symbol, ZERO) + signed
        paid = (order.price or ZERO) * order.filled + price * part
        order.filled += part
        order.price = paid / order.filled
        order.status = "filled" if order.filled == order.qty else "partially_filled"

    def _found(self, id: str) -> Placed:
        if id not in self.orders:
            raise Refused(404, 40410000, f"order not found for {id}")
        return self.orders[id]

    def _shown(self, order: Placed) -> dict[str, Any]:
        listing = self.listings[order.symbol]
        return {
            "id": order.id,
            "client_order_id": order.client_order_id,
            "created_at": order.submitted_at,
            "submitted_at": order.submitted_at,
            "symbol": order.symbol,
            "asset_class": listing.asset_class,
            "notional": None,
            "qty": str(order.qty),
            "filled_qty": str(order.filled),
            "filled_avg_price": None if order.price is None else str(order.price),
            "order_class": "",
            "type": "market",
            "side": order.side,
            "time_in_force": order.time_in_force,
            "status": "accepted" if order.status == "pending_reject" else order.status,
        }

    def _price(self, symbol: str) -> Decimal:
        return self.tape.price(symbol, self.now())

    def _worth(self, symbol: str) -> Decimal:
        return self.held[symbol] * self._price(symbol)

    def _buying_power(self) -> Decimal:
        """What may still be bought or sold short, less what open orders will take."""
        worth = [self._worth(symbol) for symbol in self.held]
        equity = self.cash + sum(worth, ZERO)
        waiting = sum(
            ((o.qty - o.filled) * self._price(o.symbol) for o in self.orders.values() if o.status not in FINAL), ZERO
        )
        return max(MULTIPLIER * equity - sum(map(abs, worth), ZERO) - waiting, ZERO)
