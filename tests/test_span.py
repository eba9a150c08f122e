"""Spans say the same as the set of their offsets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onward.span import holds, length, merged, spans_but, spans_of

offsets = st.sets(st.integers(0, 60)).map(sorted)
spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def named(found: list[tuple[int, int]]) -> set[int]:
    return {offset for first, end in found for offset in range(first, end)}


def tidy(found: list[tuple[int, int]]) -> bool:
    """Ascending, none empty, none touching the next."""
    edges = [edge for span in found for edge in span]
    return all(a < b for a, b in pairwise(edges))


@given(offsets)
def test_offsets_as_spans(found: list[int]) -> None:
    made = spans_of(found)
    assert named(made) == set(found)
    assert tidy(made)


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_range_as_spans(start: int, count: int) -> None:
    whole = range(start, start + count)
    assert spans_of(whole) == spans_of(list(whole))


@given(offsets, st.data())
def test_spans_without_some(found: list[int], data: st.DataObject) -> None:
    out = data.draw(st.lists(st.integers(0, max(len(found) - 1, 0)), unique=True)) if found else []
    made = spans_but(found, out)
    assert named(made) == {offset for index, offset in enumerate(found) if index not in out}
    assert tidy(made)


@given(st.integers(0, 20), st.integers(0, 30), st.data())
def test_a_range_without_some(start: int, count: int, data: st.DataObject) -> None:
    whole = range(start, start + count)
    out = data.draw(st.lists(st.integers(0, max(count - 1, 0)), unique=True)) if count else []
    assert spans_but(whole, out) == spans_but(list(whole), out)


@given(spans)
def test_merged_spans_name_the_same(found: list[tuple[int, int]]) -> None:
    made = merged(found)
    assert named(made) == named(found)
    assert tidy(made)
    assert length(made) == len(named(found))


@given(spans)
def test_what_spans_hold(found: list[tuple[int, int]]) -> None:
    made = merged(found)
    assert {offset for offset in range(-1, 80) if holds(made, offset)} == named(found)
