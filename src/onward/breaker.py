"""Tripping: when failures tell of an outage and not of bad records, a stage stops and probes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable

from onward.retry import Retry

IN_A_ROW = 20
OF_THE_LAST = 100


class Breaker:
    """Of one stage in one process. Calls may report from several threads.

    It trips when 20 records of different keys failed in a row, or half of the last 100, or a handler said
    `Unavailable`. While tripped nothing parks and no attempt counts; one record at a time probes, by the retry
    delays, until one succeeds.
    """

    def __init__(self, retry: Retry, chance: Callable[[], float]) -> None:
        self._retry = retry
        self._chance = chance
        self._turn = threading.Lock()
        self._row: set[str] = set()
        self._last: deque[bool] = deque(maxlen=OF_THE_LAST)
        self._keyless = itertools.count()
        self.reason = ""
        self.since = 0.0
        self.probes = 0
        self.probe_at = 0.0
        self.probing = False

    @property
    def tripped(self) -> bool:
        return bool(self.reason)

    def down(self, now: float, seconds: float) -> bool:
        """Whether it has been tripped for so long."""
        return self.tripped and now - self.since >= seconds

    def succeeded(self, records: int) -> None:
        """So many records passed since the last report."""
        if records and (self._row or self._last):
            with self._turn:
                self._row.clear()
                self._last.extend([True] * min(records, OF_THE_LAST))

    def failed(self, key: str | None) -> bool:
        """A record failed; returns whether that is an outage."""
        with self._turn:
            self._row.add(f"\0{next(self._keyless)}" if key is None else key)
            self._last.append(False)
            full = len(self._last) == OF_THE_LAST
            return len(self._row) >= IN_A_ROW or (full and self._last.count(False) * 2 >= OF_THE_LAST)

    def trip(self, reason: str, now: float) -> float:
        """Stops the stage, or after a probe that failed waits longer; returns the seconds until the next probe."""
        self.since = self.since if self.reason else now
        self.reason = reason
        self.probes += 1
        # At least half of the delay: a jitter near nothing would make probing a busy loop.
        wait = self._retry.delay(self.probes, lambda: 0.5 + self._chance() / 2)
        self.probe_at = now + wait
        return wait

    def recover(self) -> None:
        """A probe passed: the stage goes on, with nothing held against it."""
        with self._turn:
            self.reason = ""
            self.probes = 0
            self._row.clear()
            self._last.clear()
