"""A table: keyed documents that stages keep, with history and, if wanted, a life-cycle of allowed states."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from onward.changes import Changes, here
from onward.document import Field
from onward.lifecycle import Lifecycle
from onward.open_table import STATE, Change, OpenTable
from onward.topic import KeyOf, fields_of, key_function

T = TypeVar("T")


class Table(Generic[T]):
    """Declared by `app.table(...)`: documents by `key`, each `value` of the table's type.

    Its calls are plain ones, also in `async def`, and belong to where they are made: to the record (or batch) that a
    handler is called for, or to a client's commit; anywhere else they are refused (`OutsideUnit`). A stage of another
    app may call it where the table's app runs in the same worker.

    What a handler changes is committed in one transaction with what it emits and with its progress; a record that does
    not pass takes its changes back with it. Reads see what the call, and earlier ones of its stage and partition, have
    changed, else what is committed. A document is changed on the version that the call read first: if a commit finds
    another one, all that its partition has in hand is called again, and no attempt counts. Documents that are only read
    are not looked at again. A stage that commits `within` a database reads tables and cannot change them; sources,
    resources, tasks (which have a client) and stages with `isolate=` do neither. Where the store is away while a table
    is read the stage trips.
    """

    def __init__(
        self,
        name: str,
        type: Any,
        *,
        key: str | KeyOf,
        lifecycle: Lifecycle | None = None,
        index: Sequence[str] = (),
        was: str | None = None,
        where: str = "",
    ) -> None:
        self.name = name
        self.type = type
        self.key = key
        self.lifecycle = lifecycle
        self.index = tuple(index)
        self.was = was
        self.where = where
        self.fields = {one: _field(type, one) for one in self.index}
        if lifecycle is not None:
            self.fields[STATE] = Field(STATE, "", "null")
        self.key_of = key_function(type, key)
        self.decoder = msgspec.json.Decoder(type)
        known = fields_of(type)
        self.has_state = lifecycle is not None and known is not None and STATE in known

    def __repr__(self) -> str:
        return f"Table({self.name!r})"

    def get(self, key: Any, default: Any = None) -> Any:
        """The document of a key, a copy of its own; `default` where there is none.

        Raises:
            BadDocument: it can no longer be read as the table's type.
        """
        return self.through(here(self.name)).get(key, default)

    def put(self, value: T) -> None:
        """Keeps a document under its key, instead of the one that may be there.

        Raises:
            MoveRefused: it has a field `state` to which the life-cycle does not lead.
        """
        self.through(here(self.name)).put(value)

    def delete(self, key: Any) -> bool:
        """Takes a document away; its history stays. False where there is none."""
        return self.through(here(self.name)).delete(key)

    def find(
        self,
        where: Mapping[str, Any] | None = None,
        /,
        *,
        order: str | None = None,
        limit: int | None = None,
        **conditions: Any,
    ) -> list[T]:
        """Documents that fit all conditions, by `order` and then by key.

        Numbers are compared with numbers, texts with texts; None comes first, and fits `field=None` only. Instants are
        compared as their JSON text, so write them in one zone. `state=` needs no index.

        Args:
            where: conditions as a dict, for fields called `order` or `limit`.
            order: an indexed field, `"-field"` for the greatest first.
            limit: how many at most.
            conditions: `field=value`, or `field__ge`, `field__gt`, `field__le`, `field__lt` for ranges; indexed fields.

        Raises:
            NotIndexed: a field is not in the table's `index=`.
        """
        return self.through(here(self.name)).find(where, order=order, limit=limit, **conditions)

    def state(self, key: Any) -> str | None:
        """The state of a document; None where there is none, or no life-cycle."""
        return self.through(here(self.name)).state(key)

    def move(self, key: Any, state: str) -> None:
        """Brings a document into a state.

        Raises:
            MoveRefused: the life-cycle does not lead there from where it is.
            NoDocument: there is none.
        """
        self.through(here(self.name)).move(key, state)

    def history(self, key: Any) -> list[Change[T]]:
        """All changes of a document, the oldest first; of one that was deleted, too. They are kept for ever."""
        return self.through(here(self.name)).history(key)

    def through(self, changes: Changes) -> OpenTable:
        """For Onward itself: the same calls, made on these changes."""
        return OpenTable(self, changes)


def _field(type_: Any, name: str) -> Field:
    """A field by the name it has in JSON, and what it is where a document, perhaps an older one, does not have it."""
    plain = typing.get_origin(type_) or type_
    default: Any = None
    json = name
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        for field in msgspec.structs.fields(plain):
            if field.name == name:
                json = field.encode_name
                made = field.default_factory
                default = field.default if made is msgspec.NODEFAULT else made()
    elif dataclasses.is_dataclass(plain):
        for data in dataclasses.fields(plain):
            if data.name == name and data.default is not dataclasses.MISSING:
                default = data.default
    if default is msgspec.NODEFAULT:
        default = None
    return Field(name, json, msgspec.json.encode(default).decode())
