"""What a handler may say, and what it may not give.

Given stages that return and yield values, outcomes, and things that cannot be written;
when a worker delivers;
then `Drop` keeps what was yielded before it, `Later` counts no attempt and gives up in time, `Hold` waits for a
person, `Reject` is dead at once, and what is too large, of the wrong class or cannot be encoded fails its own record
only, whatever else is in the unit; a handler that is cancelled from within has failed like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from onward import App, Drop, Hold, Later, Record, Reject, Retry
from scenarios.ground import Ground, append, until
from scenarios.numbered import outputs, per_key, records


def program(handler: Any, **options: Any) -> App:
    app = App("say")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key", max_record="1KB")
    app.stage(source, to=out, name="work", **options)(handler)
    return app


MODES = pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"effect": True}], ids=str)


@MODES
def test_drop_keeps_what_was_yielded_before(ground: Ground, options: dict) -> None:
    def work(value: dict) -> Iterator[Any]:
        yield value
        if value["n"] == 13:
            yield Drop("enough")
        yield {**value, "n": value["n"] + 1000}

    app = program(work, **options)
    ground.put(app, app.topics["say.in"], *records(50))
    assert not ground.run(app).failed
    found = sorted(value["n"] for value in ground.values(app.topics["say.out"]))
    assert found == sorted([*range(50), *(n for n in range(1000, 1050) if n != 1013)])
    ((done, dropped),) = ground.sql(
        "SELECT totals ->> 'done', totals ->> 'dropped' FROM progress ORDER BY seq DESC LIMIT 1"
    )
    assert (done, dropped) == (50, 1)
    ground.recount(empty=True)


@MODES
def test_outcomes_that_park_discard_what_was_yielded(ground: Ground, options: dict) -> None:
    said: dict[int, Any] = {7: Later("1m"), 8: Hold("look"), 9: Reject("no")}

    def work(value: dict) -> Iterator[Any]:
        yield value
        if value["n"] in said:
            yield said[value["n"]]

    app = program(work, **options)
    ground.put(app, app.topics["say.in"], *records(50))
    report = ground.run(app, patience=0.0)
    assert report.died == 1
    assert ground.states() == {"retrying": 1, "waiting": 1, "dead": 1, "behind": 12}
    assert outputs(ground, app) == per_key(n for n in range(50) if n % 10 not in (7, 8, 9))
    ground.recount()
    said.clear()
    ground.ask("say.work", "retry")
    ground.run(app)
    assert outputs(ground, app) == per_key(range(50))
    ground.recount(empty=True)


def test_later_counts_no_attempt_and_gives_up(ground: Ground) -> None:
    attempts: dict[int, list[int]] = {}

    def work(record: Record[dict]) -> Any:
        n = record.value["n"]
        attempts.setdefault(n, []).append(record.attempt)
        if n == 3:
            return Later("10m", give_up="1h")
        if n == 4 and len(attempts[4]) < 30:
            return Later("10m")
        return record.value

    app = program(work)
    ground.put(app, app.topics["say.in"], *records(20))
    report = ground.run(app, patience=3600.0)
    assert report.died == 1
    assert attempts[3] == [1] * 7
    assert attempts[4] == [1] * 30
    (dead,) = [row for row in ground.parked() if row.state == "dead"]
    assert (dead.offset, dead.attempts, dead.reason) == (3, 0, "gave up waiting")
    assert outputs(ground, app) == per_key(n for n in range(20) if n % 10 != 3)
    ground.recount()


@pytest.mark.parametrize("options", [{}, {"batch": 5, "effect": True}], ids=str)
def test_giving_up_counts_from_the_first_try_and_not_from_the_time_in_the_queue(ground: Ground, options: dict) -> None:
    """13 queues behind 3 for two hours; its own hour begins when it is tried."""
    tried: list[int] = []

    def one(record: Record[dict]) -> Any:
        n = record.value["n"]
        if n == 3 and tried.count(3) < 12:
            tried.append(3)
            return Later("10m")
        if n == 13 and tried.count(13) < 2:
            tried.append(13)
            return Later("10m", give_up="1h")
        return record.value

    def many(records: list[Record[dict]]) -> list[Any]:
        return [one(record) for record in records]

    app = program(many if options else one, **options)
    ground.put(app, app.topics["say.in"], *records(20))
    report = ground.run(app, patience=3600.0)
    assert report.died == 0
    assert outputs(ground, app) == per_key(range(20))
    ground.recount(empty=True)


class Strange:
    """Nothing that could be written."""


def test_what_cannot_be_written_fails_only_its_record(ground: Ground) -> None:
    given: dict[int, Any] = {
        3: {"key": "k3", "n": 3, "big": "x" * 2000},
        4: "of the wrong class",
        5: {"key": "k5", "n": Strange()},
        6: {"key": Strange(), "n": 6},
        7: {"n": 7},
    }

    def work(value: dict) -> Any:
        return given.get(value["n"], value)

    app = program(work, retry=Retry(attempts=2))
    ground.put(app, app.topics["say.in"], *records(60))
    report = ground.run(app)
    assert report.died == len(given)
    assert outputs(ground, app) == per_key(n for n in range(60) if n % 10 not in given)
    dead = {row.offset: row.error for row in ground.parked() if row.state == "dead"}
    assert set(dead) == set(given)
    assert "RecordTooLarge" in dead[3]
    assert "BadOutput" in dead[4]
    ground.recount()
    given.clear()
    ground.ask("say.work", "retry")
    ground.run(app)
    assert outputs(ground, app) == per_key(range(60))
    ground.recount(empty=True)


def test_an_outcome_among_yielded_outputs_that_cannot_be_written(ground: Ground) -> None:
    """A generator's record is whole or not at all."""

    def work(value: dict) -> Iterator[Any]:
        yield value
        if value["n"] % 10 == 4:
            yield {**value, "big": "x" * 2000}

    app = program(work, retry=Retry(attempts=1))
    ground.put(app, app.topics["say.in"], *records(30))
    ground.run(app)
    assert outputs(ground, app) == per_key(n for n in range(30) if n % 10 != 4)
    ground.recount()


