"""Who uses a SQLite store just now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import apsw

from onward import process
from onward.logs.sqlite_rows import SQL
from onward.sqlite.connection import rows


def users_of(connection: apsw.Connection, names: Collection[str], now: str) -> Iterator[tuple[str, str]]:
    """Those of these stages and sources that a living worker holds or wants, each with the worker."""
    for stage, _, worker, until, _ in rows(connection, SQL.lease_all):
        if stage in names and until > now and not process.is_dead(worker):
            yield stage, worker
    for worker, _, until, wants in rows(connection, SQL.worker_all):
        if until >= now and not process.is_dead(worker):
            yield from ((name, worker) for name in json.loads(wants) if name in names)
