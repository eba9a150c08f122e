"""Looking at a PostgreSQL store: what is refused, and what a server that goes away means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from postgres_case import Store, on, opened

from onward import stores
from onward.clock import HandClock
from onward.conformance.case import IN, Case, app_spec, append
from onward.errors import Refused, StoreAway, StoreNewer, StoreNotFound
from onward.log import Commit
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.read import Wish, kept
from servers import free_port
from servers.postgres import Postgres


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def test_looking_makes_nothing(postgres: str) -> None:
    with pytest.raises(StoreNotFound):
        stores.open_books(postgres)
    assert run(postgres, "SELECT count(*) FROM pg_namespace WHERE nspname = 'onward'") == [(0,)]


def test_what_is_no_store_of_this_version_is_refused(postgres: str) -> None:
    run(postgres, "CREATE SCHEMA onward", "CREATE TABLE onward.mine (id integer)")
    with pytest.raises(Refused, match="something else"):
        stores.open_books(postgres)
    run(postgres, "DROP SCHEMA onward CASCADE")
    asyncio.run(PostgresLog(postgres).close())
    others = [(99, StoreNewer, "schema version 99"), (0, StoreNotFound, "no store at"), (-1, Refused, "older")]
    for version, kind, said in others:
        run(postgres, f"UPDATE onward.schema_version SET version = {version}")
        with pytest.raises(kind, match=said):
            stores.open_books(postgres)


def test_a_server_that_is_not_there_is_away_without_its_password() -> None:
    with pytest.raises(StoreAway) as caught:
        stores.open_books(f"postgresql://me:open-sesame@127.0.0.1:{free_port()}/store")
    assert "postgresql://me:***@127.0.0.1" in str(caught.value) and "sesame" not in str(caught.value)


def test_a_server_that_comes_back_is_looked_at_again(own_postgres: Postgres) -> None:
    async def test() -> None:
        log = PostgresLog(url := own_postgres.create())
        await log.declare(app_spec())
        await log.close()
        books = PostgresBooks(url)
        looks: list[Callable[[], Awaitable[object]]] = [
            books.survey,
            books.evidence,
            books.standing,
            lambda: asyncio.to_thread(books.tables.get, "app.items", "k"),
        ]
        for look in looks:
            await look()
        own_postgres.stop("immediate")
        for look in looks:
            with pytest.raises(StoreAway):
                await look()
        own_postgres.start()
        for look in looks:
            await look()
        own_postgres.stop()
        own_postgres.start()
        for look in looks:  # which finds out only now, and nobody notices
            await look()
        await books.close()
        await books.close()

    asyncio.run(test())


def test_who_reads_a_snapshot_for_long_stalls_no_commit(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        with psycopg.connect(postgres) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT count(*) FROM onward.block, onward.lease, onward.progress, onward.parked")
            async with asyncio.timeout(20):
                for value in range(20):
                    await case.put(value)
                await case.claim()
                assert (await case.survey()).topics[0].records == 20

    on(postgres, test)


def test_what_is_kept_is_counted_as_it_comes_and_goes(postgres: str) -> None:
    """The running totals say what a count of the rows says."""

    async def test() -> None:
        async with opened(postgres) as (store, case):
            for step in range(6):
                await case.put(*range(step + 1), partition=step % 2)
                store.clock.advance(10)
                if step in (2, 4):
                    assert store.segment()
                    await case.log.retain("app.in", store.clock.now() - 100, {0: step, 1: step})
                if step == 5:
                    await case.log.retain("app.in", store.clock.now(), {0: 100})
                topics = (await case.survey()).topics
                [counted] = run(
                    postgres,
                    """SELECT sum(count)::integer, sum(size)::integer FROM onward.block
                    WHERE topic = 'app.in' AND size > 2""",
                )
                assert (topics[0].records, topics[0].bytes) == counted
                assert topics[0].put == topics[0].ends == sum(range(step + 2))
                assert (topics[1].records, topics[1].put) == (0, 0)

    asyncio.run(test())


def test_a_clock_by_hand_is_taken(postgres: str) -> None:
    async def test() -> None:
        clock = HandClock()
        log = PostgresLog(postgres, clock=clock)
        await log.declare(app_spec())
        await log.claim("app.work", 0, "w", 10.0)
        books = PostgresBooks(postgres, clock=clock)
        assert [held.live for held in (await books.survey()).leases] == [True]
        clock.advance(11)
        assert [held.live for held in (await books.survey()).leases] == [False]
        await books.close()
        await log.close()

    asyncio.run(test())


def test_who_follows_a_topic_waits_for_a_server_that_is_away(own_postgres: Postgres) -> None:
    async def test() -> None:
        log = PostgresLog(url := own_postgres.create())
        await log.declare(app_spec())
        await log.commit(Commit(appends=[append("a")]))
        books, away, found = PostgresBooks(url), asyncio.Event(), []
        async for records in kept(books, IN, 2, Wish(None), follow=True, away=lambda error: away.set()):
            found += [record.value for record in records]
            if len(found) == 1:
                own_postgres.stop()
                waiting = asyncio.create_task(_back(own_postgres, away, log))
            else:
                break
        await waiting
        assert [bytes(value) for value in found] == [b'"a"', b'"b"']
        await books.close()
        await log.close()

    asyncio.run(asyncio.wait_for(test(), 60))


async def _back(server: Postgres, away: asyncio.Event, log: PostgresLog) -> None:
    await away.wait()
    await asyncio.to_thread(server.start)
    await log.commit(Commit(appends=[append("b")]))
