"""A source is called by its schedule.

Given sources with every= and cron=;
when workers start, stop, sleep through calls, or have other workers beside them;
then each is called when it is due and not before, what was missed becomes one call, and `status` says when the next
one is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from onward import App, Checkpoint
from onward.clock import SystemClock
from onward.declaration import spec_of
from onward.plan import Plan
from onward.status import status
from onward.units import instant_text
from scenarios.ground import NOW, Ground, until

HOUR = 3600.0
EIGHT = datetime(2025, 6, 16, 8, tzinfo=UTC).timestamp()
"""The first eight o'clock after NOW, which is the day before at 15:06:40."""


class Calls(list[float]):
    """When a source was called."""


def program(ground: Ground, calls: Calls, **options: Any) -> App:
    app = App("feed")
    topic = app.topic("in", dict)

    @app.source(to=topic, **options)
    def bring(cursor: int | None) -> Iterator[Any]:
        calls.append(ground.clock.now())
        yield {"n": len(calls)}
        yield Checkpoint(len(calls))

    return app


def shown(ground: Ground, app: App) -> Any:
    survey = ground.books(lambda books: books.survey())
    return status(ground.url, survey, [spec_of(app)]).apps[0].sources[0]


async def moved(ground: Ground, seconds: float) -> None:
    """Time passes, and whoever waits for it looks."""
    ground.clock.advance(seconds)
    for _ in range(20):
        await asyncio.sleep(0.005)


def next_run(ground: Ground) -> str | None:
    return ground.sql("SELECT next_run FROM source")[0][0]


def test_every_draws_each_pause_between_its_bounds(ground: Ground) -> None:
    calls, draws = Calls(), iter([0.0, 1.0, 0.5, 0.0, 0.0])
    app = program(ground, calls, every=("15s", "30s"))

    async def story() -> None:
        async with ground.running(app, chance=lambda: next(draws)):
            for pause in (15.0, 30.0, 22.5):
                count = len(calls)
                await until(lambda count=count: len(calls) == count + (count == 0) and at_rest(ground))
                assert next_run(ground) == instant_text(calls[-1] + pause)
                await moved(ground, pause - 0.001)
                assert len(calls) == max(count, 1)
                await moved(ground, 0.001)
                await until(lambda count=count: len(calls) == max(count, 1) + 1 and at_rest(ground))

    asyncio.run(story())
    assert [round(b - a, 3) for a, b in itertools.pairwise(calls)] == [15.0, 30.0, 22.5]


def at_rest(ground: Ground) -> bool:
    return ground.sql("SELECT state FROM source") == [("idle",)]


def test_cron_waits_for_its_time_and_says_when_that_is(ground: Ground) -> None:
    calls = Calls()
    app = program(ground, calls, cron="0 8,12 * * *")

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: ground.sql("SELECT 1 FROM source") and next_run(ground) == instant_text(EIGHT))
            await moved(ground, EIGHT - NOW - 0.001)
            assert calls == []
            await moved(ground, 0.001)
            await until(lambda: calls and at_rest(ground))
            assert next_run(ground) == instant_text(EIGHT + 4 * HOUR)
            await moved(ground, 50 * HOUR)  # a long sleep: four times were missed, and one call stands for them
            await until(lambda: len(calls) == 2 and at_rest(ground))
            await moved(ground, 0.0)
            assert len(calls) == 2

    asyncio.run(story())
    assert shown(ground, app).next_run == instant_text(EIGHT + 52 * HOUR)
    assert shown(ground, app).state == "not running"


def test_cron_does_not_run_at_start_unless_a_run_was_missed(ground: Ground) -> None:
    calls = Calls()
    app = program(ground, calls, cron="0 8 * * *")

    async def started(seconds: float, expected: int) -> None:
        """A worker starts after some time, has a moment, and is stopped."""
        ground.clock.advance(seconds)
        async with ground.running(app):
            await until(lambda: ground.sql("SELECT 1 FROM source"))
            await until(lambda: len(calls) == expected and not ground.sql("SELECT 1 FROM source WHERE state='running'"))
            await moved(ground, 0.0)
            assert len(calls) == expected

    asyncio.run(started(0, 0))  # never called before: it waits
    asyncio.run(started(60, 0))
    asyncio.run(started(EIGHT - NOW, 1))  # eight o'clock passed while nobody was there
    asyncio.run(started(60, 1))
    asyncio.run(started(72 * HOUR, 2))


def test_a_call_by_cron_that_was_cut_off_is_made_again(ground: Ground) -> None:
    calls = Calls()
    app = program(ground, calls, cron="0 8 * * *")
    ground.clock.advance(EIGHT - NOW)
    ground.run(app)
    assert len(calls) == 1
    import apsw

    connection = apsw.Connection(str(ground.path))
    connection.execute("UPDATE source SET state = 'running'")  # as a process leaves it that is killed in a call
    connection.close()

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: len(calls) == 2 and at_rest(ground))

    asyncio.run(story())


def test_once_calls_also_what_is_not_due(ground: Ground) -> None:
    calls = Calls()
    app = program(ground, calls, cron="0 8 * * *")
    ground.run(app)
    assert len(calls) == 1
    assert shown(ground, app).next_run == instant_text(EIGHT)


def test_a_failure_is_tried_again_and_the_schedule_goes_on_after_it(ground: Ground) -> None:
    calls = Calls()
    app = App("feed")
    topic = app.topic("in", dict)

    @app.source(to=topic, cron="0 8 * * *")
    def bring(cursor: Any) -> Iterator[Any]:
        calls.append(ground.clock.now())
        if len(calls) < 3:
            raise ConnectionError("away")
        yield {"n": 1}

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: ground.sql("SELECT 1 FROM source"))
            await moved(ground, EIGHT - NOW)
            await until(lambda: ground.sql("SELECT 1 FROM source WHERE state LIKE 'failed: ConnectionError%'"))
            assert EIGHT < datetime.fromisoformat(next_run(ground) or "").timestamp() <= EIGHT + 1
            await moved(ground, 1.0)
            await until(lambda: len(calls) == 2)
            await moved(ground, 2.0)
            await until(lambda: len(calls) == 3 and at_rest(ground))

    asyncio.run(story())
    assert shown(ground, app).next_run == instant_text(EIGHT + 24 * HOUR)


def test_once_ends_beside_a_service_that_has_its_sources(ground: Ground) -> None:
    """The service hands them over between two calls, takes them back afterwards, and calls no more than it has to."""
    ground.clock = SystemClock()  # type: ignore[assignment]
    app = App("feed")
    topic = app.topic("in", dict)
    calls: dict[str, list[bool]] = {"slow": [], "open": []}

    @app.source(to=topic, every="1h")
    def slow(cursor: int | None, once: bool) -> Iterator[Any]:
        calls["slow"].append(once)
        yield {"from": "slow"}
        yield Checkpoint(len(calls["slow"]))

    @app.source(to=topic)
    def open_ended(cursor: int | None, once: bool) -> Iterator[Any]:
        calls["open"].append(once)
        if not once:
            for n in range(100_000):
                yield {"n": n}
                yield Checkpoint(n)

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: calls["slow"] and calls["open"])
            async with ground.open(app, plan=Plan(once=True)) as other:
                report = await asyncio.wait_for(other.run(), 30)
            assert not report.failed
            assert True in calls["slow"] and True in calls["open"]
            await until(lambda: calls["open"][-1] is False)
            assert calls["slow"] == [False, True]

    asyncio.run(story())
