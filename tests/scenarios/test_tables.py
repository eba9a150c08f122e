"""Tables that stages keep: committed with the records, taken back with those that fail, redone after others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

import onward
from onward import App, Conflict, Database, Drop, Hold, Later, Lifecycle, MoveRefused, Record, Reject, Retry
from onward.changes import Changes
from onward.declaration import spec_of
from onward.document import Query
from onward.errors import OutsideUnit, Refused
from onward.events import Conflicted, Failed
from onward.log import Commit
from onward.logs.overlay import Overlay
from onward.testing import TestRun
from scenarios.ground import Ground


class Order(Struct):
    customer: str
    cents: int = 0
    what: str = ""


class Account(Struct):
    customer: str
    cents: int = 0
    orders: int = 0


class Bill(Struct):
    customer: str
    sum: int


FAST = Retry(attempts=3, first="1s", most="1s")


class Shop:
    """An app with one stage that books orders on accounts and emits bills."""

    def __init__(self, handler: Callable[..., Any] | None = None, partitions: int = 1, **options: Any) -> None:
        self.app = App("shop")
        self.orders = self.app.topic("orders", Order, key="customer", partitions=partitions)
        self.bills = self.app.topic("bills", Bill, key="customer")
        self.accounts = self.app.table("accounts", Account, key="customer", index=["cents", "orders"])
        options.setdefault("retry", FAST)
        options.setdefault("to", self.bills)
        self.app.stage(self.orders, name="book", **options)(handler or self.book)

    def book(self, order: Order) -> Bill:
        return self.booked(order, order.customer)

    def booked(self, order: Order, key: str) -> Bill:
        account = self.accounts.get(key) or Account(key)
        account.cents += order.cents
        account.orders += 1
        self.accounts.put(account)
        order.cents = -1  # a handler may change its value; who is called again gets a fresh one
        return Bill(order.customer, account.cents)

    def all_accounts(self, ground: Ground) -> list[Account]:
        with onward.open(self.app, ground.url) as client:
            return client.table(self.accounts).find()  # type: ignore[no-any-return]


def test_reads_see_the_own_writes_also_before_they_are_committed(ground: Ground) -> None:
    shop = Shop()
    ground.put(shop.app, shop.orders, *(Order("ann", 1) for _ in range(2_500)), Order("bob", 7))
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("ann", 2_500, 2_500), Account("bob", 7, 1)]
    assert [bill.sum for bill in ground.by_key(shop.bills)["ann"]] == list(range(1, 2_501))
    assert ground.sql("SELECT count(*), count(DISTINCT version), max(version) FROM document_history") == [
        (2_501, 2_500, 2_500)
    ]
    ground.recount(empty=True)


def test_history_tells_which_record_it_was_and_who(ground: Ground) -> None:
    shop = Shop()
    ground.put(shop.app, shop.orders, Order("ann", 5))
    ground.run(shop.app)
    with onward.open(shop.app, ground.url) as client:
        accounts = client.table("accounts")
        accounts.put(Account("ann", 9))
        accounts.delete("ann")
        first, second, third = accounts.history("ann")
    assert (first.version, first.action, first.value) == (1, "put", Account("ann", 5, 1))
    assert (first.by, first.origin, first.at.timestamp()) == ("shop.book", "shop.orders:0:0", ground.clock.now())
    assert (second.value, second.origin) == (Account("ann", 9), None) and second.by == third.by != "shop.book"
    assert (third.version, third.action, third.value) == (3, "delete", None)


@pytest.mark.parametrize("kind", ["raise", "later", "hold", "reject", "unfit"])
@pytest.mark.parametrize("style", ["def", "async", "yield"])
def test_a_record_that_does_not_pass_takes_its_changes_back(ground: Ground, kind: str, style: str) -> None:
    ends: dict[str, Any] = {"later": Later("1s", give_up="2s"), "hold": Hold("no"), "reject": Reject("no")}

    def book(order: Order) -> Any:
        cents, bill = order.cents, shop.booked(order, "all")
        if cents != 13:
            return bill
        if kind == "raise":
            raise ValueError("unlucky")
        return ends.get(kind, {"no": "bill"})

    async def book_later(order: Order) -> Any:
        await asyncio.sleep(0)
        return book(order)

    def book_yielding(order: Order) -> Any:
        yield book(order)

    shop = Shop({"def": book, "async": book_later, "yield": book_yielding}[style])
    orders = [Order(f"c{number % 5}", 13 if number == 7 else 1) for number in range(20)]
    ground.put(shop.app, shop.orders, *orders)
    ground.run(shop.app)
    # Those of c2 that come after it wait for it.
    assert shop.all_accounts(ground) == [Account("all", 17, 17)]
    assert sum(ground.states().values()) == 3 and len(ground.values(shop.bills)) == 17
    ground.ask("shop.book", "drop", offset=7)
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 19, 19)]
    assert sorted(bill.sum for bill in ground.values(shop.bills)) == list(range(1, 20))
    ground.recount(empty=True)


def test_an_output_that_cannot_be_written_before_the_first_change(ground: Ground) -> None:
    """Later records of its key have been called when it is found out; what they changed must not stay."""

    def book(order: Order) -> Any:
        cents = order.cents
        if cents == 2:
            return {"no": "bill"}
        return shop.booked(order, "all") if cents > 2 else Bill(order.customer, cents)

    shop = Shop(book)
    cents = [1, 1, 2, 3, 4, 1]
    ground.put(shop.app, shop.orders, *(Order("ann" if n in (2, 3) else "bob", n) for n in cents))
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 4, 1)]
    assert ground.states() == {"dead": 1, "behind": 1}
    ground.ask("shop.book", "drop", offset=2)
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 7, 2)]
    ground.recount(empty=True)


def test_a_failing_batch_is_split_with_its_changes(ground: Ground) -> None:
    def book(orders: list[Order]) -> list[Bill]:
        bills = [shop.booked(order, "all") for order in orders if order.what != "bad"]
        if len(bills) < len(orders):
            raise ValueError("one of them is bad")
        return bills

    shop = Shop(book, batch=10)
    orders = [Order(f"c{n}", 1, "bad" if n == 6 else "") for n in range(25)]
    ground.put(shop.app, shop.orders, *orders)
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 24, 24)]
    assert len(ground.values(shop.bills)) == 24 and ground.states() == {"dead": 1}
    origins = {origin for (origin,) in ground.sql("SELECT origin FROM document_history")}
    spans = ["0-4", "5", "7-9", "10-19", "20-24"]
    assert origins == {f"shop.orders:0:{span}" for span in spans}


def test_one_of_a_batch_that_parks_takes_its_own_changes_back(ground: Ground) -> None:
    def book(orders: list[Order]) -> list[Any]:
        return [Reject("bad") if shop.booked(order, "all") and order.what == "bad" else None for order in orders]

    shop = Shop(book, batch=10)
    ground.put(shop.app, shop.orders, *(Order(f"c{n}", 1, "bad" if n == 6 else "") for n in range(10)))
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 9, 9)] and ground.states() == {"dead": 1}


@pytest.mark.parametrize("long", [False, True])
def test_a_document_that_somebody_else_changes_meanwhile(ground: Ground, long: bool) -> None:
    """The commit finds another version: what was called is called again, and no attempt counts."""
    seen: list[int] = []

    def book(record: Record[Order]) -> Bill:
        assert record.attempt == 1
        seen.append(record.position.offset)
        bill = shop.booked(record.value, "all")
        if len(seen) == 3:
            with onward.open(shop.app, ground.url) as client:
                client.table(shop.accounts).put(Account("all", 100, 0))
        return bill

    shop = Shop(book, long=long)
    ground.put(shop.app, shop.orders, *(Order(f"c{n}", 1) for n in range(5)))
    ground.run(shop.app)
    [account] = shop.all_accounts(ground)
    assert sorted(bill.sum for bill in ground.values(shop.bills))[-1] == account.cents
    assert ground.seen.of(Conflicted) and not ground.seen.of(Failed)
    if not long:
        assert seen == [0, 1, 2, 3, 4, *range(5)] and account == Account("all", 105, 5)
    assert len(ground.values(shop.bills)) == 5
    ground.recount(empty=True)


@pytest.mark.parametrize("style", ["def", "async"])
def test_many_lanes_and_calls_on_one_document(ground: Ground, style: str) -> None:
    async def book_later(order: Order) -> Bill:
        cents, account = order.cents, shop.accounts.get("all") or Account("all")
        await asyncio.sleep(0)
        shop.accounts.put(Account("all", account.cents + cents, account.orders + 1))
        return Bill(order.customer, 0)

    def book(order: Order) -> Bill:
        return shop.booked(order, "all")

    shop = Shop(book_later if style == "async" else book, partitions=3, parallel=4)
    ground.put(shop.app, shop.orders, *(Order(f"c{n}", 2) for n in range(60)))
    ground.run(shop.app)
    assert shop.all_accounts(ground) == [Account("all", 120, 60)]
    assert len(ground.values(shop.bills)) == 60 and ground.sql("SELECT * FROM attempt") == []
    ground.recount(empty=True)


def test_two_workers_on_one_document(ground: Ground) -> None:
    def book(order: Order) -> Bill:
        return shop.booked(order, "all")

    shop = Shop(book, partitions=4)
    ground.put(shop.app, shop.orders, *(Order(f"c{n}", 1) for n in range(400)))

    async def work() -> None:
        async with ground.running(shop.app), ground.running(shop.app):
            end = asyncio.get_running_loop().time() + 60
            while len(ground.values(shop.bills)) < 400:
                assert asyncio.get_running_loop().time() < end
                await asyncio.sleep(0.02)

    asyncio.run(work())
    assert shop.all_accounts(ground) == [Account("all", 400, 400)] and ground.sql("SELECT * FROM attempt") == []
    ground.recount(empty=True)


def test_a_stage_with_a_database_of_its_own_reads_tables_only(ground: Ground, tmp_path: Path) -> None:
    def deliver(order: Order) -> None:
        delivered.append(shop.accounts.get("ann"))
        if order.what == "write":
            shop.accounts.put(Account("bob"))

    delivered: list[Account] = []
    shop = Shop(deliver, to=(), within=Database(f"sqlite:///{tmp_path}/target.db"), retry=Retry(attempts=1))
    with onward.open(shop.app, ground.url) as client:
        client.table("accounts").put(Account("ann", 3))
    ground.put(shop.app, shop.orders, Order("a"), Order("b", what="write"))
    ground.run(shop.app)
    assert delivered == [Account("ann", 3)] * 2
    [row] = ground.parked()
    assert row.state == "dead" and "commits within another database" in row.error
    assert shop.all_accounts(ground) == [Account("ann", 3)]


def test_outside_of_a_unit() -> None:
    shop = Shop()
    with pytest.raises(OutsideUnit, match=r"shop\.accounts is called outside"):
        shop.accounts.get("ann")
    with TestRun(shop.app) as run:
        run.put(shop.orders, Order("ann", 1))
        run.until_idle()
        with pytest.raises(OutsideUnit):
            shop.accounts.put(Account("ann"))
        assert run.table(shop.accounts).get("ann") == Account("ann", 1, 1)
        run.table("accounts").put(Account("bob"))
        assert [change.by for change in run.table("accounts").history("bob")] == ["test"]


def test_a_refused_move_names_both_states_and_what_is_allowed() -> None:
    app = App("shop")
    orders = app.topic("orders", Order, key="customer")
    moves = {"new": "paid", "paid": ["sent", "new"], "sent": []}
    states = app.table("states", dict, key="id", lifecycle=Lifecycle(moves))

    @app.stage(orders, retry=Retry(attempts=1, reject=(MoveRefused,)))
    def step(order: Order) -> Drop | None:
        if states.get(order.customer) is None:
            states.put({"id": order.customer})
            return Drop()
        states.move(order.customer, order.what)
        return None

    with TestRun(app) as run:
        run.put(
            orders, Order("a"), Order("a", what="paid"), Order("a", what="sent"), Order("b"), Order("b", what="sent")
        )
        with pytest.raises(MoveRefused, match="document 'b' cannot go from 'new' to 'sent'; allowed: paid"):
            run.until_idle()
        table = run.table(states)
        assert (table.state("a"), table.state("b"), table.state("c")) == ("sent", "new", None)
        assert [change.state for change in table.history("a")] == ["new", "paid", "sent"]
        assert table.find(state="sent") == [{"id": "a"}] and table.find(order="state", limit=2) == [
            {"id": "b"},
            {"id": "a"},
        ]
        with pytest.raises(Refused, match="by state"):
            table.find(id="a")


def test_stages_of_another_app_use_it_where_that_app_is_known(ground: Ground) -> None:
    shop = Shop()
    other = App("other")
    notes = other.topic("notes", str)

    @other.stage(notes, retry=Retry(attempts=1))
    def note(text: str) -> None:
        shop.accounts.put(Account(text))

    ground.put(shop.app, shop.orders, Order("ann"))
    ground.put(other, notes, "bob")
    ground.run(shop.app, other)
    assert [account.customer for account in shop.all_accounts(ground)] == ["ann", "bob"]
    ground.put(other, notes, "eve")
    ground.run(other)
    assert "outside" in ground.parked()[0].error


def test_a_dry_run_reads_the_tables_of_the_store_and_changes_none(ground: Ground) -> None:
    shop = Shop()
    ground.put(shop.app, shop.orders, Order("ann", 1), Order("bob", 5))
    ground.run(shop.app)
    before = shop.all_accounts(ground)

    async def look(books: Any) -> None:
        over = Overlay(books, await books.standing(), url="over", readers=(), clock=ground.clock)
        await over.declare(spec_of(shop.app))
        shop.accounts.through(made := Changes(over.tables, "me", ground.clock.now)).put(Account("ann", 7))
        shop.accounts.through(made).delete("bob")
        shop.accounts.through(made).put(Account("eve", 3))
        await over.commit(Commit(tables=made.edits))
        found = shop.accounts.through(Changes(over.tables, "me", ground.clock.now))
        assert found.find(cents__ge=2, order="-cents") == [Account("ann", 7), Account("eve", 3)]
        assert found.find(limit=1) == [Account("ann", 7)] and found.get("bob") is None
        assert [change.version for change in found.history("ann")] == [1, 2]
        with pytest.raises(Conflict):
            await over.commit(Commit(tables=made.edits))
        wider = replace(spec_of(shop.app).tables[0], name="shop.clients", was="shop.accounts", index=())
        await over.declare(replace(spec_of(shop.app), tables=(wider,)))
        assert [document.key for document in over.tables.find(Query("shop.clients"))] == ["ann", "eve"]

    ground.books(look)
    assert shop.all_accounts(ground) == before == [Account("ann", 1, 1), Account("bob", 5, 1)]
