"""A database and its URL: what is shown, what is refused, and what passes."""

from __future__ import annotations

import psycopg
import pytest

from onward.errors import Refused, StoreAway
from onward.lease import SECONDS
from onward.postgres.connection import Database, rows
from onward.url import shown
from servers import free_port

SECRET = "p4ss%2Fw%40rd"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        (f"postgresql://u:{SECRET}@h:5432/db", "postgresql://u:***@h:5432/db"),
        (f"postgres://u:{SECRET}@h1,h2:5433/db?sslmode=require", "postgres://u:***@h1,h2:5433/db?sslmode=require"),
        (f"postgresql://h/db?user=u&password={SECRET}", "postgresql://h/db?user=u&password=***"),
        (f"postgresql://h/db?sslpassword={SECRET}", "postgresql://h/db?sslpassword=***"),
        ("postgresql://u:p4ss/w@rd@h/db", "postgresql://***"),
        ("postgresql://u:p4ss#w@rd/db", "postgresql://***"),
        ("postgresql://u:p4ss?w@rd/db", "postgresql://***"),
        ("postgresql:///db", "postgresql:///db"),
    ],
)
def test_what_is_shown_of_a_url(url: str, seen: str) -> None:
    assert shown(url) == seen
    assert "p4ss" not in shown(url)


@pytest.mark.parametrize("url", ["postgresql://u:p4ss%zz@h/db", "postgresql://u:p4ss@h:port/db?nonsense=1"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Refused) as told:
        Database(url)
    assert "p4ss" not in str(told.value)
    assert told.value.__cause__ is None


def test_nobody_there_is_no_fault_of_the_url() -> None:
    with pytest.raises(StoreAway) as told:
        Database(f"postgresql://u:p4ss@127.0.0.1:{free_port()}/db").connect()
    assert "p4ss" not in str(told.value) and "cannot be reached" in str(told.value)


def test_a_database_that_is_not_there_is_refused_at_first(postgres: str) -> None:
    with pytest.raises(Refused, match="does not exist"):
        Database(postgres + "_not").connect()


def test_who_was_let_in_once_waits(postgres_server: str, postgres: str) -> None:
    database = Database(postgres)
    database.connect().close()
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        name = postgres.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_away"')
        try:
            with pytest.raises(StoreAway):
                database.connect()
        finally:
            connection.execute(f'ALTER DATABASE "{name}_away" RENAME TO "{name}"')
    database.connect().close()


def test_a_session_is_as_it_must_be(postgres: str) -> None:
    connection = Database(postgres).connect()
    said = {
        name: rows(connection, f"SHOW {name}")[0][0]
        for name in (
            "application_name",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "TimeZone",
            "default_transaction_isolation",
            "client_encoding",
        )
    }
    connection.close()
    assert said == {
        "application_name": "onward",
        "statement_timeout": "8s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "8s",
        "TimeZone": "UTC",
        "default_transaction_isolation": "read committed",
        "client_encoding": "UTF8",
    }


def test_an_encoding_that_cannot_hold_all_is_refused(postgres_server: str) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        name = f"latin_{postgres_server.rpartition(':')[2].replace('/', '_')}"
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        try:
            with pytest.raises(Refused, match="LATIN1"):
                Database(f"{postgres_server.rpartition('/')[0]}/{name}").connect()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_server_ends_a_session_whose_host_has_died_before_the_lease_is_over(postgres: str) -> None:
    """By what it is told on each connection (over TCP; on a socket of its own machine it does not count)."""
    with Database(postgres).connect() as connection:
        version = connection.info.server_version
        told = dict(
            rows(connection, "SELECT name, setting::integer FROM pg_settings WHERE name ~ '^tcp_|^idle_in_|^client_c'")
        )
    silent = told["tcp_keepalives_idle"] + told["tcp_keepalives_interval"] * told["tcp_keepalives_count"]
    assert 0 < silent < SECONDS
    assert 0 < told["tcp_user_timeout"] < SECONDS * 1000
    assert 0 < told["idle_in_transaction_session_timeout"] < SECONDS * 1000
    assert version < 140000 or 0 < told["client_connection_check_interval"] < SECONDS * 1000
