"""A consistent copy of a store file while workers run."""

from __future__ import annotations

import contextlib
from pathlib import Path

import apsw

from onward.errors import Refused
from onward.part import whole, why_not
from onward.sqlite.connection import File, away, path_of, rows


def backup(url: str, to: Path) -> str:
    """Writes a copy of the store as it was at one moment, on disk when this returns; gives how it is opened.

    Workers go on meanwhile; the write-ahead log grows by what they write until it is done. The copy has no free space
    in it and opens as a store. It appears under its name when it is whole, or not at all.

    Raises:
        Refused: there is something of this name already, or it cannot be written.
        StoreNotFound: there is no store.
    """
    to = to.absolute()
    file = File(path_of(url), create=False, url=url)
    try:
        with whole(to) as part:
            connection = file.connect()
            try:
                connection.execute("VACUUM INTO ?", (str(part),))
            except apsw.CantOpenError as error:
                raise Refused(f"{to} cannot be made: {why_not(to)}") from error
            _check(part)
    except apsw.FullError as error:
        raise Refused(f"{to} cannot be written: the disk is full") from error
    except apsw.Error as error:
        raise away(error, url) from error
    finally:
        file.close()
    return f"open it by --store sqlite:///{to}"


def _check(part: Path) -> None:
    connection = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READONLY)
    with contextlib.closing(connection):
        if (found := rows(connection, "PRAGMA quick_check")) != [("ok",)]:
            raise Refused(f"the copy is damaged, and so may the store be: {found[0][0]}")
