"""`Window`: by what a stage tells a repeat, and for how long it remembers."""

from __future__ import annotations

from datetime import timedelta

from onward.topic import KeyOf

MOST = 1_000_000


class Window:
    """`dedupe=Window("number", "24h")`: of records with equal `by` that come within so long the first counts, and later
    ones are dropped, whatever has become of the first: if it is parked it will be tried again, or lies there dead.

    Later ones are done without a call, and count as dropped. What was not called, as in an outage, is no first one.
    Remembered per stage and partition, in the commit that finishes or parks the first one, so repeats have to come in
    the same partition, as those of one key do. A stage with it writes a row for each record, and is slower for it.

    Args:
        by: a field's name, or a function of the value; text, a number, a tuple, as a key. None has no repeats; a value
            of which it cannot be told is dead at once.
        length: a duration, counted from when the first one was worked on.
        most: how many records of a partition are looked back over at most.
    """

    def __init__(self, by: str | KeyOf, length: str | timedelta, *, most: int = MOST) -> None:
        self.by = by
        self.length = length
        self.most = most

    def __repr__(self) -> str:
        return f"Window({self.by!r}, {self.length!r})"
