"""The outside is away.

Given a stage whose handler needs something outside that is away for a while;
when twenty records of different keys fail in a row, or half of the last hundred, or the handler says so itself, or
a resource cannot be opened;
then the stage trips: nothing more parks and no attempt counts, one record at a time probes, and once the outside is
back all that had gathered is delivered in order; a record that is bad by itself does not keep the stage down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from onward import App, Retry, Unavailable
from onward.events import Failed, Recovered, Tripped
from scenarios.ground import Ground, LeapClock, append, until
from scenarios.numbered import outputs, records


class Outside:
    """What the handler needs; `calls` counts what it was asked while it was away."""

    def __init__(self, error: type[Exception] = ConnectionError) -> None:
        self.away = True
        self.error = error
        self.calls = 0
        self.poison: set[int] = set()

    def ask(self, value: dict) -> None:
        if self.away:
            self.calls += 1
            raise self.error("away")
        if value["n"] in self.poison:
            raise ValueError("poison")


def program(outside: Outside, **options: Any) -> App:
    app = App("net")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    def send(value: dict) -> dict:
        outside.ask(value)
        return value

    def send_all(values: list[dict]) -> list[dict]:
        return [send(value) for value in values]

    app.stage(source, to=out, name="send", **options)(send_all if "batch" in options else send)
    return app


def expected(count: int, keys: int = 500) -> dict[str, list[int]]:
    return {f"k{k}": [n for n in range(count) if n % keys == k] for k in range(min(keys, count))}


@pytest.mark.parametrize("error", [ConnectionError, Unavailable])
@pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"batch": 10}, {"batch": 50, "effect": True}], ids=str)
def test_an_outage_parks_nothing_and_kills_nothing(ground: Ground, error: type[Exception], options: dict) -> None:
    outside = Outside(error)
    app = program(outside, retry=Retry(attempts=2), **options)

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, app.topics["net.in"], records(2000, 500))
            await until(lambda: ground.seen.of(Tripped))
            parked = len(ground.seen.of(Failed))
            for probes in range(2, 6):
                ground.clock.advance(600.0)
                await until(lambda probes=probes: len(ground.seen.of(Tripped)) >= probes)
            assert len(ground.seen.of(Failed)) == parked
            outside.away = False
            ground.clock.advance(600.0)
            await until(lambda: ground.seen.of(Recovered))
            ground.clock.advance(600.0)
            await until(lambda: len(ground.values(app.topics["net.out"])) == 2000)

    asyncio.run(story())
    assert not [event for event in ground.seen.of(Failed) if event.state == "dead"]
    ground.run(app)
    assert outputs(ground, app) == expected(2000)
    ground.recount(empty=True)


def test_half_of_the_last_hundred(ground: Ground) -> None:
    """Every other record fails: never twenty in a row, and still no backlog may die of it."""
    app = App("net")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    state = {"away": True}

    @app.stage(source, to=out, retry=Retry(attempts=2))
    def send(value: dict) -> dict:
        if state["away"] and value["n"] % 2:
            raise ConnectionError("away")
        return value

    ground.put(app, source, *records(1000, 1000))
    report = ground.run(app, patience=0.1)
    assert (report.tripped, report.died) == (["net.send"], 0)
    assert sum(ground.states().values()) <= 50
    ground.recount()
    state["away"] = False
    assert not ground.run(app).failed
    assert outputs(ground, app) == expected(1000, 1000)
    ground.recount(empty=True)


@pytest.mark.parametrize("error", [ConnectionError, Unavailable])
def test_once_ends_and_says_that_it_is_tripped(ground: Ground, error: type[Exception]) -> None:
    outside = Outside(error)
    app = program(outside)
    ground.put(app, app.topics["net.in"], *records(300, 500))
    report = ground.run(app, patience=0.1)
    assert report.failed
    assert (report.tripped, report.died, ground.states()) == (["net.send"], 0, {})
    assert outside.calls <= 25
    ground.recount()
    outside.away = False
    assert not ground.run(app).failed
    assert outputs(ground, app) == expected(300)
    ground.recount(empty=True)


def test_a_resource_that_cannot_open(ground: Ground) -> None:
    app = App("net")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    state = {"away": True, "opened": 0}

    @app.resource
    def line() -> Iterator[str]:
        if state["away"]:
            raise ConnectionError("no line")
        state["opened"] += 1
        yield "line"

    @app.stage(source, to=out, parallel=3)
    def send(value: dict, line: str) -> dict:
        return value

    ground.put(app, source, *records(300, 500))
    report = ground.run(app, patience=0.1)
    assert (report.tripped, ground.states()) == (["net.send"], {})
    ground.recount()
    state["away"] = False
    assert not ground.run(app).failed
    assert state["opened"] == 1
    assert outputs(ground, app) == expected(300)
    ground.recount(empty=True)


@pytest.mark.parametrize("poison", [{0}, {0, 1, 2, 7}])
@pytest.mark.parametrize("error", [ConnectionError, Unavailable])
def test_poison_at_the_head_does_not_keep_the_stage_down(
    ground: Ground, error: type[Exception], poison: set[int]
) -> None:
    outside = Outside(error)
    outside.poison = poison
    app = program(outside)
    ground.put(app, app.topics["net.in"], *records(300, 300))
    assert ground.run(app, patience=0.1).tripped
    outside.away = False
    report = ground.run(app)
    assert (report.died, report.tripped) == (len(poison), [])
    assert outputs(ground, app) == {key: ns for key, ns in expected(300, 300).items() if ns[0] not in poison}
    assert ground.states() == {"dead": len(poison)}
    ground.recount()


def test_poison_in_a_batch_with_effect_does_not_keep_the_stage_down(ground: Ground) -> None:
    """A batch that cannot be split fails as a whole, which looks like an outage; probing tells which record it is."""
    app = App("net")
    source = app.topic("in", dict, key="key")
    sent: dict[int, int] = {}

    @app.stage(source, batch=50, retry=Retry(attempts=3))
    def send(values: list[dict]) -> None:
        if any(value["n"] == 60 for value in values):
            raise ValueError("poison")
        for value in values:
            sent[value["n"]] = sent.get(value["n"], 0) + 1

    ground.put(app, source, *records(500, 500))
    report = ground.run(app)
    assert (report.tripped, report.died) == ([], 1)
    assert sent == {n: 1 for n in range(500) if n != 60}
    assert len(ground.seen.of(Tripped)) < 10
    ground.recount()


@pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"batch": 10}, {"batch": 50, "effect": True}], ids=str)
def test_many_bad_records_in_a_row_among_good_ones(ground: Ground, options: dict) -> None:
    """Thirty are bad by themselves: they look like an outage, and still all others pass, and they park in the end."""
    outside = Outside()
    outside.away = False
    outside.poison = set(range(10, 40))
    app = program(outside, **options)
    ground.put(app, app.topics["net.in"], *records(300, 300))

    async def story() -> None:
        async with ground.running(app, chance=lambda: 1.0):
            await until(lambda: (ground.clock.advance(600.0), len(ground.values(app.topics["net.out"])) >= 270)[1])

    asyncio.run(story())
    assert outputs(ground, app) == {key: ns for key, ns in expected(300, 300).items() if ns[0] not in outside.poison}
    ground.recount()


def test_a_hundred_records_that_cannot_be_read_are_no_outage(ground: Ground) -> None:
    """They were written by somebody else, each of them is dead for certain, and no probe would ever pass."""
    from msgspec import Struct

    class Reading(Struct):
        key: str
        n: int

    app = App("net")
    source, out = app.topic("in", Reading, key="key"), app.topic("out", Reading, key="key")

    @app.stage(source, to=out)
    def send(value: Reading) -> Reading:
        return value

    for n in range(100):
        ground.put_raw(app, source, f"bad{n}", b'{"key": "x"}')
    ground.put(app, source, *(Reading(f"k{n}", n) for n in range(10)))
    report = ground.run(app)
    assert (report.died, report.tripped) == (100, [])
    assert [value.n for value in ground.values(out)] == list(range(10))
    ground.recount()


def test_a_lease_that_is_lost_while_probing_does_not_end_the_probing(ground: Ground) -> None:
    """Two partitions share the stage's one probe; the lane that probes loses its lease in the middle."""
    app = App("net")
    source, out = app.topic("in", dict, key="key", partitions=2), app.topic("out", dict, key="key")
    hold: dict[str, Any] = {"away": True, "waiting": None}

    @app.stage(source, to=out, parallel=2)
    async def send(value: dict) -> dict:
        if hold["away"]:
            raise Unavailable("away")
        if hold["waiting"] is None:
            hold["waiting"] = asyncio.Event()
            await hold["waiting"].wait()
        return value

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, source, records(40, 40))
            await until(lambda: ground.seen.of(Tripped))
            hold["away"] = False
            ground.clock.advance(600.0)
            await until(lambda: hold["waiting"])
            probing = next(lane for lane in worker.roster.lanes.values() if lane._hand.units)
            probing.give_up()
            hold["waiting"].set()
            await until(lambda: (ground.clock.advance(600.0), len(ground.values(out)) == 40)[1])

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == expected(40, 40)
    ground.recount(empty=True)


def test_two_partitions_probe_with_one_record_at_a_time(ground: Ground) -> None:
    app = App("net")
    source, out = app.topic("in", dict, key="key", partitions=4), app.topic("out", dict, key="key")
    state = {"away": True, "now": 0, "most": 0}

    @app.stage(source, to=out, parallel=8)
    async def send(value: dict) -> dict:
        state["now"] += 1
        if state["away"] == 2:
            state["most"] = max(state["most"], state["now"])
        await asyncio.sleep(0.001)
        state["now"] -= 1
        if state["away"]:
            raise Unavailable("away")
        return value

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, source, records(400, 100))
            await until(lambda: ground.seen.of(Tripped))
            await until(lambda: state["now"] == 0)
            state["away"] = 2
            for _ in range(5):
                before = len(ground.seen.of(Tripped))
                ground.clock.advance(600.0)
                await until(lambda before=before: len(ground.seen.of(Tripped)) > before)
            assert state["most"] == 1
            state["away"] = False
            ground.clock.advance(600.0)
            await until(lambda: len(ground.values(out)) == 400)

    asyncio.run(story())
    assert isinstance(ground.clock, LeapClock)
    ground.run(app)
    assert outputs(ground, app) == expected(400, 100)
    ground.recount(empty=True)
