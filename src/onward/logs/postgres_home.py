"""A database as the home of a store: the mark that says whose it is."""

from __future__ import annotations

from onward.carry import Mark, Place
from onward.errors import StoreMoved
from onward.logs.postgres_rows import SQL
from onward.postgres.connection import Connection, rows, run
from onward.units import instant_text


def mark_of(connection: Connection) -> Mark | None:
    """The mark, if there is one."""
    for state, move, other, by, at, *_ in rows(connection, SQL.home_get):
        return Mark(state, move, other, by, at)
    return None


def place_of(connection: Connection) -> Place:
    """How far a store has come that arrives."""
    [(*_, kind, after)] = rows(connection, SQL.home_get)
    return Place(kind, after)


def put_mark(connection: Connection, mark: Mark, store: str, place: Place | None = None) -> None:
    """Writes the mark, in a transaction; one that leaves or has moved is guarded from then on."""
    row = {"state": mark.state, "move": mark.move, "other": mark.other, "by": mark.by, "at": instant_text(mark.at)}
    kind, after = place or Place("", "")
    run(connection, SQL.home_put, **row, told=mark.told(store), kind=kind, after=after)
    _guard(connection, on=mark.state in ("leaving", "moved"))


def refuse(connection: Connection, store: str, *, reading: bool = False) -> None:
    """Refuses a store that takes no changes; to who reads, one that is not whole.

    Raises:
        StoreMoved: so it is.
    """
    mark = mark_of(connection)
    if mark is not None and mark.state in (("arriving",) if reading else ("arriving", "leaving", "moved")):
        raise StoreMoved(mark.told(store))


def _guard(connection: Connection, *, on: bool) -> None:
    """Makes the database itself refuse every change, or no more.

    So a commit has no need to look, and a handle of a version that knows nothing of marks is refused, too. To make a
    trigger waits for every transaction that has changed something of the table, and those after it find it.
    """
    for (table,) in rows(connection, SQL.home_guards):
        connection.execute(f"DROP TRIGGER home_guard ON onward.{table}")  # type: ignore[arg-type]
    if not on:
        return
    for (table,) in rows(connection, SQL.home_tables):
        connection.execute(
            f"CREATE TRIGGER home_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON onward.{table} "  # type: ignore[arg-type]
            "FOR EACH STATEMENT EXECUTE FUNCTION onward.refuse_change()"
        )
