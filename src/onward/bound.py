"""A bound of a topic: how much may be outstanding before those who write into it stop."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from onward import units


class Left(NamedTuple):
    """How many records and bytes may still come; no limit where it is infinite."""

    records: float = float("inf")
    bytes: float = float("inf")

    @property
    def nothing(self) -> bool:
        return self.records <= 0 or self.bytes <= 0

    def less(self, records: float, size: float) -> Left:
        """What is left when so much of it is spent."""
        return Left(self.records - records, self.bytes - size)

    def least(self, other: Left) -> Left:
        """What both allow."""
        return Left(min(self.records, other.records), min(self.bytes, other.bytes))


class Bound(Struct, frozen=True):
    """So many records, or so many bytes."""

    most: int
    in_bytes: bool = False

    def left(self, records: int, size: int) -> Left:
        """What may still come when so much is outstanding; it may be less than nothing."""
        return Left(bytes=self.most - size) if self.in_bytes else Left(records=self.most - records)

    def eased(self, records: int, size: int) -> bool:
        """Whether so much less is outstanding that who has stopped goes on: a quarter, so that it goes on for a
        while."""
        return (size if self.in_bytes else records) <= self.most - max(1, self.most // 4)

    def __str__(self) -> str:
        return f"{self.most} bytes" if self.in_bytes else f"{self.most} records"


def bound(value: Any) -> Bound | None:
    """From a number of records, as a number or digits, or a size as in `"10MB"`; None where nothing is said.

    Raises:
        ValueError: it is neither, or would let nothing pass.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        found = Bound(value)
    elif isinstance(value, str) and value.strip().isdecimal():
        found = Bound(int(value))
    elif isinstance(value, str):
        try:
            found = Bound(units.size(value), in_bytes=True)
        except ValueError:
            found = Bound(0)
    else:
        found = Bound(0)
    if found.most < 1:
        raise ValueError(f'bound={value!r}; it is a number of records, or a size as in "10MB", and lets something pass')
    return found
