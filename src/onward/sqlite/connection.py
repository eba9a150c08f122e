"""One SQLite file of ours: where it is, and connections to it as they must be."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, Literal

import apsw

from onward.errors import Refused, StoreAway, StoreMoved, StoreNotFound, StoreUncertain
from onward.sqlite import guard

PAGE = 8192
DURABLE = ("synchronous=FULL", "fullfsync=ON", "checkpoint_fullfsync=ON")
"""What is committed is on the disk; on macOS a plain fsync leaves it in the disk's own memory."""

PRAGMAS = (
    f"page_size={PAGE}",
    "journal_mode=WAL",
    *DURABLE,
    "wal_autocheckpoint=0",
    "temp_store=FILE",
)
PAGES_BEFORE_CHECKPOINT = 64_000_000 // PAGE
PATIENCE = 60
"""Seconds that a statement waits for a lock of others."""
LITTLE = 1_000_000_000
"""Bytes; with less than this free a disk is said to be nearly full."""

_NETWORK = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "afpfs", "ceph", "fuse.sshfs", "fuse.glusterfs"]
)
_MOUNTED = re.compile(r" on (/.*) \((\w+)[,)]")


def path_of(url: str) -> Path:
    """The file of a URL: three slashes for a relative path, four for an absolute one."""
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else ""
    if not path or path == ":memory:":
        raise Refused(f"{url!r} names no file; write sqlite:///relative.db or sqlite:////absolute.db")
    return Path(path).absolute()


class File:
    """A database file and the connections of this process to it. Closing it closes them all.

    Every commit is on disk when it returns (`synchronous=FULL`). Checkpoints are never automatic.

    Args:
        create: makes the file where there is none, in a folder that is there.
        url: how it was named.

    Raises:
        StoreNotFound: there is none, and it is not to be made.
        Refused: it cannot be made or written, or lies where it would not be safe.
    """

    def __init__(self, path: Path, *, create: bool = True, url: str | None = None) -> None:
        with guard.turn:
            if not path.exists():
                if not create:
                    raise StoreNotFound(url or f"sqlite:///{path}", str(path))
                _make(path)
            if not path.is_file():
                raise Refused(f"{path} is a folder, or no file that a store can be; name a file")
            _refuse_network(path)
            _refuse_unwritable(path)
            self.path = path
            self._identity: tuple[int, int] | None = guard.enter(str(path))
        self._connections: list[apsw.Connection] = []

    def connect(self, *, readonly: bool = False) -> apsw.Connection:
        """A new connection; a statement that meets a lock waits up to `PATIENCE` for it."""
        try:
            flags = apsw.SQLITE_OPEN_READWRITE
            connection = apsw.Connection(str(self.path), flags=flags)
            connection.set_busy_timeout(PATIENCE * 1000)
            for pragma in PRAGMAS:
                _patiently(connection, f"PRAGMA {pragma}")
            if readonly:
                connection.execute("PRAGMA query_only=ON")
        except apsw.Error as error:
            raise away(error, str(self.path)) from error
        self._connections.append(connection)
        return connection

    def look(self, statement: str) -> tuple[Any, ...]:
        """The first row of a statement, before anything about the file is changed."""
        try:
            with contextlib.closing(apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
                connection.set_busy_timeout(PATIENCE * 1000)
                return rows(connection, statement)[0]
        except apsw.Error as error:
            raise away(error, str(self.path)) from error

    def drop(self, connection: apsw.Connection) -> None:
        """Closes one connection; what it has open is rolled back."""
        self._connections.remove(connection)
        connection.close(True)

    def roll_back(self, connection: apsw.Connection) -> bool:
        """Ends an open transaction without effect. Where that fails the connection would stay in it for good, so it is
        closed, which has the same effect; then the answer is false, and another one has to be opened."""
        if connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                connection.execute("ROLLBACK")
        if not connection.in_transaction:
            return True
        self.drop(connection)
        return False

    def close(self) -> None:
        """Closes all connections. Calling it again does nothing."""
        while self._connections:
            self._connections.pop().close()
        if self._identity is not None:
            guard.leave(self._identity)
            self._identity = None


def away(error: apsw.Error, path: str) -> Exception:
    """What an error of the driver means to those above."""
    if isinstance(error, apsw.ConstraintError) and error.extendedresult == apsw.SQLITE_CONSTRAINT_TRIGGER:
        return StoreMoved(str(error).removeprefix("ConstraintError: "))  # no other trigger is there
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return Refused(f"{path} is no SQLite database that can be read: {error}")
    if isinstance(error, apsw.IOError):
        return StoreUncertain(f"the disk under {path} failed: {error}; what was being written is read again")
    if isinstance(error, apsw.ReadOnlyError):
        return StoreAway(f"{path} cannot be written now: {error}; see whether its disk has become read-only")
    if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.FullError | apsw.CantOpenError):
        return StoreAway(f"{path} cannot be used now: {error}")
    return error


