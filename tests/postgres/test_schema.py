"""Making the schema: by anybody who may, once, and never over something else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from onward.errors import Refused, StoreNewer, StoreNotFound
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks


def test_many_who_come_first_make_it_once(postgres: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        logs = list(pool.map(lambda _: PostgresLog(postgres), range(6)))
    assert len(logs) == 6


def test_a_plain_owner_of_a_database_suffices(postgres_server: str, postgres: str) -> None:
    role = f"owner_{postgres.rpartition('/')[2]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute(f'ALTER DATABASE "{postgres.rpartition("/")[2]}" OWNER TO "{role}"')
    mine = postgres.replace("postgres@", f"{role}@")
    PostgresLog(mine)
    with psycopg.connect(mine, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM onward.block").fetchone() == (0,)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'REASSIGN OWNED BY "{role}" TO postgres')
        connection.execute(f'DROP ROLE "{role}"')


def test_who_may_not_make_it_is_told_so(postgres: str) -> None:
    role = f"guest_{postgres.rpartition('/')[2]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        with pytest.raises(Refused, match="does not allow this user"):
            PostgresLog(postgres.replace("postgres@", f"{role}@"))
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f'DROP ROLE "{role}"')


def test_who_looks_makes_nothing(postgres: str) -> None:
    with pytest.raises(StoreNotFound):
        PostgresBooks(postgres)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'onward'").fetchone() == (0,)


def test_a_schema_of_something_else_is_left_alone(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE SCHEMA onward")
        connection.execute("CREATE TABLE onward.theirs (number int)")
    for kind in (PostgresLog, PostgresBooks):
        with pytest.raises(Refused, match="something else"):
            kind(postgres)


def test_an_empty_schema_is_taken(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE SCHEMA onward")
    PostgresLog(postgres)


def test_a_newer_store_is_refused_and_left_as_it_is(postgres: str) -> None:
    PostgresLog(postgres)
    with psycopg.connect(postgres) as connection:
        connection.execute("UPDATE onward.schema_version SET version = 99")
    for kind in (PostgresLog, PostgresBooks):
        with pytest.raises(StoreNewer):
            kind(postgres)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT version FROM onward.schema_version").fetchone() == (99,)
