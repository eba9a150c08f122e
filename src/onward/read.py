"""Reading what a topic keeps: partition by partition, in offset order, a bounded piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from msgspec import Raw, Struct

from onward import codec
from onward.errors import StoreAway
from onward.log import Block, Books
from onward.topic import partition_of
from onward.units import instant, instant_text

RECORDS, SIZE = 1_000, 1_000_000
AGAIN = 0.25
"""Seconds between looks for more, when following."""

_entries = msgspec.json.Decoder(list[tuple[str | None, str | None, str, dict[str, str] | None, Raw]])


class Kept(Struct, frozen=True):
    """A record as it is kept; `value` is its JSON. The line of `read --json`."""

    topic: str
    partition: int
    offset: int
    key: str | None
    time: str
    headers: dict[str, str]
    value: Raw
    origin: str | None


class Wish(Struct, frozen=True):
    """Which records: of a key, from an offset or an instant (ISO 8601) on."""

    key: str | None = None
    offset: int = 0
    since: str = ""


def wish(key: str | None, start: str | None) -> Wish:
    """From what was said on the command line.

    Raises:
        ValueError: the start is neither an offset nor an instant.
    """
    if start is None:
        return Wish(key)
    if start.isdecimal():
        return Wish(key, int(start))
    return Wish(key, since=instant_text(instant(start)))


async def kept(
    books: Books,
    topic: str,
    partitions: int,
    wish: Wish,
    *,
    follow: bool = False,
    moved: bool = False,
    away: Callable[[StoreAway], object] = lambda error: None,
) -> AsyncIterator[list[Kept]]:
    """Lists of records, by partition and offset; with `follow` what comes later too, for ever: a store that is away is
    told of by `away`, and waited for."""
    only = partition_of(wish.key, partitions) if wish.key is not None and not moved else None
    at = {p: wish.offset for p in ([only] if only is not None else range(partitions))}
    while True:
        came = False
        try:
            for partition in at:
                while blocks := await books.read(topic, partition, at[partition], RECORDS, SIZE):
                    for block in blocks:
                        if found := _wanted(topic, partition, block, wish, at[partition]):
                            yield found
                    came = True
                    at[partition] = blocks[-1].offset + blocks[-1].count
        except StoreAway as error:
            if not follow:
                raise
            away(error)
        if not follow:
            return
        if not came:
            await asyncio.sleep(AGAIN)


def _wanted(topic: str, partition: int, block: Block, wish: Wish, start: int) -> list[Kept]:
    # Most blocks have nothing of a key, which their bytes tell without being decoded.
    if wish.key is not None and codec.encode(wish.key) not in block.entries:
        return []
    return [
        Kept(topic, partition, offset, key, time, headers or {}, value, origin)
        for offset, (origin, key, time, headers, value) in enumerate(_entries.decode(block.entries), block.offset)
        if offset >= start and (wish.key is None or key == wish.key) and time >= wish.since
    ]
