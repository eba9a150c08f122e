"""Outcomes: what a handler returns or yields to say that a record goes another way. Values, never raised."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import force_setattr

from onward import units


class _Reasoned(Struct, frozen=True):
    """What is given as a reason becomes text, as an exception or None is easily given for one."""

    reason: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str):
            force_setattr(self, "reason", "" if self.reason is None else str(self.reason))


class Drop(_Reasoned, frozen=True):
    """The record is done; what was yielded before it is kept. Counted as done and dropped, with the `reason` (of which
    500 letters are kept), which `trace` shows."""


class Later(Struct, frozen=True):
    """Try again after a while: no attempt counts, later records of its key wait, and it shows as `retrying`. What was
    yielded before it is discarded. `after` is a duration, as `"30s"`; past `give_up`, a duration since the first try,
    it dies."""

    after: str | float | timedelta
    give_up: str | float | timedelta | None = None

    def __post_init__(self) -> None:
        # ValueError where one of them is no duration: in the handler, so that the call has failed.
        units.duration(self.after)
        if self.give_up is not None:
            units.duration(self.give_up)

    @property
    def seconds(self) -> float:
        """For Onward itself: `after` in seconds."""
        return units.duration(self.after)

    @property
    def give_up_seconds(self) -> float | None:
        """For Onward itself: `give_up` in seconds."""
        return None if self.give_up is None else units.duration(self.give_up)


class Hold(_Reasoned, frozen=True):
    """The record waits for a person, who is shown the `reason`, and shows as `waiting`; later records of its key queue
    behind it. What was yielded before it is discarded. `onward parked retry` calls the handler again, with
    `approved=True` where it takes that; `onward parked drop` gives the record up."""


class Reject(_Reasoned, frozen=True):
    """The record is dead at once, with the `reason`: no retry would help. What was yielded before it is discarded.
    Later records of its key queue behind it, unless by `on_dead="pass"`."""


Outcome = Drop | Later | Hold | Reject
OUTCOMES = (Drop, Later, Hold, Reject)
