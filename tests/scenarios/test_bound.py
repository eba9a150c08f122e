"""A topic has a bound.

Given topics with bound=, in chains, diamonds and loops, with sources and stages before them;
when a stage behind is slow, tripped, not run at all, or run by another process;
then sources and stages before the bound stop at it, go on when it eases, nothing waits for ever, and `status` says who
waits for what.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onward import App, Checkpoint, Retry, Unavailable
from onward.clock import SystemClock
from onward.declaration import spec_of
from onward.events import Tripped, Waits
from onward.plan import Plan
from onward.status import AppStatus, status
from onward.testing import TestRun
from scenarios.ground import BOUND, Ground, environment, until


class Gate:
    """Lets so many calls pass; the others wait."""

    def __init__(self, passes: int = 0) -> None:
        self._passes = threading.Semaphore(passes)

    def __call__(self) -> None:
        assert self._passes.acquire(timeout=2 * BOUND)

    def open(self, passes: int) -> None:
        self._passes.release(passes)


def numbers(count: int, size: int = 0) -> Callable[[int | None], Iterator[Any]]:
    """A source of so many numbers, each with its own checkpoint."""

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, count):
            yield {"n": n, "text": "x" * size}
            yield Checkpoint(n + 1)

    return bring


def chain(bound: Any, work: Callable[[], Any], count: int = 2_000, size: int = 0, **options: Any) -> App:
    """source -> first (bounded) -> copy -> second (bounded) -> work."""
    app = App("chain")
    first = app.topic("first", dict, key="n", bound=bound)
    second = app.topic("second", dict, key="n", bound=bound)
    app.source(to=first, name="bring", every="1h")(numbers(count, size))

    @app.stage(first, to=second)
    def copy(value: dict) -> dict:
        return value

    @app.stage(second, effect=True, **options)
    def work_(value: dict) -> None:
        work()

    return app


def records(ground: Ground, topic: str) -> int:
    return ground.sql("SELECT coalesce(sum(count), 0) FROM block WHERE topic = :topic", topic=topic)[0][0]


def done(ground: Ground, stage: str) -> int:
    return ground.sql("SELECT coalesce(sum(count), 0) FROM progress WHERE stage = :stage", stage=stage)[0][0]


async def shown(worker: Any, app: App) -> AppStatus:
    return status("", await worker.books.survey(), [spec_of(app)]).apps[0]


async def steady(fact: Callable[[], Any], seconds: float = 0.5) -> Any:
    """What a number is once it has not changed for a while."""
    last, since = fact(), time.monotonic()
    while time.monotonic() - since < seconds:
        await asyncio.sleep(0.02)
        if (now := fact()) != last:
            last, since = now, time.monotonic()
    return last


@pytest.mark.parametrize("bound", [100, "100", 7, 1])
def test_all_before_a_slow_end_stop_at_the_bound(ground: Ground, bound: Any) -> None:
    gate, most = Gate(), int(bound)
    app = chain(bound, gate, count=500)

    async def story() -> None:
        async with ground.running(app, clock=SystemClock()) as worker:
            assert most <= await steady(lambda: records(ground, "chain.first"), 1.0) <= 2 * most
            assert records(ground, "chain.second") == most
            seen = await shown(worker, app)
            assert seen.sources[0].state.startswith("waiting: chain.copy has ")
            assert f"of chain.first outstanding, its bound= is {most} records" in seen.sources[0].state
            copy, work = seen.stages
            assert copy.state == (
                f"waiting: chain.work_ has {most} records of chain.second outstanding, its bound= is {most} records"
            )
            assert work.state == "running"
            gate.open(500)
            await until(lambda: done(ground, "chain.work_") == 500, 3 * BOUND)
            await until(lambda: ground.sql("SELECT state FROM source") == [("idle",)])
            worker.leases.note()
            await asyncio.sleep(0.3)
            seen = await shown(worker, app)
            assert [one.state for one in (*seen.sources, *seen.stages)] == ["idle"] * 3

    asyncio.run(story())
    assert {event.name for event in ground.seen.of(Waits)} >= {"chain.bring", "chain.copy"}
    ground.recount(empty=True)


def test_a_bound_in_bytes(ground: Ground) -> None:
    gate = Gate()
    app = chain("1MB", gate, count=300, size=20_000)

    async def story() -> None:
        async with ground.running(app, clock=SystemClock()):
            assert 48 <= await steady(lambda: records(ground, "chain.second"), 1.0) <= 52
            assert 96 <= records(ground, "chain.first") <= 104
            gate.open(300)
            await until(lambda: done(ground, "chain.work_") == 300)

    asyncio.run(story())
    ground.recount(empty=True)


def test_it_does_not_flap(ground: Ground) -> None:
    """The end is slow: who waits goes on for a quarter of the bound at a time, not for each record."""
    app = chain(100, lambda: time.sleep(0.002), count=600)

    async def story() -> None:
        async with ground.running(app, clock=SystemClock()):
            await until(lambda: done(ground, "chain.work_") == 600)

    asyncio.run(story())
    for topic in ("chain.first", "chain.second"):
        blocks = ground.sql("SELECT count(*) FROM block WHERE topic = :topic", topic=topic)[0][0]
        assert blocks <= 60, topic  # one by one it would be 500
    ground.recount(empty=True)


def test_once_ends_though_much_more_comes_than_the_bound(ground: Ground) -> None:
    app = chain(10, lambda: None, count=3_000)
    assert not ground.run(app).failed
    assert done(ground, "chain.work_") == 3_000
    ground.recount(empty=True)


def test_once_ends_where_nobody_works_behind_the_bound(ground: Ground) -> None:
    """The stage behind is not run: what the bound lets pass is brought, and the next run goes on from there."""
    app = chain(100, lambda: None, count=1_000)
    report = ground.run(app, stages=("chain.bring", "chain.copy"))
    assert not report.failed
    assert (records(ground, "chain.first"), records(ground, "chain.second")) == (200, 100)
    ground.recount()
    assert not ground.run(app).failed
    assert done(ground, "chain.work_") == 1_000
    ground.recount(empty=True)


def test_once_ends_where_the_stage_behind_the_bound_trips(ground: Ground) -> None:
    away = {"on": True}

    def work() -> None:
        if away["on"]:
            raise Unavailable("the outside is away")

    app = chain(100, work, count=1_000)
    report = ground.run(app, patience=1.0)
    assert report.tripped == ["chain.work_"]
    assert records(ground, "chain.second") == 100
    away["on"] = False
    assert not ground.run(app).failed
    assert done(ground, "chain.work_") == 1_000
    ground.recount(empty=True)


def test_a_test_run_polls_past_a_bound() -> None:
    app = chain(10, lambda: None, count=100)
    with TestRun(app) as run:
        run.poll("bring")
        assert len(run.values(app.topics["chain.first"])) == 100
        run.until_idle()
        assert len(run.values(app.topics["chain.second"])) == 100


def test_a_diamond(ground: Ground) -> None:
    """source -> a -> (left, right) -> end; all bounded, one side slow, and a stage that emits to both ends."""
    app = App("diamond")
    a, left, right, end = (app.topic(name, dict, key="n", bound=5) for name in ("a", "left", "right", "end"))
    app.source(to=a, name="bring", every="1h")(numbers(400))

    @app.stage(a, to=[left, right])
    def split(value: dict) -> Iterator[Any]:
        yield left.record(value)
        yield right.record(value)

    @app.stage(left, to=end, retry=Retry(attempts=None, first="10ms", most="10ms"))
    def go_left(value: dict) -> dict:
        if value["n"] % 50 == 0 and value["n"] not in failed:
            failed.add(value["n"])
            raise ValueError("the first time")
        return value

    @app.stage(right, to=end)
    def go_right(value: dict) -> dict:
        return value

    @app.stage(end)
    def gather(value: dict) -> None: ...

    failed: set[int] = set()
    assert not ground.run(app).failed
    assert done(ground, "diamond.gather") == 800
    ground.recount(empty=True)


@pytest.mark.parametrize("bound", [1, 20])
def test_a_loop(ground: Ground, bound: int) -> None:
    """source -> again -> step -> again ... until it has gone round five times: the loop itself never stops."""
    app = App("loop")
    again = app.topic("again", dict, key="n", bound=bound)
    turned = app.topic("turned", dict, key="n", bound=bound)
    end = app.topic("end", dict, key="n", bound=bound)

    app.source(to=again, name="bring", every="1h")(numbers(200))

    @app.stage(again, to=turned)
    def turn(value: dict) -> dict:
        return {**value, "turns": value.get("turns", 0) + 1}

    @app.stage(turned, to=[again, end])
    def back(value: dict) -> Any:
        return (end if value["turns"] == 5 else again).record(value)

    @app.stage(end)
    def gather(value: dict) -> None: ...

    assert not ground.run(app).failed
    assert done(ground, "loop.gather") == 200
    ground.recount(empty=True)


def test_across_processes(ground: Ground, tmp_path: Path) -> None:
    """The source runs here, the slow stage in another process; that one is told to go on by a file."""
    go = tmp_path / "go"
    app = across(go)
    command = [sys.executable, "-m", "scenarios.test_bound", str(ground.path), str(go)]

    async def story() -> None:
        async with ground.running(app, plan=Plan(stages=("across.bring",)), clock=SystemClock()) as worker:
            await until(lambda: records(ground, "across.in"))
            child = subprocess.Popen(command, env=environment())
            try:
                await until(lambda: done(ground, "across.slow") > 0)
                ahead = await steady(lambda: (records(ground, "across.in"), done(ground, "across.slow")), 1.5)
                assert ahead[0] - ahead[1] <= 20
                assert (await shown(worker, app)).sources[0].state.startswith("waiting: across.slow has ")
                go.touch()
                await until(lambda: done(ground, "across.slow") == 300)
            finally:
                child.terminate()
                child.wait(BOUND)

    asyncio.run(story())
    assert records(ground, "across.in") == 300
    ground.recount(empty=True)


def across(go: Path) -> App:
    app = App("across")
    topic = app.topic("in", dict, key="n", bound=20)
    app.source(to=topic, name="bring", every="1h")(numbers(300))

    @app.stage(topic)
    def slow(value: dict) -> None:
        while value["n"] >= 60 and not go.exists():
            time.sleep(0.05)

    return app


def test_a_source_slows_down_while_a_stage_behind_it_has_tripped(ground: Ground) -> None:
    """Without any bound: after each commit it rests, longer each time, and goes at full speed after the outage."""
    away = {"on": True}
    app = App("slow")
    first = app.topic("first", dict, key="n")
    second = app.topic("second", dict, key="n")
    started = threading.Event()

    @app.source(to=first)
    def bring(cursor: int | None) -> Iterator[Any]:
        yield {"n": -1}
        started.wait(BOUND)
        for n in range(cursor or 0, 20_000):
            yield {"n": n}
            yield Checkpoint(n + 1)

    @app.stage(first, to=second)
    def copy(value: dict) -> dict:
        return value

    @app.stage(second, effect=True, retry=Retry(first="5m", most="5m"))
    def work(value: dict) -> None:
        if away["on"]:
            raise Unavailable("the outside is away")

    async def story() -> None:
        async with ground.open(app) as worker:
            await worker.declare()
            # One record is on its way before the source goes on: the stage trips first.
            from scenarios.ground import append

            await append(worker.log, second, [{"n": -2}])
            task = asyncio.create_task(worker.run())
            await until(lambda: ground.seen.of(Tripped))
            started.set()
            counts = []
            for pause in (1.0, 2.0, 4.0, 8.0, 15.0, 15.0):
                counts.append(await steady(lambda: records(ground, "slow.first"), 0.4))
                ground.clock.advance(pause)
            assert counts == sorted(counts)
            assert all(b - a <= 1_001 for a, b in itertools.pairwise(counts)), counts
            assert counts[-1] >= 2_000  # it slows down, and does not stop
            seen = await shown(worker, app)
            assert seen.sources[0].state == "slowed: slow.work has tripped"
            away["on"] = False
            ground.clock.advance(300.0)
            await until(lambda: done(ground, "slow.work") >= 20_000, 2 * BOUND)
            worker.stop()
            await asyncio.wait_for(task, BOUND)

    asyncio.run(story())


def test_a_stage_that_slows_nobody_may_trip_as_long_as_it_likes(ground: Ground) -> None:
    """All is brought, and what stands behind it waits in its topic; another stage's outage slows down as ever."""
    app = App("aside")
    first = app.topic("first", dict, key="n")
    started = threading.Event()

    @app.source(to=first)
    def bring(cursor: int | None) -> Iterator[Any]:
        started.wait(BOUND)
        for n in range(cursor or 0, 10_000):
            yield {"n": n}
            yield Checkpoint(n + 1)

    @app.stage(first, slows=False, retry=Retry(first="5m", most="5m"))
    def tell(value: dict) -> None:
        raise Unavailable("the outside is away")

    async def story() -> None:
        async with ground.open(app) as worker:
            await worker.declare()
            from scenarios.ground import append

            await append(worker.log, first, [{"n": -2}])
            task = asyncio.create_task(worker.run())
            await until(lambda: ground.seen.of(Tripped))
            started.set()
            await until(lambda: records(ground, "aside.first") == 10_001)
            assert done(ground, "aside.tell") == 0 and not ground.seen.of(Waits)
            assert (await shown(worker, app)).sources[0].state in ("running", "idle")
            worker.stop()
            await asyncio.wait_for(task, BOUND)

    asyncio.run(story())


if __name__ == "__main__":
    path, go = sys.argv[1:]
    app_ = across(Path(go))

    async def work_() -> None:
        ground = Ground(Path(path).parent, Path(path).name)
        async with ground.open(app_, plan=Plan(stages=("across.slow",)), clock=SystemClock()) as worker:
            await worker.run()

    asyncio.run(work_())
