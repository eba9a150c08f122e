"""Work that is finished ahead of work that is not, and who takes over.

Given a stage with several calls at once, of which one is slow, or records parked ahead of it;
when the worker is stopped, loses its lease, or is killed before the slow one ends;
then who takes over does the slow one and nothing else again, and a worker that was only slow commits nothing more.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import apsw
import pytest

from onward import App, Database, Retry
from onward.events import LeaseGone, LeaseTaken
from onward.logs.sqlite import SQLiteLog
from onward.plan import Plan
from scenarios.ground import Ground, append, sql, until
from scenarios.numbered import outputs, per_key, records


class Slow:
    """A handler of which one call waits; `calls` are the numbers that were called."""

    def __init__(self, slow: int) -> None:
        self.slow = slow
        self.calls: list[int] = []
        self.go = threading.Event()

    def __call__(self, value: dict) -> dict:
        self.calls.append(value["n"])
        if value["n"] == self.slow:
            assert self.go.wait(20)
        return value


def program(slow: Slow, **options: Any) -> App:
    app = App("ahead")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out, name="work", **options)
    def work(value: dict) -> dict:
        return slow(value)

    return app


def ahead(ground: Ground) -> int:
    (found,) = ground.sql('SELECT sum(count) FROM progress WHERE "last" > next')
    return int(found[0] or 0)


@pytest.mark.parametrize("how", ["grace is over", "the lease is lost"])
def test_what_is_finished_ahead_is_not_done_again(ground: Ground, calm: Ground, how: str) -> None:
    slow = Slow(0)
    app = program(slow, parallel=4)

    async def story() -> None:
        async with ground.running(app, plan=Plan(grace=0.05)) as worker:
            await append(worker.log, app.topics["ahead.in"], records(2_000, 2_000))
            await until(lambda: ahead(ground) >= 500)
            await until(lambda: all(not lane._tasks or len(lane._tasks) == 1 for lane in worker.roster.lanes.values()))
            waking.start()
            if how == "the lease is lost":
                next(iter(worker.roster.lanes.values())).give_up()
                ground.sql("UPDATE lease SET until = ''")
                worker.stop()

    waking = threading.Timer(0.5, slow.go.set)
    asyncio.run(story())
    waking.join()
    done = set(value["n"] for value in ground.values(app.topics["ahead.out"]))
    assert len(done) >= 500
    assert 0 not in done
    ground.recount()
    before = len(slow.calls)
    assert not ground.run(app).failed
    again = slow.calls[before:]
    assert not done & set(again), "what was committed is called again"
    calm.put(app, app.topics["ahead.in"], *records(2_000, 2_000))
    calm.run(app)
    assert outputs(ground, app) == outputs(calm, app)
    ground.recount(empty=True)


def test_parked_ahead_of_the_slow_one(ground: Ground) -> None:
    """Records beyond `next` have failed and are parked; the one who takes over skips them in the topic."""
    slow = Slow(0)
    failing = {"on": True}
    app = App("ahead")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out, parallel=4, retry=Retry(attempts=None))
    def work(value: dict) -> dict:
        if failing["on"] and value["n"] % 100 == 99:
            raise ValueError("bad")
        return slow(value)

    async def story() -> None:
        async with ground.running(app, plan=Plan(grace=0.05)) as worker:
            await append(worker.log, source, records(2_000, 1_000))
            await until(lambda: ahead(ground) >= 500 and ground.states().get("retrying", 0) >= 5)
            slow_thread.start()

    slow_thread = threading.Timer(0.5, slow.go.set)
    asyncio.run(story())
    slow_thread.join()
    ground.recount()
    failing["on"] = False
    assert not ground.run(app).failed
    assert outputs(ground, app) == per_key(range(2_000), 1_000)
    ground.recount(empty=True)


async def take_away(ground: Ground) -> None:
    """As if the lease had been over, another had taken it, and left; nobody has heard of the first for long."""
    log = SQLiteLog(ground.url)
    assert await log.claim("ahead.work", 0, "elsewhere/1/1/x", 10.0) is None
    ground.sql("UPDATE lease SET until = '2000-01-01T00:00:00.000000Z'")
    claim = await log.claim("ahead.work", 0, "elsewhere/1/1/x", 10.0)
    assert claim is not None
    await log.renew({claim.lease: "stopped"}, 0)
    await log.close()
    ground.sql("DELETE FROM worker")


@pytest.mark.parametrize("kind", ["emitting", "within"])
def test_a_worker_that_wakes_after_its_lease_is_gone_commits_nothing(ground: Ground, kind: str) -> None:
    """Its call hangs; meanwhile the lease is over and another takes it, and does the work; then the call ends."""
    slow = Slow(30)
    app = App("ahead")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    begun: list[int] = []

    def emit(value: dict) -> dict:
        begun.append(value["n"])
        return slow(value)

    def load(value: dict, tx: apsw.Connection) -> dict:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER)")
        tx.execute("INSERT INTO effect VALUES (?)", (value["n"],))
        return emit(value)

    target = Database(f"sqlite:///{ground.folder}/target.db")
    if kind == "within":
        app.stage(source, to=out, name="work", within=target)(load)
    else:
        app.stage(source, to=out, name="work")(emit)

    async def story() -> None:
        async with ground.running(app, plan=Plan(grace=10.0)) as first:
            await append(first.log, source, records(60, 10))
            await until(lambda: 30 in begun)
            await take_away(ground)
            async with ground.open(app, plan=Plan(once=True)) as second:
                second_run = asyncio.create_task(second.run())
                if kind == "within":
                    # It waits for the open transaction there, and then finds nothing of it.
                    await until(lambda: len(ground.seen.of(LeaseTaken)) == 2)
                    slow.slow = -1
                    slow.go.set()
                else:
                    slow.slow = -1
                await asyncio.wait_for(second_run, 20)
            if kind == "emitting":
                assert outputs(ground, app) == per_key(range(60), 10)
            slow.go.set()
            await until(lambda: ground.seen.of(LeaseGone) or not first.roster.tasks)

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == per_key(range(60), 10)
    if kind == "within":
        found = [n for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect ORDER BY rowid")]
        assert per_key(found, 10) == per_key(range(60), 10)
    ground.recount(empty=True)


@pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"batch": 10}], ids=str)
def test_stopped_in_the_middle_again_and_again(ground: Ground, calm: Ground, options: dict) -> None:
    """What is in hand at a stop is finished; each life does a part, no record twice in effect."""
    calls: list[int] = []
    app = App("ahead")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    def one(value: dict) -> dict:
        calls.append(value["n"])
        if value["n"] % 97 == 5 and calls.count(value["n"]) == 1:
            raise ValueError("once")
        return value

    def many(values: list[dict]) -> list[dict]:
        return [one(value) for value in values]

    app.stage(source, to=out, name="work", **options)(many if "batch" in options else one)
    for place in (ground, calm):
        for start in range(0, 6_000, 300):
            place.put(app, source, *records(6_000, 50)[start : start + 300])

    lives = 0
    while len(ground.values(out)) < 6_000 and lives < 40:

        async def story() -> None:
            before = len(calls)
            async with ground.running(app, plan=Plan(grace=10.0)):
                await until(lambda: len(calls) >= before + 400 or ahead_of(before))

        def ahead_of(before: int) -> bool:
            """Near the end fewer are left, and some of them wait for their retry."""
            ground.clock.advance(0.1)
            return len(ground.values(out)) == 6_000

        asyncio.run(story())
        ground.recount()
        lives += 1
    ground.run(app)
    calls.clear()
    calm.run(app)
    assert outputs(ground, app) == outputs(calm, app)
    ground.recount(empty=True)
