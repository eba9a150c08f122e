"""A client: an app's store in the hands of another program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import onward
from onward import App, Client, OnwardError
from onward.errors import BadOutput, BadRecord, RecordTooLarge, Refused, StoreNewer
from scenarios.ground import BOUND, Ground, until


class Order(Struct):
    customer: str
    cents: int = 0


class Bill(Struct):
    customer: str


app = App("shop")
orders = app.topic("orders", Order, key="customer", partitions=2)
notes = app.topic("notes", max_record=200)
odd = app.topic("odd", Order, key=lambda order: order.nothing)
bills = app.topic("bills", Bill, key="customer")


@app.stage(orders, to=bills)
def bill(order: Order) -> Bill:
    return Bill(order.customer)


closed: list[str] = []


@app.resource
def press() -> Iterator[str]:
    yield "real"
    closed.append("real")


@app.task
def load(client: Client, press: str, count: int, customer: str = "ann") -> dict[str, Any]:
    client.put(orders, *(Order(customer, number) for number in range(count)))
    return {"count": count * (1 // min(count, 1)), "press": press}


@app.task(name="later")
async def load_later(client: Client, count: int) -> int:
    await client.put(orders, Order("ann", 7))
    return count


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_what_is_put_is_in_the_store_when_the_call_returns(ground: Ground) -> None:
    with onward.open(app, ground.url) as client:
        client.put(orders, Order("ann", 1), Order("ann", 2))
        assert ground.values(orders) == [Order("ann", 1), Order("ann", 2)]
        client.put("notes", {"any": "thing"}, key=7, headers={"a": "b"}, time="2020-01-01")
        client.put("shop.notes", "more", key=None)
        client.put(notes)
    assert ground.records(notes) == [("7", {"any": "thing"}), (None, "more")]
    [(time, headers)] = ground.sql("SELECT time, headers FROM record WHERE key = '7'")
    assert (time, headers) == ("2020-01-01T00:00:00.000000Z", '{"a":"b"}')
    ground.run(app)
    assert ground.values(bills) == [Bill("ann"), Bill("ann")]
    ground.recount(empty=True)


def test_the_same_calls_are_awaited_under_async_with(ground: Ground) -> None:
    async def work() -> None:
        async with onward.open(app, ground.url) as client:
            await asyncio.gather(*(client.put(orders, Order(f"c{i}")) for i in range(20)))
            async with client.commit() as c:
                c.put(orders, Order("ann"))
                c.put("notes", 1)
                assert ground.values(notes) == []

    asyncio.run(work())
    assert len(ground.values(orders)) == 21 and ground.values(notes) == [1]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([Order("ann"), Bill("ann")], BadOutput),
        ([Order("ann"), Order("x" * 1_000_000)], RecordTooLarge),
    ],
)
def test_all_values_of_a_put_or_none(ground: Ground, values: list[Any], error: type[OnwardError]) -> None:
    with onward.open(app, ground.url) as client:
        with pytest.raises(error):
            client.put(orders, *values)
        assert ground.values(orders) == []


def test_a_key_function_that_fails_names_the_topic(ground: Ground) -> None:
    with onward.open(app, ground.url) as client, pytest.raises(BadRecord, match=r"shop\.odd: AttributeError"):
        client.put(odd, Order("ann"))


def test_a_commit_is_kept_whole(ground: Ground) -> None:
    with onward.open(app, ground.url) as client:
        with client.commit() as c:
            c.put(orders, Order("ann"), Order("bob"))
            c.put(notes, "both")
            assert ground.values(orders) == [] and ground.values(notes) == []
        assert len(ground.values(orders)) == 2 and ground.values(notes) == ["both"]
        with client.commit():
            pass
        assert ground.sql("SELECT count(*) FROM block") == [(3,)]
    ground.recount()


def test_nothing_of_a_commit_that_fails_is_kept(ground: Ground) -> None:
    with onward.open(app, ground.url) as client:
        with pytest.raises(ZeroDivisionError), client.commit() as c:
            c.put(orders, Order("ann"))
            raise ZeroDivisionError
        with pytest.raises(BadOutput), client.commit() as c:
            c.put(notes, "fine")
            c.put(orders, Bill("ann"))  # type: ignore[arg-type]
        assert ground.sql("SELECT count(*) FROM block") == [(0,)]


def test_a_running_worker_is_woken(ground: Ground) -> None:
    async def work() -> None:
        async with ground.running(app), onward.open(app, ground.url) as client:
            for number in range(5):
                await client.put(orders, Order("ann", number))
                await until(lambda number=number: len(ground.values(bills)) == number + 1, BOUND)

    asyncio.run(work())
    ground.recount(empty=True)


def test_many_threads_share_a_client(ground: Ground) -> None:
    with onward.open(app, ground.url) as client:

        def work(name: str) -> None:
            for number in range(20):
                client.put(orders, Order(name, number))

        threads = [threading.Thread(target=work, args=[f"c{i}"]) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = ground.by_key(orders)
    assert {key: [order.cents for order in part] for key, part in found.items()} == {
        f"c{i}": list(range(20)) for i in range(8)
    }
    ground.recount()


def test_what_is_no_topic_of_the_app_is_refused(ground: Ground) -> None:
    other = App("other").topic("orders", Order)
    with onward.open(app, ground.url) as client:
        with pytest.raises(Refused, match=r"shop\.orders"):
            client.put("order", Order("ann"))
        with pytest.raises(Refused, match="none of app shop"):
            client.put(other, Order("ann"))
        with pytest.raises(Refused, match="PostgreSQL"):
            client.put(orders, Order("ann"), tx=object())


def test_a_client_that_is_not_open_says_so(ground: Ground) -> None:
    client = onward.open(app, ground.url)
    assert not ground.path.exists()
    for _ in range(2):
        with pytest.raises(Refused, match="not open"):
            client.put(orders, Order("ann"))
        with pytest.raises(Refused, match="not open"):
            client.commit()
        with client:
            with pytest.raises(Refused, match="open already"), client:
                pass
            client.put(orders, Order("ann"))
    assert len(ground.values(orders)) == 2


def test_the_kind_of_block_is_that_of_the_client(ground: Ground) -> None:
    async def work() -> None:
        async with onward.open(app, ground.url) as client:
            with pytest.raises(Refused, match="opened by `async with`"), client.commit() as c:
                c.put(orders, Order("ann"))

    asyncio.run(work())


def test_a_store_that_cannot_be_used_is_refused_and_nothing_stays_open(ground: Ground) -> None:
    with onward.open(app, ground.url):
        pass
    ground.sql("PRAGMA user_version = 999")
    before = threading.active_count()
    client = onward.open(app, ground.url)
    for _ in range(2):
        with pytest.raises(StoreNewer), client:
            pass
    assert threading.active_count() <= before  # one that others had begun may have ended meanwhile


def test_the_store_is_the_one_of_the_environment(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONWARD_STORE", ground.url)
    with onward.open(app) as client:
        client.put(orders, Order("ann"))
    assert len(ground.values(orders)) == 1


def test_a_task_runs_here_and_is_recorded(ground: Ground) -> None:
    with onward.open(app, ground.url, resources={"press": "fake"}) as client:
        assert client.run(load, count="2", customer="bob") == {"count": 2, "press": "fake"}
        assert client.run("later", count=1) == 1
        with pytest.raises(ZeroDivisionError):
            client.run("shop.load", count=0)
        with pytest.raises(Refused, match=r"needs count=; it takes count: int"):
            client.run(load)
        with pytest.raises(Refused, match=r"no argument cuont"):
            client.run(load, cuont=1)
        with pytest.raises(Refused, match=r"Expected `int`"):
            client.run(load, count=[])
        with pytest.raises(Refused, match="no task"):
            client.run(bill)
    assert ground.values(orders) == [Order("bob", 0), Order("bob", 1), Order("ann", 7)]
    runs = ground.books(lambda books: books.runs(None, 10))
    assert [(run.task, run.outcome) for run in runs] == [
        ("shop.load", "failed"), ("shop.later", "done"), ("shop.load", "done"),
    ]  # fmt: skip


def test_a_task_is_awaited_under_async_with(ground: Ground) -> None:
    async def work() -> Any:
        async with onward.open(app, ground.url) as client:
            return await asyncio.gather(client.run(load, count=3), client.run("later", count=2))

    assert asyncio.run(work()) == [{"count": 3, "press": "real"}, 2]
    assert len(ground.values(orders)) == 4 and closed == ["real"]
