"""A feed: what a source has yielded and is not committed yet, between its thread and the worker."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from onward import codec
from onward.emit import Emitter, Outside
from onward.errors import SourceTooGreedy
from onward.source import Checkpoint
from onward.units import instant_text

COMMIT_RECORDS = 1_000
COMMIT_BYTES = 4_000_000
COMMIT_SECONDS = 0.1


class Stopped(BaseException):
    """Raised in a source's generator, at a yield, when nobody takes more; a source does not catch it."""


class Feed:
    """Filled by one producer (a thread, or a task), emptied by the worker's loop.

    What was yielded since the last checkpoint is not taken; it may have up to `most` bytes.
    """

    def __init__(self, source: str, emitter: Emitter, most: int, now: Any) -> None:
        self._source = source
        self._emitter = emitter
        self._most = most
        self._now = now
        self._turn = threading.Lock()
        self._open: list[Outside] = []
        self._size = 0
        self._ready: list[Outside] = []
        self._ready_size = 0
        self._cursor: bytes | None = None
        self._room = threading.Event()
        self._room.set()
        self._stopped = False
        self._loop = asyncio.get_running_loop()
        self.news = asyncio.Event()

    def put(self, item: Any) -> None:
        """Takes what the source yields.

        Raises:
            SourceTooGreedy: too much without a checkpoint.
            Stopped: nobody takes more.
        """
        if self._stopped:
            raise Stopped
        if type(item) is not Checkpoint:
            record = self._emitter.encoded(item, instant_text(self._now()))
            self._open.append(record)
            self._size += len(record[2])
            if self._size > self._most:
                raise SourceTooGreedy(self._source, self._size, self._most)
            return
        cursor = codec.encode(item.cursor)
        with self._turn:
            self._ready += self._open
            self._ready_size += self._size
            self._cursor = cursor
            full = self._is_full()
            if full:
                self._room.clear()
        self._open, self._size = [], 0
        if full:
            self._tell()

    def has_room(self) -> bool:
        return self._room.is_set()

    def wait(self) -> None:
        """Blocks until what is ready has been taken."""
        self._room.wait()
        if self._stopped:
            raise Stopped

    def end(self) -> None:
        """The source returned: what it yielded last is kept too."""
        with self._turn:
            self._ready += self._open
        self._open = []

    def take(self) -> tuple[list[Outside], bytes | None]:
        """What is ready, and the cursor that goes with it (None: no checkpoint since the last time)."""
        with self._turn:
            ready, self._ready, self._ready_size = self._ready, [], 0
            cursor, self._cursor = self._cursor, None
        return ready, cursor

    def go_on(self) -> None:
        """What was taken is committed."""
        with self._turn:
            if not self._is_full():
                self._room.set()

    def stop(self) -> None:
        self._stopped = True
        self._room.set()

    def _is_full(self) -> bool:
        return len(self._ready) >= COMMIT_RECORDS or self._ready_size >= min(COMMIT_BYTES, self._most)

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self.news.set)
