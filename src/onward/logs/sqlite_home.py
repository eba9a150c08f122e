"""A SQLite file as the home of a store: its schema, brought to this version, and the mark that says whose it is."""

from __future__ import annotations

from typing import Any

import apsw

from onward.carry import Mark, Place
from onward.errors import Refused, StoreMoved, StoreNewer
from onward.logs.sqlite_rows import SCHEMA, SQL
from onward.sqlite.connection import File, rows
from onward.units import instant, instant_text

CHANGES = ("INSERT", "UPDATE", "DELETE")


def version_of(file: File, url: str) -> int:
    """The version of its schema; 0 where there is none yet.

    Raises:
        Refused: it is newer, or no store.
    """
    found, used = file.look(SQL.schema_version)
    if found > SCHEMA:
        raise StoreNewer(url, found, SCHEMA)
    if found == 0 and used:
        raise Refused(f"{url} is a database of something else; name another file")
    return int(found)


def prepare(file: File, url: str, *, create: bool) -> None:
    """Makes or migrates the schema, once, whoever comes first; refuses untouched what is newer or not a store."""
    found = version_of(file, url)
    if found == SCHEMA:
        return
    if found == 0 and not create:
        raise Refused(f"{url} is no Onward store")
    writer = file.connect()
    writer.execute("BEGIN IMMEDIATE")
    try:
        found, _ = rows(writer, SQL.schema_version)[0]
        for number, migration in enumerate(SQL.migrations[found:], found + 1):
            writer.execute(migration)
            writer.execute(f"PRAGMA user_version = {number}")
        writer.execute("COMMIT")
    except BaseException:
        writer.execute("ROLLBACK")
        raise
    file.drop(writer)


def mark_of(connection: apsw.Connection) -> Mark | None:
    """The mark, if there is one."""
    for state, move, other, by, at, *_ in rows(connection, SQL.home_get):
        return Mark(state, move, other, by, instant(at))
    return None


def place_of(connection: apsw.Connection) -> Place:
    """How far a store has come that arrives."""
    [(*_, kind, after)] = rows(connection, SQL.home_get)
    return Place(kind, after)


def put_mark(connection: apsw.Connection, mark: Mark, store: str, place: Place | None = None) -> None:
    """Writes the mark, in an open transaction; one that leaves or has moved is guarded from then on."""
    row: dict[str, Any] = {"state": mark.state, "move": mark.move, "other": mark.other, "by": mark.by}
    kind, after = place or Place("", "")
    connection.execute(SQL.home_put, {**row, "at": instant_text(mark.at), "kind": kind, "after": after})
    _guard(connection, mark.told(store) if mark.state in ("leaving", "moved") else None)


def refuse(connection: apsw.Connection, store: str, *, reading: bool = False) -> None:
    """Refuses a store that takes no changes; to who reads, one that is not whole.

    Raises:
        StoreMoved: so it is.
    """
    mark = mark_of(connection)
    if mark is not None and mark.state in (("arriving",) if reading else ("arriving", "leaving", "moved")):
        raise StoreMoved(mark.told(store))


def _guard(connection: apsw.Connection, told: str | None) -> None:
    """Makes the database itself refuse every change, with this text; or, without one, no more.

    So a handle needs to look nowhere before it writes, and one of a version that knows nothing of marks is refused,
    too. The text is a literal, as older libraries cannot read another kind of trigger, nor a file that has one.
    """
    for (name,) in rows(connection, SQL.home_guards):
        connection.execute(f'DROP TRIGGER "{name}"')
    if told is None:
        return
    text = told.replace("'", "''")
    for (table,) in rows(connection, SQL.home_tables):
        for change in CHANGES:
            connection.execute(
                f'CREATE TRIGGER "home_{change.lower()}_{table}" BEFORE {change} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
            )
