"""Tables in SQLite and in memory give the same answers, whatever is kept and asked."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from onward.document import Condition, Edit, Field, Query
from onward.errors import Conflict
from onward.log import TableSpec
from onward.logs.memory_tables import MemoryTables
from onward.logs.sqlite_tables import declare_table, find, write_edits
from onward.sql import Statements

FIELDS = (Field("a", "a", "null"), Field("b", "bee", "7"), Field("c", "c", '"x"'), Field("state", "", "null"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 2.0, 1e300, 2**53]),
    st.sampled_from(["", "a", "B", "é", "\U0001f511", "10", "x"]),
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
    connection, memory, spec = sqlite(), MemoryTables(), TableSpec("t", FIELDS)
    declare_table(connection, spec)
    memory.declare(spec)
    for key, value, state, odd in changes:
        found = memory.get("t", key)
        version = (0 if found is None else found.version) + (2 if odd == 0 else 1)
        text = None if value is None else msgspec.json.encode(value)
        edit = Edit("t", key, version, "put", None if text is None else state, text, 5.0, "me")
        raised = []
        for write in (lambda edit=edit: write_edits(connection, [edit]), lambda edit=edit: _kept(memory, edit)):
            try:
                write()
            except Conflict as error:
                raised.append(str(error))
        assert len(raised) in (0, 2) and len(set(raised)) <= 1
    for query in [Query("t"), *asked]:
        assert find(connection, query) == memory.find(query)


def _kept(memory: MemoryTables, edit: Edit) -> None:
    memory.check([edit])
    memory.write([edit])
