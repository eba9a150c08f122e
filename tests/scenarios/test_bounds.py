"""A bound is reached.

Given a stage that may have so many parked records and no more;
when more than that fail, or queue behind one that does;
then its partition stops reading and says which key it is, nothing is dropped, other partitions go on, and it reads
on by itself once the parked ones drain.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onward import App, Database, Retry
from onward.events import Full
from onward.reading import AHEAD, LEAST
from onward.topic import partition_of
from scenarios.ground import Ground, append, request, until
from scenarios.numbered import outputs, per_key, records

IN_HAND = AHEAD * LEAST
"""So many records of a partition are in hand at the most where few may be parked; those of them that are parked come on
top."""


class Bad(set[str]):
    """Keys that fail; mended by emptying it."""


def program(bad: Bad, partitions: int = 1, **options: Any) -> App:
    app = App("full")
    source = app.topic("in", dict, key="key", partitions=partitions)
    out = app.topic("out", dict, key="key")

    @app.stage(source, to=out, **options)
    def work(value: dict) -> dict:
        if value["key"] in bad:
            raise ValueError("bad")
        return value

    return app


def test_it_stops_reading_names_the_key_and_goes_on_after_the_drain(ground: Ground) -> None:
    bad = Bad({"k3"})
    app = program(bad, retry=Retry(attempts=1), parked_most=50)
    ground.put(app, app.topics["full.in"], *records(3 * IN_HAND))
    report = ground.run(app)
    assert report.died == 1
    (event,) = ground.seen.of(Full)
    assert (event.stage, event.partition, event.key) == ("full.work", 0, "k3")
    assert 50 <= sum(ground.states().values()) <= 50 + IN_HAND // 10
    assert len(ground.values(app.topics["full.out"])) < 1.5 * IN_HAND
    ground.recount()

    bad.clear()
    ground.ask("full.work", "retry", key="k3")
    assert not ground.run(app).failed
    assert outputs(ground, app) == per_key(range(3 * IN_HAND))
    ground.recount(empty=True)


@pytest.mark.parametrize("within", [False, True])
def test_a_retry_that_is_due_frees_it_by_itself(ground: Ground, within: bool) -> None:
    """Nobody asks for anything: the retry comes due while nothing can be read."""
    bad = Bad({"k3"})
    target = {"within": Database(f"sqlite:///{ground.folder}/target.db")} if within else {}
    app = program(bad, retry=Retry(attempts=None, first="1s", most="1s"), parked_most=50, **target)

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, app.topics["full.in"], records(2 * IN_HAND))
            await until(lambda: ground.seen.of(Full))
            await until(lambda: all(lane.idle for lane in worker.roster.lanes.values()))
            ground.clock.advance(1.0)
            bad.clear()
            ground.clock.advance(1.0)
            await until(lambda: len(ground.values(app.topics["full.out"])) == 2 * IN_HAND)

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == per_key(range(2 * IN_HAND))
    ground.recount(empty=True)


def test_other_partitions_go_on(ground: Ground) -> None:
    bad = Bad({"k3"})
    app = program(bad, partitions=4, retry=Retry(attempts=1), parked_most=80)
    ground.put(app, app.topics["full.in"], *records(8 * IN_HAND, keys=40))
    ground.run(app)
    mine = partition_of("k3", 4)
    found, whole = outputs(ground, app), per_key(range(8 * IN_HAND), 40)
    for key, numbers in whole.items():
        if partition_of(key, 4) != mine:
            assert found[key] == numbers
    ground.recount()
    bad.clear()
    ground.ask("full.work", "retry", partition=mine or 0)
    ground.run(app)
    assert outputs(ground, app) == whole
    ground.recount(empty=True)


def test_dropping_frees_it_too(ground: Ground) -> None:
    bad = Bad({"k3"})
    app = program(bad, retry=Retry(attempts=1), parked_most=50)

    async def story() -> None:
        async with ground.running(app) as worker:
            for start in range(0, 3_000, 500):
                await append(worker.log, app.topics["full.in"], records(500, start=start))
            while len(ground.values(app.topics["full.out"])) < 2_700:
                await until(lambda: ground.seen.of(Full) or len(ground.values(app.topics["full.out"])) == 2_700)
                await worker.books.ask([request("full.work", "drop", key="k3")])
                await until(lambda: not ground.sql("SELECT 1 FROM request WHERE result IS NULL"))

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == {key: ns for key, ns in per_key(range(3_000)).items() if key != "k3"}
    ground.recount()
