"""A source hangs, is told what is saved, or brings more than fits.

Given sources that hang in a call, functions that are told each saved cursor, and much between two checkpoints;
when a call is left behind, a function raises, the process ends between two parts;
then the lease is free for another, what the hung call yields later is never kept, and what is saved is saved once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from onward import Checkpoint
from onward.declaration import spec_of
from onward.errors import SourceStalled, StoreUncertain
from onward.events import SavedFailed, SourceFailed
from onward.plan import Plan
from onward.status import status
from scenarios.feed import cursor, numbers, program
from scenarios.ground import BOUND, Ground, until


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_hung_source_loses_its_lease_and_commits_nothing_later(ground: Ground, kind: str) -> None:
    gate, hung, over = threading.Event(), threading.Event(), threading.Event()

    def bring(cursor: int | None) -> Iterator[Any]:
        try:
            for n in range(cursor or 0, 10):
                yield {"n": n}
                yield Checkpoint(n + 1)
                if n == 4 and not hung.is_set():
                    hung.set()
                    gate.wait(BOUND)
        finally:
            over.set()

    async def bring_async(cursor: int | None) -> AsyncIterator[Any]:
        for n in range(cursor or 0, 10):
            yield {"n": n}
            yield Checkpoint(n + 1)
            if n == 4 and not hung.is_set():
                hung.set()
                over.set()
                await asyncio.Event().wait()

    app = program(bring if kind == "plain" else bring_async, every="1h", stall="1m")

    async def story() -> None:
        async with ground.running(app) as first:
            await until(lambda: hung.is_set() and cursor(ground) == "5")
            ground.clock.advance(59.0)
            await asyncio.sleep(0.3)
            assert not ground.seen.of(SourceFailed)
            ground.clock.advance(1.0)
            await until(lambda: ("feed.bring", 0) not in first.leases.held)
            (event,) = ground.seen.of(SourceFailed)
            assert isinstance(event.error, SourceStalled)
            books = first.books
            (shown,) = status("", await books.survey(), [spec_of(app)]).apps[0].sources
            assert "yielded nothing for 60 s" in shown.state
            claim = await first.log.claim("feed.bring", 0, "another/1/2/3", 0.5)
            assert claim is not None  # it is really free, and now somebody else's
            over.clear()
            gate.set()
            if kind == "plain":
                await asyncio.to_thread(over.wait, BOUND)
            await asyncio.sleep(0.3)
            assert (numbers(ground, app), cursor(ground)) == (list(range(5)), "5")

    asyncio.run(story())
    ground.run(app)
    assert (numbers(ground, app), cursor(ground)) == (list(range(10)), "10")
    ground.recount()


def test_alone_a_worker_takes_a_stalled_source_again(ground: Ground) -> None:
    calls, gate = [0], threading.Event()

    def bring(cursor: int | None) -> Iterator[Any]:
        calls[0] += 1
        if calls[0] == 1:
            gate.wait(BOUND)
        yield {"n": calls[0]}
        yield Checkpoint(calls[0])

    app = program(bring, stall="1m")

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: calls[0] == 1)
            ground.clock.advance(60.0)
            await until(lambda: ground.seen.of(SourceFailed))
            ground.clock.advance(60.0)
            await until(lambda: cursor(ground) == "2")
            gate.set()

    asyncio.run(story())
    assert numbers(ground, app) == [2]
    ground.recount()


def test_once_a_stalled_source_has_failed(ground: Ground) -> None:
    gate = threading.Event()

    def bring(cursor: int | None) -> Iterator[Any]:
        yield {"n": 0}
        yield Checkpoint(1)
        gate.wait(BOUND)

    app = program(bring, stall="300ms")
    from onward.clock import SystemClock

    async def story() -> None:
        async with ground.open(app, plan=Plan(once=True), clock=SystemClock()) as worker:
            report = await asyncio.wait_for(worker.run(), BOUND)
            assert report.sources_failed == 1

    asyncio.run(story())
    gate.set()
    assert (numbers(ground, app), cursor(ground)) == ([0], "1")


def test_waiting_for_room_is_no_stall(ground: Ground) -> None:
    """A source that is not asked to go on yields nothing, and that is not its doing."""

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 3_000):
            yield {"n": n}
            yield Checkpoint(n + 1)

    app = program(bring, every="1h", stall="10s")
    waited: list[float] = []

    async def story() -> None:
        async with ground.open(app, plan=Plan(once=True)) as worker:
            commit = worker.log.commit

            async def slow(what: Any) -> None:
                feed = worker.roster.intakes["feed.bring"]._feed
                if feed is not None and not feed.has_room():
                    waited.append(60.0)
                    ground.clock.advance(60.0)
                await commit(what)

            worker.log.commit = slow  # type: ignore[method-assign]
            report = await asyncio.wait_for(worker.run(), BOUND)
            assert report.sources_failed == 0

    asyncio.run(story())
    assert waited
    assert numbers(ground, app) == list(range(3_000))


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_saved_is_called_with_each_cursor_after_its_commit(ground: Ground, kind: str) -> None:
    told: list[tuple[int, int]] = []

    def saved(cursor: int, opened: str) -> None:
        assert opened == "opened"
        told.append((cursor, int(ground.sql("SELECT cursor FROM source")[0][0])))
        if cursor == 3:
            raise OSError("not today")

    async def saved_async(cursor: int, opened: str) -> None:
        saved(cursor, opened)

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 7):
            yield {"n": n}
            yield Checkpoint(n + 1)

    app = program(bring, every="1h", saved=saved if kind == "plain" else saved_async)

    @app.resource
    def opened() -> Iterator[str]:
        yield "opened"

    app.check()
    report = ground.run(app)
    assert not report.failed
    assert [cursor for cursor, _ in told] == [1, 2, 3, 4, 5, 6, 7]
    assert all(stored >= cursor for cursor, stored in told)
    (event,) = ground.seen.of(SavedFailed)
    assert str(event.error) == "not today"
    assert (numbers(ground, app), cursor(ground)) == (list(range(7)), "7")
    ground.run(app)
    assert len(told) == 7


def test_saved_may_be_any_callable(ground: Ground) -> None:
    told: list[Any] = []

    def bring(cursor: dict | None) -> Iterator[Any]:
        yield Checkpoint({"at": 1})

    app = program(bring, every="1h", saved=told.append)
    app.check()
    ground.run(app)
    assert told == [{"at": 1}]


def test_at_least_once_brings_more_than_fits_in_parts(ground: Ground) -> None:
    """What lies between two checkpoints is larger than the budget allows; it fails half way, once."""
    broken = {"on": True}

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 60):
            if n == 47 and broken.pop("on", False):
                raise ConnectionError("away")
            yield {"n": n, "text": "x" * 100_000}
        yield Checkpoint(60)

    app = program(bring, every="1h", at_least_once=True)
    report = ground.run(app, memory=4_000_000)
    assert report.sources_failed == 1
    found = numbers(ground, app)
    assert cursor(ground) is None
    assert found == list(range(len(found)))  # whole parts, in order
    assert len(found) == 40
    ground.recount()
    assert not ground.run(app, memory=4_000_000).failed
    assert numbers(ground, app) == found + list(range(60))
    assert cursor(ground) == "60"
    ground.recount()


def test_after_an_uncertain_commit_nothing_is_brought_twice(ground: Ground) -> None:
    """The commit was kept, and nobody heard of it; the generator that yielded it still runs."""
    calls: list[int | None] = []
    blocked, gate = threading.Event(), threading.Event()
    overlaps = [0, 0]

    def bring(cursor: int | None) -> Iterator[Any]:
        calls.append(cursor)
        overlaps[0] += 1
        overlaps[1] = max(overlaps)
        try:
            for n in range(cursor or 0, 20):
                yield {"n": n}
                yield Checkpoint(n + 1)
                if n == 9 and len(calls) == 1:
                    blocked.set()
                    gate.wait(BOUND)
        finally:
            overlaps[0] -= 1

    app = program(bring, every="1h")

    async def story() -> None:
        async with ground.open(app) as worker:
            await worker.declare()
            commit, failed = worker.log.commit, [False]

            async def uncertain(what: Any) -> None:
                await commit(what)
                if what.appends and not failed[0]:
                    failed[0] = True
                    await asyncio.to_thread(blocked.wait, BOUND)
                    raise StoreUncertain("the disk")

            worker.log.commit = uncertain  # type: ignore[method-assign]
            task = asyncio.create_task(worker.run())
            await until(lambda: failed[0] and not worker.roster.tasks)
            asyncio.get_running_loop().call_later(6.0, gate.set)
            await until(lambda: cursor(ground) == "20", 2 * BOUND)
            worker.stop()
            await asyncio.wait_for(task, BOUND)

    asyncio.run(story())
    assert numbers(ground, app) == list(range(20))
    assert len(calls) == 2
    assert overlaps[1] == 1  # the second call waited until the first had ended
    ground.recount()
