"""The servers that tests start do what tests of faults ask of them."""

import psycopg

from servers.postgres import Postgres


def test_each_test_has_an_empty_database(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)


def test_a_server_that_was_killed_has_kept_what_was_committed(own_postgres: Postgres) -> None:
    with psycopg.connect(own_postgres.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    own_postgres.kill()
    own_postgres.start()
    with psycopg.connect(own_postgres.url()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]
