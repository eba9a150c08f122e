"""A batch is waited for at most so long.

Given stages with `batch=` and `fill=`;
when a batch is full, when it is not, when its time is over;
then a full one goes at once, another when its time is over, and never sooner.
"""

from __future__ import annotations

import asyncio

import pytest

from onward import App, Record, Retry
from onward.clock import HandClock
from onward.testing import TestRun
from scenarios.ground import NOW, Ground, append, until


def test_a_batch_that_is_not_full_goes_when_its_time_is_over() -> None:
    app = App("many")
    numbers = app.topic("numbers", int)
    calls: list[tuple[float, list[int]]] = []

    @app.stage(numbers, batch=4, fill="10s")
    def send(found: list[int]) -> None:
        calls.append((run.clock.now() - begun, found))

    with TestRun(app) as run:
        run.put(numbers, *range(6))
        begun = run.clock.now()
        run.until_idle()
    assert calls == [(0.0, [0, 1, 2, 3]), (10.0, [4, 5])]


def test_a_batch_goes_as_soon_as_it_is_full(ground: Ground) -> None:
    app = App("many")
    numbers = app.topic("numbers", int)
    calls: list[list[int]] = []

    @app.stage(numbers, batch=3, fill="10s")
    def send(found: list[int]) -> None:
        calls.append(found)

    async def work() -> None:
        async with ground.running(app) as worker:
            await until(lambda: worker.roster.lanes)
            lane = next(iter(worker.roster.lanes.values()))
            for number in range(2):
                await append(worker.log, numbers, [number])
                await until(lambda number=number: lane.pending == number + 1 and lane.idle)  # type: ignore[misc]
                ground.clock.advance(1.0)
            assert calls == [] and lane.next_due == NOW + 10.0
            await append(worker.log, numbers, [2])
            await until(lambda: calls == [[0, 1, 2]])

    ground.put(app, numbers)
    ground.clock = HandClock(NOW)
    asyncio.run(work())
    ground.recount(empty=True)


def test_what_is_tried_again_is_not_waited_for() -> None:
    app = App("many")
    numbers = app.topic("numbers", int)
    times: list[float] = []

    @app.stage(numbers, batch=4, fill="1h", retry=Retry(attempts=2, first="1s", most="1s"), split=False)
    def send(found: list[int]) -> None:
        times.append(run.clock.now() - begun)
        if len(times) == 1:
            raise ValueError

    with TestRun(app) as run:
        run.put(numbers, *range(4))
        begun = run.clock.now()
        run.until_idle()
    assert times == [0.0, 0.5]


def test_a_batch_is_not_halved_where_that_is_not_wanted(ground: Ground) -> None:
    app = App("many")
    numbers, out = app.topic("numbers", int), app.topic("out", int)
    sizes: list[int] = []

    @app.stage(numbers, to=out, batch=8, split=False, retry=Retry(attempts=3))
    def send(found: list[int]) -> list[int]:
        sizes.append(len(found))
        if 5 in found and len(sizes) < 3:
            raise ValueError
        return found

    ground.put(app, numbers, *range(8))
    ground.run(app)
    assert sizes == [8, 8, 8]
    assert ground.values(out) == list(range(8))
    ground.recount(empty=True)


@pytest.mark.parametrize("by", ["number", lambda order: order["number"]], ids=["field", "function"])
def test_an_id_can_be_made_of_the_value(ground: Ground, by: object) -> None:
    app = App("many")
    orders = app.topic("orders", dict)
    ids: list[str] = []

    @app.stage(orders, idempotency=by)  # type: ignore[arg-type]
    def send(order: Record[dict]) -> None:
        ids.append(order.id)
        order.value.clear()
        if len(ids) == 1:
            raise ValueError

    ground.put(app, orders, {"number": 7}, {"number": 8}, {"other": 9})
    ground.run(app)
    assert sorted(ids) == ["many.send:7", "many.send:7", "many.send:8"]
    (dead,) = ground.parked()
    assert dead.state == "dead" and "idempotency= gives no id for it: KeyError" in dead.error
