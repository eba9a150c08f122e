"""Retry: how often a failed record is tried again, and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from onward import units


class Retry(Struct, frozen=True):
    """Tries `attempts` times in all, the first try included (None: for ever), waiting up to `first`, doubled each time,
    up to `most`; both are durations.

    The wait is drawn uniformly from nothing to that bound (full jitter), so that a thousand records that failed
    together do not come back together. An exception of a class in `reject` is not tried again: the record is dead.
    """

    attempts: int | None = 5
    first: str | float | timedelta = "1s"
    most: str | float | timedelta = "5m"
    reject: tuple[type[BaseException], ...] = ()

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) has failed.

        Args:
            attempt: which one failed.
            chance: gives numbers in 0..1.
        """
        bound = min(units.duration(self.most), units.duration(self.first) * 2.0 ** min(attempt - 1, 60))
        return chance() * bound

    def within(self, seconds: float) -> float:
        """For Onward itself: the nearest wait to so many seconds that is not under `first` and not over `most`."""
        return min(units.duration(self.most), max(units.duration(self.first), seconds))

    def gives_up(self, attempt: int, error: BaseException) -> bool:
        """Whether a record dies when attempt number `attempt` (from 1) failed with this `error`."""
        if self.reject and isinstance(error, self.reject):
            return True
        return self.attempts is not None and attempt >= self.attempts
