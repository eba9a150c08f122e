"""The store is away for a moment, or cannot say what it has kept.

Given a store that fails at one point of a worker's life;
when the worker goes on, or is stopped meanwhile;
then what broke is taken up again, all is delivered once, and a stop ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import pytest

from onward import App, Checkpoint, duties, watch
from onward.errors import StoreAway, StoreUncertain
from onward.events import StoreAbsent
from onward.log import Survey
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan, Report
from onward.worker import Worker
from scenarios.ground import BOUND, Ground, append, until

Fault = Callable[..., Exception | None]


class Faulty(SQLiteLog):
    """Fails where `faults` says, by the name of the method."""

    faults: ClassVar[dict[str, Fault]] = {}

    async def _raise(self, name: str, *given: Any) -> None:
        if name in self.faults and (error := self.faults[name](*given)) is not None:
            raise error

    async def declare(self, app: Any) -> None:
        await self._raise("declare")
        await super().declare(app)

    async def commit(self, commit: Any) -> None:
        await self._raise("commit", commit)
        await super().commit(commit)

    async def news(self, topics: Any, stages: Any) -> Any:
        await self._raise("news")
        return await super().news(topics, stages)

    async def changed(self, seconds: float) -> None:
        await self._raise("changed")
        await super().changed(seconds)


class FaultyBooks(SQLiteBooks):
    faults: ClassVar[dict[str, Fault]] = {}

    async def survey(self, recent: float = 60.0) -> Survey:
        if "survey" in self.faults and (error := self.faults["survey"]()) is not None:
            raise error
        return await super().survey(recent)


def run(
    ground: Ground,
    app: App,
    plan: Plan,
    during: Callable[[Worker], Awaitable[None]] | None = None,
    **faults: Fault,
) -> Report:
    async def work() -> Report:
        log, books = Faulty(ground.url, listen=True), FaultyBooks(ground.url)
        log.faults = books.faults = faults
        try:
            worker = Worker([app], log, books, plan, clock=ground.clock, observers=[ground.seen], chance=lambda: 0.5)
            running = asyncio.create_task(worker.run())
            if during is not None:
                await during(worker)
            return await asyncio.wait_for(running, BOUND)
        finally:
            log.faults = {}
            await books.close()
            await log.close()

    return asyncio.run(work())


def once(error: Exception, at: Callable[..., bool] = lambda *given: True) -> Fault:
    left = [error]
    return lambda *given: left.pop() if left and at(*given) else None


def bringing() -> tuple[App, Any]:
    app = App("feed")
    topic = app.topic("in", dict, key="key")

    @app.source(to=topic)
    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 5):
            yield {"key": "k", "n": n}
            yield Checkpoint(n + 1)

    return app, topic


def passing() -> tuple[App, Any, Any]:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out)
    def s(value: dict) -> dict:
        return value

    return app, source, out


def test_a_source_whose_commit_is_uncertain_is_taken_up_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "TROUBLE", 0.0)
    app, topic = bringing()

    async def during(worker: Worker) -> None:
        await until(lambda: len(ground.values(topic)) == 5)
        worker.stop()

    run(ground, app, Plan(), during, commit=once(StoreUncertain("disk"), lambda commit: bool(commit.appends)))

    assert [value["n"] for value in ground.values(topic)] == list(range(5))
    ground.recount()


def test_once_goes_on_after_a_commit_that_was_uncertain(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "TROUBLE", 0.0)
    app, topic = bringing()

    report = run(ground, app, Plan(once=True), commit=once(StoreUncertain("disk"), lambda commit: bool(commit.appends)))

    assert not report.failed
    assert [value["n"] for value in ground.values(topic)] == list(range(5))
    ground.recount()


def test_once_ends_where_all_commits_are_uncertain_and_says_so(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "TROUBLE", 0.0)
    app, _ = bringing()

    report = run(ground, app, Plan(once=True), commit=lambda commit: StoreUncertain("disk"))

    assert report.failed and "disk" in report.troubles[0]
    ground.recount()


def test_once_delivers_all_although_the_store_was_away_when_a_lane_began(ground: Ground) -> None:
    app, source, out = passing()
    ground.put(app, source, *({"key": "k", "n": n} for n in range(10)))

    def in_lane() -> bool:
        task = asyncio.current_task()
        return task is not None and "_work_stage" in repr(task.get_coro())

    report = run(ground, app, Plan(once=True), news=once(StoreAway("busy"), in_lane))

    assert not report.failed
    assert len(ground.values(out)) == 10
    ground.recount(empty=True)


def test_once_looks_again_where_the_store_was_away_for_a_look(ground: Ground) -> None:
    app, source, out = passing()
    ground.put(app, source, *({"key": "k", "n": n} for n in range(10)))

    assert not run(ground, app, Plan(once=True), survey=once(StoreAway("busy"))).failed

    assert len(ground.values(out)) == 10


@pytest.mark.parametrize("plan", [Plan(), Plan(once=True)])
@pytest.mark.parametrize("where", ["declare", "news"])
def test_a_stop_ends_a_worker_that_waits_for_its_store(ground: Ground, where: str, plan: Plan) -> None:
    app, _, _ = passing()

    async def during(worker: Worker) -> None:
        await until(lambda: ground.seen.of(StoreAbsent))
        worker.stop()

    assert not run(ground, app, plan, during, **{where: lambda: StoreAway("away")}).failed


@pytest.mark.parametrize("error", [StoreAway("busy"), StoreUncertain("disk")])
def test_a_look_that_fails_does_not_end_the_worker(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(watch, "LOOK", 0.0)
    app, source, out = passing()

    async def during(worker: Worker) -> None:
        await until(lambda: ground.seen.of(StoreAbsent))
        await append(worker.log, source, [{"key": "k", "n": 1}])
        await until(lambda: ground.values(out))
        worker.stop()

    assert not run(ground, app, Plan(), during, changed=once(error)).failed
