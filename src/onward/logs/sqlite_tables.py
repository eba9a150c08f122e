"""Tables in a SQLite store: declaring them, writing changes within a transaction of the log's, reading documents."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw
import msgspec

from onward.changes import firsts
from onward.document import Condition, Document, Edit, Field, Query
from onward.errors import Conflict, Refused
from onward.log import TableSpec
from onward.logs.rows import document_from, edit_from
from onward.logs.sqlite_rows import SQL
from onward.sqlite.connection import File, away, rows
from onward.units import instant_text

PARTS = ("document_table", "document", "document_history", "document_entry")


def declare_table(connection: apsw.Connection, table: TableSpec) -> None:
    """Makes or renames a table, and writes its index anew where other fields are in it than before."""
    before = _spec(connection, table.name)
    if before is None and table.was and _spec(connection, table.was) is not None:
        for part in PARTS:
            connection.execute(getattr(SQL, f"rename_table_{part}"), {"name": table.name, "was": table.was})
        before = _spec(connection, table.name)
    declaration = msgspec.json.encode(table).decode()
    connection.execute(SQL.document_table_put, {"name": table.name, "declaration": declaration})
    if before is None or before.index != table.index:
        connection.execute(SQL.document_entry_clear, {"table": table.name})
        connection.execute(SQL.document_entry_fill, {"table": table.name})


def write_edits(connection: apsw.Connection, edits: Sequence[Edit]) -> None:
    """Keeps changes, each on the version that it was made on.

    Raises:
        Conflict: a document has another version by now.
        Refused: nobody has declared the table.
    """
    for name in {edit.table for edit in edits}:
        if _spec(connection, name) is None:
            raise Refused(f"table {name} is not declared; run the app that declares it")
    bases = json.dumps([(edit.table, edit.key, edit.version - 1) for edit in firsts(edits)])
    for table, key, expected, found in rows(connection, SQL.document_conflict, rows=bases):
        raise Conflict(table, key, expected, found)
    lasts = {(edit.table, edit.key): edit for edit in edits}
    connection.execute(SQL.document_history_add, {"rows": _rows(edits)})
    connection.execute(SQL.document_put, {"rows": _rows(lasts.values())})
    for name in {edit.table for edit in edits}:
        keys = json.dumps([key for table, key in lasts if table == name])
        connection.execute(SQL.document_entry_drop, {"table": name, "keys": keys})
        connection.execute(SQL.document_entry_add, {"table": name, "keys": keys})


class SQLiteTables:
    """Reads documents by plain calls, from any thread, on a connection of its own; see `onward.document.Documents`."""

    def __init__(self, file: File, url: str) -> None:
        self._connection = file.connect(readonly=True)
        self._url = url
        self._one = threading.Lock()

    def get(self, table: str, key: str) -> Document | None:
        found = self._rows(SQL.document_get, table=table, key=key)
        return document_from(found[0]) if found else None

    def history(self, table: str, key: str) -> Sequence[Edit]:
        return [edit_from(row) for row in self._rows(SQL.document_history_list, table=table, key=key)]

    def find(self, query: Query) -> Sequence[Document]:
        with self._one:
            try:
                return find(self._connection, query)
            except apsw.Error as error:
                raise away(error, self._url) from error

    def _rows(self, statement: str, **bound: Any) -> list[Any]:
        with self._one:
            try:
                return rows(self._connection, statement, **bound)
            except apsw.Error as error:
                raise away(error, self._url) from error


def find(connection: apsw.Connection, query: Query) -> list[Document]:
    """What is asked for, by the index of one field: of the order, where nothing has to be equal to something."""
    equal = next((one for one in query.conditions if one.operator == "eq"), None)
    order = query.order
    if equal is not None and (order is None or equal.field != order):
        return query.arranged(map(document_from, connection.execute(*_equal(query.table, equal))))
    if order is None and query.conditions:
        field = query.conditions[0].field
        return query.arranged(map(document_from, connection.execute(*_ordered(query, field, descending=False))))
    if order is None:
        candidates = connection.execute(SQL.document_list, {"table": query.table, "after": None})
        return list(_up_to(query, candidates))
    statement, bound = _ordered(query, order, descending=query.descending)
    candidates = connection.execute(statement, bound)
    if statement == SQL.document_by_none:  # all are alike there, in the order of their keys
        return query.arranged(map(document_from, candidates))
    return list(_up_to(query, candidates))


def _up_to(query: Query, candidates: Iterable[Any]) -> Iterator[Document]:
    """Those that fit, of candidates that are in order, as many as are asked for."""
    left = math.inf if query.limit is None else query.limit
    for row in candidates:
        if left <= 0:
            return
        document = document_from(row)
        if query.fits(document):
            left -= 1
            yield document


def _equal(table: str, one: Condition) -> tuple[str, dict[str, Any]]:
    bound = {"table": table, "field": one.field.name}
    if one.value is None:
        return SQL.document_by_none, bound
    return SQL.document_by_range, {**bound, "low": one.value, "high": one.value}


def _ordered(query: Query, field: Field, *, descending: bool) -> tuple[str, dict[str, Any]]:
    """All documents in the order of a field, or those between the bounds that conditions on it give."""
    bound: dict[str, Any] = {"table": query.table, "field": field.name}
    conditions = [one for one in query.conditions if one.field == field]
    if any(one.value is None for one in conditions):
        return SQL.document_by_none, bound
    if not conditions:
        return SQL.document_by_field_desc if descending else SQL.document_by_field, bound
    text = isinstance(conditions[0].value, str)
    # Numbers come before texts, and bytes after them; a bound keeps among its own.
    lows: list[Any] = [one.value for one in conditions if one.operator in ("eq", "ge", "gt")]
    highs: list[Any] = [one.value for one in conditions if one.operator in ("eq", "le", "lt")]
    if len({isinstance(one.value, str) for one in conditions}) > 1:
        lows, highs = [], []  # nothing fits both; which is found out one by one
    bound["low"] = max(lows) if lows else ("" if text else -math.inf)
    bound["high"] = min(highs) if highs else (b"" if text else math.inf)
    return SQL.document_by_range_desc if descending else SQL.document_by_range, bound


def _spec(connection: apsw.Connection, name: str) -> TableSpec | None:
    found = rows(connection, SQL.document_table_get, name=name)
    return msgspec.json.decode(found[0][0], type=TableSpec) if found else None


def _rows(edits: Iterable[Edit]) -> str:
    return msgspec.json.encode(
        [
            (
                edit.table,
                edit.key,
                edit.version,
                edit.action,
                edit.state,
                None if edit.value is None else edit.value.decode(),
                instant_text(edit.at),
                edit.by,
                edit.origin,
            )
            for edit in edits
        ]
    ).decode()
