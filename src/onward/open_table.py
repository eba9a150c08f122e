"""A table's calls where they belong to: on the changes of one unit, or of a client's commit."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from onward.changes import Changes
from onward.document import Action, Condition, Edit, Field, Operator, Query, Scalar, scalar
from onward.errors import BadDocument, BadOutput, MoveRefused, NoDocument, NotIndexed, Refused
from onward.misfit import misfit
from onward.topic import key_text

if TYPE_CHECKING:
    from onward.table import Table

T = TypeVar("T")

OPERATORS: tuple[Operator, ...] = ("ge", "gt", "le", "lt")
STATE = "state"
"""The field that shows a document's state, where its type has it, and the name under which states are found."""


class Change(Struct, Generic[T], frozen=True):
    """One change of a document, as `history` tells it: its `version`, from 1, and the `action`: put, move or delete.

    `value` is the document after it, None when it was deleted; `state` the one after it, None without a life-cycle;
    `at` is UTC; `by` the stage or person; `origin` the position (or range) of the record that made the stage do so,
    None for a person.
    """

    version: int
    action: Action
    value: T | None
    state: str | None
    at: datetime
    by: str
    origin: str | None


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
            raise BadDocument(self._table.name, key, misfit(error)) from error


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
        raise BadOutput(f"{type(value).__name__} is no document of table {table.name}: {misfit(error)}") from error
    return text


def _with_state(text: bytes, state: str | None) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(text), STATE: state})
