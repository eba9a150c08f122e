"""A program puts records in a transaction that it has open on the store's own PostgreSQL database.

Given a program with a table of its own beside the store;
when it changes the table and puts records in one transaction, which commits, is rolled back, or meets others;
then the records are there if and only if the change is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

import onward
from onward import App
from onward.errors import BadRecord, Refused
from onward.plan import Plan
from onward.stores import open_books, open_log
from onward.worker import Worker
from scenarios.ground import BOUND, until
from servers.postgres import database

app = App("shop")
orders = app.topic("orders", dict, key="key", partitions=2)
seen = app.topic("seen", dict, key="key")


@app.stage(orders, to=seen)
def see(value: dict) -> dict:
    return value


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg.Connection]:
    with onward.open(app, postgres):
        pass  # makes the store
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE account (n integer)")
        connection.commit()
        yield connection


def put(url: str) -> list[int]:
    """What is in the topic, from outside."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT (value ->> 'n')::integer FROM onward.record WHERE topic = 'shop.orders'")
        return sorted(n for (n,) in found.fetchall())


def accounts(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM account ORDER BY n").fetchall()]


def some(*numbers: int) -> list[dict]:
    return [{"key": f"k{n % 5}", "n": n} for n in numbers]


def test_records_are_there_if_the_change_is(postgres: str, connection: psycopg.Connection) -> None:
    with onward.open(app, postgres) as client:
        for n, commits in ((1, True), (2, False), (3, True)):
            connection.execute("INSERT INTO account VALUES (%s)", (n,))
            client.put(orders, *some(n, n + 10), tx=connection)
            assert n not in put(postgres)
            connection.commit() if commits else connection.rollback()
    assert put(postgres) == [1, 3, 11, 13] and accounts(postgres) == [1, 3]


def test_workers_find_what_was_put(postgres: str, connection: psycopg.Connection) -> None:
    async def story() -> None:
        log, books = open_log(postgres, listen=True), open_books(postgres)
        worker = Worker([app], log, books, Plan())
        running = asyncio.create_task(worker.run())
        try:
            async with onward.open(app, postgres) as client:
                await client.put(orders, *some(1, 2))
                await client.put(orders, *some(3, 4), tx=connection)
                connection.commit()
                async with await psycopg.AsyncConnection.connect(postgres) as awaited, awaited.transaction():
                    await client.put(orders, *some(5, 6), tx=awaited)
            ends: dict[Any, int] = {}

            async def look() -> None:
                ends.update((await log.news(["shop.seen"], [])).ends)

            while ends.get(("shop.seen", 0)) != 6:
                await asyncio.wait_for(look(), BOUND)
                await asyncio.sleep(0.02)
        finally:
            worker.stop()
            await asyncio.wait_for(running, BOUND)
            await books.close()
            await log.close()

    asyncio.run(asyncio.wait_for(story(), 2 * BOUND))
    assert put(postgres) == [1, 2, 3, 4, 5, 6]


def test_others_who_put_wait_and_offsets_have_no_gap(postgres: str, connection: psycopg.Connection) -> None:
    with onward.open(app, postgres) as client, onward.open(app, postgres) as other:
        client.put(orders, {"key": "k", "n": 1}, tx=connection)
        thread = threading.Thread(target=lambda: other.put(orders, {"key": "k", "n": 2}), daemon=True)
        thread.start()
        with psycopg.connect(postgres, autocommit=True) as looking:
            asyncio.run(until(lambda: waiting(looking)))
        assert put(postgres) == []
        connection.commit()
        thread.join(BOUND)
        assert not thread.is_alive()
    with psycopg.connect(postgres) as looking:
        found = looking.execute(
            "SELECT \"offset\", value ->> 'n' FROM onward.record WHERE topic = 'shop.orders' ORDER BY 1"
        )
        assert found.fetchall() == [(0, "1"), (1, "2")]


def waiting(looking: psycopg.Connection) -> bool:
    found = looking.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
    return found is not None and found[0] > 0


def test_nested_blocks_take_back_their_own(postgres: str, connection: psycopg.Connection) -> None:
    with onward.open(app, postgres) as client:
        client.put(orders, *some(1), tx=connection)
        with pytest.raises(ZeroDivisionError), connection.transaction():
            client.put(orders, *some(2), tx=connection)
            raise ZeroDivisionError
        client.put(orders, *some(3), tx=connection)
        connection.commit()
    assert put(postgres) == [1, 3]


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_another_isolation_is_refused(postgres: str, connection: psycopg.Connection, level: IsolationLevel) -> None:
    connection.isolation_level = level
    with onward.open(app, postgres) as client:
        connection.execute("INSERT INTO account VALUES (1)")
        with pytest.raises(Refused, match="READ COMMITTED"):
            client.put(orders, *some(1), tx=connection)
        connection.commit()
    assert put(postgres) == [] and accounts(postgres) == [1]


def test_another_database_is_refused(postgres: str, postgres_server: str, connection: psycopg.Connection) -> None:
    with database(postgres_server) as elsewhere, psycopg.connect(elsewhere) as another:
        with onward.open(app, elsewhere):
            pass  # a store like this one
        with onward.open(app, postgres) as client, pytest.raises(Refused, match="another database"):
            client.put(orders, *some(1), tx=another)
        another.commit()
        assert put(elsewhere) == put(postgres) == []


def test_what_is_no_open_transaction_is_refused(postgres: str, connection: psycopg.Connection) -> None:
    with onward.open(app, postgres) as client, psycopg.connect(postgres, autocommit=True) as automatic:
        with pytest.raises(Refused, match="autocommit"):
            client.put(orders, *some(1), tx=automatic)
        with automatic.transaction():
            client.put(orders, *some(2), tx=automatic)
        with pytest.raises(Refused, match="not a object"):
            client.put(orders, *some(3), tx=object())
        with pytest.raises(psycopg.Error):
            connection.execute("nonsense")
        with pytest.raises(Refused, match="failed already"):
            client.put(orders, *some(4), tx=connection)
        connection.rollback()
    assert put(postgres) == [2]


def test_an_awaited_connection_is_for_an_awaited_client(postgres: str, connection: psycopg.Connection) -> None:
    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(postgres) as awaited:
            with onward.open(app, postgres) as client, pytest.raises(Refused, match="async with"):
                client.put(orders, *some(1), tx=awaited)

    asyncio.run(story())
    assert put(postgres) == []


def test_what_cannot_be_put_leaves_the_transaction_as_it_was(postgres: str, connection: psycopg.Connection) -> None:
    other = App("shop")
    missing = other.topic("missing", dict, key="key")
    with onward.open(app, postgres) as client:
        connection.execute("INSERT INTO account VALUES (1)")
        with pytest.raises(BadRecord):
            client.put(orders, {"no": "key"}, tx=connection)
        client.put(orders, *some(1), tx=connection)
        with pytest.raises(Refused):
            client.put(missing, *some(2), tx=connection)
        with psycopg.connect(postgres, autocommit=True) as behind:
            behind.execute("UPDATE onward.topic SET name = 'shop.gone' WHERE name = 'shop.seen'")
        with pytest.raises(Refused, match="not declared"):
            client.put(seen, *some(3), tx=connection)
        connection.commit()
    assert put(postgres) == [1] and accounts(postgres) == [1]


def test_a_newer_segment_is_found(postgres: str, connection: psycopg.Connection) -> None:
    from onward.logs import postgres_segments
    from onward.postgres.connection import Database

    with onward.open(app, postgres) as client:
        client.put(orders, *some(1))
        behind = Database(postgres).connect()
        try:
            with behind.transaction():
                behind.execute("UPDATE onward.segment SET began = began - interval '100 days'")
                assert postgres_segments.begin(behind, 4_000_000_000.0)
        finally:
            behind.close()
        connection.execute("INSERT INTO account VALUES (1)")
        client.put(orders, *some(2, 3), tx=connection)
        connection.commit()
        client.put(orders, *some(4))
    assert put(postgres) == [1, 2, 3, 4] and accounts(postgres) == [1]


def test_a_user_who_may_not_write_to_the_store_is_refused(postgres: str, connection: psycopg.Connection) -> None:
    connection.execute("CREATE ROLE guest LOGIN")
    connection.execute("GRANT INSERT ON account TO guest")
    connection.commit()
    try:
        with psycopg.connect(postgres.replace("postgres@", "guest@")) as guest, onward.open(app, postgres) as client:
            guest.execute("INSERT INTO account VALUES (1)")
            with pytest.raises(Refused, match="may not append"):
                client.put(orders, *some(1), tx=guest)
            guest.commit()
        assert put(postgres) == [] and accounts(postgres) == [1]
    finally:
        connection.execute("DROP OWNED BY guest")
        connection.execute("DROP ROLE guest")
        connection.commit()
