"""Appending in a transaction that a program has open on the store's database: kept when it commits, with all of it.

What is to be done is written once, as statements and what their rows mean, for connections that wait and for those that
are awaited.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from onward.commit import Append
from onward.errors import Overruled, Refused, StoreAway, StoreMoved
from onward.logs.postgres_commit import Writing
from onward.logs.postgres_rows import SQL
from onward.postgres.connection import REFUSES
from onward.postgres.types import register

TRIES = 3
"""So often a newer segment is looked for."""


class Ask(NamedTuple):
    """A statement, and what is bound in it."""

    statement: str
    bound: dict[str, Any] | None = None
    binary: bool = False


Steps = Generator[Ask, Any, None]
"""Asks, and is sent what came of each: rows, or the error."""


def check(tx: Any) -> None:
    """Refuses what can be joined by nobody.

    Raises:
        Refused: `tx` is no connection of psycopg, or has no transaction that could be joined.
    """
    if not isinstance(tx, psycopg.Connection | psycopg.AsyncConnection):
        raise Refused(
            f"put(tx=...) takes a psycopg.Connection or AsyncConnection to the store's database, not a "
            f"{type(tx).__name__}"
        )
    status = tx.info.transaction_status
    if status == TransactionStatus.INERROR:
        raise Refused("the transaction of put(tx=...) has failed already; roll it back and begin anew")
    if status == TransactionStatus.IDLE and tx.autocommit:
        raise Refused(
            "the connection of put(tx=...) is in autocommit mode and in no transaction; open one by `with "
            "connection.transaction():`"
        )


def steps(writing: Writing, appends: Sequence[Append], database: tuple[str, int], now: float) -> Steps:
    """Appends, all or none. What fails is undone by a savepoint, so that the transaction may go on."""
    found = yield Ask(SQL.join_look)
    if isinstance(found, psycopg.Error):
        raise meaning(writing, found) from found
    [(system, number, isolation, there)] = found
    if (system, number) != database or not there:
        raise Refused("the connection of put(tx=...) is to another database than the store's; put without tx=")
    if isolation != "read committed":
        raise Refused(
            f"the transaction of put(tx=...) is {isolation.upper()}; where a partition ends can only be seen in READ "
            "COMMITTED: begin it so, or put without tx= after it"
        )
    for left in reversed(range(TRIES)):
        yield Ask(SQL.join_begin)
        error = yield from _append(writing, appends, now)
        if error is None:
            yield Ask(SQL.join_end)
            return
        undone = yield Ask(SQL.join_undo)
        if isinstance(undone, psycopg.Error) or not left or not writing.moved(error):
            raise meaning(writing, error) from error


def _append(writing: Writing, appends: Sequence[Append], now: float) -> Generator[Ask, Any, psycopg.Error | None]:
    places = sorted({(append.topic, append.partition) for append in appends})
    topics, partitions = zip(*places, strict=True)
    asks = [Ask(SQL.block_lock, {"topics": list(topics), "partitions": list(partitions)})]
    asks += [Ask(*writing.appending(append, now), True) for append in appends]
    for ask in asks:
        if isinstance(found := (yield ask), psycopg.Error):
            return found
    return None


def do(tx: psycopg.Connection[Any], todo: Steps) -> None:
    """Does it now."""
    answer: Any = None
    while (ask := _next(todo, answer)) is not None:
        cursor = psycopg.Cursor(tx, row_factory=tuple_row)
        register(cursor.adapters)
        try:
            cursor.execute(ask.statement, ask.bound, binary=ask.binary)  # type: ignore[arg-type]
            answer = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            answer = error


async def do_awaited(tx: psycopg.AsyncConnection[Any], todo: Steps) -> None:
    """As `do`, on the event loop of the connection."""
    answer: Any = None
    while (ask := _next(todo, answer)) is not None:
        cursor = psycopg.AsyncCursor(tx, row_factory=tuple_row)
        register(cursor.adapters)
        try:
            await cursor.execute(ask.statement, ask.bound, binary=ask.binary)  # type: ignore[arg-type]
            answer = await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            answer = error


def _next(todo: Steps, answer: Any) -> Ask | None:
    try:
        return todo.send(answer)
    except StopIteration:
        return None


def meaning(writing: Writing, error: psycopg.Error) -> Exception:
    """What an error means to who puts."""
    if (refused := writing.refused(error)) is not None:
        return refused
    if error.sqlstate == REFUSES:
        return StoreMoved(error.diag.message_primary or str(error))
    if error.sqlstate in ("40001", "40P01"):
        return Overruled(f"another transaction was preferred to that of put(tx=...): {error}; begin it anew")
    if error.sqlstate in ("42501", "42P01", "3F000"):
        return Refused(f"the user of put(tx=...) may not append to the store, in schema onward: {error}")
    if error.sqlstate == "55P03" or isinstance(error, psycopg.OperationalError):
        return StoreAway(f"nothing was put in the transaction of put(tx=...): {error}")
    return error
