"""A source brings records, with a cursor.

Given sources that yield records and checkpoints;
when they fail, end, block, are stopped, or their process is killed between two checkpoints;
then what a checkpoint has closed is in the topic exactly once, together with its cursor and soon, and what was not
closed is brought again.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from onward import Checkpoint
from onward.errors import SourceTooGreedy
from onward.events import SourceFailed
from onward.plan import Plan
from scenarios.feed import cursor, numbers, program
from scenarios.ground import BOUND, Ground, environment, until


def test_an_error_discards_what_followed_the_last_checkpoint(ground: Ground) -> None:
    broken = {"on": True}

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 100):
            if n == 57 and broken["on"]:
                raise ConnectionError("away")
            yield {"n": n}
            if n % 10 == 9:
                yield Checkpoint(n + 1)

    app = program(bring)
    report = ground.run(app)
    assert (report.sources_failed, report.failed) == (1, True)
    assert (numbers(ground, app), cursor(ground)) == (list(range(50)), "50")
    ground.recount()
    broken["on"] = False
    assert not ground.run(app).failed
    assert numbers(ground, app) == list(range(100))
    ground.recount()


def test_on_return_what_follows_the_last_checkpoint_is_kept(ground: Ground) -> None:
    def bring(cursor: int | None) -> Iterator[Any]:
        if cursor is None:
            yield {"n": 0}
            yield Checkpoint(1)
            yield {"n": 1}

    app = program(bring, every="1h")
    ground.run(app)
    assert (numbers(ground, app), cursor(ground)) == ([0, 1], "1")
    ground.recount()


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_too_much_without_a_checkpoint_fails_and_says_so(ground: Ground, kind: str) -> None:
    def bring(cursor: int | None) -> Iterator[Any]:
        yield {"n": 0}
        yield Checkpoint(1)
        for n in itertools.count(1):
            yield {"n": n, "text": "x" * 1000}

    async def bring_async(cursor: int | None) -> AsyncIterator[Any]:
        for item in bring(cursor):
            yield item

    app = program(bring if kind == "plain" else bring_async)
    report = ground.run(app, memory=4_000_000)
    assert report.sources_failed == 1
    (event,) = ground.seen.of(SourceFailed)
    assert isinstance(event.error, SourceTooGreedy)
    assert (numbers(ground, app), cursor(ground)) == ([0], "1")
    ground.recount()


def test_large_records_between_checkpoints_stay_inside_the_budget(ground: Ground) -> None:
    """Each record is closed by its own checkpoint: what waits for its commit is bounded in bytes too."""
    begun, gate = [0], threading.Event()

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 200):
            begun[0] = n
            yield {"n": n, "text": "x" * 400_000}
            yield Checkpoint(n + 1)

    app = program(bring, every="1h")

    async def story() -> None:
        async with ground.open(app, plan=Plan(once=True, memory=16_000_000)) as worker:
            commit, most = worker.log.commit, [0]

            async def slow(what: Any) -> None:
                size = sum(len(one.entries) for one in what.appends)
                most[0] = max(most[0], size)
                await asyncio.to_thread(gate.wait, 0.02)
                await commit(what)

            worker.log.commit = slow  # type: ignore[method-assign]
            await asyncio.wait_for(worker.run(), BOUND)
            assert most[0] <= 8_000_000

    asyncio.run(story())
    assert numbers(ground, app) == list(range(200))
    ground.recount()


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_is_closed_becomes_visible_while_the_source_blocks(ground: Ground, kind: str) -> None:
    go = threading.Event()
    closed: list[float] = []

    def bring(cursor: int | None) -> Iterator[Any]:
        if cursor is None:
            yield {"n": 0}
            yield {"n": 1}
            yield Checkpoint(2)
            yield {"n": 2}
            closed.append(time.monotonic())
            go.wait(BOUND)
            yield Checkpoint(3)

    async def bring_async(cursor: int | None) -> AsyncIterator[Any]:
        if cursor is None:
            yield {"n": 0}
            yield {"n": 1}
            yield Checkpoint(2)
            yield {"n": 2}
            closed.append(time.monotonic())
            await asyncio.to_thread(go.wait, BOUND)
            yield Checkpoint(3)

    app = program(bring if kind == "plain" else bring_async)

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: closed)
            await until(lambda: numbers(ground, app))
            assert time.monotonic() - closed[0] < 1.0  # 0.1 s where nobody else needs the machine
            assert (numbers(ground, app), cursor(ground)) == ([0, 1], "2")
            go.set()
            await until(lambda: cursor(ground) == "3")

    asyncio.run(story())
    assert numbers(ground, app) == [0, 1, 2]
    ground.recount()


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_stopped_in_the_middle_it_goes_on_from_its_cursor(ground: Ground, kind: str) -> None:
    yielded = [0]

    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 30_000):
            yielded[0] = n
            yield {"n": n}
            if n % 7 == 6:
                yield Checkpoint(n + 1)

    async def bring_async(cursor: int | None) -> AsyncIterator[Any]:
        for n, item in enumerate(bring(cursor)):
            if n % 100 == 0:
                await asyncio.sleep(0)
            yield item

    app = program(bring if kind == "plain" else bring_async, every="1h")
    for part in range(1, 4):

        async def story(part: int = part) -> None:
            async with ground.running(app):
                await until(lambda: yielded[0] > part * 5_000)

        asyncio.run(story())
        found = numbers(ground, app)
        assert found == list(range(len(found)))
        assert int(cursor(ground) or 0) == len(found)
        ground.recount()
    ground.run(app)
    assert numbers(ground, app) == list(range(30_000))
    ground.recount()


def test_killed_between_checkpoints(ground: Ground) -> None:
    """A child is killed by its own source, at a place that moves on; whatever was closed is there exactly once."""
    for at in (1, 5, 36, 37, 251, 1_499, 702):
        command = [sys.executable, "-m", "scenarios.test_source", str(ground.path), str(at)]
        assert subprocess.run(command, env=environment(), timeout=60).returncode == -9
        found = numbers(ground, app := program(killing(0), every="1h"))
        assert found == list(range(len(found)))
        assert int(cursor(ground) or 0) == len(found)
        assert len(found) % 50 == 0
        ground.recount()
    ground.run(app)
    assert numbers(ground, app) == list(range(3_000))
    ground.recount()


def killing(at: int) -> Any:
    """A source that kills its process before record number `at` of the call (0: never)."""

    def bring(cursor: int | None) -> Iterator[Any]:
        for count, n in enumerate(range(cursor or 0, 3_000), 1):
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            yield {"n": n}
            if n % 50 == 49:
                yield Checkpoint(n + 1)

    return bring


def test_a_source_killed_while_it_is_not_called_is_called_again(ground: Ground) -> None:
    """`every` runs at start, and missed runs become one."""
    calls: list[Any] = []

    def bring(cursor: int | None) -> Iterator[Any]:
        calls.append(cursor)
        yield {"n": len(calls)}
        yield Checkpoint(len(calls))

    app = program(bring, every="10m")

    async def story() -> None:
        async with ground.running(app):
            await until(lambda: len(calls) == 1 and cursor(ground) == "1")
            ground.clock.advance(599.0)
            assert len(calls) == 1
            ground.clock.advance(3 * 3600.0)
            await until(lambda: cursor(ground) == "2")

    asyncio.run(story())
    assert calls == [None, 1]
    ground.run(app)
    assert calls == [None, 1, 2]
    assert numbers(ground, app) == [1, 2, 3]
    ground.recount()


if __name__ == "__main__":
    path, at = sys.argv[1:]
    Ground(Path(path).parent).run(program(killing(int(at)), every="1h"))
