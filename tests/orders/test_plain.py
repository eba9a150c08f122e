"""Text that is taken as it stands means to PostgreSQL what it means when it is read record by record."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.convert import converter
from onward_apps.orders.layout import Layout
from onward_apps.orders.model import Column, Entity
from onward_apps.orders.parse import Batch, Text, pieces
from onward_apps.orders.plain import Plain
from onward_apps.orders.targets.stored import in_postgres

from .target import make_file, plain

TYPES = ("integer", "decimal(8,3)", "decimal(6,0)", "float", "boolean", "date", "timestamp", "json")


def taken(type_: str, value: str) -> str | None:
    """The value as a database is given it; None where it would have to be read first."""
    entity = Entity("one", {"id": "integer", "value": type_}, key="id")
    text = Plain(entity, Layout.declared(entity, "LOAD"), "LOAD")(f"1,{value}\n")
    return None if text is None else text[2:-1]


@pytest.fixture(scope="module")
def connection(postgres_server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        yield connection


dates = r"20[0-9]{2}-[01][0-9]-[0-3][0-9]"
endings = st.sampled_from(["", "Z", " ", "9"])
spelled = st.one_of(
    st.from_regex(r"[-+]?[0-9]{1,9}(\.[0-9]{0,5})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["t", "F", "TRUE", "no", "Y", "{}", "0", "1", "-0", "-0.0", "007", "1e5", "NaN", "infinity"]),
    st.dates().map(str),
    st.builds("{}{}".format, st.datetimes(), endings),
    st.from_regex(dates + r"[ T][012][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,8})?", fullmatch=True),
)


@given(value=spelled)
def test_a_value_that_is_taken_is_stored_as_if_it_were_read(connection: psycopg.Connection, value: str) -> None:
    for type_ in TYPES:
        if (given := taken(type_, value)) is None:
            continue
        column = Column("value", type_)
        row = connection.execute(f"SELECT %s::{in_postgres(column)}", [given]).fetchone()
        assert row is not None
        [read] = converter(column)([value])
        assert (type_, _shown(row[0])) == (type_, _shown(read)), value


def _shown(value: Any) -> Any:
    return "{}" if value == {} else repr(value) if isinstance(value, float) else plain(value)


@pytest.mark.parametrize(
    ("type_", "value", "given"),
    [
        ("integer", "12", "12"),
        ("integer", "+5.0e+05", None),
        ("decimal(8,3)", "1.5", "1.5"),
        ("decimal(8,3)", "1.0625", None),
        ("timestamp", "2025-03-01 10:11:12.1234567", "2025-03-01 10:11:12.123456"),
        ("timestamp", "2025-03-01T10:11:12.123456Z", "2025-03-01T10:11:12.123456Z"),
        ("timestamp", "2025-03-01 10:11:12+02:00", None),
        ("text", 'a "b"', None),
        ("text", '"a, ""b"""', '"a, ""b"""'),
        ("text", '""', '""'),
        ("text", "", ""),
        ("text", '"two\nlines"', None),
        ("text", "a\r", None),
        ("json", "[1]", None),
    ],
)
def test_what_is_taken(type_: str, value: str, given: str | None) -> None:
    assert taken(type_, value) == given


def test_a_time_in_another_field_keeps_all_its_digits() -> None:
    entity = Entity("one", {"id": "integer", "at": "timestamp", "note": "text"}, key="id")
    plain = Plain(entity, Layout.declared(entity, "LOAD"), "LOAD")
    at = "2025-03-01 10:11:12.1234567"
    assert plain(f"1,{at},at noon\n") == "1,2025-03-01 10:11:12.123456,at noon\n"
    assert plain(f"1,{at},{at}\n") is None
    assert plain(f"1,2025-03-01,{at}\n") is None
    assert plain(f"1,2025-03-01 10:11:12.123456,{at}\n") == f"1,2025-03-01 10:11:12.123456,{at}\n"


def test_a_key_is_never_null() -> None:
    entity = Entity("one", {"id": "text", "at": "date"}, key="id", null_token="NULL")
    plain = Plain(entity, Layout.declared(entity, "LOAD"), "LOAD")
    assert plain("a,NULL\n,2025-03-01\nNULLE,NULL\n") is not None
    assert plain("NULL,2025-03-01\n") is None
    assert plain("a,\n") is None


def test_pieces_are_text_where_they_can_be_and_batches_where_not(tmp_path) -> None:
    entity = Entity("one", {"id": "integer", "note": "text"}, key="id", header=True, timestamp_column="ts")
    good = "".join(f"I,2025,{n},x{n}\n" for n in range(200_000))
    text = f"Op,ts,id,note\n{good}U,2025,+7,y\n{good}"
    found = list(pieces(make_file(tmp_path / "20250301-101112123.csv", text, entity), entity))
    texts = [piece for piece in found if isinstance(piece, Text)]
    assert {piece.fields for piece in texts} == {("op", None, "id", "note")}
    assert sum(piece.count for piece in found) == 400_001
    batches = [piece for piece in found if isinstance(piece, Batch)]
    assert 0 < sum(piece.count for piece in batches) < 20_000
    assert 7 in [value for piece in batches for value in piece.columns[0]]
