"""The client against the stand-in, and the stand-in against the client's mistakes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from onward import Secret, Unavailable
from onward_apps.orders.trade.broker import Broker, client_order_id, connect
from onward_apps.orders.trade.errors import BrokerError, Rejected, Throttled
from onward_apps.orders.trade.model import Order
from onward_apps.orders.trade.settings import Settings
from onward_apps.orders.trade.symbols import asset_of, symbol_of

from .ground import DAYS, Ground, dec

ORDER = Order(1, "AAA", "STOCK", "AAA", DAYS[1], DAYS[2], 1, DAYS[2], 1, dec("1.5"), dec(100), dec("0.1"), dec("0.1"))


def ask(ground: Ground, question: Callable[[Broker], Awaitable[Any]], **said: Any) -> Any:
    known = {name: ground.settings()[name] for name in ("api_key", "secret_key", "base_url", "data_url")} | said
    settings = Settings(**known | {name: Secret(known[name]) for name in ("api_key", "secret_key")})

    async def work() -> Any:
        async with connect(settings) as broker:
            return await question(broker)

    return asyncio.run(work())


@pytest.fixture
def open_ground(ground: Ground) -> Any:
    with ground.standin:
        yield ground


def test_an_order_is_taken_once_and_known_again(open_ground: Ground) -> None:
    one = ask(open_ground, lambda broker: broker.place(ORDER, "id-1"))
    two = ask(open_ground, lambda broker: broker.place(ORDER, "id-1"))
    found = ask(open_ground, lambda broker: broker.find("id-1"))
    assert one == two == found and one.status == "accepted" and one.qty == dec("1.5")
    assert len(open_ground.exchange.orders) == 1
    assert ask(open_ground, lambda broker: broker.find("id-2")) is None


def test_an_order_of_this_id_that_is_another_one_is_no_success(open_ground: Ground) -> None:
    ask(open_ground, lambda broker: broker.place(ORDER, "id-1"))
    other = msgspec.structs.replace(ORDER, quantity=dec(2))
    with pytest.raises(BrokerError, match="is another one"):
        ask(open_ground, lambda broker: broker.place(other, "id-1"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"symbol": "ZZZ"}, "not found"),
        ({"symbol": "CCC"}, "not tradable"),
        ({"quantity": dec(1000)}, "buying power"),
        ({"side": -1}, "sold short"),
        ({"quantity": dec("0.1234567891")}, "nine decimals"),
        ({"symbol": "BTC/USD"}, "time_in_force"),
    ],
)
def test_what_the_broker_does_not_take_says_why(open_ground: Ground, said: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        ask(open_ground, lambda broker: broker.place(msgspec.structs.replace(ORDER, **said), "id"))
    assert open_ground.exchange.orders == {}


def test_who_sells_more_than_is_held_is_refused(open_ground: Ground) -> None:
    open_ground.exchange.held["AAA"] = dec(1)
    with pytest.raises(Rejected, match=r"requested: 1\.5, available: 1"):
        ask(open_ground, lambda broker: broker.place(msgspec.structs.replace(ORDER, side=-1), "id"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, {}), Unavailable),
        ((504, {}), Unavailable),
        ((429, {}), Throttled),
        ((418, {}), BrokerError),
        ("cut", Unavailable),
    ],
)
def test_trouble_by_its_kind(open_ground: Ground, answer: Any, error: type[Exception]) -> None:
    open_ground.standin.fault = lambda method, path: answer
    with pytest.raises(error):
        ask(open_ground, lambda broker: broker.account())


def test_the_delay_is_the_servers(open_ground: Ground) -> None:
    for headers, seconds in (({"Retry-After": "7"}, 7.0), ({}, 3.0), ({"X-RateLimit-Reset": "1"}, 0.1)):
        open_ground.standin.fault = lambda method, path, headers=headers: (429, headers)
        with pytest.raises(Throttled) as told:
            ask(open_ground, lambda broker: broker.account())
        assert told.value.after == seconds


def test_nobody_there_and_the_wrong_key(ground: Ground, open_ground: Ground) -> None:
    with pytest.raises(Unavailable, match="ConnectError"):
        ask(open_ground, lambda broker: broker.account(), base_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="SECRET_KEY") as refused:
        ask(open_ground, lambda broker: broker.account(), secret_key="wrong secret")
    assert "wrong secret" not in str(refused.value)


def test_bars_of_all_pages(open_ground: Ground) -> None:
    open_ground.clock = DAYS[2] + timedelta(hours=17)
    found = ask(open_ground, lambda broker: broker.bars(["AAA", "BBB"], "STOCK", "1d", DAYS[0]))
    assert {asset: len(bars) for asset, bars in found.items()} == {"AAA": 3, "BBB": 3}


def test_symbols_both_ways() -> None:
    pairs = {"BTCUSD": "BTC/USD", "ETHUSDT": "ETH/USDT", "ETHBTC": "ETH/BTC"}
    assert {asset: symbol_of(asset, "CRYPTO") for asset in pairs} == pairs
    assert all(asset_of(symbol) == asset for asset, symbol in pairs.items())
    assert symbol_of("BRK.B", "STOCK") == "BRK.B"


def test_the_id_of_an_order_is_short_and_of_its_record_alone() -> None:
    ids = {client_order_id(f"trade.place:trade.orders:ab12:0:{n}:ff") for n in range(100)}
    assert len(ids) == 100 and all(len(id) <= 48 for id in ids)
