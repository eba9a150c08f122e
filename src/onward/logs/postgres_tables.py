"""Tables in a PostgreSQL store: declaring them, writing changes within a transaction, reading documents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec

from onward.changes import firsts
from onward.document import Document, Edit, Field, Query, Scalar, rank, value_of
from onward.errors import Conflict, Refused
from onward.log import TableSpec
from onward.logs.postgres_rows import SQL
from onward.logs.rows import document_from, edit_from
from onward.postgres.connection import Connection, rows, run
from onward.postgres.desk import Desk
from onward.units import instant_text

PARTS = ("document_table", "document", "document_history", "document_entry")

CUT = 200
"""So many characters of a text are in the index, as its rows have a bound; by the rest it is put in order here."""

PAGE = 500
"""Documents that travel at once."""

NOTHING, BELOW, NUMBER, BETWEEN, TEXT, ABOVE = range(6)
"""Kinds of what is indexed, in their order; between them those that nothing is of, for ends that are open."""

Place = tuple[int, Decimal, str]
"""Where a value stands in the order of the index: its kind, and what it is of that kind."""


def declare_table(connection: Connection, table: TableSpec) -> None:
    """Makes or renames a table, and writes its index anew where other fields are in it than before."""
    before = spec_of(connection, table.name)
    if before is None and table.was and spec_of(connection, table.was) is not None:
        for part in PARTS:
            run(connection, getattr(SQL, f"rename_table_{part}"), name=table.name, was=table.was)
        before = spec_of(connection, table.name)
    declaration = msgspec.json.encode(table).decode()
    # From here on who changes a document of it waits, and then writes the new index.
    run(connection, SQL.document_table_put, name=table.name, declaration=declaration)
    if before is None or before.index != table.index:
        run(connection, SQL.document_entry_clear, table=table.name)
        documents = _streamed(connection, SQL.document_all, table=table.name)
        while page := [document for document, _ in zip(documents, range(PAGE), strict=False)]:
            index(connection, table, page)


def write_edits(connection: Connection, edits: Sequence[Edit]) -> None:
    """Keeps changes, each on the version that it was made on. Documents are locked by table and key, so that those who
    change the same ones wait for each other in one direction only.

    Raises:
        Conflict: a document has another version by now.
        Refused: nobody has declared the table.
    """
    specs = {name: spec_of(connection, name, lock=True) for name in sorted({edit.table for edit in edits})}
    for name, spec in specs.items():
        if spec is None:
            raise Refused(f"table {name} is not declared; run the app that declares it")
    bases = {(edit.table, edit.key): edit.version - 1 for edit in firsts(edits)}
    known = _versions(connection, sorted(bases))
    for where in sorted(bases):
        if known.get(where, 0) != bases[where]:
            raise Conflict(*where, bases[where], known.get(where, 0))
    lasts = {(edit.table, edit.key): edit for edit in edits}
    new = [lasts[where] for where in sorted(lasts) if where not in known]
    if new and run(connection, SQL.document_add, **_documents(new)) < len(new):
        found = _versions(connection, [(edit.table, edit.key) for edit in new])
        where, version = next((where, version) for where, version in found.items() if version != lasts[where].version)
        raise Conflict(*where, bases[where], version)
    if old := [edit for where, edit in lasts.items() if where in known]:
        run(connection, SQL.document_change, **_documents(old))
    run(connection, SQL.document_history_add, **_documents(edits), **_deeds(edits))
    for name, spec in specs.items():
        assert spec is not None
        changed = [edit.document for edit in lasts.values() if edit.table == name]
        if spec.index:
            run(connection, SQL.document_entry_drop, table=name, keys=[document.key for document in changed])
            index(connection, spec, [document for document in changed if document.value is not None])


class PostgresTables:
    """Reads documents by plain calls, from any thread; see `onward.document.Documents`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def get(self, table: str, key: str) -> Document | None:
        found = self._desk.read_now(lambda connection: rows(connection, SQL.document_get, table=table, key=key))
        return document_from(found[0]) if found else None

    def history(self, table: str, key: str) -> Sequence[Edit]:
        bound = {"table": table, "key": key}
        found = self._desk.read_now(lambda connection: rows(connection, SQL.document_history_list, **bound))
        return [edit_from(row) for row in found]

    def find(self, query: Query) -> Sequence[Document]:
        return self._desk.snapshot_now(lambda connection: find(connection, query))


