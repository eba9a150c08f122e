"""Segments: one after another in time, also for who does not know yet that there is a newer one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from onward.conformance.case import IN, OUT, app_spec, append
from onward.log import Commit
from onward.logs import postgres_segments
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_life import tidy
from onward.logs.postgres_rows import first_of
from onward.logs.postgres_segments import begin
from onward.postgres.connection import Database, rows

FAR = 10 * 365 * 86_400.0


def story(url: str, work: Callable[[PostgresLog, PostgresLog], Awaitable[Any]]) -> None:
    async def run() -> None:
        one, other = PostgresLog(url), PostgresLog(url)
        try:
            await one.declare(app_spec())
            await work(one, other)
        finally:
            await one.close()
            await other.close()

    asyncio.run(run())


def turned(url: str, later: float = FAR) -> bool:
    connection = Database(url).connect()
    try:
        with connection.transaction():
            return begin(connection, time.time() + later)
    finally:
        connection.close()


def numbers(url: str) -> list[int]:
    connection = Database(url).connect()
    try:
        return [number for (number,) in rows(connection, "SELECT number FROM onward.segment ORDER BY number")]
    finally:
        connection.close()


async def put(log: PostgresLog, *values: Any, topic: str = IN) -> None:
    await log.commit(Commit(appends=[append(*values, topic=topic)]))


def test_offsets_go_on_and_all_is_read_also_by_who_knows_only_the_old_one(postgres: str) -> None:
    async def work(one: PostgresLog, other: PostgresLog) -> None:
        for turn in range(4):
            await put(one, turn, turn)
            assert turned(postgres, FAR * (turn + 1))
            await put(other, turn)  # which believes that the segment before is the newest
        assert numbers(postgres) == [1, 2, 3, 4, 5]
        for log in (one, other):
            blocks = await log.read(IN, 0, 0, 1_000, 1_000_000)
            assert [(block.offset, block.count) for block in blocks] == [
                (0, 2), (2, 1), (3, 2), (5, 1), (6, 2), (8, 1), (9, 2), (11, 1),
            ]  # fmt: skip
            assert (await log.news([IN], [])).ends[IN, 0] == 12
            assert [block.offset for block in await log.read(IN, 0, 7, 1, 1)] == [6]
        with psycopg.connect(postgres) as connection:
            found = connection.execute('SELECT "offset" FROM onward.block ORDER BY "offset"').fetchall()
            assert [offset for (offset,) in found] == [0, 2, 3, 5, 6, 8, 9, 11]

    story(postgres, work)


def test_many_append_while_segments_are_begun(postgres: str) -> None:
    async def work(one: PostgresLog, other: PostgresLog) -> None:
        async def puts(log: PostgresLog) -> None:
            for value in range(30):
                await put(log, value)

        async def turns() -> None:
            for turn in range(6):
                await asyncio.to_thread(turned, postgres, FAR * (turn + 1))

        await asyncio.gather(puts(one), puts(other), puts(one), turns())
        offsets = [block.offset for block in await one.read(IN, 0, 0, 1_000, 1_000_000)]
        assert offsets == list(range(90))
        assert len(numbers(postgres)) > 1

    story(postgres, work)


def test_a_new_one_is_begun_by_time_and_only_for_something(postgres: str) -> None:
    async def work(one: PostgresLog, other: PostgresLog) -> None:
        assert not turned(postgres)  # nothing is in it
        await put(one, 1)
        assert not turned(postgres, 1.0)  # topics of this app keep for 60 s, an eighth of that is not over
        assert turned(postgres, 60.0)
        assert not turned(postgres)  # the new one is empty

    story(postgres, work)


def test_small_stores_have_few(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_segments, "FEW", 3)

    async def work(one: PostgresLog, other: PostgresLog) -> None:
        for step in range(40):
            await put(one, step)
            await asyncio.to_thread(turned, postgres, FAR * (step + 1))
        assert len(numbers(postgres)) < 12

    story(postgres, work)


def test_who_reads_the_view_for_long_keeps_nobody_from_appending(postgres: str) -> None:
    async def work(one: PostgresLog, other: PostgresLog) -> None:
        await put(one, 1)
        with psycopg.connect(postgres) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM onward.record")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await asyncio.to_thread(turned, postgres)
            begun = time.monotonic()
            await put(one, 2)
            assert time.monotonic() - begun < 5
        assert turned(postgres)
        await put(one, 3)
        assert (await other.news([IN], [])).ends[IN, 0] == 3

    story(postgres, work)


def test_who_does_not_know_that_one_is_gone_goes_on(postgres: str) -> None:
    """Both handles have read and written when the old segments were there; then these are dropped."""

    async def work(one: PostgresLog, other: PostgresLog) -> None:
        for turn in range(3):
            for log in (one, other):
                await put(log, turn, topic=OUT)
                await log.news([OUT], [])
                assert await log.read(OUT, 0, 0, 1_000, 1_000_000)
            assert turned(postgres, FAR * (turn + 1))
        await put(one, "last", topic=OUT)
        await other.news([OUT], [])
        assert await one.retain(OUT, time.time() + 60, {0: 6}) == 6
        connection = Database(postgres).connect()
        for _ in range(20):
            with connection.transaction():
                if not tidy(connection):
                    break
        connection.close()
        assert len(numbers(postgres)) < 4
        await asyncio.gather(*(put(other, value, topic=OUT) for value in "abc"))
        blocks = await other.read(OUT, 0, 0, 1_000, 1_000_000)
        assert [block.offset for block in blocks] == [6, 7, 8, 9]
        assert (await one.news([OUT], [])).ends[OUT, 0] == 10
        assert len(await one.read(OUT, 0, 0, 1_000, 1_000_000)) == 4

    story(postgres, work)


class Meanwhile:
    """A connection beside which something happens after each statement."""

    def __init__(self, connection: Any, happens: Callable[[], None]) -> None:
        self._connection, self._happens = connection, happens

    def execute(self, *given: Any, **more: Any) -> Any:
        cursor = self._connection.execute(*given, **more)
        self._happens()
        return cursor


def test_what_is_appended_while_somebody_looks_has_not_gone(postgres: str) -> None:
    """Of an empty partition: who declares a stage meanwhile would begin it behind the records, or refuse it."""

    def beside() -> None:
        async def work(one: PostgresLog, other: PostgresLog) -> None:
            await put(one, 1, 2)

        story(postgres, work)

    PostgresLog(postgres)
    with Database(postgres).connect() as connection:
        assert first_of(Meanwhile(connection, beside), IN, 0) == 0  # type: ignore[arg-type]
