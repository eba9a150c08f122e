"""Committing a stage's work in another database: the effect, the stage's cursor and what it emits are one there.

That database keeps `onward_cursor` (the token and `next` of each stage and partition) and `onward_ledger` (what
the last unit emitted and parked). A unit's effect, its ledger row and the cursor commit together; then the row is
relayed to the store under its name, and goes when the next unit commits. Units are numbered and strictly one after
another, so between any two of these steps a process may die:

- before the commit there: nothing has happened;
- after it: who takes the lease finds the target one unit ahead of the store, and relays that first of all;
- after the relay: both know the same last unit.

Anything else means that one of the two is not the database that it was. What only the store needs to know (who
queues behind whom, attempts that failed) is committed there alone, and never while a unit is under way.

A holder that was only slow finds another token in the cursor row and commits nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import apsw

from onward.draft import relay_from, relay_text
from onward.errors import AlreadyCommitted, LeaseLost, Refused, WentBack
from onward.log import Claim, Commit, Lease, Log
from onward.sql import Statements
from onward.sqlite.connection import PAGES_BEFORE_CHECKPOINT, File, away, path_of, rows
from onward.sqlite.turn import Turn
from onward.undo import Undo

SQL = Statements("within_sqlite")

Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class Target(Protocol):
    """A database that stages commit within; one per process and URL. All methods block; call them in a thread."""

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        """Raises the token there, which waits for an open commit; gives the two texts of the last unit if the store
        has yet to learn of it. `was` is the name that the stage had before. Each claim is taken once.

        Raises:
            WentBack: the two cannot have come from the same run of units.
        """

    def learned(self, lease: Lease) -> None:
        """Empties the texts of the last unit, which the store knows now."""

    def begin(self, lease: Lease) -> Any:
        """Opens a transaction and checks the token; returns what handlers get as `tx`."""

    def undo(self, tables: Undo) -> Undo:
        """Takes back single calls within the open transaction. `tables` is where their calls of tables go."""

    def check(self, lease: Lease) -> None:
        """To be called after the handlers.

        Raises:
            Refused: one of them has ended the transaction; nothing of it was kept.
        """

    def commit(self, lease: Lease, next_: int, unit: str, commit: Commit) -> None:
        """Writes ledger row and cursor, and commits with the effect."""

    def roll_back(self) -> None:
        """Ends the transaction without effect, if one is open."""

    def close(self) -> None: ...


class SQLiteTarget:
    """A SQLite file beside the store. Its transactions are one at a time, over all threads and processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._file = File(path_of(url))
        self._connection = self._file.connect()
        self._lost = False
        self._turn = Turn(str(self._file.path))
        self._one = threading.RLock()
        self._pages = 0
        self._handling = False
        self._ended = False
        with self._turn:
            for statement in (SQL.make_cursor, SQL.make_ledger):
                self._connection.execute(statement)
        self._watch()

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        lease = claim.lease
        bound = {"stage": lease.stage, "partition": lease.partition}
        where = f"{lease.stage} partition {lease.partition}"
        with self._alone():
            cursor = rows(self._connection, SQL.cursor_get, **bound)
            if not cursor and was and rows(self._connection, SQL.cursor_get, stage=was, partition=lease.partition):
                for statement in (SQL.rename_cursor, SQL.rename_ledger):
                    self._connection.execute(statement, {"name": lease.stage, "was": was})
                cursor = rows(self._connection, SQL.cursor_get, **bound)
            if not cursor:
                if claim.unit is not None:
                    raise WentBack(
                        f"{where}: {self.url} knows nothing of it, but the store has delivered there up to "
                        f"{claim.next}; it was replaced or restored: bring the right database back"
                    )
                self._connection.execute(SQL.cursor_add, {**bound, "token": lease.token, "next": claim.next})
                return None
            if cursor[0][0] >= lease.token:
                raise WentBack(
                    f"{where}: {self.url} has seen token {cursor[0][0]}, the store gives {lease.token}, which is to be "
                    "larger than any before; the store is older than its target: restore the newer one (or, for a new "
                    "store, delete the stage's rows in onward_cursor and onward_ledger there)"
                )
            ledger = rows(self._connection, SQL.ledger_all, **bound)
            last, outputs, parked = ledger[-1] if ledger else (None, "", "")
            ahead = last is not None and last == unit_after(claim.unit, claim.incarnation)
            if last != claim.unit and not ahead:
                raise WentBack(
                    f"{where}: the last unit in {self.url} is {last}, the last one that the store knows is "
                    f"{claim.unit}; one of the two was replaced or restored from a copy, and going on would lose or "
                    "repeat records: bring the right one back"
                )
            self._connection.execute(SQL.cursor_token, {**bound, "token": lease.token})
            return (outputs, parked) if ahead else None

    def learned(self, lease: Lease) -> None:
        with self._alone():
            self._connection.execute(SQL.ledger_empty, {"stage": lease.stage, "partition": lease.partition})

    def begin(self, lease: Lease) -> apsw.Connection:
        self._one.acquire()
        try:
            self._open()
            self._turn.__enter__()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                found = rows(self._connection, SQL.cursor_get, stage=lease.stage, partition=lease.partition)
                if not found or found[0][0] != lease.token:
                    raise LeaseLost(lease.stage, lease.partition, lease.token)
            except BaseException:
                try:
                    self._end()
                finally:
                    self._turn.__exit__(None, None, None)
                raise
        except BaseException as error:
            self._one.release()
            raise (away(error, self.url) if isinstance(error, apsw.Error) else error) from error
        self._handling, self._ended = True, False
        return self._connection

    def undo(self, tables: Undo) -> Undo:
        return _Savepoint(self._connection, lambda: self._ended, tables)

    def check(self, lease: Lease) -> None:
        self._handling = False
        if self._ended or not self._connection.in_transaction:
            raise Refused(
                f"a handler of {lease.stage} has ended the transaction; tx must not be committed or rolled back, "
                "Onward does both; nothing of it was kept"
            )

    def commit(self, lease: Lease, next_: int, unit: str, commit: Commit) -> None:
        bound = {"stage": lease.stage, "partition": lease.partition}
        try:
            outputs, parked = relay_text(commit)
            # First the row, as its name is unique: a unit that was kept although its commit failed is not kept again.
            self._connection.execute(SQL.ledger_add, {**bound, "position": unit, "outputs": outputs, "parked": parked})
            self._connection.execute(SQL.ledger_clear, {**bound, "position": unit})
            self._connection.execute(SQL.cursor_next, {**bound, "next": next_})
            self._connection.execute("COMMIT")
        except apsw.ConstraintError as error:
            raise AlreadyCommitted(f"{lease.stage} partition {lease.partition}: unit {unit}: {error}") from error
        except apsw.Error as error:
            raise away(error, self.url) from error
        if self._pages >= PAGES_BEFORE_CHECKPOINT:
            with contextlib.suppress(apsw.Error):  # the next one copies more
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._pages = 0
        self._release()

    def roll_back(self) -> None:
        self._handling = False
        try:
            self._end()
        finally:
            self._release()

    def close(self) -> None:
        with self._one:
            self._turn.close()
            self._file.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """A short transaction of our own."""
        try:
            with self._one, self._turn:
                self._open()
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._end()
                    raise
        except apsw.Error as error:
            raise away(error, self.url) from error

    def _open(self) -> None:
        """Sees to a connection that is in no transaction."""
        if self._lost:
            self._connection, self._lost = self._file.connect(), False
            self._watch()

    def _watch(self) -> None:
        self._connection.set_wal_hook(self._count_pages)
        self._connection.set_commit_hook(self._refuse_commit)
        self._connection.set_rollback_hook(self._note_end)

    def _end(self) -> None:
        """Rolls back what is open; at the latest by closing the connection, which would stay in it for good."""
        if not self._lost:
            self._lost = not self._file.roll_back(self._connection)

    def _release(self) -> None:
        try:
            self._turn.__exit__(None, None, None)
        finally:
            self._one.release()

    def _refuse_commit(self) -> bool:
        """Called by SQLite before it commits; true makes it roll back. While handlers run nobody else may commit."""
        self._ended = self._ended or self._handling
        return self._handling

    def _note_end(self) -> None:
        self._ended = self._ended or self._handling

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK


