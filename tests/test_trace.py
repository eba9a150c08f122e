"""Following records: each test runs a small app on a log in memory, and traces what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import UNSET, Struct

from onward import App, Checkpoint, Drop, Hold, Later, Record, Reject, Retry
from onward.clock import HandClock
from onward.codec import Codec
from onward.declaration import spec_of
from onward.difference import Change
from onward.emit import Emitter
from onward.log import Commit, Request
from onward.logs.memory import MemoryLog
from onward.plan import Plan
from onward.record import Range
from onward.trace import ABSENT, DEPTH, GONE, KEPT, MISSING, OUTPUTS, STEPS, Journey, Passage, Step, tracer
from onward.units import instant_text
from onward.worker import Worker


class Order(Struct):
    customer: str
    cents: int
    note: str | None = None


class Bill(Struct):
    customer: str
    euros: str


class Leaping(HandClock):
    def idle(self, until: float) -> None:
        self.advance(max(0.0, until - self.now()))


class Bench:
    """A store in memory, and workers on it."""

    def __init__(self, *apps: App) -> None:
        self.apps = apps
        self.clock = Leaping()
        self.log = MemoryLog(clock=self.clock)

    async def put(self, topic: Any, *values: Any) -> None:
        for app in self.apps:
            await self.log.declare(spec_of(app))
        emitter = Emitter([topic], {topic.name: Codec(topic.type)})
        records = [emitter.encoded(value, instant_text(self.clock.now())) for value in values]
        await self.log.commit(Commit(appends=emitter.pack(records)))

    async def run(self) -> None:
        plan = Plan(once=True, patience=3_600.0, retention=False)
        await Worker(self.apps, self.log, self.log, plan, clock=self.clock, chance=lambda: 0.5).run()
        self.clock.advance(11.0)

    async def ask(self, stage: str, action: Any, value: str | None = None, **match: object) -> None:
        await self.log.ask([Request(0, stage, 0, action, match, "ann", self.clock.now(), value)])

    async def trace(self, what: str) -> list[Journey]:
        made = await tracer(self.log, await self.log.survey())
        place = Range.parse(what)
        return [one async for one in (made.of(place) if place else made.of_key(what))]


def scenario(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 60))

    run.__name__ = test.__name__
    return run


def outputs(step: Step) -> list[Step]:
    return [output for passage in step.passages for output in passage.outputs]


def only(step: Step) -> Passage:
    [passage] = step.passages
    return passage


def shop(**options: Any) -> tuple[App, Any, Any]:
    app = App("shop")
    orders, bills = app.topic("orders", Order, key="customer"), app.topic("bills", Bill, key="customer", partitions=3)

    @app.stage(orders, to=bills, **options)
    def bill(order: Order) -> Any:
        return Bill(order.customer, f"{order.cents / 100:.2f}")

    return app, orders, bills


@scenario
async def test_on_from_a_position_with_what_was_changed() -> None:
    app, orders, bills = shop()

    @app.stage(bills)
    def mail(bill: Bill) -> None: ...

    bench = Bench(app)
    await bench.put(orders, Order("ann", 1250), Order("bob", 300))
    await bench.run()
    [journey] = await bench.trace("shop.orders:0:1")
    assert (list(journey.before), journey.at.key, journey.at.maker, journey.at.changes) == ([], "bob", None, None)
    passage = only(journey.at)
    assert (passage.stage, passage.state, passage.more) == ("shop.bill", "done", 0)
    [output] = passage.outputs
    assert (output.place.topic, output.key, output.maker) == ("shop.bills", "bob", "shop.bill")
    assert output.changes == [Change("cents", 300), Change("note", None), Change("euros", UNSET, "3.00")]
    assert output.written == passage.at
    assert (only(output).stage, only(output).state, only(output).outputs) == ("shop.mail", "done", [])


@scenario
async def test_back_to_the_first_record_with_the_way_between() -> None:
    app, orders, bills = shop()

    @app.source(to=orders)
    def feed(cursor: int | None) -> Any:
        if cursor is None:
            yield Order("ann", 1)
            yield Checkpoint(1)

    bench = Bench(app)
    await bench.run()
    partition = next(p for p, part in enumerate(bench.log.store.topics["shop.bills"].parts) if part)
    [journey] = await bench.trace(f"shop.bills:{partition}:0")
    [first] = journey.before
    assert (str(first.place), first.maker, first.key) == ("shop.orders:0:0", "shop.feed", "ann")
    assert (only(first).stage, only(first).state, only(first).outputs) == ("shop.bill", "done", ())
    assert journey.at.changes and journey.at.passages == []
    assert bills.partitions == 3


@scenario
async def test_a_key_gives_each_way_once_the_newest_first() -> None:
    app, orders, _ = shop()
    bench = Bench(app)
    await bench.put(orders, Order("ann", 1), Order("bob", 2), Order("ann", 3))
    await bench.run()
    await bench.put(orders, Order("ann", 4))
    found = await bench.trace("ann")
    assert [str(one.at.place) for one in found] == ["shop.orders:0:3", "shop.orders:0:2", "shop.orders:0:0"]
    assert [only(one.at).state for one in found] == ["outstanding", "done", "done"]
    assert [len(outputs(one.at)) for one in found] == [0, 1, 1]
    assert await bench.trace("nobody") == []


@scenario
async def test_every_attempt_and_what_is_parked() -> None:
    app = App("shop")
    orders = app.topic("orders", Order, key="customer")
    tried: dict[str, int] = {}

    @app.stage(orders, retry=Retry(attempts=2, first="1s", most="1s"), effect=False, to=app.topic("out", Order))
    def work(order: Order) -> Any:
        tried[order.customer] = tried.get(order.customer, 0) + 1
        match order.customer:
            case "once" if tried["once"] == 1:
                raise ValueError("not yet")
            case "dies":
                raise ValueError("never")
            case "waits":
                return Hold("ask ann")
            case "bad":
                return Reject("no good")
            case "gone":
                return Drop("not ours")
            case "late":
                return Later("30d")
        return order

    bench = Bench(app)
    await bench.put(orders, *(Order(name, 1) for name in ("once", "dies", "waits", "bad", "gone", "late", "waits")))
    await bench.run()
    found = {name: [only(one.at) for one in await bench.trace(name)] for name in sorted(tried)}
    [once] = found["once"]
    assert (once.state, [one.error for one in once.attempts]) == ("done", ["ValueError", ""])
    [dies] = found["dies"]
    assert (dies.state, [one.message for one in dies.attempts]) == ("dead", ["never", "never"])
    assert "never" in dies.attempts[0].traceback
    behind, waits = found["waits"]
    assert (waits.state, waits.reason, behind.state) == ("waiting", "ask ann", "behind")
    assert (found["bad"][0].state, found["bad"][0].reason) == ("dead", "no good")
    assert (found["gone"][0].state, found["gone"][0].reason) == ("dropped", "not ours")
    assert found["late"][0].state == "retrying" and found["late"][0].parked is not None
    assert {one.place.topic for one in once.outputs} == {"shop.out"}


@scenario
async def test_a_batch_that_yields_is_one_origin() -> None:
    app = App("shop")
    orders, lines = app.topic("orders", Order, key="customer"), app.topic("lines", Order, key="customer")
    sums = app.topic("sums", dict, key="customer")

    @app.stage(orders, to=lines)
    def line(order: Order) -> Any:
        if order.cents:
            yield order

    @app.stage(lines, to=sums, batch=3)
    def add(some: list[Order]) -> Any:
        yield {"customer": "all", "cents": sum(one.cents for one in some)}

    bench = Bench(app)
    await bench.put(orders, *(Order(f"c{number}", number % 2) for number in range(10)))
    await bench.run()
    first, second = reversed(await bench.trace("all"))
    assert [(str(step.place), step.records) for step in first.before] == [
        ("shop.orders:0:1-5", 3),
        ("shop.lines:0:0-2", 3),
    ]
    assert [(str(step.place), step.records) for step in second.before] == [
        ("shop.orders:0:7-9", 2),
        ("shop.lines:0:3-4", 2),
    ]
    assert first.at.changes is None
    [journey] = await bench.trace("shop.orders:0:3")
    [line_] = outputs(journey.at)
    assert [str(one.place) for one in outputs(line_)] == [str(first.at.place)]
    assert [str(one.at.place) for one in await bench.trace("shop.orders:0:2-4")] == [
        f"shop.orders:0:{n}" for n in (2, 3, 4)
    ]


@scenario
async def test_a_batch_that_lay_around_a_record_is_not_its_way() -> None:
    app = App("shop")
    orders, sums = app.topic("orders", Order, key="customer"), app.topic("sums", dict, key="customer")

    @app.stage(orders, to=sums, batch=10, retry=Retry(first="1s", most="1s"))
    def add(some: list[Record[Order]]) -> Any:
        if any(one.value.cents == 5 and one.attempt == 1 for one in some):
            raise ValueError("five")
        yield {"customer": "all", "of": [one.position.offset for one in some]}

    bench = Bench(app)
    await bench.put(orders, *(Order(f"c{number}", number) for number in range(10)))
    await bench.run()
    for offset in range(10):
        [journey] = await bench.trace(f"shop.orders:0:{offset}")
        found = [bytes(one.value).decode() for one in outputs(journey.at) if one.value is not None]
        assert found and all(f"{offset}" in one for one in found), offset


@scenario
async def test_two_stages_between_the_same_topics_are_told_apart() -> None:
    app = App("shop")
    orders, out = app.topic("orders", Order, key="customer"), app.topic("out", Order, key="customer")

    @app.stage(orders, to=out)
    def one(order: Order) -> Order:
        return order

    @app.stage(orders, to=out)
    def two(order: Order) -> Order:
        return Order(order.customer, 2)

    bench = Bench(app)
    await bench.put(orders, Order("ann", 1))
    await bench.run()
    [journey] = await bench.trace("ann")
    found = {passage.stage: [output.changes for output in passage.outputs] for passage in journey.at.passages}
    assert found == {"shop.one": [[]], "shop.two": [[Change("cents", 1, 2)]]}


@scenario
async def test_several_apps() -> None:
    app, orders, bills = shop()
    post = App("post")
    sent = post.topic("sent", dict, key="customer")

    @post.stage(bills, to=sent)
    def send(bill: Bill) -> dict[str, str]:
        return {"customer": bill.customer}

    bench = Bench(app, post)
    await bench.put(orders, Order("ann", 1))
    await bench.run()
    [journey] = await bench.trace("post.sent:0:0")
    assert [str(step.place.topic) for step in journey.before] == ["shop.orders", "shop.bills"]
    assert [only(step).stage for step in journey.before] == ["shop.bill", "post.send"]


@scenario
async def test_topics_in_a_loop_come_to_an_end() -> None:
    app = App("loop")
    ping, pong = app.topic("ping", Order, key="customer"), app.topic("pong", Order, key="customer")

    @app.stage(ping, to=pong)
    def there(order: Order) -> Order:
        return Order(order.customer, order.cents - 1)

    @app.stage(pong, to=ping)
    def back(order: Order) -> Any:
        return order if order.cents else None

    bench = Bench(app)
    await bench.put(ping, Order("ann", 3))
    await bench.put(ping, Order("bob", 2 * DEPTH))
    await bench.run()
    [journey] = await bench.trace("ann")
    step, count = journey.at, 0
    while outputs(step):
        [step] = outputs(step)
        count += 1
    assert count == 5 and not step.further
    found = await bench.trace("bob")
    places = [str(step.place) for one in found for step in all_of(one)]
    assert len(set(places)) == 4 * DEPTH
    assert len(places) <= 4 * DEPTH + len(found), "each record of the key once, but for where one way goes on"
    assert any(step.further for one in found for step in all_of(one))
    [last] = await bench.trace("loop.pong:0:102")
    assert len(last.before) == DEPTH and last.before[0].further


def all_of(journey: Journey) -> list[Step]:
    found, left = [], [journey.at]
    while left:
        found.append(left.pop())
        left += outputs(found[-1])
    return found


@scenario
async def test_many_outputs_are_counted_and_some_followed() -> None:
    app = App("wide")
    one, many = app.topic("one", Order, key="customer"), app.topic("many", Order, key="customer")
    more = app.topic("more", Order, key="customer")

    @app.stage(one, to=many)
    def spread(order: Order) -> Any:
        yield from (Order(order.customer, number) for number in range(2_500))

    @app.stage(many, to=more)
    def again(order: Order) -> Any:
        yield from (order, order)

    bench = Bench(app)
    await bench.put(one, Order("ann", 1))
    await bench.run()
    [journey] = await bench.trace("wide.one:0:0")
    assert (len(only(journey.at).outputs), only(journey.at).more) == (OUTPUTS, 2_500 - OUTPUTS)
    assert len(all_of(journey)) <= STEPS
    found = [one for one in await bench.trace("ann")]
    assert len({step.place for one in found for step in all_of(one)}) == 1 + 2_500 + 5_000


@scenario
async def test_gone_by_retention_or_by_force_or_never_written() -> None:
    app, orders, _ = shop()
    bench = Bench(app)
    await bench.put(orders, Order("ann", 1))
    await bench.put(orders, Order("bob", 2))
    await bench.run()
    await bench.log.retain("shop.orders", bench.clock.now(), {0: 1})
    [journey] = await bench.trace("shop.orders:0:0")
    assert (journey.at.kept, only(journey.at).state) == (GONE, "done")
    [output] = outputs(journey.at)
    assert (output.kept, output.key, output.changes) == (KEPT, "ann", None)
    [back] = await bench.trace(str(output.place))
    assert [(str(step.place), step.kept) for step in back.before] == [("shop.orders:0:0", GONE)]
    await bench.log.retain("shop.orders", bench.clock.now(), {0: 2})
    [bare] = await bench.trace("shop.orders:0:1")
    assert bare.at.kept == GONE
    await bench.put(orders, Order("cy", 3))
    await bench.put(orders, Order("dan", 3))
    del bench.log.store.topics["shop.orders"].parts[0][1]
    assert [one.at.kept for one in await bench.trace("shop.orders:0:2-4")] == [MISSING, KEPT, ABSENT]


@scenario
async def test_a_stage_that_began_later_or_is_gone() -> None:
    app, orders, _ = shop()
    bench = Bench(app)
    await bench.put(orders, Order("ann", 1))
    await bench.run()
    later, orders, _ = shop()

    @later.stage(orders, start="now")
    def new(order: Order) -> None: ...

    bench.apps = (later,)
    await bench.put(orders, Order("ann", 2))
    found = [{p.stage: p.state for p in one.at.passages} for one in await bench.trace("ann")]
    assert found == [
        {"shop.bill": "outstanding", "shop.new": "outstanding"},
        {"shop.bill": "done", "shop.new": "not given"},
    ]
    bench.apps = (shop()[0],)
    await bench.put(orders, Order("ann", 3))
    newest = (await bench.trace("ann"))[0]
    assert {p.stage: p.state for p in newest.at.passages} == {"shop.bill": "outstanding", "shop.new": "not given"}


@scenario
async def test_a_topic_that_was_renamed() -> None:
    app, orders, _ = shop()
    bench = Bench(app)
    await bench.put(orders, Order("ann", 1))
    await bench.run()
    renamed = App("shop")
    asked = renamed.topic("asked", Order, key="customer", was="orders")
    bills = renamed.topic("bills", Bill, key="customer", partitions=3)

    @renamed.stage(asked, to=bills, was="bill")
    def invoice(order: Order) -> Bill:
        return Bill(order.customer, "")

    await bench.log.declare(spec_of(renamed))
    [journey] = await bench.trace("ann")
    assert (str(journey.at.place), only(journey.at).stage) == ("shop.asked:0:0", "shop.invoice")
    [output] = outputs(journey.at)
    assert (output.origin, output.changes is not None) == ("shop.orders:0:0", True)
    [back] = await bench.trace(str(output.place))
    assert [str(step.place) for step in back.before] == ["shop.asked:0:0"]


@pytest.mark.parametrize("text", ["shop.orders:0:5", "shop.orders:0:5-9", "orders:1:0"])
def test_places_as_text(text: str) -> None:
    assert str(Range.parse(text)) == text


@pytest.mark.parametrize("text", ["shop.orders:0", "shop.orders:0:9-5", "a.b.c:0:1", "Shop:0:1", "x:0:1:2", ""])
def test_what_is_no_place(text: str) -> None:
    assert Range.parse(text) is None
