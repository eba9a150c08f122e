"""The difference between two values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from onward.difference import Change, difference

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, [Change("a", 1), Change("b", 2, 3), Change("c", UNSET, 4)]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [Change("a.b[1].c", 2, 3)]),
        ({"a": [1]}, {"a": [1, 2]}, [Change("a", [1], [1, 2])]),
        ({"a": None}, {}, [Change("a", None)]),
        (1, True, [Change("", 1, True)]),
        (1, 1.0, [Change("", 1, 1.0)]),
        ("a", {"a": 1}, [Change("", "a", {"a": 1})]),
    ],
)
def test_what_has_changed(before: Any, after: Any, changes: list[Change]) -> None:
    assert list(difference(before, after)) == changes


@given(values, values)
def test_there_is_none_only_between_equals(before: Any, after: Any) -> None:
    assert (not list(difference(before, after))) == (
        json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    )
    assert not list(difference(before, before))
