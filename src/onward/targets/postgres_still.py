"""A PostgreSQL database as it is at one moment, for a dry run: one transaction, which is rolled back at the end.

All units of the dry run are savepoints in it, so that each sees what those before it did, and none sees what others do
meanwhile (REPEATABLE READ). What it changes is locked until it is over: workers that want the very same rows wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import IsolationLevel, errors

from onward.draft import relay_text
from onward.errors import DatabaseAway, LeaseLost, Overruled, Refused, Unkeepable
from onward.log import Claim, Commit, Lease
from onward.target import agreed, unknown
from onward.targets.postgres_connection import SQL, Connections, Lent, Texts, meaning
from onward.targets.postgres_unit import PostgresSavepoint
from onward.undo import Undo


class PostgresStill:
    """Nothing is made in the database, also where Onward has never been in it."""

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)
        self._holding: Lent | None = None
        self._working: Lent | None = None
        self._schema: str | None = None

    def hold(self) -> None:
        self._holding = connection = self._connections.take()
        try:
            self._schema = (connection.run(SQL.there).fetchone() or (None,))[0]
            if self._schema is not None:
                connection.run(SQL.still_wait)
                connection.run(Texts(self._schema)["still_hold"])
        except errors.LockNotAvailable as error:
            raise DatabaseAway(f"{self._connections.told}: a unit is open there for long; try again later") from error
        except psycopg.Error as error:
            raise meaning(error, self._connections.told, lost=connection.lost) from error

    def look(self) -> None:
        self._working = connection = self._connections.take()
        try:
            connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            connection.run(SQL.unit_open)  # from here on it sees this moment, and nobody commits it
        except psycopg.Error as error:
            raise meaning(error, self._connections.told, lost=connection.lost) from error
        finally:
            self._let_go()

    def target(self) -> DryTarget:
        assert self._working is not None
        return DryTarget(self._working, self._connections.told, self._schema)

    def close(self) -> None:
        self._let_go()
        if self._working is not None:
            self._working.end()
            self._working = None
        self._connections.close()

    def _let_go(self) -> None:
        if self._holding is not None:
            self._connections.give_back(self._holding)
            self._holding = None


class DryTarget:
    """Cursor and ledger are read from the database and kept in memory: a row that was changed would stop the workers
    whose it is. Units are one at a time: it is its own open `Transaction`."""

    def __init__(self, connection: Lent, told: str, schema: str | None) -> None:
        self.told = told
        self.tx = connection
        self._schema = schema
        self._known: dict[tuple[str, int], tuple[int, str | None, tuple[str, str]]] = {}
        self._one = threading.RLock()
        self._lease = Lease("", 0, "", 0)
        self._savepoint: PostgresSavepoint | None = None

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        lease = claim.lease
        where = (lease.stage, lease.partition)
        with self._one:
            if where not in self._known:
                found = self._found(*where) or (self._found(was, lease.partition) if was else None)
                if found is None:
                    unknown(self.told, claim)
                    self._known[where] = lease.token, None, ("", "")
                    return None
                self._known[where] = found
            token, last, texts = self._known[where]
            ahead = agreed(self.told, claim, token, last)
            self._known[where] = lease.token, last, texts
            return texts if ahead else None

    def learned(self, lease: Lease) -> None:
        with self._one:
            token, last, _ = self._known[lease.stage, lease.partition]
            self._known[lease.stage, lease.partition] = token, last, ("", "")

    def begin(self, lease: Lease, last: str | None) -> DryTarget:
        self._one.acquire()
        try:
            self._holds(lease)
            self._do(lambda: self.tx.run(SQL.still_begin))
        except BaseException:
            self._one.release()
            raise
        self._lease, self._savepoint = lease, None
        return self

    def kept(self, lease: Lease, unit: str) -> bool:
        with self._one:
            self._holds(lease)
            return self._known[lease.stage, lease.partition][1] == unit

    def close(self) -> None:
        """Whoever has made it closes the connection."""

    # its transaction

    def undo(self, tables: Undo) -> Undo:
        self._savepoint = _DrySavepoint(self.tx, self.told, tables)
        return self._savepoint

    def check(self) -> None:
        if self._savepoint is not None and self._savepoint.ended():
            raise Refused(f"a handler of {self._lease.stage} has ended the transaction; tx must not be committed")

    def commit(self, next_: int, unit: str, commit: Commit) -> None:
        try:
            self.tx.run(SQL.still_check)
        except psycopg.Error as error:
            raise Unkeepable(self._lease.stage, str(error)) from error
        self._do(lambda: self.tx.run(SQL.still_keep))
        self._known[self._lease.stage, self._lease.partition] = self._lease.token, unit, relay_text(commit)
        self._one.release()

    def roll_back(self) -> None:
        try:
            self._do(lambda: self.tx.run(SQL.still_back))
        finally:
            self._one.release()

    def _holds(self, lease: Lease) -> None:
        if self._known.get((lease.stage, lease.partition), (0,))[0] != lease.token:
            raise LeaseLost(lease.stage, lease.partition, lease.token)

    def _found(self, stage: str, partition: int) -> tuple[int, str | None, tuple[str, str]] | None:
        if self._schema is None:
            return None
        text = Texts(self._schema)["still_found"]
        row = self._do(lambda: self.tx.run(text, stage=stage, partition=partition).fetchone())
        return None if row is None else (row[0], row[1], (row[2] or "", row[3] or ""))

    def _do(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except psycopg.Error as error:
            raise _over(meaning(error, self.told, lost=self.tx.lost)) from error


class _DrySavepoint(PostgresSavepoint):
    """What would be done again there cannot be done here: what was seen is of one moment."""

    def back(self, error: BaseException | None = None) -> None:
        try:
            super().back(error)
        except (Overruled, DatabaseAway) as met:
            raise _over(met) from error


def _over(error: Exception) -> Exception:
    if isinstance(error, Overruled | DatabaseAway):
        return Refused(
            f"the dry run cannot go on, as others have worked on the same rows, or its connection is lost: {error}; "
            "pause the stage (`onward pause`), or say --limit, and try again"
        )
    return error
