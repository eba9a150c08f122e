"""Batches: one way to the server and back, and what is prepared is what the server has prepared."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from onward.postgres import batch as module
from onward.postgres.batch import Batch
from onward.postgres.connection import Connection, Database


@pytest.fixture
def connection(postgres: str) -> Iterator[Connection]:
    opened = Database(postgres).connect()
    yield opened
    opened.close()


def prepared(connection: Connection) -> set[bytes]:
    """What the server has prepared for batches."""
    found = connection.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'onward%'", prepare=False)
    return {name.encode() for (name,) in found}


def test_answers_come_in_order(connection: Connection) -> None:
    batch = Batch(connection)
    first = batch.ask("SELECT %(a)s::text, 7 %% 4, %(a)s::text", a="x\0y")
    batch.ask("CREATE TEMPORARY TABLE kept (id bigint, words text[])")
    second = batch.ask("SELECT id FROM generate_series(1, %(most)s) AS every (id)", most=3)
    batch.send()
    assert first.one == ("x\0y", 3, "x\0y")
    assert second.rows == [(1,), (2,), (3,)]
    batch.ask("INSERT INTO kept VALUES (%(id)s, %(words)s)", id=1, words=["a", None])
    batch.ask("INSERT INTO kept VALUES (%(id)s, %(words)s)", id=None, words=[])
    every = batch.ask("SELECT id, words FROM kept")
    batch.send()
    assert every.rows == [(1, ["a", None]), (None, [])]


def test_the_first_that_is_refused_is_told_and_nothing_after_it_is_done(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE kept (id integer)")
    batch = Batch(connection)
    batch.ask("INSERT INTO kept VALUES (1)")
    batch.ask("SELECT 1 / %(by)s", by=0)
    after = batch.ask("INSERT INTO kept VALUES (2) RETURNING id")
    with pytest.raises(psycopg.errors.DivisionByZero):
        batch.send()
    assert after.rows == []
    batch.ask("INSERT INTO kept VALUES (2) RETURNING id")
    batch.send()
    assert connection.execute("SELECT id FROM kept").fetchall() == [(2,)]


def test_what_came_after_a_refusal_is_not_taken_for_prepared(connection: Connection) -> None:
    for _ in range(2):
        batch = Batch(connection)
        batch.ask("BEGIN")
        batch.ask("SELECT 1 / %(by)s", by=0)
        batch.ask("SELECT %(word)s::text", word="never seen by the server")
        with pytest.raises(psycopg.errors.DivisionByZero):
            batch.send()
        connection.rollback()
        assert set(connection.prepared.values()) == prepared(connection)
    batch.ask("SELECT %(word)s::text", word="seen")
    batch.send()
    assert set(connection.prepared.values()) == prepared(connection) != set()


def test_a_statement_is_prepared_once_for_its_types(connection: Connection) -> None:
    for value in (1, 2, None, "x", b"y", 3):
        batch = Batch(connection)
        batch.ask("SELECT %(value)s::text", value=value)
        batch.send()
    assert len(connection.prepared) == 3
    assert set(connection.prepared.values()) == prepared(connection)


def test_the_oldest_make_room(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(10):
        batch = Batch(connection)
        answer = batch.ask(f"SELECT {number}")
        batch.send()
        assert answer.one == (number,)
    assert set(connection.prepared.values()) == prepared(connection)
    assert len(connection.prepared) == 3


def test_a_value_that_cannot_travel_leaves_the_connection_as_it_was(connection: Connection) -> None:
    batch = Batch(connection)
    with pytest.raises((psycopg.Error, UnicodeError)):
        batch.ask("SELECT %(word)s::text", word="\ud800")
    answer = batch.ask("SELECT 1")
    batch.send()
    assert answer.one == (1,)


def test_a_connection_that_is_gone_is_closed(connection: Connection, postgres: str) -> None:
    batch = Batch(connection)
    mine = batch.ask("SELECT pg_backend_pid()")
    batch.send()
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", mine.one)
        end = time.monotonic() + 10
        while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", mine.one).fetchall():
            assert time.monotonic() < end
    batch.ask("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        batch.send()
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        Batch(connection).send()


def test_within_a_transaction_that_is_not_in_autocommit_it_begins_one(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE kept (id integer)")
    connection.autocommit = False
    batch = Batch(connection)
    batch.ask("INSERT INTO kept VALUES (1)")
    batch.send()
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    connection.rollback()


def test_texts_as_large_as_a_block_go_both_ways(connection: Connection) -> None:
    batch = Batch(connection)
    texts = [letter * 3_000_000 for letter in "abcdefgh"]
    answers = [batch.ask("SELECT %(text)s::text", text=text) for text in texts]
    batch.send()
    assert [answer.one for answer in answers] == [(text,) for text in texts]
