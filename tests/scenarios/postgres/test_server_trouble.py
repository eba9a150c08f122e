"""What only a server brings: connections cut, answers lost, a server killed, and one that went back.

Given a stage with records of several keys, on a store that a server keeps
when  the server, or the way to it, fails in the middle
then  the worker waits and goes on, every record is there once and in order per key, and all counts hold; and where the
      server has lost what it had kept, the stage stops and says so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from onward import duties
from onward.events import StoreAbsent, Trouble
from onward.log import Commit
from onward.logs.postgres import PostgresLog
from onward.plan import Plan
from onward.postgres import connection as connection_module
from onward.postgres.watchdog import Watchdog
from onward.worker import Worker
from scenarios.ground import append, environment, until
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, KEYS, RECORDS, check, delivered, program, values
from servers.postgres import Postgres, own
from servers.proxy import proxy as way_to


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with own("fsync=off") as server:
        yield server


@pytest.fixture
def line(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PostgresGround:
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    return PostgresGround(tmp_path, server.create())


def test_connections_are_cut_again_and_again(line: PostgresGround, server: Postgres) -> None:
    app, source, out = program()

    async def story() -> None:
        async with line.running(app, plan=Plan(once=False)) as worker:
            await append(worker.log, source, values())
            for step in range(12):
                await delivered(line, out, RECORDS // 20 * step)
                await asyncio.to_thread(cut_all, server)
            await delivered(line, out)

    asyncio.run(story())
    check(line, out)


def cut_all(server: Postgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'onward'")


def test_once_goes_on_after_connections_were_cut(line: PostgresGround, server: Postgres) -> None:
    app, source, out = program()
    line.put(app, source, *values())

    async def story() -> None:
        async with line.open(app, plan=Plan(once=True)) as worker:
            task = asyncio.create_task(worker.run())
            await delivered(line, out, RECORDS // 4)
            await asyncio.to_thread(cut_all, server)
            report = await asyncio.wait_for(task, BOUND)
            assert not report.failed, report

    asyncio.run(story())
    check(line, out)


def test_the_server_is_killed_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    app, source, out = program()
    with own() as server:
        ground = PostgresGround(tmp_path, server.create())

        async def story() -> None:
            async with ground.running(app) as worker:
                await append(worker.log, source, values())
                await delivered(ground, out, RECORDS // 4)
                await asyncio.to_thread(server.kill)
                await until(lambda: ground.seen.of(StoreAbsent), BOUND)
                await asyncio.to_thread(server.start)
                await delivered(ground, out)

        asyncio.run(story())
        check(ground, out)


def test_the_answer_to_a_commit_is_lost(
    line: PostgresGround, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy holds back what the server says to a COMMIT; the connection is cut some time later."""
    app, source, out = program()
    line.put(app, source, *values())
    monkeypatch.setattr(connection_module, "Watchdog", lambda seconds: Watchdog(1.0))
    with way_to(server.port) as proxy:
        beyond = PostgresGround(line.folder, line.url.replace(f":{server.port}/", f":{proxy.port}/"))

        async def story() -> None:
            async with beyond.running(app):
                for step in range(1, 4):
                    await delivered(line, out, RECORDS // 5 * step)
                    proxy.hold(b"COMMIT\0")
                    assert await asyncio.to_thread(proxy.held.wait, BOUND)
                    proxy.let_go()
                await delivered(line, out)

        asyncio.run(story())
    check(line, out)


def test_a_store_that_went_back_stops_its_stage(line: PostgresGround) -> None:
    """As a server does that was behind and took over: the newest commits are gone, with blocks and progress."""
    app, source, out = program()

    async def story() -> None:
        async with line.running(app) as worker:
            await append(worker.log, source, values())
            await delivered(line, out)
            await until(lambda: all(lane.idle for lane in worker.roster.lanes.values()), BOUND)
            for statement in (
                "DELETE FROM progress WHERE seq > (SELECT max(seq) - 2 FROM progress)",
                "DELETE FROM block_000001 WHERE topic = 'line.out'"
                ' AND "offset" > (SELECT max("offset") / 2 FROM block_000001)',
            ):
                await asyncio.to_thread(line.sql, statement)
            await append(worker.log, source, values()[: KEYS * 5])
            await until(lambda: {trouble.name for trouble in line.seen.of(Trouble)} == {"line.pass_on"}, BOUND)
            told = line.seen.of(Trouble)[0].what
            assert "has lost commits" in told and "postgres" in told
            await until(lambda: not worker.roster.lanes, BOUND)
            assert worker.duties.given_up

    asyncio.run(story())


def test_a_lease_that_went_back_is_noticed_by_its_holder(line: PostgresGround) -> None:
    app, _, _ = program()

    async def story() -> None:
        async with line.running(app) as worker:
            await until(lambda: len(worker.roster.lanes) == 2, BOUND)
            await asyncio.to_thread(line.sql, "UPDATE lease SET token = token - 1, worker = 'another', until = NULL")
            await until(lambda: line.seen.of(Trouble), BOUND)
            assert "the lease of line.pass_on" in line.seen.of(Trouble)[0].what

    asyncio.run(story())


def test_what_takes_too_long_is_ended_and_done_again(line: PostgresGround, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody locks a table for longer than a statement may take."""
    monkeypatch.setattr(connection_module, "_SESSION", connection_module._SESSION.replace("'5s'", "'300ms'"))
    app, source, out = program()

    async def story() -> None:
        async with line.running(app) as worker:
            await append(worker.log, source, values())
            await delivered(line, out, RECORDS // 4)
            with psycopg.connect(line.url) as other:
                other.execute("LOCK TABLE onward.progress IN SHARE MODE")
                await until(lambda: line.seen.of(StoreAbsent), BOUND)
            await delivered(line, out)

    asyncio.run(story())
    check(line, out)


@contextmanager
def worker_process(url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "scenarios.postgres.test_server_trouble", url]
    child = subprocess.Popen(command, env=environment())
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_two_processes_share_the_work_and_one_is_killed(line: PostgresGround) -> None:
    app, source, out = program()
    line.put(app, source)
    with worker_process(line.url), worker_process(line.url) as other:

        def holders() -> set[str]:
            found = line.sql("SELECT worker FROM lease WHERE stage = 'line.pass_on' AND until IS NOT NULL")
            return {worker.split("/")[1] for (worker,) in found}

        asyncio.run(until(lambda: len(holders()) == 2, BOUND))
        line.put(app, source, *values())
        asyncio.run(delivered(line, out, RECORDS // 10))
        os.kill(other.pid, signal.SIGKILL)
        asyncio.run(delivered(line, out))
        assert str(other.pid) not in holders()
    check(line, out)


def test_who_was_only_slow_commits_nothing(line: PostgresGround) -> None:
    """Its session stands still with the lease's row read; another takes the lease, which waits for it and no longer."""
    app, source, _ = program()
    line.put(app, source, *values())

    async def story() -> None:
        slow, quick = PostgresLog(line.url), PostgresLog(line.url)
        claim = await slow.claim("line.pass_on", 0, "slow", 0.0)
        assert claim is not None
        taken = await quick.claim("line.pass_on", 0, "quick", 10.0)
        assert taken is not None
        with pytest.raises(Exception, match="taken over"):
            await slow.commit(Commit(lease=claim.lease, finished=[(0, 1)], next=1))
        await slow.close()
        await quick.close()

    asyncio.run(story())
    line.recount()


if __name__ == "__main__":

    async def work(url: str) -> None:
        from onward.logs.postgres_books import PostgresBooks

        log, books = PostgresLog(url, listen=True), PostgresBooks(url)
        await Worker([program()[0]], log, books, Plan()).run()

    asyncio.run(work(sys.argv[1]))
