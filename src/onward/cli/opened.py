"""Stores as the commands open them that look at one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from onward import stores
from onward.cli import show
from onward.log import Books
from onward.url import shown


@contextlib.asynccontextmanager
async def looking(url: str) -> AsyncIterator[Books]:
    """As `stores.looking`; of a store that has moved, or is on its way, that is said."""
    async with stores.looking(url) as books:
        if (mark := await books.home()) is not None and mark.state != "here":
            show.note(mark.told(shown(url)))
        yield books
