"""Records whose call is noted in the store before it is made: they are parked as `running` while it lasts.

So it is for a stage with `long=True`; and for a record that was in hand when its worker was gone, so that one that
takes its worker along is named, and others go on.
"""

from __future__ import annotations

from msgspec.structs import replace

from onward.call import Called, Unit
from onward.draft import Draft
from onward.errors import WorkerGone
from onward.failure import Failure, kind_of
from onward.log import Parked
from onward.settle import behind
from onward.stage import Stage


def begun(unit: Unit, now: float) -> Parked:
    """The row of the one record of a unit whose call begins."""
    row = behind(unit, 0, now) if unit.parked is None else unit.parked[0]
    since = now if row.state == "behind" else row.since
    return replace(row, state="running", due=now, since=since)


def put_back(unit: Unit, called: Called, draft: Draft, now: float) -> None:
    """Notes those that were not called after all, as in an outage, as to be tried again."""
    for index in called.rest:
        if unit.parked is not None and unit.parked[index].state == "running":
            row = untouched(unit.parked[index], now)
            draft.park[row.offset] = row


def untouched(row: Parked, now: float) -> Parked:
    """The row as it is when its call was broken off by no fault of its own."""
    return replace(row, state="retrying", due=now)


def gone(stage: Stage, count: int) -> Called:
    """What came of calls whose worker is gone."""
    called = Called()
    error = WorkerGone(stage.name)
    called.failures = [Failure(index, error=error) for index in range(count)]
    return called


def is_suspect(row: Parked) -> bool:
    """Whether it was in hand when its worker was gone."""
    return row.error.startswith(_GONE)


_GONE = f"{kind_of(WorkerGone(''))}:"
