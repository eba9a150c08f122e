"""What somebody pauses stops, everywhere and until it is resumed.

Given stages and sources at work, or about to be;
when somebody pauses one of them;
then what is in hand is finished, nothing more is taken, the others go on, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

from onward import App, Checkpoint
from onward.status import status
from scenarios.ground import NOW, Ground, append, until


def program(begun: threading.Event | None = None, go_on: threading.Event | None = None) -> App:
    app = App("p")
    first, second, third = (app.topic(name, int) for name in ("first", "second", "third"))

    @app.stage(first, to=second)
    def one(value: int) -> int:
        if begun is not None and go_on is not None:
            begun.set()
            assert go_on.wait(20)
        return value

    @app.stage(second, to=third)
    def two(value: int) -> int:
        return value

    return app


def pause(ground: Ground, name: str) -> None:
    ground.books(lambda books: books.pause(name, "ann", NOW))


def resume(ground: Ground, name: str) -> None:
    ground.books(lambda books: books.resume(name))


def states(ground: Ground) -> dict[str, str]:
    survey = ground.books(lambda books: books.survey())
    [app] = status(ground.url, survey, survey.apps).apps
    return {one.name: one.state for one in (*app.sources, *app.stages)}


def test_once_does_not_wait_for_what_is_paused(ground: Ground) -> None:
    app = program()
    ground.put(app, app.topics["p.first"], 1, 2)
    pause(ground, "p.two")
    report = ground.run(app)
    assert not report.failed
    assert (ground.values(app.topics["p.second"]), ground.values(app.topics["p.third"])) == ([1, 2], [])
    assert states(ground)["p.two"] == "paused by ann since 2025-06-15T15:06:40.000000Z"
    ground.recount()
    ground.run(app)  # a restart changes nothing
    assert ground.values(app.topics["p.third"]) == []
    resume(ground, "p.two")
    ground.run(app)
    assert ground.values(app.topics["p.third"]) == [1, 2]
    ground.recount(empty=True)


def test_a_request_to_a_paused_stage_waits_and_nobody_for_it(ground: Ground) -> None:
    app = program()
    ground.put(app, app.topics["p.first"], 1)
    ground.run(app)
    pause(ground, "p.two")
    [id_] = ground.ask("p.two", "retry")
    ground.run(app)
    assert ground.books(lambda books: books.answers([id_])) == {}
    resume(ground, "p.two")
    ground.run(app)
    assert id_ in ground.books(lambda books: books.answers([id_]))


def test_what_is_in_hand_is_finished(ground: Ground) -> None:
    begun, go_on = threading.Event(), threading.Event()
    app = program(begun, go_on)
    ground.put(app, app.topics["p.first"], 1)

    async def story() -> None:
        async with ground.running(app) as worker:
            assert await asyncio.to_thread(begun.wait, 20)
            await worker.books.pause("p.one", "ann", NOW)
            await until(lambda: "p.one" in worker.watch.paused)
            await append(worker.log, app.topics["p.first"], [2])
            go_on.set()
            await until(lambda: ("p.one", 0) not in worker.leases.held)
            assert ground.values(app.topics["p.second"]) == [1]
            await until(lambda: ground.values(app.topics["p.third"]) == [1])  # the others go on
            assert (await asyncio.to_thread(states, ground))["p.one"].startswith("paused by ann")
            await worker.books.resume("p.one")
            await until(lambda: ground.values(app.topics["p.third"]) == [1, 2])
            assert (await asyncio.to_thread(states, ground))["p.one"] in ("idle", "running")

    asyncio.run(story())
    ground.recount(empty=True)


def with_source(called: list[int | None]) -> App:
    app = App("p")
    numbers = app.topic("numbers", int)

    @app.source(to=numbers, every="1s")
    def count(cursor: int | None) -> Iterator[int | Checkpoint]:
        called.append(cursor)
        yield (cursor or 0) + 1
        yield Checkpoint((cursor or 0) + 1)

    return app


def test_a_source_can_be_paused(ground: Ground) -> None:
    called: list[int | None] = []
    app = with_source(called)
    ground.run(app)
    pause(ground, "p.count")
    report = ground.run(app)
    assert (called, report.failed) == ([None], False)
    assert states(ground)["p.count"].startswith("paused by ann")
    resume(ground, "p.count")
    ground.run(app)
    assert called == [None, 1]
    assert ground.values(app.topics["p.numbers"]) == [1, 2]


def test_a_source_is_paused_and_resumed_while_it_runs(ground: Ground) -> None:
    called: list[int | None] = []
    app = with_source(called)

    async def story() -> None:
        async with ground.running(app) as worker:
            await until(lambda: ground.values(app.topics["p.numbers"]) == [1])
            await worker.books.pause("p.count", "ann", NOW)
            await until(lambda: ("p.count", 0) not in worker.leases.held)
            assert "p.count" in worker.watch.paused
            ground.clock.advance(100)
            await worker.books.resume("p.count")
            await until(lambda: ground.values(app.topics["p.numbers"]) == [1, 2])

    asyncio.run(story())
    ground.recount(empty=True)
