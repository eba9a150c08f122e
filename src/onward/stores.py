"""The table of stores: which URL is opened as what. The only place that names the implementations."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

from onward.carry import Carrier
from onward.errors import Refused
from onward.log import Books, Log


class Kind(NamedTuple):
    """What a URL looks like; where the classes of a scheme are, what makes a backup, what looks whether all is well
    with where it is, and what moves it, as `module:name`; imported at need."""

    form: str
    log: str
    books: str
    backup: str
    examine: str
    carrier: str


_POSTGRES = Kind(
    "postgresql://USER@HOST/DATABASE",
    "onward.logs.postgres:PostgresLog",
    "onward.logs.postgres_books:PostgresBooks",
    "onward.postgres.backup:backup",
    "onward.postgres.server:examine",
    "onward.logs.postgres_carry:PostgresCarrier",
)
SCHEMES = {
    "sqlite": Kind(
        "sqlite:///FILE",
        "onward.logs.sqlite:SQLiteLog",
        "onward.logs.sqlite_books:SQLiteBooks",
        "onward.sqlite.backup:backup",
        "onward.sqlite.connection:examine",
        "onward.logs.sqlite_carry:SQLiteCarrier",
    ),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
}

Seen = tuple[str, Literal["ok", "warning", "failed"], str]
"""One thing that was looked at: what it is, what is to be thought of it, what was seen and, if need be, what to do."""


def open_log(url: str, *, listen: bool = False) -> Log:
    """Opens a store for work; makes it, or brings it to this version, where need be.

    Args:
        listen: whether other processes should wake this one when they append; only for who waits for `changed`.

    Raises:
        Refused: the URL is of no kind that there is, or what it names is no store that can be used.
    """
    log: Log = _class(_kind(url).log)(url, listen=listen)
    return log


def open_books(url: str) -> Books:
    """Opens a store for looking at it; never makes or changes one.

    Raises:
        StoreNotFound: there is none.
        Refused: the URL is of no kind that there is, or what it names is no store of this version.
    """
    books: Books = _class(_kind(url).books)(url)
    return books


class Backup(NamedTuple):
    """A copy of a store: its size in bytes, and what to do with it."""

    size: int
    use: str


async def backup(url: str, file: Path) -> Backup:
    """Writes a consistent copy of a store into a new file, while workers run.

    Raises:
        StoreNotFound: there is no store.
        Refused: the file is there already or cannot be made, or the store cannot be used.
    """
    async with looking(url):  # which refuses what is no store of this version
        use = await asyncio.to_thread(_class(_kind(url).backup), url, file)
    return Backup(file.stat().st_size, use)


def examine(url: str) -> list[Seen]:
    """Where a store is, or is to be: whether all is well there. Nothing is written. Blocks.

    Raises:
        StoreAway: it cannot be reached.
        Refused: the URL is of no kind that there is, or it does not let us in.
    """
    return [tuple(seen) for seen in _class(_kind(url).examine)(url)]  # type: ignore[misc]


@contextlib.asynccontextmanager
async def carrying(url: str) -> AsyncIterator[Carrier]:
    """A store that is to be moved, or the place for one; closed at the end.

    Raises:
        Refused: the URL is of no kind that there is.
    """
    carrier: Carrier = _class(_kind(url).carrier)(url)
    try:
        yield carrier
    finally:
        await carrier.close()


@contextlib.asynccontextmanager
async def looking(url: str) -> AsyncIterator[Books]:
    """As `open_books`, closed at the end."""
    books = open_books(url)
    try:
        yield books
    finally:
        await books.close()


@contextlib.asynccontextmanager
async def writing(url: str) -> AsyncIterator[Log]:
    """As `open_log`, closed at the end."""
    log = open_log(url)
    try:
        yield log
    finally:
        await log.close()


def _kind(url: str) -> Kind:
    scheme = url.partition(":")[0].partition("+")[0]
    if "://" not in url or scheme not in SCHEMES:
        known = ", ".join(dict.fromkeys(kind.form for kind in SCHEMES.values()))
        raise Refused(f"the store's URL begins with {url.partition(':')[0]!r}; this version opens {known}")
    return SCHEMES[scheme]


def _class(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]
