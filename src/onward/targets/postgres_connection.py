"""Connections to a PostgreSQL database that stages commit within, as they must be; and what its errors mean."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import psycopg
from psycopg import errors, pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from onward.errors import DatabaseAway, Overruled, Refused
from onward.settings import Secret
from onward.sql import Statements
from onward.url import DatabaseURL, named

SQL = Statements("within_postgres")

# How a dead worker's transaction ends, so that who takes over is not kept waiting for its row:
#
# - Its process has died: the kernel closes the socket, and the server rolls back at once.
# - Its host has died, or the network is cut: nothing is closed, and the server would wait for hours. So it is made to
#   ask (tcp_keepalives_*) after 5 s of silence and to give up after 11 s (tcp_user_timeout for what it has sent
#   itself), about when the lease is over; the same here, for a server whose host has died.
# - It is frozen: its host answers for it. Whoever has the next token waits for its transaction for 5 s (lock_timeout)
#   and then ends its session (`cursor_holder.sql`): what it has done there can never be committed.
# - Nobody takes over, or may not end it: after IDLE the server ends a session that does nothing in its transaction
#   (idle_in_transaction_session_timeout), as its locks and its snapshot are in everybody's way.
#
# Whoever knows better says so in the URL (`options=`) or by ALTER ROLE or ALTER DATABASE; these then count.
IDLE = "10min"
HERE = {
    "application_name": "onward",
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "11000",
}

_NO_USE = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")


class Texts:
    """The statements by name, on the tables of a schema, whatever `search_path` a handler may set."""

    def __init__(self, schema: str) -> None:
        self._schema = sql.Identifier(schema)
        self._made: dict[str, sql.Composed] = {}

    def __getitem__(self, name: str) -> sql.Composed:
        if name not in self._made:
            self._made[name] = sql.SQL(getattr(SQL, name)).format(schema=self._schema)
        return self._made[name]


class Lent(psycopg.Connection[Any]):
    """What handlers get as `tx`. It is in a transaction that is not theirs to end; `with tx:` is a savepoint."""

    ended = False
    """Whether somebody has tried to."""

    def commit(self) -> None:
        self._refuse("committed")

    def rollback(self) -> None:
        self._refuse("rolled back")

    def close(self) -> None:
        self._refuse("closed")

    def __enter__(self) -> Lent:
        block = self.transaction()
        block.__enter__()
        self.__dict__.setdefault("blocks", []).append(block)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__dict__["blocks"].pop().__exit__(kind, error, trace)

    def _refuse(self, what: str) -> None:
        self.ended = True
        raise Refused(f"tx must not be {what} by a handler; Onward commits it when all of the unit is done")

    # for Onward itself

    def run(self, statement: Any, **bound: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        """One of our own statements, whatever handlers have made of the connection."""
        return psycopg.Cursor(self, row_factory=tuple_row).execute(statement, bound or None, prepare=bool(bound))

    def keep(self) -> None:
        """Commits."""
        super().commit()

    def give_up(self) -> bool:
        """Ends what is open without effect; false where it can be used no more."""
        try:
            super().rollback()
        except psycopg.Error:
            return False
        return not self.closed

    def end(self) -> None:
        super().close()

    @property
    def lost(self) -> bool:
        """Whether nobody answers any more."""
        return self.closed or self.info.transaction_status == pq.TransactionStatus.UNKNOWN


class Connections:
    """Those to one database that are not in use. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.told = named(url)
        given = _read(url, self.told)
        ready = {"target_session_attrs": "read-write"} if "," in str(given.get("host", "")) else {}
        self._conninfo = make_conninfo("", **{**HERE, **ready, **given})
        self._free: list[Lent] = []
        self._turn = threading.Lock()
        self._closed = False

    def take(self) -> Lent:
        """One that is in no transaction.

        Raises:
            DatabaseAway, Refused: none can be had.
        """
        while True:
            with self._turn:
                connection = self._free.pop() if self._free else None
            if connection is None:
                return self._new()
            # A server that has gone has said so, or hung up; nothing else comes by itself.
            if not connection.closed and not select.select([connection.fileno()], [], [], 0)[0]:
                connection.ended = False
                return connection
            connection.end()

    def give_back(self, connection: Lent) -> None:
        """Takes it back; what it has open is rolled back."""
        if not connection.give_up():
            connection.end()
            return
        connection.row_factory = tuple_row
        connection.cursor_factory = psycopg.Cursor
        with self._turn:
            if not self._closed:
                self._free.append(connection)
                return
        connection.end()

    def close(self) -> None:
        with self._turn:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.end()

    def _new(self) -> Lent:
        try:
            connection = Lent.connect(self._conninfo)
            try:
                connection.run(SQL.settings, idle=IDLE)
                connection.keep()
            except BaseException:
                connection.end()
                raise
        except psycopg.Error as error:
            raise meaning(error, self.told) from None  # whose frames know the password
        return connection


def _read(url: str, told: str) -> dict[str, Any]:
    """What libpq reads from a URL. Its own errors would show parts of a password that it takes for a host or port."""
    try:
        given = conninfo_to_dict(url)
        read = not any("@" in str(given.get(name, "")) for name in ("host", "dbname"))
        read = read and str(given.get("port", "0")).replace(",", "").isdigit()
    except psycopg.Error:
        read = False
    if not read:
        raise Refused(
            f"{told} cannot be read as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; characters other than letters "
            "and digits are written as % and two hex digits, also in the password"
        ) from None
    # From now on it is masked in all that this process shows.
    DatabaseURL(url)
    Secret(str(given.get("password", "")))
    return given


def meaning(error: BaseException, told: str, *, lost: bool = False, own: bool = False) -> Exception:
    """What an error of the driver means to those above: `DatabaseAway`, `Overruled`, `Refused`, or itself.

    Args:
        lost: whether the connection is.
        own: whether the statement was Onward's, which no time-out of the user's is a verdict on.
    """
    text = " ".join(str(error).split())
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return Overruled(f"{told} has preferred another transaction: {text}")
    if isinstance(error, errors.InsufficientPrivilege):
        return Refused(f"{told} does not allow it: {text}")
    state = getattr(error, "sqlstate", None) or ""
    gone = state[:2] in ("08", "53") or (state[:3] == "57P") or state in ("25006", "58000", "58030")
    gone = gone or (own and isinstance(error, errors.QueryCanceled | errors.LockNotAvailable))
    if gone or lost or (not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)):
        if any(part in text for part in _NO_USE) and not lost:
            return Refused(f"{told} cannot be used: {text}")
        return DatabaseAway(f"{told} cannot be used now: {text}")
    return error if isinstance(error, Exception) else RuntimeError(text)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of, the newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
