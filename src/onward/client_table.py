"""A table in a client's hands: each call that changes something is a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onward.open_table import OpenTable
from onward.table import Table

Do = Callable[[Callable[[OpenTable], Any]], Any]


class ClientTable:
    """Given by `client.table(...)`: `get`, `put`, `delete`, `find`, `state`, `move` and `history` as those of `Table`,
    awaited under `async with`.

    Each that changes something is a commit of its own; one whose document somebody else changes at the same moment is
    made again by itself.
    """

    def __init__(self, table: Table[Any], do: Do) -> None:
        self._table = table
        self._do = do

    def get(self, key: Any, default: Any = None) -> Any:
        return self._do(lambda table: table.get(key, default))

    def put(self, value: Any) -> Any:
        return self._do(lambda table: table.put(value))

    def delete(self, key: Any) -> Any:
        return self._do(lambda table: table.delete(key))

    def find(
        self,
        where: Mapping[str, Any] | None = None,
        /,
        *,
        order: str | None = None,
        limit: int | None = None,
        **conditions: Any,
    ) -> Any:
        return self._do(lambda table: table.find(where, order=order, limit=limit, **conditions))

    def state(self, key: Any) -> Any:
        return self._do(lambda table: table.state(key))

    def move(self, key: Any, state: str) -> Any:
        return self._do(lambda table: table.move(key, state))

    def history(self, key: Any) -> Any:
        return self._do(lambda table: table.history(key))