def test_a_handler_cancelled_from_within_has_failed(ground: Ground) -> None:
    """A library that cancels what it waits for must not make a record vanish."""
    calls: dict[int, int] = {}

    async def work(value: dict) -> dict:
        calls[value["n"]] = calls.get(value["n"], 0) + 1
        if value["n"] == 7 and calls[7] < 3:
            inner = asyncio.ensure_future(asyncio.sleep(3600))
            inner.cancel()
            await inner
        return value

    app = program(work, parallel=2)
    ground.put(app, app.topics["say.in"], *records(50))
    assert not ground.run(app).failed
    assert calls[7] == 3
    assert outputs(ground, app) == per_key(range(50))
    ground.recount(empty=True)


def test_a_plain_handler_that_raises_what_is_no_exception(ground: Ground) -> None:
    def work(value: dict) -> dict:
        if value["n"] == 7:
            raise asyncio.CancelledError
        if value["n"] == 8:
            raise SystemExit(3)
        return value

    app = program(work, retry=Retry(attempts=2))
    ground.put(app, app.topics["say.in"], *records(50))
    report = ground.run(app)
    assert (report.died, report.troubles) == (2, [])
    assert outputs(ground, app) == per_key(n for n in range(50) if n % 10 not in (7, 8))
    ground.recount()


class Item(Struct):
    key: str
    n: int


def test_records_of_another_version_fail_alone_and_hold_their_key(ground: Ground) -> None:
    """What is stored cannot be read as the type: dead at once, also in a batch, and nothing of its key overtakes."""
    for batch in (None, 10):
        place = Ground(ground.folder / str(batch))
        app = App("say")
        source, out = app.topic("in", Item, key="key"), app.topic("out", Item, key="key")
        app.stage(source, to=out, name="work", batch=batch)((lambda items: items) if batch else (lambda item: item))
        place.put(app, source, *(Item(f"k{n}", n) for n in range(5)))
        place.put_raw(app, source, "k2", b'{"key": "k2"}')
        place.put(app, source, *(Item(f"k{n % 5}", n) for n in range(5, 15)))
        report = place.run(app)
        assert (report.died, report.troubles) == (1, [])
        assert place.states() == {"dead": 1, "behind": 2}
        found = {key: [item.n for item in items] for key, items in place.by_key(out).items()}
        assert found == {f"k{k}": [2] if k == 2 else [k, k + 5, k + 10] for k in range(5)}
        place.recount()
        place.ask("say.work", "drop", state="dead")
        place.run(app)
        assert {key: len(items) for key, items in place.by_key(out).items()} == {f"k{k}": 3 for k in range(5)}
        place.recount(empty=True)


def test_an_async_handler_among_slow_and_failing_ones(ground: Ground) -> None:
    """Sixteen at once, some slow, some failing: per key in order."""
    failed: set[int] = set()
    gate = asyncio.Event()

    async def work(value: dict) -> dict:
        if value["n"] == 0:
            await gate.wait()
        if value["n"] % 9 == 4 and value["n"] not in failed:
            failed.add(value["n"])
            raise ValueError("once")
        await asyncio.sleep(0)
        return value

    app = program(work, parallel=16)

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, app.topics["say.in"], records(500, 250))
            await until(lambda: len(ground.values(app.topics["say.out"])) > 300)
            gate.set()
            await until(lambda: (ground.clock.advance(60.0), len(ground.values(app.topics["say.out"])) == 500)[1])

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == per_key(range(500), 250)
    ground.recount(empty=True)
