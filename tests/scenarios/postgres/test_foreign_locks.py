"""Somebody else locks what the store needs.

Given a stage at work
when  a program that is not ours locks its tables, or makes a deadlock with it
then  what was undone is done again, no attempt counts, and every record is there once.
"""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

from onward import duties
from onward.events import Failed, Trouble
from scenarios.ground import append, until
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, RECORDS, check, delivered, program, values


@pytest.fixture
def line(ground: PostgresGround, monkeypatch: pytest.MonkeyPatch) -> PostgresGround:
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    return ground


def unharmed(ground: PostgresGround) -> None:
    assert not ground.seen.of(Failed) and not ground.seen.of(Trouble)
    assert ground.sql("SELECT count(*) FROM attempt") == [(0,)]


def waiting(ground: PostgresGround) -> bool:
    """Whether somebody waits for a lock of another one."""
    return bool(ground.sql("SELECT 1 FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"))


@pytest.mark.parametrize("table", ["lease", "progress", "topic", "parked", "retained", "worker"])
def test_a_table_is_locked_for_a_while(line: PostgresGround, table: str) -> None:
    app, source, out = program()

    async def story() -> None:
        async with line.running(app) as worker:
            await append(worker.log, source, values())
            await delivered(line, out, RECORDS // 10)
            with psycopg.connect(line.url) as other:
                await asyncio.to_thread(other.execute, f"LOCK TABLE onward.{table} IN ACCESS EXCLUSIVE MODE")
                if table not in ("parked", "worker"):  # which may not be asked for in this while
                    await until(lambda: waiting(line), BOUND)
            await delivered(line, out)

    asyncio.run(story())
    check(line, out)
    unharmed(line)


def test_deadlocks(line: PostgresGround) -> None:
    """It takes rows of progress and leases in the other order, again and again."""
    app, source, out = program()
    over, found = threading.Event(), []

    def quarrel() -> None:
        with psycopg.connect(line.url, options="-c deadlock_timeout=10ms", autocommit=True) as other:
            while not over.is_set():
                try:
                    with other.transaction():
                        other.execute("LOCK TABLE onward.block_000001 IN SHARE MODE")
                        other.execute("UPDATE onward.lease SET state = state WHERE stage = 'line.pass_on'")
                except psycopg.errors.DeadlockDetected as error:
                    found.append(error)

    async def story() -> None:
        async with line.running(app) as worker:
            await append(worker.log, source, values())
            await delivered(line, out, RECORDS // 10)
            quarrelling = asyncio.create_task(asyncio.to_thread(quarrel))
            await until(lambda: len(found) + deadlocks() >= 3, BOUND)
            over.set()
            await quarrelling
            await delivered(line, out)

    def deadlocks() -> int:
        return int(line.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])

    asyncio.run(story())
    check(line, out)
    unharmed(line)
