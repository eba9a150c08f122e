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


def records(count: int, keys: int = 50) -> list[dict]:
    return [{"key": f"k{n % keys}", "n": n} for n in range(count)]


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
    ground.put(app, source, *records(3000))

    report = ground.run(app)

    assert not report.failed, report
    assert [value["n"] for value in ground.values(out)] == list(range(3000))
    ground.recount(empty=True)
