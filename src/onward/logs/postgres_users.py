"""Who uses a PostgreSQL store just now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from onward import process
from onward.logs.postgres_rows import SQL
from onward.postgres.connection import Connection, rows


def users_of(connection: Connection, names: Collection[str], now: float) -> Iterator[tuple[str, str]]:
    """Those of these stages and sources that a living worker holds or wants, each with the worker."""
    for stage, _, worker, until, _ in rows(connection, SQL.lease_all):
        if stage in names and until is not None and until > now and not process.is_dead(worker):
            yield stage, worker
    for worker, until, _, wants in rows(connection, SQL.worker_all):
        if until >= now and not process.is_dead(worker):
            yield from ((name, worker) for name in json.loads(wants) if name in names)
