"""So many calls at once, over all workers of a store.

Given a stage with `limit=`;
when one worker, or two, could make more calls at once;
then no more are under way than the limit says, all get some, and what a worker that ends held is free at once.
"""

from __future__ import annotations

import asyncio

from onward import App
from onward.testing import TestRun
from scenarios.ground import Ground, until


class Gate:
    """Counts who is in, and lets nobody out before it is opened."""

    def __init__(self) -> None:
        self.inside = self.most = self.passed = 0
        self.open = asyncio.Event()

    async def go_through(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.open.wait()
        self.inside -= 1
        self.passed += 1


def program(limit: int, gate: Gate, partitions: int = 1) -> App:
    app = App("limited")
    numbers = app.topic("numbers", int, key=lambda number: number, partitions=partitions)

    @app.stage(numbers, parallel=10, limit=limit)
    async def call(number: int) -> None:
        await gate.go_through()

    return app


def test_one_worker_keeps_to_the_limit(ground: Ground) -> None:
    async def work() -> None:
        gate = Gate()
        app = program(3, gate)
        async with ground.running(app) as worker:
            await until(lambda: gate.inside == 3)
            lane = next(iter(worker.roster.lanes.values()))
            await until(lambda: lane.pending)
            assert "waits for one of the 3 calls" in worker.roster.state_of(lane.lease)
            gate.open.set()
            await until(lambda: gate.passed == 40)
            assert gate.most == 3

    app = program(3, Gate())
    ground.put(app, app.topics["limited.numbers"], *range(40))
    asyncio.run(work())
    ground.recount(empty=True)


def test_two_workers_share_the_limit(ground: Ground) -> None:
    async def work() -> None:
        gate = Gate()
        app = program(4, gate, partitions=4)
        async with ground.running(app) as one:
            await until(lambda: len(one.leases.held) == 4 and gate.inside == 4)
            async with ground.running(app) as other:
                await until(lambda: other.roster.crews)
                gate.open.set()
                await until(lambda: gate.passed >= 100)
                assert gate.most == 4
            assert not ground_rows(ground, other.name)
        assert not ground_rows(ground, one.name)

    app = program(4, Gate(), partitions=4)
    ground.put(app, app.topics["limited.numbers"], *range(100))
    asyncio.run(work())
    ground.recount()


def test_a_limit_of_one_goes_round(ground: Ground) -> None:
    app = App("limited")
    numbers = app.topic("numbers", int, key=lambda number: number, partitions=2)
    passed: list[str] = []
    inside = 0

    @app.stage(numbers, limit=1)
    async def call(number: int, who: str) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.001)
        inside -= 1
        passed.append(who)

    @app.resource
    def who() -> str:
        return "nobody"

    async def work() -> None:
        async with (
            ground.running(app, resources={"who": "one"}),
            ground.running(app, resources={"who": "other"}),
        ):
            await until(lambda: {"one", "other"} <= set(passed))

    ground.put(app, numbers, *range(20_000))
    asyncio.run(work())
    assert not ground.parked()
    ground.recount()


def test_in_a_test_run_too() -> None:
    most, inside = 0, 0
    app = App("limited")
    numbers = app.topic("numbers", int)

    @app.stage(numbers, parallel=5, limit=2, unordered=True)
    async def call(number: int) -> None:
        nonlocal most, inside
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    with TestRun(app) as run:
        run.put(numbers, *range(50))
        run.until_idle()
    assert most == 2


def ground_rows(ground: Ground, worker: str) -> list[tuple]:
    return ground.sql("SELECT held FROM call_slot WHERE worker = :worker", worker=worker)