class _Savepoint(Undo):
    """Takes back one call; the savepoint moves on, so that they do not pile up."""

    def __init__(self, connection: apsw.Connection, ended: Callable[[], bool], tables: Undo) -> None:
        self._connection = connection
        self._ended = ended
        self._tables = tables
        self._set = False

    @property
    def changed(self) -> bool:
        return True

    def here(self) -> contextlib.AbstractContextManager[None]:
        return self._tables.here()

    def mark(self, first: int, last: int) -> None:
        if self._ended():
            raise Refused("an earlier call has ended the transaction")
        if self._set:
            self._connection.execute("RELEASE onward_call")
        self._connection.execute("SAVEPOINT onward_call")
        self._set = True

    def back(self) -> None:
        if self._set and not self._ended():
            self._connection.execute("ROLLBACK TO onward_call")


class Within:
    """One stage and partition committing within a target, under one lease."""

    def __init__(self, target: Target, log: Log, was: str | None) -> None:
        self.target = target
        self._log = log
        self._was = was

    async def take(self, claim: Claim, end: int, run: Run) -> bool:
        """Makes target and store agree under this lease; true where the store was behind and has to be read again.

        `end` is that of the partition that the stage reads; `run` runs a blocking function in a thread.

        Raises:
            WentBack: one of the two databases holds less than it did.
        """
        lease = claim.lease
        texts = await run(lambda: self.target.take(claim, self._was))
        if texts is None:
            return False
        commit = relay_from(*texts, lease)
        if commit.next is not None and commit.next > end:
            raise WentBack(
                f"{lease.stage} partition {lease.partition}: the target has passed {commit.next}, the store holds "
                f"records up to {end}; the store is older than its target: restore the newer one"
            )
        try:
            await self._log.commit(commit)
        except AlreadyCommitted:
            pass  # it was kept although it had seemed to fail
        await run(lambda: self.target.learned(lease))
        return True


def unit_after(last: str | None, incarnation: str) -> str:
    """The name of the unit that follows; names grow as text, and differ between stores."""
    return f"{int(last.split('@')[0]) + 1 if last else 1:012d}@{incarnation}"
