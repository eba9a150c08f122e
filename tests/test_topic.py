"""Topics: keys as text, partitions as other Kafka clients have them, and which values they take."""

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct

from onward.errors import BadOutput
from onward.topic import Topic, fields_of, key_text, partition_of


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Cat(Struct):
    name: str
    number: int = 0


class Dog(Struct):
    name: str
    owner: str = ""


@dataclass
class Bird:
    name: str


class Fish(TypedDict):
    name: str
    length: int


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, None),
        ("plain", "plain"),
        ("", ""),
        ("7", "7"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2025, 6, 15), "2025-06-15"),
        (datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC), "2025-06-15T15:06:40Z"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Colour.BLUE, "2"),
        (("a", 1), '["a",1]'),
        (("a", None, Colour.RED), '["a",null,"red"]'),
        (("ключ",), '["ключ"]'),
    ],
)
def test_keys_are_text(key: Any, text: str | None) -> None:
    assert key_text(key) == text


def test_what_cannot_be_a_key() -> None:
    with pytest.raises(BadOutput, match="object"):
        key_text(object())


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_tuples_of_different_parts_are_different_keys(a: str, b: str) -> None:
    assert (key_text((a, b)) == key_text((b, a))) == (a == b)
    assert key_text((a, b)) != key_text((a + b,))


def test_partitions_are_those_of_librdkafka() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the check value of CRC-32 (ISO-HDLC), which librdkafka uses
    assert partition_of("123456789", 100) == 0xCBF43926 % 100
    assert partition_of("ключ", 7) == zlib.crc32("ключ".encode()) % 7


@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 50))
def test_a_key_has_one_partition_and_no_key_any(key: str | None, partitions: int) -> None:
    found = partition_of(key, partitions)
    if partitions == 1:
        assert found == 0
    elif not key:  # librdkafka spreads empty keys too
        assert found is None
    else:
        assert found is not None and 0 <= found < partitions
        assert found == partition_of(key, partitions)


def test_the_key_is_a_field_or_a_function() -> None:
    assert Topic("a.t", Cat, key="name").key_of(Cat("Tom")) == "Tom"
    assert Topic("a.t", Cat, key="number").key_of(Cat("Tom", 7)) == "7"
    assert Topic("a.t", Cat, key=lambda cat: (cat.name, cat.number)).key_of(Cat("Tom", 7)) == '["Tom",7]'
    assert Topic("a.t", Bird, key="name").key_of(Bird("Tit")) == "Tit"
    assert Topic("a.t", Fish, key="name").key_of({"name": "Wanda", "length": 3}) == "Wanda"
    assert Topic("a.t", dict, key="id").key_of({"id": 5}) == "5"
    assert Topic("a.t", dict[str, int], key="id").key_of({"id": 5}) == "5"
    assert Topic("a.t", Any, key="id").key_of({"id": "x"}) == "x"


def test_without_a_key_it_is_the_other() -> None:
    assert Topic("a.t", Cat).key_of(Cat("Tom"), "input's") == "input's"
    assert Topic("a.t", Cat, key=lambda cat: None).key_of(Cat("Tom"), "input's") is None


@pytest.mark.parametrize(
    ("type_", "takes", "refuses"),
    [
        (Cat, [Cat("")], [Dog(""), {"name": ""}, None]),
        (Cat | Dog, [Cat(""), Dog("")], [Bird("")]),
        (Cat | None, [Cat(""), None], [Dog("")]),
        (dict, [{}], [[], Cat("")]),
        (dict[str, int], [{}], [[]]),
        (Fish, [{}], [[]]),
        (list[int], [[]], [(), {}]),
        (str, ["x"], [b"x", 1]),
        (int, [1], [1.5, True]),
        (float, [1.5, 1], ["x"]),
        (bytes, [b"x"], ["x"]),
        (Any, [Cat(""), None, 1, b""], []),
    ],
)
def test_a_topic_takes_the_exact_classes_of_its_type(type_: Any, takes: list[Any], refuses: list[Any]) -> None:
    topic = Topic("a.t", type_)
    assert [topic.accepts(value) for value in takes] == [True] * len(takes)
    assert [topic.accepts(value) for value in refuses] == [False] * len(refuses)


def test_fields() -> None:
    assert fields_of(Cat) == {"name", "number"}
    assert fields_of(Cat | Dog) == {"name"}
    assert fields_of(Bird) == {"name"}
    assert fields_of(Fish) == {"name", "length"}
    assert fields_of(dict) is fields_of(Any) is fields_of(Cat | dict) is fields_of(Literal["x"]) is None


def test_options() -> None:
    topic = Topic("a.t", Cat, keep="2h", max_record="5KB")
    assert (topic.keep, topic.max_record) == (7200.0, 5000)
    assert Topic("a.t", Cat).keep == 7 * 86_400
    with pytest.raises(ValueError):
        Topic("a.t", Cat, keep="a while")


def test_an_outgoing_record_leaves_open_what_is_not_said() -> None:
    topic = Topic("a.t", Cat)
    made = topic.record(Cat("Tom"), key=None)
    assert (made.topic, made.value, made.key, made.headers, made.time) == (topic, Cat("Tom"), None, UNSET, UNSET)
