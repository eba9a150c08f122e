"""A stand-in broker on a market whose clock the test turns, and the app on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw

from onward.testing import TestRun
from onward_apps.orders.trade import app as trade
from onward_apps.orders.trade.model import Bar, Prices
from onward_apps.orders.trade.sandbox.checks import Listing
from onward_apps.orders.trade.sandbox.exchange import Exchange
from onward_apps.orders.trade.sandbox.server import KEY, SECRET, StandIn
from onward_apps.orders.trade.sandbox.tape import OPENS, Tape, weekdays

DAYS = weekdays(datetime(2025, 1, 6, tzinfo=UTC), 10)
"""Monday to Friday, twice."""

NOON = timedelta(hours=17)
ASSETS = ("AAA", "BBB")


def dec(text: str | int) -> Decimal:
    return Decimal(text)


class Ground:
    """`exchange.now` is `clock`, which stands at Wednesday noon until a test moves it."""

    def __init__(self, folder: Path, **said: Any) -> None:
        self.folder = folder
        self.clock = DAYS[2] + NOON
        closes = {symbol: [dec(100)] * len(DAYS) for symbol in (*ASSETS, "CCC", "BTC/USD")}
        self.tape = Tape(closes, DAYS)
        listings = [Listing("AAA"), Listing("BBB"), Listing("CCC", tradable=False), Listing("BTC/USD", "crypto")]
        self.exchange = Exchange(self.tape, lambda: self.clock, listings, dec(10_000))
        self.standin = StandIn(self.exchange)
        self.said = said

    def settings(self) -> dict[str, Any]:
        return {
            "api_key": KEY,
            "secret_key": SECRET,
            "base_url": self.standin.url,
            "data_url": self.standin.url,
            "target": f"sqlite:///{self.folder}/target.db",
            "strategy_type": "hold",
            "strategy_config": '{"weights": "equal"}',
            "asset_type": "STOCK",
            "lookback": 1,
            "dry_orders": False,
            "shorts": True,
        } | self.said

    def price(self, symbol: str, price: str | int) -> None:
        self.tape.closes[symbol] = [dec(price)] * len(DAYS)

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.standin.sent

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = apsw.Connection(str(self.folder / "target.db"))
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def held(self) -> dict[str, Decimal]:
        return {symbol: quantity for symbol, quantity in self.exchange.held.items() if quantity}


class Run(TestRun):
    """The app against the ground's stand-in."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(trade.app, settings=ground.settings())

    def day(self, number: int, live: bool = True, **closes: str | int) -> None:
        """Puts the prices of a session."""
        self.put(trade.prices, prices(number, live, **closes))


def prices(number: int, live: bool = True, **closes: str | int) -> Prices:
    bars = {a: Bar(dec(c), dec(c), dec(c), dec(c), dec(1)) for a, c in (closes or dict.fromkeys(ASSETS, 100)).items()}
    return Prices("STOCK", "1d", DAYS[number] + timedelta(hours=5), bars, live)


@contextmanager
def running(ground: Ground) -> Iterator[Run]:
    with ground.standin, Run(ground) as run:
        yield run


__all__ = ["ASSETS", "DAYS", "NOON", "OPENS", "Ground", "Run", "dec", "prices", "running"]
