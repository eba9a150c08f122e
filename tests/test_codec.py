"""What is written comes back as it was, in JSON that others can read."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from onward import codec
from onward.codec import Codec
from onward.errors import BadRecord
from onward.log import Block

TIME = "2025-06-15T15:06:40.000000Z"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
names = texts | st.sampled_from(["$base64", "$value"])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=6,
)
binaries = st.binary(max_size=12) | texts.map(str.encode)
keys = st.none() | texts
headers = st.none() | st.dictionaries(texts, texts, max_size=2)
origins = st.none() | st.just("app.in:0:17")


def stored(reader: Codec, rows: list[tuple[Any, ...]]) -> bytes:
    return codec.encode([(*row[:4], reader.stored(row[4])) for row in rows])


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same classes all the way down (1 is not 1.0 and not True)."""
    return repr(one) == repr(other)


@given(st.lists(st.tuples(origins, keys, st.just(TIME), headers, values | st.binary(max_size=8)), max_size=4))
def test_any_value_comes_back(rows: list[tuple[Any, ...]]) -> None:
    reader = Codec(Any)
    entries = stored(reader, rows)
    assert same(reader.decode(entries), rows)
    assert same([reader.decode_one(raw) for raw in codec.split(entries)], rows)


@given(
    st.lists(
        st.tuples(origins, keys, st.just(TIME), headers, st.binary(max_size=12) | texts.map(str.encode)), max_size=4
    )
)
def test_bytes_come_back(rows: list[tuple[Any, ...]]) -> None:
    reader = Codec(bytes)
    entries = stored(reader, rows)
    assert reader.decode(entries) == rows
    assert [reader.decode_one(raw) for raw in codec.split(entries)] == rows


class Cat(Struct, tag="cat"):
    name: str
    lives: int = 9


class Dog(Struct, tag="dog"):
    name: str
    born: datetime
    chip: UUID | None = None
    weight: Decimal | None = None


@dataclass
class Bird:
    name: str
    song: bytes


pets = st.builds(Cat, texts, st.integers(0, 9)) | st.builds(
    Dog,
    texts,
    st.datetimes(timezones=st.just(UTC)),
    st.none() | st.uuids(),
    st.none() | st.decimals(allow_nan=False, allow_infinity=False),
)


@given(st.lists(pets, max_size=4))
def test_tagged_structs_come_back(pets: list[Cat | Dog]) -> None:
    reader = Codec(Cat | Dog)
    rows = [(None, pet.name, TIME, None, pet) for pet in pets]
    assert reader.decode(stored(reader, rows)) == rows


@given(st.builds(Bird, texts, st.binary(max_size=8)))
def test_dataclasses_come_back(bird: Bird) -> None:
    reader = Codec(Bird)
    rows = [(None, None, TIME, None, bird)]
    assert reader.decode(stored(reader, rows)) == rows


def test_bytes_are_text_to_others_where_they_are_utf_8() -> None:
    reader = Codec(bytes)
    rows = [(None, None, TIME, None, value) for value in (b"plain", "ключ".encode(), b"\xff\x00")]
    assert [row[4] for row in json.loads(stored(reader, rows))] == ["plain", "ключ", {"$base64": "/wA="}]


def test_plain_values_are_plain_json_to_others() -> None:
    reader = Codec(Any)
    value = {"a": [1, None, "x"], "$base64": "with others", "b": {"$base64": "inside"}}
    assert json.loads(stored(reader, [(None, None, TIME, None, value)]))[0][4] == value


def test_each_decoding_gives_values_of_their_own() -> None:
    reader = Codec(Any)
    entries = stored(reader, [(None, None, TIME, None, {"a": []})])
    first, second = reader.decode(entries), reader.decode(entries)
    first[0][4]["a"].append(1)
    assert second[0][4] == {"a": []}


def test_a_stored_value_that_does_not_fit_says_which_and_why() -> None:
    reader = Codec(Cat)
    rows = [(None, None, TIME, None, Cat("Tom")), (None, None, TIME, None, {"type": "cat", "name": 7})]
    entries = codec.encode(rows)
    with pytest.raises(BadRecord):
        reader.decode(entries)
    good, bad = codec.split(entries)
    assert reader.decode_one(good)[4] == Cat("Tom")
    with pytest.raises(BadRecord, match=r"Expected `str`, got `int`"):
        reader.decode_one(bad)


@pytest.mark.parametrize("line", [b"", b"{", b'{"type":"cat"}', b'{"type":"cow","name":"x"}', b'"x"', b"\xff"])
def test_a_line_that_does_not_fit(line: bytes) -> None:
    with pytest.raises(BadRecord):
        Codec(Cat | Dog).check(line)


def test_a_line_that_fits() -> None:
    assert Codec(Cat).check(b' {"type":"cat","name":"Tom"} ') == Cat("Tom")
    assert Codec(Any).check(b"[1]") == [1]
    assert Codec(bytes).check(b"\xff not JSON") == b"\xff not JSON"


@given(st.lists(st.lists(values, min_size=1, max_size=3), min_size=1, max_size=4))
def test_blocks_joined_hold_the_entries_of_all(parts: list[list[Any]]) -> None:
    reader = Codec(Any)
    blocks, offset = [], 0
    for part in parts:
        rows = [(None, None, TIME, None, value) for value in part]
        blocks.append(Block(offset, len(rows), stored(reader, rows), ""))
        offset += len(rows)
    assert same(
        [entry[4] for entry in reader.decode(codec.joined(blocks))], [value for part in parts for value in part]
    )


@given(st.lists(keys, max_size=20))
def test_a_summary_is_never_wrong_when_it_says_no(found: list[str | None]) -> None:
    summary = codec.key_summary(found)
    assert all(codec.may_hold(summary, key) for key in found if key is not None)
    assert (summary is None) == all(key is None for key in found)
