"""Rates: so many records or calls a second, over all workers of a store."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from onward import App
from onward.clock import HandClock, SystemClock
from onward.plan import Plan
from onward.testing import TestRun
from scenarios.ground import NOW, Ground, until


def test_records_are_called_no_faster_than_the_rate() -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    times: list[float] = []

    @app.stage(numbers, rate="100/s")
    def call(number: int) -> None:
        times.append(run.clock.now())

    with TestRun(app) as run:
        run.put(numbers, *range(1_000))
        begun = run.clock.now()
        run.until_idle()
    assert len(times) == 1_000
    assert 9.0 <= times[-1] - begun <= 10.1
    for second in range(10):
        assert sum(second <= at - begun < second + 1 for at in times) <= 120


def test_a_retry_counts_as_a_record() -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    times: list[float] = []

    @app.stage(numbers, rate="1/s")
    def call(number: int) -> None:
        times.append(run.clock.now())
        if len(times) < 4:
            raise ValueError

    with TestRun(app, chance=0.0) as run:
        run.put(numbers, 1)
        run.until_idle(raises=False)
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times)), times


def test_a_batch_takes_its_records_of_the_rate_together() -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    calls: list[tuple[float, int]] = []

    @app.stage(numbers, batch=50, rate="10/s")
    def call(found: list[int]) -> None:
        calls.append((run.clock.now(), len(found)))

    with TestRun(app) as run:
        run.put(numbers, *range(200))
        run.until_idle()
    assert [count for _, count in calls] == [50, 50, 50, 50]
    assert 14.9 <= calls[-1][0] - calls[0][0] <= 15.1


def test_handlers_wait_for_a_budget_that_they_share_by_name() -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    registry = app.rate("registry", "120/m")
    times: list[float] = []

    @app.stage(numbers, parallel=3, unordered=True)
    async def look(number: int) -> None:
        await registry()
        times.append(run.clock.now())

    @app.stage(numbers)
    def tell(number: int) -> None:
        registry()
        times.append(run.clock.now())

    with TestRun(app) as run:
        run.put(numbers, *range(10))
        begun = run.clock.now()
        run.until_idle()
    assert len(times) == 20
    assert 9.4 <= max(times) - begun <= 10.1


def test_a_handler_that_no_worker_runs_does_not_wait() -> None:
    app = App("paced")
    registry = app.rate("registry", "1/h")

    async def twice() -> None:
        await registry()
        await registry()

    asyncio.run(twice())
    registry()
    registry()


def test_workers_of_one_store_share_the_rate(ground: Ground) -> None:
    app = App("paced")
    numbers = app.topic("numbers", int, key=lambda number: number, partitions=4)
    times: list[float] = []
    took: set[str] = set()

    @app.stage(numbers, rate="300/s")
    def call(number: int) -> None:
        times.append(ground.clock.now())

    async def work() -> None:
        ground.clock = SystemClock()
        async with ground.running(app) as one, ground.running(app) as other:
            await until(lambda: bool(one.leases.held) and bool(other.leases.held))
            await asyncio.to_thread(ground.put, app, numbers, *range(600))
            await until(lambda: len(times) == 600)
            took.update(worker.name for worker in (one, other) if worker.leases.held)

    asyncio.run(work())
    assert len(took) == 2
    assert times[-1] - times[0] >= 1.8
    for begun in times:
        assert sum(begun <= at < begun + 0.5 for at in times) <= 150 + 2 * 60 + 10


def test_a_lane_that_waits_for_its_rate_stops_at_once(ground: Ground) -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    called: list[int] = []

    @app.stage(numbers, rate="1/h")
    def call(number: int) -> None:
        called.append(number)

    async def work() -> None:
        async with ground.running(app, plan=Plan(grace=0.0)) as worker:
            await until(lambda: called)
            lane = next(iter(worker.roster.lanes.values()))
            await until(lambda: lane.idle)
            assert worker.roster.state_of(lane.lease) == "running, waits for its rate of 1/h"

    ground.put(app, numbers, 1, 2, 3)
    ground.clock = HandClock(NOW)
    asyncio.run(work())
    assert called == [1]
    ground.recount()


def test_a_call_that_waits_for_a_budget_ends_with_the_grace(ground: Ground) -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    registry = app.rate("registry", "1/h")
    called: list[int] = []

    @app.stage(numbers)
    def call(number: int) -> None:
        registry()
        called.append(number)

    async def work() -> None:
        async with ground.running(app, plan=Plan(grace=0.1)) as worker:
            await until(lambda: called)
            await until(lambda: worker.budgets.paces["paced.registry"].at is not None)

    ground.put(app, numbers, 1, 2)
    ground.clock = HandClock(NOW)
    asyncio.run(work())
    assert called == [1]
    ground.recount()


def test_a_call_that_waits_for_a_budget_goes_on_when_its_time_has_come(ground: Ground) -> None:
    app = App("paced")
    numbers = app.topic("numbers", int)
    registry = app.rate("registry", "1/h")
    called: list[int] = []

    @app.stage(numbers)
    async def call(number: int) -> None:
        await registry()
        called.append(number)

    async def work() -> None:
        async with ground.running(app) as worker:
            for count in (1, 2):
                await until(lambda count=count: len(called) == count)  # type: ignore[misc]
                pace = worker.budgets.paces["paced.registry"]
                await until(lambda pace=pace: pace.at is not None)  # type: ignore[misc]
                ground.clock.advance(1800.0)
                await asyncio.sleep(0)
                assert len(called) == count
                # The store's own clock goes on by itself: to it the hour is not over yet, so the answer is no promise.
                ground.sql("DELETE FROM budget")
                ground.clock.advance(1800.0)

    ground.put(app, numbers, 1, 2, 3)
    ground.clock = HandClock(NOW)
    asyncio.run(work())
    ground.recount()
