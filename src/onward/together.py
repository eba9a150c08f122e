"""A block of a client's whose puts and changes of tables are one commit."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import UNSET, UnsetType

from onward.changes import bound
from onward.emit import Outside
from onward.open_table import OpenTable
from onward.table import Table
from onward.topic import Topic

if TYPE_CHECKING:
    from onward.client import Client

T = TypeVar("T")


class Together:
    """Given by `client.commit()`: what the block gathers; for one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._records: list[Outside] = []
        self._changes = client._changes()
        self._bound = bound(self._changes)

    def put(
        self,
        topic: Topic[T] | str,
        *values: T,
        key: Any = UNSET,
        headers: dict[str, str] | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
    ) -> None:
        """As `client.put`, kept with the block's end; a plain call also under `async with`."""
        self._records += self._client._records(topic, values, key, headers, time)

    def table(self, table: Table[Any] | str) -> OpenTable:
        """A table whose calls, plain ones, read what this block has changed, and change with its end. Within the block
        the table itself does the same."""
        return self._client._table(table).through(self._changes)

    def __enter__(self) -> Together:
        self._client._expect(awaited=False)
        self._bound.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bound.__exit__(None, None, None)
        if kind is None:
            self._client._do(self._client._keep(self._records, self._changes.edits))

    async def __aenter__(self) -> Together:
        self._client._expect(awaited=True)
        self._bound.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bound.__exit__(None, None, None)
        if kind is None:
            await self._client._do(self._client._keep(self._records, self._changes.edits))
