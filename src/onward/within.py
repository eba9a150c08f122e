"""Committing a stage's work in another database: the effect, the stage's cursor and what it emits are one there.

That database keeps `onward_cursor` (the token and `next` of each stage and partition) and `onward_ledger` (what
each unit emitted and parked). A unit's effect, its ledger row and the cursor commit together; then the row is
relayed to the store under a unique name, and cleared. Between any two of these steps a process may die:

- before the commit there: nothing has happened;
- after it: who takes the lease relays what the ledger holds, first of all, and goes on from the cursor there;
- after the relay: the store knows the row's name and refuses it a second time.

A holder that was only slow finds another token in the cursor row and commits nothing.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import apsw

from onward.call import Undo
from onward.clock import Clock
from onward.draft import relay_from, relay_text
from onward.errors import AlreadyCommitted, LeaseLost, Refused, WentBack
from onward.log import Claim, Commit, Lease, Log
from onward.sql import Statements
from onward.sqlite.connection import PAGES_BEFORE_CHECKPOINT, File, away, path_of, rows
from onward.sqlite.turn import Turn

SQL = Statements("within_sqlite")


class Target(Protocol):
    """A database that stages commit within; one per process and URL. All methods block; call them in a thread."""

    def take(self, lease: Lease, next_: int, *, new: bool) -> tuple[int, list[tuple[str, str, str]]]:
        """Raises the token there, which waits for an open commit; gives `next` there and the ledger's rows.

        Raises:
            WentBack: it has seen a higher token, or knows nothing of a stage that is not `new`.
        """

    def begin(self, lease: Lease) -> Any:
        """Opens a transaction, checks the token and clears what was relayed; returns what handlers get as `tx`."""

    def undo(self) -> Undo:
        """Takes back single calls within the open transaction."""

    def commit(self, lease: Lease, next_: int, unit: str, commit: Commit) -> None:
        """Writes ledger row and cursor, and commits with the effect."""

    def roll_back(self) -> None:
        """Ends the transaction without effect, if one is open."""

    def clear(self, lease: Lease) -> None:
        """Deletes the stage's ledger rows of the partition, which have all been relayed."""

    def relayed(self, lease: Lease, unit: str) -> None:
        """Notes that a row has reached the store, so that it goes with the next transaction."""

    def close(self) -> None: ...


