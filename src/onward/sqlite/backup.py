"""A consistent copy of a store file while workers run."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import apsw

from onward.errors import Refused
from onward.sqlite.connection import File, away, path_of, rows


def backup(url: str, to: Path) -> int:
    """Writes a copy of the store as it was at one moment, on disk when this returns; gives its size in bytes.

    Workers go on meanwhile; the write-ahead log grows by what they write until it is done. The copy has no free space
    in it and opens as a store. It appears under its name when it is whole, or not at all.

    Raises:
        Refused: there is something of this name already, or it cannot be written.
        StoreNotFound: there is no store.
    """
    to = to.absolute()
    taken = f"{to} is there already; a backup overwrites nothing, name another file"
    if os.path.lexists(to):
        raise Refused(taken)
    file = File(path_of(url), create=False, url=url)
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        connection = file.connect()
        try:
            connection.execute("VACUUM INTO ?", (str(part),))
        except apsw.CantOpenError as error:
            raise Refused(f"{to} cannot be made: {_why(to)}") from error
        _check(part)
        _sync(part)
        try:
            os.link(part, to)  # unlike a renaming it never takes the place of something
        except FileExistsError as error:
            raise Refused(taken) from error
        except OSError:  # a file system without links
            os.rename(part, to)
        _sync(to.parent)
        return to.stat().st_size
    except apsw.FullError as error:
        raise Refused(f"{to} cannot be written: the disk is full") from error
    except apsw.Error as error:
        raise away(error, url) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        file.close()


def _why(to: Path) -> str:
    if not to.parent.is_dir():
        return f"there is no folder {to.parent}"
    return "its folder cannot be written" if not os.access(to.parent, os.W_OK) else "it cannot be opened"


def _check(part: Path) -> None:
    connection = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READONLY)
    with contextlib.closing(connection):
        if (found := rows(connection, "PRAGMA quick_check")) != [("ok",)]:
            raise Refused(f"the copy is damaged, and so may the store be: {found[0][0]}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