def find(connection: Connection, query: Query) -> list[Document]:
    """What is asked for, by the index of one field: of the order, where nothing has to be equal to something. Within a
    transaction."""
    equal = next((one for one in query.conditions if one.operator == "eq"), None)
    order = query.order
    if equal is not None and (order is None or equal.field != order):
        place = place_of(equal.value)
        return query.arranged(_between(connection, query.table, equal.field, place, place))
    field = order if order is not None else query.conditions[0].field if query.conditions else None
    if field is None:
        return list(_up_to(query, _streamed(connection, SQL.document_all, table=query.table)))
    candidates = _between(connection, query.table, field, *_ends(query, field), descending=query.descending)
    return query.arranged(candidates) if order is None else list(_up_to(query, _settled(query, order, candidates)))


def place_of(value: Scalar) -> Place:
    """Where a value stands in the order of the index."""
    if value is None:
        return NOTHING, Decimal(0), ""
    return (TEXT, Decimal(0), value[:CUT]) if isinstance(value, str) else (NUMBER, Decimal(value), "")


def _ends(query: Query, field: Field) -> tuple[Place, Place]:
    """Between which places what fits has to be, as far as conditions on this field say."""
    places = [(one.operator, place_of(one.value)) for one in query.conditions if one.field == field]
    lows, highs = [(NOTHING, Decimal(0), "")], [(ABOVE, Decimal(0), "")]
    for operator, place in places:
        kind = place[0]
        lows.append(place if operator in ("eq", "ge", "gt") else (kind - 1, Decimal(0), ""))
        highs.append(place if operator in ("eq", "le", "lt") else (kind + 1, Decimal(0), ""))
    return max(lows), min(highs)


def _between(
    connection: Connection, table: str, field: Field, low: Place, high: Place, *, descending: bool = False
) -> Iterator[Document]:
    statement = SQL.document_by_range_desc if descending else SQL.document_by_range
    bound = {"low_kind": low[0], "low_number": low[1], "low_text": low[2]}
    bound |= {"high_kind": high[0], "high_number": high[1], "high_text": high[2]}
    return _streamed(connection, statement, table=table, field=field.name, **bound)


def _streamed(connection: Connection, statement: str, **bound: Any) -> Iterator[Document]:
    """Documents as they are needed, from a cursor of the transaction."""
    with connection.cursor("documents", binary=True) as cursor:  # type: ignore[call-overload]
        cursor.itersize = PAGE
        yield from map(document_from, cursor.execute(statement, bound))


def _settled(query: Query, order: Field, documents: Iterable[Document]) -> Iterator[Document]:
    """The same in full order: those that are alike as far as the index goes by the rest of their texts."""
    for place, alike in groupby(documents, lambda document: place_of(value_of(document, order))):
        if len(place[2]) < CUT:
            yield from alike
        else:
            ranked = sorted(alike, key=lambda one: (rank(value_of(one, order)), one.key), reverse=query.descending)
            yield from ranked


def _up_to(query: Query, candidates: Iterable[Document]) -> Iterator[Document]:
    """Those that fit, of candidates that are in order, as many as are asked for."""
    left = math.inf if query.limit is None else query.limit
    for document in candidates:
        if left <= 0:
            return
        if query.fits(document):
            left -= 1
            yield document


def index(connection: Connection, table: TableSpec, documents: Sequence[Document]) -> None:
    """Writes what the indexed fields of these documents are, of which nothing is in the index."""
    entries = [
        (field.name, *place_of(value_of(document, field)), document.key)
        for document in documents
        for field in table.index
    ]
    if entries:
        fields, kinds, numbers, texts, keys = (list(column) for column in zip(*entries, strict=True))
        bound = {"fields": fields, "kinds": kinds, "numbers": numbers, "texts": texts, "keys": keys}
        run(connection, SQL.document_entry_add, table=table.name, **bound)


def spec_of(connection: Connection, name: str, *, lock: bool = False) -> TableSpec | None:
    """A table as it is declared."""
    found = rows(connection, SQL.document_table_lock if lock else SQL.document_table_get, name=name)
    return msgspec.json.decode(found[0][0], type=TableSpec) if found else None


def _versions(connection: Connection, where: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The versions of those of these documents that there are; nobody else changes them now."""
    tables, keys = [table for table, _ in where], [key for _, key in where]
    found = rows(connection, SQL.document_lock, tables=tables, keys=keys)
    return {(table, key): version for table, key, version in found}


def _documents(edits: Sequence[Edit]) -> dict[str, Any]:
    return {
        "tables": [edit.table for edit in edits],
        "keys": [edit.key for edit in edits],
        "versions": [edit.version for edit in edits],
        "states": [edit.state for edit in edits],
        "values": [None if edit.value is None else edit.value.decode() for edit in edits],
        "ats": [instant_text(edit.at) for edit in edits],
    }


def _deeds(edits: Sequence[Edit]) -> dict[str, Any]:
    return {
        "actions": [edit.action for edit in edits],
        "bys": [edit.by for edit in edits],
        "origins": [edit.origin for edit in edits],
    }
