"""Somebody reads for hours in one transaction: a report, a dump, a forgotten prompt.

Given a transaction at REPEATABLE READ that has read the store's views
when  workers work, a segment begins, records age, and segments are to go
then  no commit waits for the reader, what cannot be done beside it is done when it has ended, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from onward import Topic
from onward.errors import StoreAway
from onward.logs import postgres_life
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_life import tidy
from onward.logs.postgres_rows import SQL
from onward.logs.postgres_segments import begin
from onward.postgres import schema
from onward.postgres.connection import Connection, Database
from onward.postgres.schema import prepare
from scenarios.ground import append, until
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import RECORDS, check, delivered, program, values

STALL = 2.0
"""Seconds that no commit may take; a reader that it waited for would keep it for as long as it reads."""

EXTRA = "ALTER TABLE onward.progress ADD COLUMN extra text"


@contextmanager
def pinned(url: str) -> Iterator[None]:
    with psycopg.connect(url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for view in ("record", "block", "progress"):
            reader.execute(f"SELECT count(*) FROM onward.{view}")
        yield


def in_turn(url: str, work: Callable[[Connection], bool]) -> bool:
    """Whether it had an effect; not where a lock could not be had soon."""
    connection = Database(url).connect()
    try:
        with connection.transaction():
            return work(connection)
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        connection.close()


def begun(url: str) -> bool:
    return in_turn(url, lambda connection: begin(connection, time.time() + 10 * 365 * 86_400))


def migrated(url: str) -> bool:
    database = Database(url)
    connection = database.connect()
    try:
        prepare(connection, database, [*SQL.migrations, EXTRA], create=False)
        return True
    except StoreAway as error:
        assert "open transaction" in str(error)
        return False
    finally:
        connection.close()


def test_nobody_waits_for_a_reader(ground: PostgresGround, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_life, "QUIET", 0.0)
    monkeypatch.setattr(schema, "PATIENCE", 1.0)
    app, source, out = program()
    took: list[float] = []

    def segments() -> list[int]:
        return [number for (number,) in ground.sql("SELECT number FROM segment ORDER BY number")]

    async def ages(log: PostgresLog, topic: Topic[Any]) -> None:
        ends = (await log.news([topic.name], ())).ends
        await log.retain(topic.name, time.time() + 60, {partition: end for (_, partition), end in ends.items()})

    async def puts(log: PostgresLog) -> None:
        rest = values()[RECORDS // 2 :]
        for first in range(0, len(rest), 50):
            since = time.monotonic()
            await append(log, source, rest[first : first + 50])
            took.append(time.monotonic() - since)

    async def disturbs() -> None:
        assert not await asyncio.to_thread(migrated, ground.url)
        assert not await asyncio.to_thread(begun, ground.url)
        assert not await asyncio.to_thread(in_turn, ground.url, tidy)

    async def story() -> None:
        first = segments()
        async with ground.running(app) as worker:
            await append(worker.log, source, values()[: RECORDS // 2])
            await delivered(ground, out, RECORDS // 2)
            with pinned(ground.url):
                await ages(worker.log, source)
                async with asyncio.TaskGroup() as all_at_once:
                    all_at_once.create_task(puts(worker.log))
                    all_at_once.create_task(disturbs())
                await delivered(ground, out)
            assert max(took) < STALL, took
            assert segments() == first
            await until(lambda: all(lane.idle for lane in worker.roster.lanes.values()))
            await asyncio.to_thread(check, ground, out)
            # What could not be done beside the reader is done now.
            assert await asyncio.to_thread(begun, ground.url)
            for topic in (source, out):
                await ages(worker.log, topic)
            while await asyncio.to_thread(in_turn, ground.url, tidy):
                pass
            assert segments() == [first[-1] + 1]

    asyncio.run(story())
    ground.recount(empty=True)


def test_a_migration_goes_on_when_the_reader_has_ended(postgres: str) -> None:
    PostgresLog(postgres)
    with ThreadPoolExecutor() as pool:
        with pinned(postgres):
            migrating = pool.submit(migrated, postgres)
            wait_for_lock(postgres)
        assert migrating.result(60)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(extra) FROM onward.progress").fetchall() == [(0,)]


def wait_for_lock(url: str) -> None:
    end = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL").fetchall():
            assert time.monotonic() < end, "nobody waits"
            time.sleep(0.01)
