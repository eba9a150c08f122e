"""Several calls at once, and several partitions that share them.

Given a stage with more or fewer call slots than it has partitions;
when a worker delivers a backlog;
then what has to go one after another does, and no partition waits until another has nothing left.
"""

from __future__ import annotations

import time

import pytest

from onward import App
from onward.database import Database
from onward.topic import partition_of
from scenarios.ground import Ground
from scenarios.numbered import records


@pytest.mark.parametrize("batch", [None, 3])
def test_units_within_a_target_go_one_after_another_however_many_slots(ground: Ground, batch: int | None) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    def one(value: dict, tx: object) -> dict:
        return value

    def many(values: list, tx: object) -> list:
        return values

    target = Database(f"sqlite:///{ground.folder / 'target.db'}")
    app.stage(source, to=out, name="s", within=target, parallel=4, batch=batch)(many if batch else one)
    ground.put(app, source, *records(3000, 50))

    report = ground.run(app)

    assert not report.failed, report
    assert [value["n"] for value in ground.values(out)] == list(range(3000))
    ground.recount(empty=True)


@pytest.mark.parametrize("effect", [True, False])
def test_partitions_take_turns_at_a_slot(ground: Ground, effect: bool) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key", partitions=3), app.topic("out", dict, key="key")
    calls = []

    @app.stage(source, to=out, effect=effect)
    def s(value: dict) -> dict:
        calls.append(value["key"])
        time.sleep(0.0005)  # a unit ends by its time, and not by its records
        return value

    keys = {partition_of(f"k{n}", 3): f"k{n}" for n in range(100)}
    for _ in range(2):
        ground.put(app, source, *[{"key": keys[p], "n": n} for p in range(3) for n in range(1000)])

    ground.run(app)

    first = {key: calls.index(key) for key in keys.values()}
    assert max(first.values()) < 2000, first
    ground.recount(empty=True)