def rows(connection: apsw.Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """All rows at once, so that no snapshot stays open behind a slow reader."""
    return connection.execute(statement, parameters).fetchall()  # type: ignore[no-any-return]


def room_for(path: Path) -> tuple[Literal["ok", "warning", "failed"], str]:
    """Whether there is room, and leave, to write a file: what is to be thought of it, and what was seen."""
    folder = path.parent
    if not folder.is_dir():
        return "failed", no_folder(path)
    if not os.access(path if path.exists() else folder, os.W_OK):
        return "failed", f"{path} cannot be written by this user; change its owner or mode"
    free = shutil.disk_usage(folder).free
    if free < LITTLE:
        return "warning", f"{free / 1e6:,.0f} MB are free in {folder}; make room"
    return "ok", f"{free / 1e9:,.1f} GB are free in {folder}"


def examine(url: str) -> list[tuple[str, Literal["ok", "warning", "failed"], str]]:
    """What is to be thought of the place of a file, and what was seen."""
    return [("disk", *room_for(path_of(url)))]


def no_folder(path: Path) -> str:
    """What is to be said of a file whose folder is not there: none is made, as it is most often mistyped."""
    return f"{path} cannot be made: there is no folder {path.parent}; make it, if it is the one that is meant"


def _patiently(connection: apsw.Connection, statement: str) -> None:
    """SQLite itself does not wait where two might wait for each other, as two that make a new file use a log."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(statement)
            return
        except apsw.BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def _make(path: Path) -> None:
    if not path.parent.is_dir():
        raise Refused(no_folder(path))
    try:
        # Only one that is not there: closing a descriptor of another would drop our locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        pass
    except OSError as error:
        raise Refused(f"{path} cannot be made: {_why(path.parent, error)}; name another place by --store") from error


def _why(folder: Path, error: OSError) -> str:
    if error.errno == errno.EROFS:
        return f"the file system of {folder} is read-only"
    if isinstance(error, PermissionError):
        return f"folder {folder} may not be written by this user"
    return str(error.strerror)


def _refuse_unwritable(path: Path) -> None:
    """SQLite keeps files beside a store, also for those who only look."""
    for place, what in ((path.parent, "the folder"), (path, "the file")):
        if not os.access(place, os.W_OK):
            raise Refused(
                f"{path} cannot be used: {what} {place} may not be written by this user, or lies on a read-only file "
                "system; SQLite writes it and files beside it, also to read. Mend that, or use a copy elsewhere"
            )


def _refuse_network(path: Path) -> None:
    """Locks and shared memory of SQLite do not work on a network file system."""
    folder = str(path.resolve())
    best = max(
        ((len(place), type_) for place, type_ in _mounts() if folder.startswith(place.rstrip("/") + "/")),
        default=(0, ""),
    )
    if best[1] in _NETWORK:
        raise Refused(f"{path} lies on a {best[1]} file system, where SQLite's locks do not hold; use a local disk")


def _mounts() -> list[tuple[str, str]]:
    """Where file systems are mounted, and of which type each is; nothing where that cannot be known."""
    try:
        return [(line.split()[1], line.split()[2]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return mounted() if sys.platform == "darwin" else []


@cache
def mounted() -> list[tuple[str, str]]:
    """As `mount` tells it where there is no /proc: `//ann@host/share on /Volumes/share (smbfs, nodev)`."""
    try:
        told = subprocess.run(["mount"], capture_output=True, text=True, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _MOUNTED.findall(told)
