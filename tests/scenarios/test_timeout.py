"""A call takes too long.

Given stages with `timeout=`;
when one call hangs;
then an `async def` is cancelled and its record tried again while others pass; for a plain `def`, which cannot be
stopped, the attempt is recorded, the worker commits nothing more of that partition and asks to be replaced, and the
next process goes on without loss or double effect, also where the stage commits within another database.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import apsw
import pytest

from onward import App, Database, Record, Retry
from onward.events import Failed, Stuck
from scenarios.ground import Ground, sql
from scenarios.numbered import outputs, per_key, records


@pytest.mark.parametrize("batch", [None, 4])
def test_an_async_call_is_cancelled_and_tried_again(ground: Ground, batch: int | None) -> None:
    app = App("slow")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    cancelled: list[int] = []

    async def one(value: dict) -> dict:
        if value["n"] == 13 and len(cancelled) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(13)
                raise
        return value

    async def many(values: list[dict]) -> list[dict]:
        return [await one(value) for value in values]

    app.stage(source, to=out, name="work", timeout="50ms", parallel=3, batch=batch)(many if batch else one)
    ground.put(app, source, *records(60))
    report = ground.run(app)
    assert not report.failed
    assert not report.replace
    assert cancelled == [13, 13]
    assert outputs(ground, app) == per_key(range(60))
    ground.recount(empty=True)


@pytest.mark.parametrize("kind", ["emitting", "within", "batch", "effect"])
def test_a_plain_call_that_hangs_has_its_process_replaced(ground: Ground, kind: str) -> None:
    app = App("slow")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    hang, calls = {"on": True}, []
    free = threading.Event()
    more: dict[str, Any] = {
        "emitting": {},
        "within": {"within": Database(f"sqlite:///{ground.folder}/target.db")},
        "batch": {"batch": 8},
        "effect": {"effect": True},
    }[kind]

    def one(value: dict) -> dict:
        calls.append(value["n"])
        if value["n"] == 13 and hang["on"]:
            free.wait(20)
        return value

    def into(value: dict, tx: apsw.Connection) -> dict:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER)")
        tx.execute("INSERT INTO effect VALUES (?)", (value["n"],))
        return one(value)

    def many(values: list[dict]) -> list[dict]:
        return [one(value) for value in values]

    handler = {"within": into, "batch": many}.get(kind, one)
    app.stage(source, to=out, name="work", timeout="50ms", retry=Retry(attempts=9), **more)(handler)
    ground.put(app, source, *records(60))

    report = ground.run(app)

    assert report.replace
    assert [event.stage for event in ground.seen.of(Stuck)] == ["slow.work"]
    assert {(row.attempts, row.state) for row in ground.parked() if row.state != "behind"} == {(1, "retrying")}
    assert "TimedOut" in ground.seen.of(Failed)[0].reason
    kept = [value["n"] for value in ground.values(out)]
    ground.recount()

    # What hung comes back in the end, in a process that is about to go.
    hang["on"] = False
    free.set()
    for thread in threading.enumerate():
        if thread.name.startswith("onward-call"):
            thread.join(10)
    assert [value["n"] for value in ground.values(out)] == kept

    assert not ground.run(app).failed
    assert outputs(ground, app) == per_key(range(60))
    if kind == "within":
        found = [n for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect ORDER BY rowid")]
        assert per_key(found) == per_key(range(60))
    ground.recount(empty=True)


def test_a_plain_call_that_hangs_each_time_dies_in_the_end(ground: Ground) -> None:
    """Each process counts one attempt, so that a record that always hangs cannot replace processes for ever."""
    app = App("slow")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    frees: list[threading.Event] = []

    @app.stage(source, to=out, timeout="50ms", retry=Retry(attempts=3))
    def work(value: dict) -> dict:
        if value["n"] == 13:
            frees.append(threading.Event())
            frees[-1].wait(20)
        return value

    ground.put(app, source, *records(30))
    replaced = 0
    while (report := ground.run(app)).replace:
        replaced += 1
        frees[-1].set()
        assert replaced < 10
    assert replaced == 3
    assert not report.troubles
    assert ground.states() == {"dead": 1, "behind": 1}
    assert outputs(ground, app) == per_key(n for n in range(30) if n not in (13, 23))
    ground.recount()


def test_a_batch_with_effect_that_hung_is_called_whole_again(ground: Ground) -> None:
    app = App("slow")
    source = app.topic("in", dict, key="key")
    calls: list[list[str]] = []
    free = threading.Event()

    @app.stage(source, batch=4, timeout="50ms")
    def work(batch: list[Record[dict]]) -> None:
        calls.append([record.id for record in batch])
        if len(calls) == 1:
            free.wait(60)

    ground.put(app, source, *records(4))
    try:
        assert ground.run(app).replace
    finally:
        free.set()
    assert not ground.run(app).failed

    assert calls == [calls[0]] * 2 and len(calls[0]) == 4
    ground.recount(empty=True)