class SQLiteTarget:
    """A SQLite file beside the store. Its transactions are one at a time, over all threads and processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._file = File(path_of(url))
        self._connection = self._file.connect()
        self._turn = Turn(str(self._file.path))
        self._one = threading.RLock()
        self._relayed: list[dict[str, Any]] = []
        self._clearing: list[dict[str, Any]] = []
        self._pages = 0
        self._connection.set_wal_hook(self._count_pages)
        with self._turn:
            for statement in (SQL.make_cursor, SQL.make_ledger):
                self._connection.execute(statement)

    def take(self, lease: Lease, next_: int, *, new: bool) -> tuple[int, list[tuple[str, str, str]]]:
        bound = {"stage": lease.stage, "partition": lease.partition}
        with self._one, self._turn, self._connection:
            found = rows(self._connection, SQL.cursor_get, **bound)
            if not found and not new:
                raise WentBack(
                    f"{lease.stage} partition {lease.partition}: {self.url} knows nothing of it, but the store has "
                    f"delivered there up to {next_}; it was replaced or restored: bring the right database back"
                )
            if not found:
                self._connection.execute(SQL.cursor_add, {**bound, "token": lease.token, "next": next_})
                return next_, []
            if found[0][0] > lease.token:
                raise WentBack(
                    f"{lease.stage} partition {lease.partition}: {self.url} has seen token {found[0][0]}, the store "
                    f"gives {lease.token}; the store is older than its target, restore the newer one"
                )
            self._connection.execute(SQL.cursor_token, {**bound, "token": lease.token})
            ledger = rows(self._connection, SQL.ledger_all, **bound)
            return found[0][1], [(position, outputs, parked) for position, outputs, parked in ledger]

    def begin(self, lease: Lease) -> apsw.Connection:
        self._one.acquire()
        try:
            self._turn.__enter__()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                found = rows(self._connection, SQL.cursor_get, stage=lease.stage, partition=lease.partition)
                if not found or found[0][0] != lease.token:
                    raise LeaseLost(lease.stage, lease.partition, lease.token)
                self._clearing = list(self._relayed)
                for row in self._clearing:
                    self._connection.execute(SQL.ledger_delete, row)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._turn.__exit__(None, None, None)
                raise
        except BaseException as error:
            self._one.release()
            raise (away(error, self.url) if isinstance(error, apsw.Error) else error) from error
        return self._connection

    def undo(self) -> Undo:
        return _Savepoint(self._connection)

    def commit(self, lease: Lease, next_: int, unit: str, commit: Commit) -> None:
        bound = {"stage": lease.stage, "partition": lease.partition}
        if not self._connection.in_transaction:
            raise Refused(f"a handler of {lease.stage} ended the transaction; tx must not be committed or rolled back")
        try:
            outputs, parked = relay_text(commit)
            self._connection.execute(SQL.ledger_add, {**bound, "position": unit, "outputs": outputs, "parked": parked})
            self._connection.execute(SQL.cursor_next, {**bound, "next": next_})
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            raise away(error, self.url) from error
        del self._relayed[: len(self._clearing)]
        if self._pages >= PAGES_BEFORE_CHECKPOINT:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._pages = 0
        self._release()

    def roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._release()

    def clear(self, lease: Lease) -> None:
        bound = {"stage": lease.stage, "partition": lease.partition}
        with self._one, self._turn:
            self._connection.execute(SQL.ledger_clear, bound)

    def relayed(self, lease: Lease, unit: str) -> None:
        self._relayed.append({"stage": lease.stage, "partition": lease.partition, "position": unit})

    def close(self) -> None:
        with self._one:
            self._turn.close()
            self._file.close()

    def _release(self) -> None:
        self._turn.__exit__(None, None, None)
        self._one.release()

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK


class _Savepoint(Undo):
    """Takes back one call; the savepoint moves on, so that they do not pile up."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._set = False

    def mark(self) -> None:
        if self._set:
            self._connection.execute("RELEASE onward_call")
        self._connection.execute("SAVEPOINT onward_call")
        self._set = True

    def back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK TO onward_call")


class Within:
    """One stage and partition committing within a target, under one lease."""

    def __init__(self, target: Target, log: Log, clock: Clock) -> None:
        self.target = target
        self._log = log
        self._clock = clock

    async def take(self, claim: Claim, run: Any) -> bool:
        """Makes target and store agree under this lease; true where the store was behind and has to be read again.

        `run` runs a blocking function in a thread.

        Raises:
            WentBack: one of the two databases holds less than it did.
        """
        lease = claim.lease
        new = not (claim.totals.done or claim.parked)
        next_, ledger = await run(lambda: self.target.take(lease, claim.next, new=new))
        relayed = False
        for _, outputs, parked in ledger:
            try:
                await self._log.commit(relay_from(outputs, parked, lease))
                relayed = True
            except AlreadyCommitted:
                continue
        if ledger:
            await run(lambda: self.target.clear(lease))
        if not relayed and next_ != claim.next:
            raise WentBack(
                f"{lease.stage} partition {lease.partition}: the target stands at {next_}, the store at {claim.next}; "
                "one of the two was restored from a copy, and going on would lose or repeat records"
            )
        return relayed


def unit_name(offset: int, attempt: int) -> str:
    """The ledger's name of a unit: the first offset, and for one that was parked how often it was tried."""
    return str(offset) if attempt == 0 else f"{offset}#{attempt}"
