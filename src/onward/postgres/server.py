"""What can be said of a PostgreSQL server that a store is on, or is to be on: for who looks whether all is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from onward.postgres.clock import ServerClock
from onward.postgres.connection import Connection, Database, rows

APART = 1.0
"""Seconds between two clocks that are worth a word."""

FEW = 10
"""Connections; a worker takes about as many."""

_FACTS = """SELECT
    current_setting('server_version'),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
    current_setting('synchronous_commit'),
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer,
    pg_is_in_recovery(),
    coalesce((
        SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'
    ), false)"""


class Seen(NamedTuple):
    """One thing that was looked at: what was seen and, unless it is fine, what to do."""

    what: str
    state: Literal["ok", "warning", "failed"]
    told: str


def examine(url: str) -> list[Seen]:
    """What there is to say of the server; nothing is written.

    Raises:
        StoreAway: it cannot be reached.
        Refused: it does not let us in, or will not do.
    """
    database = Database(url)
    with database.connect() as connection:
        return list(_seen(connection))


def _seen(connection: Connection) -> Iterator[Seen]:
    version, keeps, synchronous, left, standby, lz4 = rows(connection, _FACTS)[0]
    if standby:
        yield Seen("server", "failed", f"PostgreSQL {version}, a standby that nobody can write to; name the primary")
    else:
        yield Seen("server", "ok", f"PostgreSQL {version}")
    if not keeps:
        told = "fsync or full_page_writes is off: a crash of the machine may destroy it; turn both on"
        yield Seen("durability", "warning", told)
    elif synchronous == "off":
        yield Seen("durability", "ok", "synchronous_commit is off at the server; Onward turns it on for itself")
    else:
        yield Seen("durability", "ok", f"synchronous_commit is {synchronous}")
    if lz4:
        yield Seen("compression", "ok", "blocks are compressed by lz4")
    else:
        told = "the server has no lz4: blocks are compressed by pglz, at half the speed; take one that has it"
        yield Seen("compression", "warning", told)
    if left < FEW:
        told = f"{left} more connections are possible, a worker takes about {FEW}; raise max_connections"
        yield Seen("connections", "warning", told)
    else:
        yield Seen("connections", "ok", f"{left} more are possible")
    yield _clock(connection)


def _clock(connection: Connection) -> Seen:
    clock = ServerClock()
    clock.measure(connection)
    if abs(clock.apart) < APART:
        return Seen("clock", "ok", f"{abs(clock.apart):.3f} s apart from the clock here")
    told = f"the server's clock is {clock.apart:+.1f} s from the clock here; leases go by the server's, the times of "
    return Seen("clock", "warning", told + "records by that of each machine: set both by NTP")
