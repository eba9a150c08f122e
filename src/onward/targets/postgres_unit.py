"""A unit's transaction in a PostgreSQL database, and taking back single calls in it."""

from __future__ import annotations

import contextlib

import psycopg
from psycopg import errors, pq

from onward.draft import relay_text
from onward.errors import AlreadyCommitted, BadOutput, DatabaseAway, Overruled, Refused, StoreUncertain, Unkeepable
from onward.log import Commit, Lease
from onward.targets.postgres_connection import SQL, Connections, Lent, Texts, causes, meaning
from onward.undo import Savepoint, Undo


class PostgresTransaction:
    """The row of the cursor is locked from its beginning to its end, so nobody takes over in between.

    A handler's COMMIT fails, in whatever way it comes: a cursor is open that outlives its transaction, so PostgreSQL
    would have to read it to its end first, and what it reads raises an error. It is closed before we commit.
    """

    def __init__(self, connection: Lent, connections: Connections, texts: Texts, lease: Lease) -> None:
        self.tx = connection
        self._connections = connections
        self._texts = texts
        self._lease = lease
        self._open = True
        self._savepoint: PostgresSavepoint | None = None

    def undo(self, tables: Undo) -> Undo:
        self._savepoint = PostgresSavepoint(self.tx, self._connections.told, tables)
        return self._savepoint

    def check(self) -> None:
        if self._savepoint is not None and self._savepoint.ended():
            raise Refused(
                f"a handler of {self._lease.stage} has ended the transaction; tx must not be committed or rolled back, "
                "Onward does both; nothing of it was kept"
            )

    def commit(self, next_: int, unit: str, commit: Commit) -> None:
        tx, bound = self.tx, {"stage": self._lease.stage, "partition": self._lease.partition}
        outputs, parked = relay_text(commit)
        try:
            with tx.pipeline():
                tx.run(self._texts["unit_close"])
                tx.run(self._texts["cursor_next"], **bound, next=next_)
                put = tx.run(self._texts["ledger_put"], **bound, position=unit, outputs=outputs, parked=parked)
            if put.rowcount != 1:
                where = f"{self._lease.stage} partition {self._lease.partition}"
                raise AlreadyCommitted(f"{where}: unit {unit} is in {self._connections.told}")
        except psycopg.Error as error:
            raise meaning(error, self._connections.told, lost=tx.lost, own=True) from error
        try:
            tx.keep()
        except psycopg.Error as error:
            raise self._not_kept(error) from error
        self._done()

    def _not_kept(self, error: psycopg.Error) -> Exception:
        told = self._connections.told
        if self.tx.lost:
            return StoreUncertain(f"{told} has gone while it committed: {' '.join(str(error).split())}")
        found = meaning(error, told)
        return found if isinstance(found, DatabaseAway | Overruled) else Unkeepable(self._lease.stage, str(error))

    def roll_back(self) -> None:
        self._done()

    def _done(self) -> None:
        if self._open:
            self._open = False
            self._connections.give_back(self.tx)


class PostgresSavepoint(Savepoint):
    """Within a PostgreSQL database, where a statement that fails takes back all of the call."""

    def __init__(self, connection: Lent, told: str, tables: Undo) -> None:
        super().__init__(tables)
        self._connection = connection
        self._told = told

    def _move(self) -> None:
        self._run(SQL.call_mark_on if self._set else SQL.call_mark)

    def stands(self) -> None:
        if self._connection.lost:
            raise DatabaseAway(f"{self._told} has gone while a handler used it")
        if self._connection.info.transaction_status == pq.TransactionStatus.INERROR:
            raise BadOutput(
                "the handler has returned although a statement on tx had failed, after which PostgreSQL takes back all "
                "of the call; let the error pass, or put what may fail into `with tx.transaction():`"
            )

    def back(self, error: BaseException | None = None) -> None:
        for one in causes(error):
            if isinstance(one, psycopg.Error):
                found = meaning(one, self._told)
                if isinstance(found, Overruled) or (isinstance(found, DatabaseAway) and one.sqlstate):
                    raise found from error
        if self._connection.lost:
            raise DatabaseAway(f"{self._told} has gone while a handler used it: {error}") from error
        if self._set and not self._connection.ended:
            with contextlib.suppress(Refused):  # `check` will say so
                self._run(SQL.call_back)

    def ended(self) -> bool:
        """Whether the transaction is not the one that it began in, as its savepoint is not there."""
        if self._set and not self._connection.ended:
            with contextlib.suppress(Refused):
                self._run(SQL.call_last)
                self._set = False
        return self._connection.ended

    def _run(self, statement: str) -> None:
        if self._connection.ended:
            raise Refused("an earlier call has ended the transaction")
        try:
            self._connection.run(statement)
        except errors.InvalidSavepointSpecification as error:
            self._connection.ended = True
            raise Refused("an earlier call has ended the transaction") from error
        except psycopg.Error as error:
            raise meaning(error, self._told, lost=self._connection.lost, own=True) from error
