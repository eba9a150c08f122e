"""Spans of offsets: from the first, to before the second; ascending and disjoint in a list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from onward.log import Span


def spans_of(offsets: Sequence[int]) -> list[Span]:
    """Ascending offsets as spans."""
    if isinstance(offsets, range):
        return [(offsets.start, offsets.stop)] if offsets else []
    found: list[Span] = []
    start = last = None
    for offset in offsets:
        if last is None or offset != last + 1:
            if last is not None:
                found.append((start, last + 1))  # type: ignore[arg-type]
            start = offset
        last = offset
    if last is not None:
        found.append((start, last + 1))  # type: ignore[arg-type]
    return found


def spans_but(offsets: Sequence[int], out: Sequence[int]) -> list[Span]:
    """Ascending offsets as spans, without those at the indices `out`."""
    if not isinstance(offsets, range):
        without = set(out)
        return spans_of([offset for index, offset in enumerate(offsets) if index not in without])
    found: list[Span] = []
    start = offsets.start
    for index in sorted(out):
        if offsets[index] > start:
            found.append((start, offsets[index]))
        start = offsets[index] + 1
    if start < offsets.stop:
        found.append((start, offsets.stop))
    return found


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same offsets in as few spans as can be."""
    found: list[Span] = []
    for first, end in sorted(spans):
        if found and first <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found


def length(spans: Iterable[Span]) -> int:
    """How many offsets they name."""
    return sum(end - first for first, end in spans)


def holds(spans: Sequence[Span], offset: int) -> bool:
    """Whether one of the spans has the offset."""
    at = bisect_right(spans, (offset, float("inf"))) - 1
    return at >= 0 and spans[at][0] <= offset < spans[at][1]
