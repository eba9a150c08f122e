"""Resources are closed when a worker ends.

Given stages that share resources;
when the worker ends, also while a plain `def` hangs that uses one;
then each is closed once, also after one that fails, and never under a call that is still running.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from onward import App
from onward.plan import Plan
from scenarios.ground import BOUND, Ground, until


def test_one_that_fails_when_it_is_closed_is_told_and_the_others_are_closed(ground: Ground) -> None:
    closed = []
    apps = []
    for name in ("one", "two"):
        app = App(name)
        source = app.topic("in", dict, key="key")

        def agent(name: str = name) -> Iterator[str]:
            yield name
            closed.append(name)
            raise ValueError(f"{name} is not well")

        app.resource(agent)

        @app.stage(source)
        def s(value: dict, agent: str) -> None: ...

        ground.put(app, source, {"key": "k"})
        apps.append(app)

    report = ground.run(*apps)

    assert closed == ["one", "two"]
    assert len(report.troubles) == 2 and "one is not well" in report.troubles[0]
    ground.recount(empty=True)


@pytest.mark.parametrize("how", ["overruns its time", "overruns the grace"])
def test_what_a_hanging_call_uses_is_not_closed_under_it(ground: Ground, how: str) -> None:
    app = App("line")
    source = app.topic("in", dict, key="key")
    began, free, closed = threading.Event(), threading.Event(), threading.Event()

    @app.resource
    def pool() -> Iterator[threading.Lock]:
        lock = threading.Lock()
        yield lock
        with lock:  # as a pool that waits for its connections
            closed.set()

    @app.stage(source, timeout="50ms" if how == "overruns its time" else None)
    def s(value: dict, pool: threading.Lock) -> None:
        with pool:
            began.set()
            free.wait(4 * BOUND)

    ground.put(app, source, {"key": "k"})

    async def work() -> None:
        async with ground.open(app, plan=Plan(grace=0.1)) as worker:
            running = asyncio.create_task(worker.run())
            try:
                await until(began.is_set)
                if how == "overruns the grace":
                    worker.stop()
                await asyncio.wait_for(running, BOUND)
                assert not closed.is_set()
            finally:
                free.set()

    asyncio.run(work())


def test_async_calls_that_overran_the_grace_have_ended_before_what_they_use_is_closed(ground: Ground) -> None:
    app = App("line")
    source = app.topic("in", dict, key="key")
    told = []

    @app.resource
    async def agent() -> AsyncIterator[str]:
        yield "agent"
        told.append("closed")

    @app.stage(source)
    async def s(value: dict, agent: str) -> None:
        told.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            told.append("ended")

    ground.put(app, source, {"key": "k"})

    async def work() -> None:
        async with ground.open(app, plan=Plan(grace=0.1)) as worker:
            running = asyncio.create_task(worker.run())
            await until(lambda: told)
            worker.stop()
            await asyncio.wait_for(running, BOUND)

    asyncio.run(work())
    assert told == ["began", "ended", "closed"]
