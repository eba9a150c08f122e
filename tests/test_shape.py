"""Shapes: what tells two types apart, and which of them reads what the other wrote."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from onward.errors import CannotRead
from onward.shape import check, fingerprint, fits, shape_of, shape_text, told


class One(Struct):
    a: int
    b: str = "x"


class More(Struct):
    a: int
    b: str = "x"
    c: datetime | None = None


class Needs(Struct):
    a: int
    c: str
    b: str = "x"


class Other(Struct):
    a: str
    b: str = "x"


class Less(Struct):
    a: int


class Strict(Struct, forbid_unknown_fields=True):
    a: int
    b: str = "x"


class Renamed(Struct, rename={"a": "A"}):
    a: int
    b: str = "x"


class Tree(Struct):
    name: str
    children: list[Tree] = []


class Wider(Struct):
    name: str
    children: list[Wider] = []
    note: str = ""


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    name: str


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Data:
    a: int
    b: str = "x"


class Typed(TypedDict):
    a: int


class Holder(Struct):
    one: One
    many: list[One] = []
    by: dict[str, One] = {}


class Bigger(Struct):
    one: More
    many: list[More] = []
    by: dict[str, More] = {}


@pytest.mark.parametrize(
    ("stored", "mine"),
    [
        (One, One), (One, More), (One, Data), (One, Any), (int, Any), (Holder, Bigger), (list[One], list[More]),
        (dict[str, One], dict[str, More]), (tuple[One, int], tuple[More, int]), (Tree, Wider), (Cat | Dog, Dog | Cat),
        (Colour, Literal["red"]), (Less, One), (Typed, Less),
    ],
)  # fmt: skip
def test_what_is_read_by_itself(stored: Any, mine: Any) -> None:
    assert fits(shape_of(stored), shape_of(mine))
    check("a.s", "a.t", mine, [(fingerprint(shape_text(stored)), shape_text(stored))])


@pytest.mark.parametrize(
    ("stored", "mine"),
    [
        (More, One), (One, Needs), (One, Other), (One, Less), (One, Strict), (One, Renamed), (int, str), (Any, One),
        (dict, One), (Bigger, Holder), (Cat, Dog), (Cat, Cat | Dog), (Cat | Dog, Cat), (int, int | None),
        (tuple[int, int], tuple[int, str]), (Annotated[int, Meta(ge=0)], int), (dict[str, int], dict[int, int]),
    ],
)  # fmt: skip
def test_what_needs_an_upgrade(stored: Any, mine: Any) -> None:
    assert not fits(shape_of(stored), shape_of(mine))
    with pytest.raises(CannotRead, match="upgrade="):
        check("a.s", "a.t", mine, [(fingerprint(shape_text(stored)), shape_text(stored))])


def shapes(*types: Any) -> list[tuple[str, str]]:
    return [(fingerprint(shape_text(type_)), shape_text(type_)) for type_ in types]


def test_an_older_version_reads_what_a_newer_one_beside_it_writes() -> None:
    check("a.s", "a.t", Less, shapes(Less, One, More))
    check("a.s", "a.t", More, shapes(Less, One, More))
    with pytest.raises(CannotRead):
        check("a.s", "a.t", Less, shapes(One, More))  # it is no older version
    with pytest.raises(CannotRead):
        check("a.s", "a.t", Less, shapes(Less, Other))


def test_both_shapes_are_told() -> None:
    with pytest.raises(CannotRead) as caught:
        check("a.s", "a.t", Needs, shapes(One))
    assert "{a: int, b: str = ...}" in str(caught.value) and "{a: int, b: str = ..., c: str}" in str(caught.value)
    assert told(shape_of(Cat | Dog)) == "{'cat', lives: int} | {'dog', name: str}"
    assert told(shape_of(dict[str, list[Literal["x"]]])) == "dict[str, list['x']]"


def test_names_of_classes_and_the_order_of_fields_do_not_matter() -> None:
    turned = msgspec.defstruct("Turned", [("b", str, "x"), ("a", int)], kw_only=True)
    assert shape_text(turned) == shape_text(One) == shape_text(Data)


def test_a_type_that_cannot_be_looked_into() -> None:
    assert shape_of(object) in ("any", {"custom": "<class 'object'>"})
    assert shape_of("Nowhere") == "any" or shape_of("Nowhere")


FIELDS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.sampled_from([int, str, list[int]]), st.booleans()), max_size=4
)
VALUES = {int: 1, str: "x", list[int]: [1]}


def made(fields: dict[str, tuple[Any, bool]]) -> type:
    default = {type_: msgspec.field(default_factory=lambda type_=type_: VALUES[type_]) for type_ in VALUES}
    inner = [(n, t, default[t]) if optional else (n, t) for n, (t, optional) in fields.items()]
    return msgspec.defstruct("Made", inner, kw_only=True)


@given(stored=FIELDS, mine=FIELDS)
def test_what_fits_is_read(stored: dict[str, tuple[Any, bool]], mine: dict[str, tuple[Any, bool]]) -> None:
    old, new = made(stored), made(mine)
    if fits(shape_of(old), shape_of(new)):
        written = msgspec.json.encode(old(**{name: VALUES[type_] for name, (type_, _) in stored.items()}))
        read = msgspec.json.decode(written, type=new)
        assert all(getattr(read, name) == VALUES[type_] for name, (type_, _) in stored.items())
