"""What a handler takes and gives is read from its signature."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Optional

import pytest
from msgspec import Struct

from onward import Drop, Later, Record
from onward.handler import Handler, place
from onward.record import Outgoing


class Cat(Struct):
    name: str


class Dog(Struct):
    name: str


def plain(cat: Cat) -> Dog: ...
def record(cat: Record[Cat]) -> Dog | None: ...
def bare(cat): ...
def bare_record(cat: Record) -> None: ...
def many(cats: list[Cat]) -> list[Dog]: ...
def many_records(cats: Sequence[Record[Cat]]) -> list[Dog | Drop | None]: ...
def a_list(names: list[str]) -> list[str]: ...
def generator(cat: Cat) -> Iterator[Dog | Later]:
    yield Dog("")


async def coroutine(cat: Cat) -> Optional[Dog]: ...  # noqa: UP045
async def generating(cat: Cat) -> AsyncIterator[Dog]:
    yield Dog("")


def as_text(cat: "Record[Cat]") -> "Dog": ...
def with_needs(cat: Cat, agent: object, settings: Dog, *rest: int, limit: int = 3, **more: int) -> None: ...
def nothing() -> None: ...


@pytest.mark.parametrize(
    ("function", "value_type", "wants_record"),
    [
        (plain, Cat, False),
        (record, Cat, True),
        (bare, Any, False),
        (bare_record, Any, True),
        (a_list, list[str], False),
        (as_text, Cat, True),
        (nothing, Any, False),
    ],
)
def test_the_first_parameter(function: Callable[..., Any], value_type: Any, wants_record: bool) -> None:
    handler = Handler(function)
    assert handler.value_type == value_type
    assert handler.wants_record is wants_record


@pytest.mark.parametrize(
    ("function", "value_type", "wants_record"), [(many, Cat, False), (many_records, Cat, True), (bare, Any, False)]
)
def test_the_first_parameter_of_a_batch(function: Callable[..., Any], value_type: Any, wants_record: bool) -> None:
    handler = Handler(function).batched()
    assert handler.value_type == value_type
    assert handler.wants_record is wants_record
    assert handler.takes_list is (function is not bare)


@pytest.mark.parametrize(
    ("function", "gives"),
    [
        (plain, [Dog]),
        (record, [Dog]),
        (bare, None),
        (bare_record, []),
        (a_list, [list[str]]),
        (generator, [Dog]),
        (coroutine, [Dog]),
        (generating, [Dog]),
        (as_text, [Dog]),
    ],
)
def test_what_it_gives(function: Callable[..., Any], gives: list[Any] | None) -> None:
    assert Handler(function).gives == gives


def test_what_a_batch_gives() -> None:
    assert Handler(many).batched().gives == [Dog]
    assert Handler(many_records).batched().gives == [Dog]


def test_what_says_nothing_of_values_is_left_out() -> None:
    def f(cat: Cat) -> Dog | Outgoing | Record[Cat] | Drop | None: ...
    def g(cat: Cat) -> Any: ...

    assert Handler(f).gives == [Dog]
    assert Handler(g).gives is None


def test_what_else_it_needs() -> None:
    handler = Handler(with_needs)
    assert list(handler.needs) == ["agent", "settings", "limit"]
    assert handler.hints["settings"] is Dog
    assert list(Handler(with_needs, has_value=False).needs) == ["cat", "agent", "settings", "limit"]
    assert Handler(nothing).first is None


@pytest.mark.parametrize(
    ("function", "is_async", "is_generator"),
    [(plain, False, False), (generator, False, True), (coroutine, True, False), (generating, True, True)],
)
def test_how_it_is_called(function: Callable[..., Any], is_async: bool, is_generator: bool) -> None:
    handler = Handler(function)
    assert (handler.is_async, handler.is_generator) == (is_async, is_generator)


def test_a_wrapped_function_is_what_it_wraps() -> None:
    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **named: Any) -> Any:
            return function(*args, **named)

        return inner

    handler = Handler(wrap(with_needs))
    assert (handler.name, handler.value_type, list(handler.needs)) == (
        "with_needs",
        Cat,
        ["agent", "settings", "limit"],
    )
    assert Handler(wrap(coroutine)).is_async
    assert handler.where == place(with_needs)


def test_types_known_only_inside_a_function() -> None:
    class Fish(Struct):
        name: str

    def swim(fish: "Fish", other: Fish) -> "list[Fish]":
        return [Fish("")]

    handler = Handler(swim)
    assert handler.value_type is Fish
    assert handler.hints["other"] is Fish


def test_a_name_that_cannot_be_found_stays_text() -> None:
    def f(fish: "Record[Unheard]") -> "Unheard": ...  # noqa: F821

    handler = Handler(f)
    assert handler.wants_record
    assert handler.gives is None


def test_its_place_is_file_and_line() -> None:
    file, _, line = place(plain).rpartition(":")
    assert file == __file__
    with open(file) as source:
        assert source.read().splitlines()[int(line) - 1].startswith("def plain(")
