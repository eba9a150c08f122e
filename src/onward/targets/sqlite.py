"""A SQLite file beside the store, for stages to commit within."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Literal

import apsw

from onward.draft import relay_text
from onward.errors import AlreadyCommitted, DatabaseAway, LeaseLost, Refused, StoreAway, Unkeepable, WentBack
from onward.log import Claim, Commit, Lease
from onward.sql import Statements
from onward.sqlite import connection
from onward.sqlite.connection import PAGES_BEFORE_CHECKPOINT, File, path_of, room_for, rows
from onward.sqlite.still import Stills
from onward.sqlite.turn import Turn
from onward.target import agreed, unknown
from onward.undo import Savepoint, Undo

SQL = Statements("within_sqlite")


class SQLiteTarget:
    """Its transactions are one at a time, over all threads and processes: it is its own open `Transaction`.

    Args:
        store: the URL of the worker's store.
        told: how people are told which database it is, where it is a copy of that.
    """

    def __init__(self, url: str, store: str = "", *, told: str = "") -> None:
        if store.startswith("sqlite:") and path_of(store) == path_of(url):
            raise Refused(
                "within= names the store's own file, whose writer would wait for the stage for ever; name another file"
            )
        self.told = told or url
        self._file = File(path_of(url))
        self._connection = self._file.connect()
        self._lost = False
        self._turn = Turn(str(self._file.path))
        self._one = threading.RLock()
        self._pages = 0
        self._lease: Lease | None = None
        self._handling = False
        self._ended = False
        with self._turn:
            for statement in (SQL.make_cursor, SQL.make_ledger):
                self._connection.execute(statement)
        self._watch()

    # the target

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        lease = claim.lease
        bound = {"stage": lease.stage, "partition": lease.partition}
        with self._alone():
            cursor = rows(self._connection, SQL.cursor_get, **bound)
            if not cursor and was and rows(self._connection, SQL.cursor_get, stage=was, partition=lease.partition):
                for statement in (SQL.rename_cursor, SQL.rename_ledger):
                    self._connection.execute(statement, {"name": lease.stage, "was": was})
                cursor = rows(self._connection, SQL.cursor_get, **bound)
            if not cursor:
                unknown(self.told, claim)
                self._connection.execute(SQL.cursor_add, {**bound, "token": lease.token, "next": claim.next})
                return None
            last, outputs, parked = self._last(lease)
            ahead = agreed(self.told, claim, cursor[0][0], last)
            self._connection.execute(SQL.cursor_token, {**bound, "token": lease.token})
            return (outputs, parked) if ahead else None

    def learned(self, lease: Lease) -> None:
        with self._alone():
            self._connection.execute(SQL.ledger_empty, {"stage": lease.stage, "partition": lease.partition})

    def begin(self, lease: Lease, last: str | None) -> SQLiteTarget:
        self._one.acquire()
        try:
            self._open()
            self._turn.__enter__()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._holds(lease)
                if (there := self._last(lease)[0]) != last:
                    raise WentBack(
                        f"{lease.stage} partition {lease.partition}: the last unit in {self.told} is {there}, it was "
                        f"{last}: it was replaced or restored while in use; bring the right file back"
                    )
            except BaseException:
                try:
                    self._end()
                finally:
                    self._turn.__exit__(None, None, None)
                raise
        except BaseException as error:
            self._one.release()
            raise (_away(error, self.told) if isinstance(error, apsw.Error) else error) from error
        self._lease, self._handling, self._ended = lease, True, False
        return self

    def kept(self, lease: Lease, unit: str) -> bool:
        with self._alone():
            self._holds(lease)
            return self._last(lease)[0] == unit

    def close(self) -> None:
        with self._one:
            self._turn.close()
            self._file.close()

    # its transaction

    @property
    def tx(self) -> apsw.Connection:
        return self._connection

    def undo(self, tables: Undo) -> Undo:
        return SQLiteSavepoint(self._connection, lambda: self._ended, tables)

    def check(self) -> None:
        self._handling = False
        if self._ended or not self._connection.in_transaction:
            assert self._lease is not None
            raise Refused(
                f"a handler of {self._lease.stage} has ended the transaction; tx must not be committed or rolled back, "
                "Onward does both; nothing of it was kept"
            )

    def commit(self, next_: int, unit: str, commit: Commit) -> None:
        assert self._lease is not None
        bound = {"stage": self._lease.stage, "partition": self._lease.partition}
        try:
            outputs, parked = relay_text(commit)
            # First the row, as its name is unique: a unit that was kept although its commit failed is not kept again.
            self._connection.execute(SQL.ledger_add, {**bound, "position": unit, "outputs": outputs, "parked": parked})
            self._connection.execute(SQL.ledger_clear, {**bound, "position": unit})
            self._connection.execute(SQL.cursor_next, {**bound, "next": next_})
        except apsw.ConstraintError as error:
            where = f"{self._lease.stage} partition {self._lease.partition}"
            raise AlreadyCommitted(f"{where}: unit {unit}: {error}") from error
        except apsw.Error as error:
            raise _away(error, self.told) from error
        try:
            self._connection.execute("COMMIT")
        except apsw.ConstraintError as error:
            raise Unkeepable(self._lease.stage, str(error)) from error
        except apsw.Error as error:
            raise _away(error, self.told) from error
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

    # how it is done

    def _holds(self, lease: Lease) -> None:
        found = rows(self._connection, SQL.cursor_get, stage=lease.stage, partition=lease.partition)
        if not found or found[0][0] != lease.token:
            raise LeaseLost(lease.stage, lease.partition, lease.token)

    def _last(self, lease: Lease) -> tuple[str | None, str, str]:
        """The last unit, and its texts."""
        ledger = rows(self._connection, SQL.ledger_all, stage=lease.stage, partition=lease.partition)
        return ledger[-1] if ledger else (None, "", "")  # type: ignore[return-value]

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
            raise _away(error, self.told) from error

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


class SQLiteSavepoint(Savepoint):
    """Within a SQLite file."""

    def __init__(self, connection: apsw.Connection, ended: Callable[[], bool], tables: Undo) -> None:
        super().__init__(tables)
        self._connection = connection
        self._ended = ended

    def _move(self) -> None:
        if self._ended():
            raise Refused("an earlier call has ended the transaction")
        if self._set:
            self._connection.execute("RELEASE onward_call")
        self._connection.execute("SAVEPOINT onward_call")

    def back(self, error: BaseException | None = None) -> None:
        if self._set and not self._ended():
            self._connection.execute("ROLLBACK TO onward_call")


class SQLiteStill:
    """A copy of the file."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stills = Stills([url])

    def hold(self) -> None:
        self._stills.hold()

    def look(self) -> None:
        self._stills.copy()

    def target(self) -> SQLiteTarget:
        return SQLiteTarget(self._stills.url(self._url), told=self._url)

    def close(self) -> None:
        self._stills.close()


def _away(error: apsw.Error, told: str) -> Exception:
    found = connection.away(error, told)
    return DatabaseAway(str(found)) if isinstance(found, StoreAway) else found


def examine(url: str) -> tuple[Literal["ok", "warning", "failed"], str]:
    """See `onward.databases.examine`."""
    return room_for(path_of(url))
