"""Keeps a second SQLite library away from files that Onward has open.

POSIX drops all of a process's locks on a file when any descriptor of it is closed. Two SQLite libraries in one
process do not know of each other's descriptors, so closing in one unlocks the other in the middle of its work;
committed rows have been lost that way. A file that is open through another library is refused, and the
standard library's module is refused a file that we have open.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from onward.errors import ForeignLibrary

turn = threading.RLock()
"""Held while a file is made and entered: a descriptor that another thread of ours has for a moment is not foreign."""

_open: dict[tuple[int, int], int] = {}
_watching = False


def enter(path: str) -> tuple[int, int]:
    """To be called before apsw opens the file, which exists; returns what `leave` wants.

    Raises:
        ForeignLibrary: another library has it open in this process.
    """
    global _watching
    identity = _identity(path)
    with turn:
        if identity not in _open and _has_descriptor(identity):
            raise ForeignLibrary(path)
        _open[identity] = _open.get(identity, 0) + 1
        if not _watching:
            sys.addaudithook(_refuse_others)
            _watching = True
    return identity


def leave(identity: tuple[int, int]) -> None:
    """To be called after apsw has closed the file."""
    with turn:
        _open[identity] -= 1
        if not _open[identity]:
            del _open[identity]


def _refuse_others(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "sqlite3.connect" or not _open:
        return
    path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
    path = path.removeprefix("file:").split("?")[0]
    try:
        identity = _identity(path)
    except OSError:
        return
    if identity in _open:
        raise ForeignLibrary(path)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _has_descriptor(identity: tuple[int, int]) -> bool:
    try:
        descriptors = os.listdir("/dev/fd")
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            found = os.fstat(int(descriptor))
        except (OSError, ValueError):
            continue
        if (found.st_dev, found.st_ino) == identity:
            return True
    return False
