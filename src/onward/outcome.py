"""Outcomes: what a handler returns or yields to say that a record goes another way. Values, never raised."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from onward import units


class Drop(Struct, frozen=True):
    """The record is done; what was yielded before it is kept. Counted as dropped, with the reason."""

    reason: str = ""


class Later(Struct, frozen=True):
    """Try again after a while; no attempt counts and the key waits. Past `give_up` since the first try it dies."""

    after: str | float | timedelta
    give_up: str | float | timedelta | None = None

    @property
    def seconds(self) -> float:
        return units.duration(self.after)

    @property
    def give_up_seconds(self) -> float | None:
        return None if self.give_up is None else units.duration(self.give_up)


class Hold(Struct, frozen=True):
    """The record waits for a person; going on calls the handler again with `approved=True`."""

    reason: str = ""


class Reject(Struct, frozen=True):
    """The record is dead at once: no retry would help."""

    reason: str = ""


Outcome = Drop | Later | Hold | Reject
OUTCOMES = (Drop, Later, Hold, Reject)
