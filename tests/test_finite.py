"""NaN and the infinities are refused, and it is said where they stand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json

from onward.errors import BadOutput
from onward.finite import check_finite, has_floats


class Plain(Struct):
    name: str | None
    count: int


class Inner(Struct):
    weights: list[float | None]


class Deep(Struct):
    inner: Inner | None
    next: Deep | None = None


@dataclasses.dataclass
class Data:
    price: float


@pytest.mark.parametrize(("type_", "has"), [(Plain, False), (str, False), (Deep, True), (Data, True), (Any, True)])
def test_which_types_have_floats(type_: Any, has: bool) -> None:
    assert has_floats(type_) is has


def check(type_: Any, *values: Any) -> None:
    rows = [(None, "k", "t", None, value) for value in values]
    check_finite("a.b", type_, rows, json.encode(rows))


@pytest.mark.parametrize(
    ("type_", "value", "told"),
    [
        (Any, math.nan, "nan as its value"),
        (Any, {"a": [1, None, {"b": math.inf}]}, r"inf at a\[2\]\.b"),
        (Deep, Deep(None, Deep(Inner([None, 1.0, -math.inf]))), r"-inf at next\.inner\.weights\[2\]"),
        (Data, Data(math.nan), "nan at price"),
    ],
)
def test_where_it_stands(type_: Any, value: Any, told: str) -> None:
    with pytest.raises(BadOutput, match=rf"topic a\.b has {told}, which JSON cannot say"):
        check(type_, value)
    with pytest.raises(BadOutput):
        check(type_, *[value] * 3)


def test_what_is_no_such_number() -> None:
    check(Any, None, "null nan", {"null": None}, [1.0, -0.0, 1e308, 5e-324], b"\xcb\x7f\xf8null")
    check(Deep, Deep(None), Deep(Inner([None])))
    check(Plain, Plain(None, 1))


@given(
    st.recursive(
        st.floats() | st.none() | st.text() | st.integers(0, 9), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_it_is_found_wherever_the_encoder_would_write_null_for_it(value: Any) -> None:
    def odd(part: Any) -> bool:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return (isinstance(part, float) and not math.isfinite(part)) or any(map(odd, inner))

    if odd(value):
        with pytest.raises(BadOutput):
            check(Any, value)
    else:
        check(Any, value)
