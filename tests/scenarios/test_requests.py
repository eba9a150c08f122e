"""Somebody asks for something while the holder works.

Given a worker that has records in flight, parked records, and more coming;
when requests to retry or drop parked records come in at any moment, also several for the same records, also from
two sides at once, also while no worker runs;
then the holder carries each out once, at a moment when it has none of them in hand, within a short time however busy
it is, and counts and order stay true.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from onward import App, Hold, Retry
from onward.log import Parked
from onward.logs.sqlite_books import SQLiteBooks
from onward.parked import Choice, ask, seen
from scenarios.ground import Ground, append, request, until
from scenarios.numbered import outputs, per_key, records


class Bad(set[int]):
    pass


def program(bad: Bad, **options: Any) -> App:
    app = App("desk")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out, name="work", **options)
    def work(value: dict) -> dict:
        if value["n"] in bad:
            raise ValueError("bad")
        return value

    return app


def answers(ground: Ground) -> list[str | None]:
    return [result for (result,) in ground.sql("SELECT result FROM request ORDER BY id")]


def test_requests_left_while_nobody_works(ground: Ground) -> None:
    bad = Bad({5, 6})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    bad.clear()
    ground.ask("desk.work", "retry", key="k5")
    ground.ask("desk.work", "drop", key="k6", state="dead")
    ground.ask("desk.work", "retry", key="nobody")
    ground.run(app)
    assert answers(ground) == ["1 to be tried", "1 dropped", "0 to be tried"]
    assert outputs(ground, app) == per_key(n for n in range(30) if n != 6)
    ground.recount(empty=True)


def test_several_requests_for_the_same_records(ground: Ground) -> None:
    """Retry, then drop, then retry again, all open when the holder comes to them: the drop counts."""
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    for action in ("retry", "retry", "drop", "retry"):
        ground.ask("desk.work", action, key="k5", offset=5)
    ground.run(app)
    assert answers(ground) == ["1 to be tried", "1 to be tried", "1 dropped", "0 to be tried"]
    assert outputs(ground, app) == per_key(n for n in range(30) if n != 5)
    ground.recount(empty=True)


def test_dropping_a_whole_key_and_what_comes_after(ground: Ground) -> None:
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    ground.ask("desk.work", "drop", key="k5")
    ground.put(app, app.topics["desk.in"], *records(10, start=30))
    ground.run(app)
    assert answers(ground) == ["3 dropped"]
    assert outputs(ground, app) == per_key(n for n in range(40) if n not in (5, 15, 25))
    ground.recount(empty=True)


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_a_request_while_the_record_is_in_hand(ground: Ground, action: str) -> None:
    """The record is just being tried again when somebody asks; it passes, and there is nothing left to carry out."""
    app = App("desk")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    calls: list[int] = []
    begun, go = threading.Event(), threading.Event()

    @app.stage(source, to=out, parallel=2)
    def work(value: dict) -> dict:
        calls.append(value["n"])
        if value["n"] == 5 and calls.count(5) == 1:
            raise ValueError("bad")
        if value["n"] == 5:
            begun.set()
            assert go.wait(20)
        return value

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, source, records(30))
            await until(lambda: ground.states().get("retrying"))
            ground.clock.advance(60.0)
            await until(begun.is_set)
            await worker.books.ask([request("desk.work", action, key="k5", offset=5)])
            await append(worker.log, source, records(10, start=30))
            await until(lambda: 39 in calls)
            assert answers(ground) == [None]
            go.set()
            await until(lambda: answers(ground) != [None])

    asyncio.run(story())
    ground.run(app)
    assert calls.count(5) == 2
    assert outputs(ground, app) == per_key(range(40))
    ground.recount(empty=True)


@pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"batch": 10}], ids=str)
def test_a_request_is_carried_out_soon_however_busy_the_holder_is(ground: Ground, options: dict) -> None:
    """A hundred thousand records lie ahead; the request is not left until they are done, nor are retries."""
    bad = Bad({5})
    app = App("desk")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    def one(value: dict) -> dict:
        if value["n"] in bad:
            raise ValueError("bad")
        return value

    def many(values: list[dict]) -> list[dict]:
        return [one(value) for value in values]

    app.stage(source, to=out, name="work", retry=Retry(attempts=1), **options)(many if "batch" in options else one)
    ground.put(app, source, *records(30))
    ground.run(app)
    bad.clear()
    for start in range(30, 60_030, 10_000):
        ground.put(app, source, *records(10_000, keys=997, start=start))

    async def story() -> int:
        async with ground.running(app) as worker:
            await until(lambda: ground.sql("SELECT 1 FROM progress WHERE next > 200"))
            await worker.books.ask([request("desk.work", "retry", key="k5")])
            await until(lambda: answers(ground) != [None])
            return int(ground.sql("SELECT max(next) FROM progress")[0][0])

    reached = asyncio.run(story())
    assert reached < 60_030, "answered only when all was done"
    ground.run(app)
    assert [n for n in outputs(ground, app)["k5"] if n < 30] == [5, 15, 25]
    ground.recount(empty=True)


def test_two_sides_ask_at_once_while_records_fail_and_pass(ground: Ground) -> None:
    """Two operators ask for everything all the time, in their own handles, while a key fails now and then."""
    app = App("desk")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    failed: dict[int, int] = {}

    @app.stage(source, to=out, parallel=4, retry=Retry(attempts=2, first="0s", most="0s"))
    def work(value: dict) -> dict:
        if value["n"] % 7 == 3 and failed.get(value["n"], 0) < 3:
            failed[value["n"]] = failed.get(value["n"], 0) + 1
            raise ValueError("bad")
        return value

    async def operator(count: int) -> None:
        books = SQLiteBooks(ground.url)
        for _ in range(count):
            await books.ask([request("desk.work", "retry", state="dead"), request("desk.work", "retry")])
        await books.close()

    async def story() -> None:
        async with ground.running(app) as worker:
            for start in range(0, 600, 60):
                await asyncio.gather(append(worker.log, source, records(60, 25, start)), operator(2), operator(2))
            await until(lambda: not any(result is None for result in answers(ground)))
            while len(ground.values(out)) < 600:
                await operator(1)
                await until(lambda: not any(result is None for result in answers(ground)))

    asyncio.run(story())
    ground.run(app)
    assert outputs(ground, app) == per_key(range(600), 25)
    ground.recount(empty=True)


def test_a_request_for_what_waits_for_a_person(ground: Ground) -> None:
    app = App("desk")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    calls: list[tuple[int, bool]] = []

    @app.stage(source, to=out, retry=Retry(attempts=3))
    def work(value: dict, approved: bool) -> object:
        calls.append((value["n"], approved))
        if value["n"] == 5 and not approved:
            return Hold("look at it")
        if value["n"] == 5 and calls.count((5, True)) == 1:
            raise ValueError("once")
        return value

    ground.put(app, source, *records(30))
    ground.run(app)
    assert ground.states() == {"waiting": 1, "behind": 2}
    assert ground.parked()[0].reason == "look at it"
    ground.recount()
    ground.ask("desk.work", "retry", state="waiting")
    ground.run(app)
    assert [approved for n, approved in calls if n == 5] == [False, True, True]
    assert {approved for n, approved in calls if n != 5} == {False}
    assert outputs(ground, app) == per_key(range(30))
    ground.recount(empty=True)


def test_a_request_that_the_holder_died_with_is_carried_out_once(ground: Ground) -> None:
    """The request was answered in the same commit as its effect: taken over, it is not carried out again."""
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(10))
    ground.run(app)
    ground.ask("desk.work", "drop", key="k5")
    ground.run(app)
    ground.put(app, app.topics["desk.in"], *records(10, start=10), {"key": "k5", "n": 5})
    ground.run(app)
    assert ground.states() == {"dead": 1}
    assert answers(ground) == ["1 dropped"]
    ground.recount()


def ask_as_seen(ground: Ground, action: Any, rows: list[Parked], **match: object) -> None:
    """Asks for what was seen earlier."""
    ground.ask("desk.work", action, **(match | seen(rows)))


def test_what_is_parked_after_the_request_is_left(ground: Ground) -> None:
    """Given a dead record and two behind it, seen by somebody; when another comes behind them, and then what was seen
    is dropped; then the other one is delivered."""
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    rows = ground.parked()
    assert [(row.offset, row.state) for row in rows] == [(5, "dead"), (15, "behind"), (25, "behind")]
    ground.put(app, app.topics["desk.in"], *records(10, start=30))
    ground.run(app)
    assert len(ground.parked()) == 4
    ask_as_seen(ground, "drop", rows, key="k5")
    ground.run(app)
    assert answers(ground) == ["3 dropped"]
    assert outputs(ground, app)["k5"] == [35]
    ground.recount(empty=True)


def test_what_was_promoted_after_the_request_is_left(ground: Ground) -> None:
    """Given two behind a dead one; when the first of them is promoted and dies too, and those behind are dropped as
    they were seen; then it is left."""
    bad = Bad({5, 15})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    rows = [row for row in ground.parked() if row.state == "behind" and row.key == "k5"]
    bad.remove(5)
    ground.ask("desk.work", "retry", offset=5)
    ground.run(app)
    assert {row.offset: row.state for row in ground.parked()} == {15: "dead", 25: "behind"}
    ask_as_seen(ground, "drop", rows, state="behind")
    ground.run(app)
    assert answers(ground)[-1] == "1 dropped; 1 not as seen any more, and left"
    assert {row.offset: row.state for row in ground.parked()} == {15: "dead"}
    ground.recount()


def test_an_approval_is_for_what_was_seen(ground: Ground) -> None:
    """Given a record that waits, seen by two people; when one approves it and it waits for something else then; then
    the approval of the other, which comes later, is not for that."""
    app = App("desk")
    source = app.topic("in", dict, key="key")
    asked: list[str] = []

    @app.stage(source, to=app.topic("out", dict, key="key"), name="work")
    def work(value: dict, approved: bool) -> Any:
        if len(asked) < 2:
            asked.append("money" if not asked else "more money")
            return Hold(asked[-1])
        return value

    ground.put(app, source, *records(1))
    ground.run(app)
    rows = ground.parked()
    ask_as_seen(ground, "retry", rows)
    ground.clock.advance(1)
    ground.run(app)
    assert [row.reason for row in ground.parked()] == ["more money"]
    ask_as_seen(ground, "retry", rows)
    ground.run(app)
    assert answers(ground) == ["1 to be tried", "0 to be tried; 1 not as seen any more, and left"]
    assert [row.reason for row in ground.parked()] == ["more money"]


def test_several_requests_that_were_asked_before_any_was_carried_out(ground: Ground) -> None:
    """Given nobody who works; when somebody has all retried, then thinks better of it; then the last word counts."""
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    for action in ("retry", "drop"):
        ground.books(lambda books, action=action: ask(books, Choice(key="k5"), action, "ann", 1.0))
    ground.run(app)
    assert answers(ground) == ["1 to be tried", "3 dropped"]
    assert outputs(ground, app).get("k5") is None
    ground.recount(empty=True)


def test_an_edit_is_what_is_called_next(ground: Ground) -> None:
    """Given a record that died of its value; when somebody edits and retries it; then the new value is called, once,
    with the same id and in its place, and the log keeps the old one."""
    bad = Bad({5})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["desk.in"], *records(30))
    ground.run(app)
    match = {"offset": 5}

    def edit(value: str, **more: object) -> None:
        asked = request("desk.work", "edit", **(match | more))._replace(value=value)
        ground.books(lambda books: books.ask([asked]))

    for value in ('{"key": "k6", "n": 105}', '{"key": "k5"', "[]"):
        edit(value)
    ground.run(app)
    assert [result.partition(":")[0] for result in answers(ground) if result] == ["0 edited"] * 3
    edit('{"key": "k5", "n": 105}')
    ground.ask("desk.work", "retry", offset=5)
    ground.run(app)
    assert answers(ground)[-2:] == ["1 edited", "1 to be tried"]
    assert outputs(ground, app)["k5"] == [105, 15, 25]
    assert ground.by_key(app.topics["desk.in"])["k5"][0]["n"] == 5
    ground.recount(empty=True)
