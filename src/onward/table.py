"""A table: keyed documents that stages keep, with history and, if wanted, a life-cycle of allowed states."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from onward.changes import Changes, here
from onward.document import Action, Condition, Edit, Field, Operator, Query, Scalar, scalar
from onward.errors import BadDocument, BadOutput, MoveRefused, NoDocument, NotIndexed, Refused
from onward.lifecycle import Lifecycle
from onward.topic import KeyOf, fields_of, key_function, key_text

T = TypeVar("T")

OPERATORS: tuple[Operator, ...] = ("ge", "gt", "le", "lt")
STATE = "state"


class Change(Struct, Generic[T], frozen=True):
    """One change of a document, as `history` tells it.

    `value` is the document after it, None when it was deleted; `by` the stage or person; `origin` the position (or
    range) of the record that made the stage do so, None for a person.
    """

    version: int
    action: Action
    value: T | None
    state: str | None
    at: datetime
    by: str
    origin: str | None


class Table(Generic[T]):
    """Declared by `app.table(...)`. Its calls are plain ones, also in `async def`, and belong to where they are made:
    to the record (or batch) that a handler is called for, or to a client's commit.
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
        """The document of a key, of its own; `default` where there is none."""
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
        """Documents that fit all conditions: `field=value`, or `field__ge`, `__gt`, `__le`, `__lt` for ranges.

        Args:
            where: conditions, for fields called like an argument.
            order: a field, `-field` for the greatest first; then, and without it, by key.
            limit: how many at most.

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
        """All changes of a document, the oldest first; of one that was deleted, too."""
        return self.through(here(self.name)).history(key)

    def through(self, changes: Changes) -> OpenTable:
        """The same calls, made on these changes."""
        return OpenTable(self, changes)


class OpenTable:
    """A table's calls where they belong to; see `Table` for each."""

    def __init__(self, table: Table[Any], changes: Changes) -> None:
        self._table = table
        self._changes = changes

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._changes.get(self._table.name, _key(self._table, key))
        return default if found is None or found.value is None else self._value(found.key, found.value)

    def put(self, value: Any) -> None:
        table = self._table
        key = key_text(table.key_of(value))
        if key is None:
            raise BadOutput(f"table {table.name}: a document without a key; {table.key!r} of it is None")
        before = self._changes.get(table.name, key)
        text = _json(table, value)
        was = None if before is None or before.value is None else before.state
        state = was
        if table.lifecycle is not None:
            if table.has_state:
                state = key_text(getattr(value, STATE))
            if was is None:
                state = state or table.lifecycle.first[0]
            if state != was:
                self._allow(key, was, state)
            if table.has_state:
                text = _with_state(text, state)
        self._changes.write(table.name, key, "put", state, text)

    def delete(self, key: Any) -> bool:
        key = _key(self._table, key)
        before = self._changes.get(self._table.name, key)
        if before is None or before.value is None:
            return False
        self._changes.write(self._table.name, key, "delete", None, None)
        return True

    def find(
        self,
        where: Mapping[str, Any] | None = None,
        /,
        *,
        order: str | None = None,
        limit: int | None = None,
        **conditions: Any,
    ) -> list[Any]:
        query = query_of(self._table, {**(where or {}), **conditions}, order, limit)
        return [self._value(one.key, one.value or b"") for one in self._changes.find(query)]

    def state(self, key: Any) -> str | None:
        found = self._changes.get(self._table.name, _key(self._table, key))
        return None if found is None else found.state

    def move(self, key: Any, state: str) -> None:
        table, key = self._table, _key(self._table, key)
        if table.lifecycle is None:
            raise Refused(f"table {table.name} has no states; give it lifecycle=Lifecycle({{...}})")
        before = self._changes.get(table.name, key)
        if before is None or before.value is None:
            raise NoDocument(table.name, key)
        self._allow(key, before.state, state)
        text = _with_state(before.value, state) if table.has_state else before.value
        self._changes.write(table.name, key, "move", state, text)

    def history(self, key: Any) -> list[Change[Any]]:
        return [self._told(edit) for edit in self._changes.history(self._table.name, _key(self._table, key))]

    def _allow(self, key: str, before: str | None, after: str | None) -> None:
        lifecycle = self._table.lifecycle
        assert lifecycle is not None
        allowed = lifecycle.allowed(before)
        if after not in allowed:
            raise MoveRefused(self._table.name, key, before, after, allowed)

    def _told(self, edit: Edit) -> Change[Any]:
        value = None if edit.value is None else self._value(edit.key, edit.value)
        at = datetime.fromtimestamp(edit.at, UTC)
        return Change(edit.version, edit.action, value, edit.state, at, edit.by, edit.origin)

    def _value(self, key: str, text: bytes) -> Any:
        try:
            return self._table.decoder.decode(text)
        except msgspec.MsgspecError as error:
            raise BadDocument(self._table.name, key, str(error)) from error


def query_of(table: Table[Any], conditions: Mapping[str, Any], order: str | None, limit: int | None) -> Query:
    """What `find` asks for.

    Raises:
        NotIndexed: a field is not indexed.
    """
    made = []
    for said, value in conditions.items():
        name, _, end = said.rpartition("__")
        plain = said in table.fields or end not in OPERATORS
        operator: Operator = "eq" if plain else typing.cast(Operator, end)
        made.append(Condition(_indexed(table, said if plain else name), operator, _scalar(table, said, value)))
        if operator != "eq" and value is None:
            raise Refused(f"table {table.name}: {said}=None; None is neither more nor less than anything")
    by = None if order is None else _indexed(table, order.removeprefix("-"))
    return Query(table.name, tuple(made), by, order is not None and order.startswith("-"), limit)


def _indexed(table: Table[Any], name: str) -> Field:
    if (found := table.fields.get(name)) is None:
        raise NotIndexed(table.name, name, tuple(table.fields))
    return found


def _scalar(table: Table[Any], name: str, value: Any) -> Scalar:
    try:
        return scalar(msgspec.to_builtins(value))
    except (TypeError, ValueError) as error:
        raise Refused(f"table {table.name}: {name}= cannot be compared: {error}") from error


def _key(table: Table[Any], key: Any) -> str:
    text = key_text(key)
    if text is None:
        raise Refused(f"table {table.name}: None is no key")
    return text


def _json(table: Table[Any], value: Any) -> bytes:
    """The document as it is kept: one that could not be read again is not."""
    try:
        text = msgspec.json.encode(value)
        table.decoder.decode(text)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise BadOutput(f"{type(value).__name__} is no document of table {table.name}: {error}") from error
    return text


def _with_state(text: bytes, state: str | None) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(text), STATE: state})


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
