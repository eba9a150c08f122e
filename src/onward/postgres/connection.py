"""One PostgreSQL database: its URL, connections to it as they must be, and what its errors mean."""

from __future__ import annotations

import contextlib
import itertools
from functools import cached_property
from typing import Any, LiteralString, cast

import psycopg
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from onward.errors import Broken, Refused, StoreAway, StoreMoved, StoreUncertain
from onward.postgres.types import ADAPTERS
from onward.postgres.watchdog import Watchdog
from onward.url import shown


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """One to a database, for one thread at a time.

    `prepared` are the names of what batches have prepared on it, by statement and types.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.prepared: dict[tuple[str, tuple[int, ...] | None], bytes] = {}
        self._names = itertools.count()

    @cached_property
    def form(self) -> Transformer:
        """How values travel over it."""
        return Transformer(self)

    def rollback(self) -> None:
        """As the driver does it. It then lets the server forget all that is prepared, that of batches with it."""
        undone = self.pgconn.transaction_status != TransactionStatus.IDLE
        super().rollback()
        if undone and self.prepared:
            self.prepared.clear()
            self.pgconn.exec_(b"DEALLOCATE ALL")

    def new_name(self) -> bytes:
        """A name for a statement that has not been given on it."""
        return b"onward_%d" % next(self._names)


SECONDS = 8
"""After so many seconds a statement, an open transaction that does nothing and a link that does not answer are given
up, here and by the server: a session ends before the lease that it works under, so who takes the lease need not wait
for it."""

_DEFAULTS: dict[str, Any] = {
    "application_name": "onward",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 4,
    "tcp_user_timeout": SECONDS * 1000,
}
WORKING = {"statement": f"{SECONDS}s", "plans": "force_generic_plan", "scans": "off"}
"""Who moves records goes by indexes, and plans once: of a table that has just begun nothing is known, and a plan that
looks through all of it would stay."""
LOOKING = {"statement": "0", "plans": "auto", "scans": "on"}

_SESSION = f"""SELECT
    set_config('client_encoding', 'UTF8', false),
    set_config('TimeZone', 'UTC', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('statement_timeout', %(statement)s, false),
    set_config('lock_timeout', '{SECONDS - 3}s', false),
    set_config('idle_in_transaction_session_timeout', '{SECONDS}s', false),
    -- What the server does where the host of this session has died: that it ends the session is up to the server.
    set_config('tcp_keepalives_idle', '3', false),
    set_config('tcp_keepalives_interval', '1', false),
    set_config('tcp_keepalives_count', '4', false),
    set_config('tcp_user_timeout', '{SECONDS * 1000}', false),
    CASE WHEN current_setting('server_version_num')::integer >= 140000 AND version() LIKE '%%linux%%'
        THEN set_config('client_connection_check_interval', '1s', false)
    END,
    set_config('jit', 'off', false),
    set_config('plan_cache_mode', %(plans)s, false),
    set_config('enable_seqscan', %(scans)s, false),
    set_config('enable_bitmapscan', %(scans)s, false),
    -- What a server does not promise to keep we may not call kept.
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN CASE current_setting('fsync') WHEN 'on' THEN 'on' ELSE 'off' END
        ELSE current_setting('synchronous_commit')
    END, false),
    current_setting('server_encoding'),
    current_setting('server_version_num')::integer"""

REFUSES = "OW009"
"""What a store says that has moved, or is on its way (`refuse_change` in its schema)."""

OLDEST = 130_000
"""The oldest server that will do, as it says its version."""

_WRONG = (
    "authentication failed",
    "pg_hba.conf",
    "does not exist",
    "no password supplied",
    "is not permitted to log in",
)


class Database:
    """A database that a libpq URL names. `shown` is the URL as it may be seen: without passwords.

    Raises:
        Refused: libpq cannot read the URL.
    """

    def __init__(self, url: str) -> None:
        self.shown = shown(url)
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:  # whose text may hold a part of the password
            raise Refused(
                f"{self.shown} cannot be read as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; characters other than "
                "letters and digits are written as % and two hex digits, also in the password"
            ) from None
        defaults = dict(_DEFAULTS)
        if "," in str(given.get("host", "")):
            defaults["target_session_attrs"] = "read-write"
        self._conninfo = make_conninfo(**{**defaults, **given})
        self._been = False
        self.watchdog = Watchdog(2.0 * SECONDS)

    def connect(self, *, looking: bool = False) -> Connection:
        """A new connection, in autocommit mode. `looking`: statements may take as long as they like.

        Raises:
            StoreAway: nobody answers, or says that it is not the time.
            Refused: it does not let us in, or is no database that will do. Only at first: a server that has let us in
                and then does not may be about to restart.
        """
        try:
            connection = Connection.connect(self._conninfo, autocommit=True, context=ADAPTERS, prepare_threshold=2)
        except psycopg.Error as error:
            if not self._been and any(wrong in str(error) for wrong in _WRONG):
                raise Refused(f"{self.shown} does not let us in: {_said(error)}") from error
            raise StoreAway(f"{self.shown} cannot be reached now: {_said(error)}") from error
        try:
            bound = LOOKING if looking else WORKING
            if not self._been and self._is_shared(connection):
                connection.close()
                raise Refused(
                    f"{self.shown} goes through a pooler that gives a session to others between two transactions, and "
                    "Onward sets time-outs and listens in it; name the server itself, or a pool in session mode"
                )
            *_, encoding, version = rows(connection, _SESSION, **bound)[0]
        except psycopg.Error as error:
            connection.close()
            raise self.away(error) from error
        if encoding != "UTF8" or version < OLDEST:
            connection.close()
            raise Refused(
                f"{self.shown} has encoding {encoding} and version {version // 10_000}; "
                f"Onward needs UTF8 and version {OLDEST // 10_000} or newer"
            )
        self._been = True
        return connection

    def _is_shared(self, connection: Connection) -> bool:
        """Whether others may get the session of a connection that is idle. Who has a pooler before it is told another
        number of the session than the session itself says; then some others are asked whether they have it."""
        ((number,),) = rows(connection, "SELECT pg_backend_pid()")
        if number == connection.pgconn.backend_pid:
            return False
        with contextlib.ExitStack() as others:
            for _ in range(3):  # each holds what it has got; most poolers give what was used last at first
                other = others.enter_context(contextlib.closing(Connection.connect(self._conninfo)))
                try:
                    if rows(other, "SELECT pg_backend_pid()") == [(number,)]:
                        return True
                except psycopg.Error:  # of one that gives away a session even within a transaction
                    return True
        return False

    def away(self, error: psycopg.Error, *, committing: bool = False) -> Exception:
        """What an error of the driver means to those above; `committing`: a COMMIT had been sent by then."""
        state, said = error.sqlstate or "", _said(error)
        if is_lost(error):
            if committing:
                return StoreUncertain(f"{self.shown} went away during a commit: {said}; what it kept is read again")
            return StoreAway(f"{self.shown} went away: {said}")
        if state == REFUSES:
            return StoreMoved(error.diag.message_primary or said)
        if state == "42501":
            return Refused(f"{self.shown} does not allow this user what Onward does: {said}")
        if state in ("3F000", "42P01"):
            return Refused(f"{self.shown} has lost tables of its store: {said}")
        if state.startswith("XX"):
            return Broken(f"{self.shown} cannot read its own data: {said}")
        if is_passing(error) or state[:2] in ("53", "57", "58") or state in ("25006", "25P02", "25P03"):
            return StoreAway(f"{self.shown} cannot be used now: {said}")
        return error


UNPREPARED = "26000"
"""The driver believes a statement to be prepared that is not, after an error in a pipeline or behind a pooler. On a new
connection all begins anew."""


def is_passing(error: psycopg.Error) -> bool:
    """Whether a transaction was undone by what others did at the same time: done again it may well be kept."""
    return error.sqlstate in ("40001", "40P01", "55P03", "57014", UNPREPARED)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith("08") or state in ("57P01", "57P02", "57P03", "57P05", "25P03")


def rows(connection: Connection, statement: str, /, **parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement, in the types of `onward.postgres.types`."""
    return connection.execute(cast(LiteralString, statement), parameters or None, binary=True).fetchall()


def run(connection: Connection, statement: str, /, **parameters: Any) -> int:
    """Runs a statement that gives no rows; how many it has changed."""
    return connection.execute(cast(LiteralString, statement), parameters or None).rowcount


def _said(error: BaseException) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
