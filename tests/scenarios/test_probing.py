"""How a tripped stage probes.

Given a stage that an outage has tripped;
when several calls were under way, or parked records are due much later;
then it probes by the retry delays all the same, and comes up with the first probe that passes.
"""

from __future__ import annotations

import asyncio

import pytest

from onward import App, Later, Unavailable
from onward.events import Tripped
from scenarios.ground import Ground


def records(count: int) -> list[dict]:
    return [{"key": f"k{n}", "n": n} for n in range(count)]


def test_a_record_that_is_due_much_later_does_not_put_off_the_probe(ground: Ground) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    away = [True, True]

    @app.stage(source, to=out)
    def s(value: dict) -> dict | Later:
        if value["n"] == 0:
            return Later("1h")
        if away:
            away.pop()
            raise Unavailable("away")
        return value

    ground.put(app, source, *records(10))

    assert not ground.run(app).failed

    assert len(ground.values(out)) == 9
    assert ground.states() == {"retrying": 1}
    ground.recount()


def test_where_only_parked_records_are_left_the_probe_waits_for_them(ground: Ground) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    seen: list[int] = []

    @app.stage(source, to=out)
    def s(value: dict) -> dict | Later:
        seen.append(value["n"])
        if seen.count(value["n"]) == 1:
            return Later("20s")
        if len(seen) < 5:
            raise Unavailable("away")
        return value

    ground.put(app, source, *records(2))

    assert not ground.run(app).failed

    assert len(ground.values(out)) == 2
    ground.recount(empty=True)


@pytest.mark.parametrize("batch", [None, 2])
def test_calls_that_were_under_way_do_not_lengthen_the_delay(ground: Ground, batch: int | None) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    calls, together = 0, asyncio.Event()

    async def one(value: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 16:
            together.set()
        await asyncio.wait_for(together.wait(), 10)
        if calls == 16:
            raise Unavailable("away")
        return value

    app.stage(source, to=out, name="s", parallel=16, batch=batch)(one)
    ground.put(app, source, *records(160))

    assert not ground.run(app).failed

    assert [tripped.probe_in for tripped in ground.seen.of(Tripped)] == [0.75]
    assert len(ground.values(out)) == 160
    ground.recount(empty=True)
