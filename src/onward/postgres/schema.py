"""The schema `onward` of a database: whether it is there and which version, making it, bringing it up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg

from onward.errors import Refused, StoreAway, StoreNewer, StoreNotFound
from onward.postgres.connection import Connection, Database, rows, run
from onward.postgres.desk import LONG

MIGRATING = 20334 << 48
"""The advisory lock of who makes or migrates the schema: that of a topic that there is not."""

SOON = "SELECT set_config('lock_timeout', '500ms', true)"
"""Who waits for a table that somebody reads for long makes all wait that come after: so not for long, and again."""

PAUSE, PATIENCE = 0.5, 30.0
"""Seconds between two tries, and for all of them."""

_FOUND = """SELECT
    EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'onward'),
    EXISTS (
        SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'onward' AND relname = 'schema_version'
    ),
    EXISTS (
        SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = 'onward'
    )"""


def refuse_other(connection: Connection, database: Database, schema: int) -> None:
    """For who only looks: goes on only if the store has exactly this version.

    Raises:
        StoreNotFound: there is none.
        StoreNewer: it is newer.
        Refused: it is older, or something else.
    """
    found = version_of(connection, database)
    if found == 0:
        raise StoreNotFound(database.shown)
    if found > schema:
        raise StoreNewer(database.shown, found, schema)
    if found < schema:
        raise Refused(f"{database.shown} is older; `onward run` migrates it")


def prepare(connection: Connection, database: Database, migrations: Sequence[str], *, create: bool) -> None:
    """Makes or migrates the schema, once, whoever comes first.

    Raises:
        StoreNewer: it is newer; it is left as it is.
        StoreNotFound: there is none, and none is to be made.
        StoreAway: somebody does not let go of a table that is to be changed.
        Refused: there is a schema of that name with something else in it, or this user may not make one.
    """
    found = version_of(connection, database)
    if found == len(migrations):
        return
    if found == 0 and not create:
        raise StoreNotFound(database.shown)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return _migrate(connection, database, migrations)
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() >= end:
                raise StoreAway(
                    f"{database.shown} cannot be made or migrated now: somebody has its tables in an open transaction; "
                    "end that (pg_stat_activity shows it), or wait"
                ) from error
            time.sleep(PAUSE)
        except psycopg.Error as error:
            raise database.away(error) from error


def _migrate(connection: Connection, database: Database, migrations: Sequence[str]) -> None:
    with connection.transaction():
        connection.execute(LONG)
        connection.execute(SOON)
        run(connection, "SELECT pg_advisory_xact_lock(%(lock)s)", lock=MIGRATING)
        found = version_of(connection, database)
        if found > len(migrations):
            raise StoreNewer(database.shown, found, len(migrations))
        if not rows(connection, _FOUND)[0][0]:
            connection.execute("CREATE SCHEMA onward")
        for migration in migrations[found:]:
            connection.execute(migration)  # type: ignore[arg-type] # several statements, without parameters
        run(connection, "UPDATE onward.schema_version SET version = %(version)s", version=len(migrations))


def version_of(connection: Connection, database: Database) -> int:
    """The version of its schema; 0 where there is none.

    Raises:
        Refused: there is a schema of that name with something else in it.
    """
    schema, ours, used = rows(connection, _FOUND)[0]
    if not schema or not used:
        return 0
    if not ours:
        raise Refused(
            f"{database.shown} has a schema `onward` that is of something else; name another database by --store"
        )
    return int(rows(connection, "SELECT version FROM onward.schema_version")[0][0])
