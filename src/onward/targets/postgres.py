"""A PostgreSQL database, for stages to commit within."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import psycopg
from psycopg import errors

from onward.errors import DatabaseAway, LeaseLost, OnwardError, Overruled, Refused, WentBack
from onward.log import Claim, Lease
from onward.target import agreed, unknown
from onward.targets.postgres_connection import SQL, Connections, Lent, Texts, meaning
from onward.targets.postgres_unit import PostgresTransaction


class PostgresTarget:
    """Units of several stages and partitions may be open at the same time, each on a connection of its own.

    Its two tables are made in the schema that the connection makes tables in (the first of its `search_path`), unless
    they are found on the `search_path` already.
    """

    def __init__(self, url: str, store: str = "") -> None:
        self._connections = Connections(url)
        self.told = self._connections.told
        try:
            self._texts = Texts(self._prepared())
        except BaseException:
            self._connections.close()
            raise

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        lease = claim.lease
        bound = _bound(lease)
        with self._waiting(lease), self._short() as connection:
            cursor = self._run(connection, "cursor_lock", **bound).fetchone()
            if cursor is None and was and self._run(connection, "cursor_lock", **{**bound, "stage": was}).fetchone():
                for name in ("rename_cursor", "rename_ledger"):
                    self._run(connection, name, named=lease.stage, was=was)
                cursor = self._run(connection, "cursor_lock", **bound).fetchone()
            if cursor is None:
                unknown(self.told, claim)
                self._run(connection, "cursor_add", **bound, token=lease.token, next=claim.next)
                return None
            last = self._run(connection, "ledger_last", **bound).fetchone()
            ahead = agreed(self.told, claim, cursor[0], last[0] if last else None)
            self._run(connection, "cursor_token", **bound, token=lease.token)
            return (last[1], last[2]) if last and ahead else None

    def learned(self, lease: Lease) -> None:
        with self._short() as connection:
            self._run(connection, "ledger_empty", **_bound(lease))

    def begin(self, lease: Lease, last: str | None) -> PostgresTransaction:
        connection, bound = self._connections.take(), _bound(lease)
        try:
            with connection.pipeline():
                cursor = connection.run(self._texts["cursor_lock"], **bound)
                ledger = connection.run(self._texts["ledger_unit"], **bound)
                connection.run(self._texts["unit_open"])
            token, there = cursor.fetchone(), ledger.fetchone()
            if token is None or token[0] != lease.token:
                raise LeaseLost(lease.stage, lease.partition, lease.token)
            if (there[0] if there else None) != last:
                raise WentBack(
                    f"{lease.stage} partition {lease.partition}: the last unit in {self.told} is "
                    f"{there[0] if there else None}, it was {last}: it has lost what it had committed, as after a "
                    "failover or a restore; bring the right database back"
                )
        except BaseException as error:
            lost = connection.lost
            self._connections.give_back(connection)
            if isinstance(error, psycopg.Error):
                raise meaning(error, self.told, lost=lost, own=True) from error
            raise
        return PostgresTransaction(connection, self._connections, self._texts, lease)

    def kept(self, lease: Lease, unit: str) -> bool:
        bound = _bound(lease)
        with self._waiting(lease), self._short() as connection:
            cursor = self._run(connection, "cursor_lock", **bound).fetchone()
            if cursor is None or cursor[0] != lease.token:
                raise LeaseLost(lease.stage, lease.partition, lease.token)
            last = self._run(connection, "ledger_unit", **bound).fetchone()
            return last is not None and last[0] == unit

    def close(self) -> None:
        self._connections.close()

    @contextlib.contextmanager
    def _short(self) -> Iterator[Lent]:
        """A transaction of our own. What it has seen is certain where it raises nothing."""
        connection = self._connections.take()
        try:
            connection.run(SQL.cursor_wait)
            yield connection
            connection.keep()
        except psycopg.Error as error:
            found = meaning(error, self.told, lost=connection.lost, own=True)
            if isinstance(found, Overruled) or isinstance(error, errors.UniqueViolation):
                found = DatabaseAway(f"{self.told} was used by another worker at the same moment: {error}")
            raise found from error
        finally:
            self._connections.give_back(connection)

    def _run(self, connection: Lent, name: str, **bound: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        return connection.run(self._texts[name], **bound)

    @contextlib.contextmanager
    def _waiting(self, lease: Lease) -> Iterator[None]:
        """Whoever still has the row after all that waiting has a token that counts no more: ends it."""
        try:
            yield
        except DatabaseAway as error:
            if not isinstance(error.__cause__, errors.LockNotAvailable):
                raise
            with self._short() as connection:
                ended = self._run(connection, "cursor_holder", **_bound(lease)).fetchall()
            what = (
                "its session was ended" if ended else "it is none of Onward's: see who holds the row in onward_cursor"
            )
            raise DatabaseAway(
                f"{self.told}: {lease.stage} partition {lease.partition} waits for a transaction that is open there; "
                f"{what}"
            ) from error

    def _prepared(self) -> str:
        """The schema that has our tables, made where they are not."""
        with self._short() as connection:
            there, current = connection.run(SQL.there).fetchone() or (None, None)
            if there is not None:
                return str(there)
            if current is None:
                raise Refused(
                    f"{self.told}: no schema of its search_path exists; name one, as by options=-csearch_path="
                )
            connection.run(SQL.make_lock, schema=current)
            texts = Texts(current)
            for name in ("make_cursor", "make_ledger"):
                connection.run(texts[name])
            return str(current)


def _bound(lease: Lease) -> dict[str, Any]:
    return {"stage": lease.stage, "partition": lease.partition}


def examine(url: str) -> tuple[Literal["ok", "warning", "failed"], str]:
    """See `onward.databases.examine`."""
    connections = Connections(url)
    try:
        connection = connections.take()
        try:
            there, current = connection.run(SQL.there).fetchone() or (None, None)
            may = connection.run(SQL.may_make).fetchone()
            version = connection.info.server_version
        finally:
            connections.give_back(connection)
    except OnwardError as error:
        return "failed", str(error)
    except psycopg.Error as error:
        return "failed", str(meaning(error, connections.told))
    finally:
        connections.close()
    told = f"{connections.told} answers, PostgreSQL {version // 10000}.{version % 10000}"
    if there is not None:
        return "ok", f"{told}; Onward's tables are in schema {there}"
    if current is None:
        return "failed", f"{told}; but no schema of its search_path exists"
    if not (may and may[0]):
        return "failed", f"{told}; but this user may make no tables in schema {current}: grant CREATE on it"
    return "ok", f"{told}; Onward's tables are made in schema {current} at first need"
