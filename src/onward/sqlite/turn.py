"""Writers of several processes take turns, by a lock on a file beside the database.

SQLite's own busy handling sleeps and tries again, so a small writer beside a busy one may wait for a second. A
lock of the operating system wakes who waits. There are two: the one who waits for the turn holds the first, so
that a busy writer, which needs the first to come again, cannot overtake it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: SQLite's busy handling alone
    fcntl = None  # type: ignore[assignment]


class Turn:
    """The right to write to one file; a context manager, for one thread at a time of this handle."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._queue, self._turn = self._descriptors()
        self._mine = threading.Lock()

    def _descriptors(self) -> tuple[int, int]:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        queue = os.open(f"{self._path}-queue", flags, 0o644)
        try:
            return queue, os.open(f"{self._path}-turn", flags, 0o644)
        except BaseException:
            os.close(queue)
            raise

    def __enter__(self) -> None:
        self._mine.acquire()
        if fcntl is None:
            return
        try:
            fcntl.flock(self._queue, fcntl.LOCK_EX)
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        except BaseException:
            try:
                self._open_anew()
            finally:
                self._mine.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        except OSError:
            self._open_anew()
        finally:
            self._mine.release()

    def _open_anew(self) -> None:
        """Lets go of what locks there are, which end with their descriptors: one that is kept would be for good."""
        for descriptor in (self._queue, self._turn):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._queue, self._turn = self._descriptors()

    def close(self) -> None:
        """Lets go of the files, which stay beside the database."""
        if self._turn >= 0:
            os.close(self._queue)
            os.close(self._turn)
            self._queue = self._turn = -1
