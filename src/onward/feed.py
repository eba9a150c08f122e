"""A feed: what a source has yielded and is not committed yet, between its thread and the worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from onward import codec
from onward.bound import Left
from onward.emit import Emitter, Outside
from onward.errors import SourceTooGreedy
from onward.source import Checkpoint, Source
from onward.units import instant_text

COMMIT_RECORDS = 1_000
COMMIT_BYTES = 4_000_000
COMMIT_SECONDS = 0.1

OVERHEAD = 160
"""Bytes that a record costs in memory besides its entry."""


class Stopped(BaseException):
    """Raised in a source's generator, at a yield, when nobody takes more; a source does not catch it."""


class Taken(NamedTuple):
    """What is to be committed, and the cursors that go with it; none: no checkpoint since the last time."""

    records: list[Outside]
    cursors: list[bytes]


class Feed:
    """Filled by one producer (a thread, or a task), emptied by the worker's loop.

    What was yielded since the last checkpoint is not taken. It may have up to `most` bytes; of a source that is at
    least once what is more than that is taken without a cursor.
    """

    def __init__(self, source: Source, emitter: Emitter, most: int, now: Callable[[], float]) -> None:
        self._source = source
        self._emitter = emitter
        self._most = most
        self._now = now
        self._turn = threading.Lock()
        self._open: list[Outside] = []
        self._size = 0
        self._ready: list[Outside] = []
        self._ready_size = 0
        self._cursors: list[bytes] = []
        self._left = Left()
        self._room = threading.Event()
        self._room.set()
        self._stopped = False
        self._loop = asyncio.get_running_loop()
        self._heard = now()
        self.news = asyncio.Event()

    # the producer's side

    def put(self, item: Any) -> None:
        """Takes what the source yields, as it is now: it may be changed afterwards.

        Raises:
            SourceTooGreedy: too much without a checkpoint.
            Stopped: nobody takes more.
        """
        if self._stopped:
            raise Stopped
        self._heard = now = self._now()
        if type(item) is Checkpoint:
            self._close([codec.encode(item.cursor)])
            return
        record = self._emitter.encoded(item, instant_text(now))
        self._open.append(record)
        self._size += len(record[2]) + OVERHEAD
        if self._size > self._most:
            if not self._source.at_least_once:
                raise SourceTooGreedy(self._source.name, self._size, self._most)
            self._close([])

    def has_room(self) -> bool:
        return self._room.is_set()

    def wait(self) -> None:
        """Blocks until more may come."""
        self._room.wait()
        self._heard = self._now()
        if self._stopped:
            raise Stopped

    def end(self) -> None:
        """The source returned: what it yielded last is kept too."""
        self._close([])

    # the worker's side

    def quiet(self) -> float:
        """Seconds since the source had the word and yielded nothing."""
        return self._now() - self._heard if self._room.is_set() else 0.0

    def take(self) -> Taken:
        """What is ready."""
        with self._turn:
            taken = Taken(self._ready, self._cursors)
            self._left = self._left.less(len(self._ready), self._ready_size)
            self._ready, self._ready_size, self._cursors = [], 0, []
        return taken

    def go_on(self, left: Left) -> None:
        """What was taken is committed; so much may come before this is said again."""
        with self._turn:
            self._left = left
            if not left.nothing and not self._is_full():
                if not self._room.is_set():
                    self._heard = self._now()  # it has the word again from now on
                self._room.set()
            elif left.nothing and not self._stopped:
                self._room.clear()

    def stop(self) -> None:
        with self._turn:
            self._stopped = True
            self._room.set()

    def _close(self, cursors: list[bytes]) -> None:
        with self._turn:
            self._ready += self._open
            self._ready_size += self._size
            self._cursors += cursors
            full = self._is_full()
            if full and not self._stopped:
                self._room.clear()
        self._open, self._size = [], 0
        if full:
            self._loop.call_soon_threadsafe(self.news.set)

    def _is_full(self) -> bool:
        records = max(1.0, min(COMMIT_RECORDS, self._left.records))
        size = max(1.0, min(COMMIT_BYTES, self._most, self._left.bytes))
        return len(self._ready) >= records or self._ready_size >= size or len(self._cursors) >= 10 * COMMIT_RECORDS
