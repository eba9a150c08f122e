"""Tables in SQLite, on PostgreSQL and in memory give the same answers, whatever is kept and asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.document import Condition, Document, Edit, Field, Query
from onward.errors import Conflict
from onward.log import TableSpec
from onward.logs import postgres_tables, sqlite_tables
from onward.logs.memory_tables import MemoryTables
from onward.postgres.connection import Database
from onward.postgres.schema import prepare
from onward.sql import Statements

FIELDS = (Field("a", "a", "null"), Field("b", "bee", "7"), Field("c", "c", '"x"'), Field("state", "", "null"))
LONG = "l" * 250
SPEC = TableSpec("t", FIELDS)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 2.0, 1e300, 2**53]),
    st.sampled_from(["", "a", "B", "é", "\U0001f511", "10", "x", LONG, LONG + "a", LONG + "B"]),
)
VALUES = st.dictionaries(st.sampled_from(["a", "bee", "c", "d"]), SCALARS | st.lists(st.integers(0, 2), max_size=2))
KEYS = st.sampled_from(["", "a", "b", "B", "é", "10", "9"])
PLAIN = SCALARS.map(lambda value: int(value) if isinstance(value, bool) else value)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    conditions = []
    for _ in range(draw(st.integers(0, 2))):
        operator = draw(st.sampled_from(["eq", "eq", "ge", "gt", "le", "lt"]))
        value = draw(PLAIN.filter(lambda one: one is not None) if operator != "eq" else PLAIN)
        conditions.append(Condition(draw(st.sampled_from(FIELDS)), operator, value))
    order = draw(st.none() | st.sampled_from(FIELDS))
    descending = order is not None and draw(st.booleans())
    return Query("t", tuple(conditions), order, descending, draw(st.none() | st.integers(0, 4)))


def sqlite() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    for migration in Statements("sqlite").migrations:
        made.execute(migration)
    return made


CHANGES = st.tuples(KEYS, st.none() | VALUES, st.sampled_from([None, "new", "old"]), st.integers(0, 9))


@given(st.lists(CHANGES, max_size=12), st.lists(queries(), min_size=1, max_size=8))
def test_the_same_answers(changes: list[Any], asked: list[Query]) -> None:
    connection = sqlite()
    sqlite_tables.declare_table(connection, SPEC)
    _alike(
        changes,
        asked,
        lambda edit: sqlite_tables.write_edits(connection, [edit]),
        lambda query: sqlite_tables.find(connection, query),
    )


def test_the_same_answers_on_postgres(postgres: str) -> None:
    database = Database(postgres)
    with database.connect() as connection:
        prepare(connection, database, Statements("postgres").migrations, create=True)

        def wrote(edit: Edit) -> None:
            with connection.transaction():
                postgres_tables.write_edits(connection, [edit])

        def found(query: Query) -> list[Document]:
            with connection.transaction():
                return postgres_tables.find(connection, query)

        @settings(max_examples=25)
        @given(st.lists(CHANGES, max_size=12), st.lists(queries(), min_size=1, max_size=8))
        def same(changes: list[Any], asked: list[Query]) -> None:
            with connection.transaction():
                for part in postgres_tables.PARTS:
                    connection.execute(f"DELETE FROM onward.{part}")  # type: ignore[arg-type]
                postgres_tables.declare_table(connection, SPEC)
            _alike(changes, asked, wrote, found)

        same()


def _alike(
    changes: list[Any], asked: list[Query], write: Callable[[Edit], None], find: Callable[[Query], list[Document]]
) -> None:
    memory = MemoryTables()
    memory.declare(SPEC)
    for key, value, state, odd in changes:
        known = memory.get("t", key)
        version = (0 if known is None else known.version) + (2 if odd == 0 else 1)
        text = None if value is None else msgspec.json.encode(value)
        edit = Edit("t", key, version, "put", None if text is None else state, text, 5.0, "me")
        raised = []
        for wrote in (write, lambda edit: _kept(memory, edit)):
            try:
                wrote(edit)
            except Conflict as error:
                raised.append(str(error))
        assert len(raised) in (0, 2) and len(set(raised)) <= 1
    for query in [Query("t"), *asked]:
        assert find(query) == memory.find(query)


def _kept(memory: MemoryTables, edit: Edit) -> None:
    memory.check([edit])
    memory.write([edit])
