"""Bounds: how they are written, and what they let pass."""

from __future__ import annotations

import pytest

from onward.bound import Bound, Left, bound


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (None, None),
        (1_000, Bound(1_000)),
        ("1000", Bound(1_000)),
        ("10MB", Bound(10_000_000, in_bytes=True)),
        ("1 KB", Bound(1_000, in_bytes=True)),
    ],
)
def test_what_is_meant(value: object, meant: Bound | None) -> None:
    assert bound(value) == meant


@pytest.mark.parametrize("value", [0, -1, "0", "many", "0KB", "", True, 2.5, "10 records"])
def test_what_is_no_bound(value: object) -> None:
    with pytest.raises(ValueError, match="bound="):
        bound(value)


def test_what_is_left_counts_as_the_bound_does() -> None:
    assert Bound(100).left(40, 9_999) == Left(records=60)
    assert Bound(100, in_bytes=True).left(9_999, 40) == Left(bytes=60)
    assert Bound(100).left(100, 0).nothing and Bound(100).left(140, 0).nothing
    assert not Bound(100).left(99, 0).nothing


@pytest.mark.parametrize(("most", "at"), [(100, 75), (4, 3), (3, 2), (2, 1), (1, 0)])
def test_it_eases_a_quarter_below(most: int, at: int) -> None:
    assert Bound(most).eased(at, 0)
    assert not Bound(most).eased(at + 1, 0)
