"""A worker that is told to stop ends, whatever its store does, and leaves nothing behind that others wait for.

Given a worker whose store somebody else keeps locked, or that is just asking for a lease;
when it is told to stop;
then it ends in good order, soon, and what it has taken is free at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from onward import App
from onward.log import Claim
from onward.plan import Plan
from scenarios.ground import Ground, environment, until

PROGRAM = """
from onward import App
app = App("away")
numbers, doubled = app.topic("numbers", int), app.topic("doubled", int)

@app.stage(numbers, to=doubled)
def double(number: int) -> int:
    return 2 * number
"""


def program() -> App:
    app = App("away")
    numbers, doubled = app.topic("numbers", int), app.topic("doubled", int)

    @app.stage(numbers, to=doubled)
    def double(number: int) -> int:
        return 2 * number

    return app


def opened(pid: int, path: Path) -> bool:
    """Whether a process has a file open: from then on it waits for the lock, of which there is no other sign."""
    links = Path(f"/proc/{pid}/fd").iterdir() if Path("/proc/self/fd").exists() else iter([path])
    try:
        return any(os.path.realpath(link) == str(path.resolve()) for link in links)
    except FileNotFoundError:  # one that it has closed meanwhile
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("once", [False, True])
def test_a_stop_while_the_store_is_locked(ground: Ground, tmp_path: Path, once: bool, number: int) -> None:
    app = program()
    ground.put(app, app.topics["away.numbers"], 1, 2, 3)
    ground.run(app)
    (tmp_path / "away.py").write_text(PROGRAM)
    other = apsw.Connection(str(ground.path))
    other.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-m", "onward", "run", str(tmp_path / "away.py"), "--store", ground.url, "--grace", "1s"]
    with (tmp_path / "stderr").open("w") as stderr:
        worker = subprocess.Popen([*command, *["--once"] * once], env=environment(), stderr=stderr)
    try:
        asyncio.run(until(lambda: worker.poll() is not None or opened(worker.pid, ground.path), 40))
        assert worker.poll() is None, (tmp_path / "stderr").read_text()
        begun = time.monotonic()
        worker.send_signal(number)
        assert worker.wait(30) == 0, (tmp_path / "stderr").read_text()
        assert time.monotonic() - begun < 20
    finally:
        worker.kill()
        worker.wait()
        other.execute("ROLLBACK")
        other.close()
    ground.recount(empty=True)


def test_a_lease_that_is_claimed_while_the_worker_stops_is_given_back(ground: Ground) -> None:
    app = program()
    ground.put(app, app.topics["away.numbers"], 1)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def story() -> None:
        async with ground.open(app, plan=Plan(retention=False)) as worker:
            claim = worker.log.claim

            async def late(*given) -> Claim | None:
                asked.set()
                await go_on.wait()
                return await claim(*given)

            worker.log.claim = late  # type: ignore[method-assign]
            running = asyncio.create_task(worker.run())
            await asyncio.wait_for(asked.wait(), 20)
            worker.stop()
            await asyncio.sleep(0)
            go_on.set()
            await asyncio.wait_for(running, 20)
            assert not worker.leases.held
        assert ground.sql("SELECT token, until, state FROM lease WHERE stage = 'away.double'") == [(1, "", "stopped")]

    asyncio.run(story())


def test_a_stop_before_the_worker_has_declared(ground: Ground) -> None:
    app = program()

    async def story() -> None:
        async with ground.open(app) as worker:
            never = asyncio.Event()

            async def declare(spec: object) -> None:
                never.set()
                await asyncio.Event().wait()

            worker.log.declare = declare  # type: ignore[method-assign]
            running = asyncio.create_task(worker.run())
            await until(never.is_set)
            worker.stop()
            assert not (await asyncio.wait_for(running, 20)).failed

    asyncio.run(story())
