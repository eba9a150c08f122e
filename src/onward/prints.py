"""What handlers print goes to standard error, a line at a time.

`print` writes a line's text and its end one after the other, and log lines of other threads come between.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from typing import TextIO


class Lines(io.TextIOBase):
    """Passes whole lines on, each by one write; what a thread has begun waits for its end, or for `flush`."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._begun: dict[int, str] = {}

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._to.isatty()

    def fileno(self) -> int:
        return self._to.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._to.encoding

    def write(self, text: str) -> int:
        # Only its own thread touches an entry, so no lock is needed.
        me = threading.get_ident()
        lines, end, rest = (self._begun.pop(me, "") + text).rpartition("\n")
        if rest:
            self._begun[me] = rest
        if end:
            self._to.write(lines + end)
        return len(text)

    def flush(self) -> None:
        if begun := self._begun.pop(threading.get_ident(), ""):
            self._to.write(begun)
        self._to.flush()

    def flush_all(self) -> None:
        """Also what threads have begun that have ended meanwhile."""
        for me in list(self._begun):
            self._to.write(self._begun.pop(me, "") + "\n")
        self._to.flush()


@contextlib.contextmanager
def to_stderr() -> Iterator[None]:
    """While the block runs, whatever is printed goes to standard error."""
    lines = Lines(sys.stderr)
    with contextlib.redirect_stdout(lines):
        try:
            yield
        finally:
            lines.flush_all()
