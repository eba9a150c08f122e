"""A few market days at the stand-in, one a second."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path

from ..wire import client
from .checks import Listing
from .exchange import Exchange, Placed
from .server import KEY, SECRET, StandIn
from .tape import Tape, played, sample

DAYS, PLAYED, SECONDS = 60, 6, 1.0
CASH = Decimal(100_000)
PRICES = {"AAPL": "228.00", "JPM": "240.50", "KO": "62.80", "NVDA": "139.20", "TSLA": "345.10", "XOM": "118.60"}
LISTINGS = [
    *(Listing(symbol) for symbol in ("AAPL", "JPM", "KO", "NVDA")),
    Listing("TSLA", easy_to_borrow=False),
    Listing("XOM", fractionable=False),
]


def start(folder: Path) -> dict[str, str]:
    """Starts the stand-in in a thread of this process; the settings with which the app finds it.

    Its account lies in `broker.json`, so that a second demo goes on with it; its market stands still at the end of
    the last day.

    Raises:
        ClientMissing
    """
    client()
    tape = sample({symbol: Decimal(price) for symbol, price in PRICES.items()}, DAYS, seed=7)
    file = folder / "broker.json"
    exchange, started = _restored(file, tape)
    exchange.now = played(tape, DAYS - PLAYED, SECONDS, lambda: time.time() - started)
    standin = StandIn(exchange, lambda changed: _save(file, changed, started))
    standin.__enter__()
    return {
        "api_key": KEY,
        "secret_key": SECRET,
        "base_url": standin.url,
        "data_url": standin.url,
        "target": f"sqlite:///{(folder / 'target.db').absolute()}",
        "strategy_config": json.dumps({"assets": sorted(PRICES), "gross": "0.9"}),
        "asset_type": "STOCK",
        "lookback": "20",
        "initial_portfolio_value": str(CASH),
        "cash_allocation": "0.05",
        "dry_orders": "false",
        "shorts": "true",
        "follow_every": "50ms",
        "until": f"{tape.days[-2]:%Y-%m-%d}",
    }


def _restored(file: Path, tape: Tape) -> tuple[Exchange, float]:
    exchange = Exchange(tape, lambda: tape.days[0], LISTINGS, CASH)
    if not file.exists():
        return exchange, time.time()
    saved = json.loads(file.read_text())
    exchange.cash = Decimal(saved["cash"])
    exchange.held = {symbol: Decimal(quantity) for symbol, quantity in saved["held"].items()}
    for order in saved["orders"]:
        numbers = {name: Decimal(order[name]) for name in ("qty", "filled")}
        price = None if order["price"] is None else Decimal(order["price"])
        parts = [Decimal(part) for part in order["parts"]]
        made = Placed(**{**order, **numbers, "price": price, "parts": parts})
        exchange.orders[made.id] = made
    return exchange, saved["started"]


def _save(file: Path, exchange: Exchange, started: float) -> None:
    orders = [vars(order) for order in exchange.orders.values()]
    saved = {"started": started, "cash": exchange.cash, "held": exchange.held, "orders": orders}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(saved, default=str))
    part.rename(file)
