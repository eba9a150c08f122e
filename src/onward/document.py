"""Documents of tables as values: what is kept, what changes one, what is asked for. JSON is as it is stored."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

Scalar = str | int | float | None
"""What an indexed field may be, as it is compared: a bool is 0 or 1, instants and the like are their JSON text."""

Action = Literal["put", "delete", "move"]
Operator = Literal["eq", "ge", "gt", "le", "lt"]


class Field(Struct, frozen=True):
    """An indexed field: its name, its name in JSON (empty: the document's state), and the JSON of what it is where a
    document does not have it."""

    name: str
    json: str
    otherwise: str

    @property
    def path(self) -> str:
        """Where it is, as SQLite says it."""
        return f'$."{self.json}"'


class Document(NamedTuple):
    """A document as it stands. `version` counts its changes from 1, across deletions; `value` is None when deleted."""

    table: str
    key: str
    version: int
    state: str | None
    value: bytes | None
    at: float


class Edit(Struct, frozen=True):
    """One change of a document: to `version`, which the one before it precedes by 1 (0: it never was).

    Args:
        value: the JSON of the whole document; None: it is deleted.
        by: the stage, or the person, that changes it.
        origin: the position of the record that made the stage do so, or a range; None for a person.
    """

    table: str
    key: str
    version: int
    action: Action
    state: str | None
    value: bytes | None
    at: float
    by: str
    origin: str | None = None

    @property
    def document(self) -> Document:
        """The document after it."""
        return Document(self.table, self.key, self.version, self.state, self.value, self.at)


class Condition(NamedTuple):
    """What a field has to be. Comparisons other than `eq` hold among numbers, and among texts."""

    field: Field
    operator: Operator
    value: Scalar


class Query(Struct, frozen=True):
    """Documents that fit all conditions, by `order` and then by key (by key alone without it), `limit` at most."""

    table: str
    conditions: tuple[Condition, ...] = ()
    order: Field | None = None
    descending: bool = False
    limit: int | None = None

    def fits(self, document: Document) -> bool:
        """Whether a document is there and fits all conditions."""
        return document.value is not None and all(_fits(one, value_of(document, one.field)) for one in self.conditions)

    def arranged(self, documents: Iterable[Document]) -> list[Document]:
        """Those of the documents that fit, in order, as many as are asked for."""
        order = self.order
        found = [document for document in documents if self.fits(document)]
        found.sort(
            key=lambda one: (() if order is None else rank(value_of(one, order)), one.key), reverse=self.descending
        )
        return found if self.limit is None else found[: self.limit]


class Documents(Protocol):
    """Reads tables by plain calls, from any thread. Each call sees the newest that is committed."""

    def get(self, table: str, key: str) -> Document | None:
        """The document, also if it is deleted; None where there never was one."""

    def find(self, query: Query) -> Sequence[Document]:
        """What is asked for."""

    def history(self, table: str, key: str) -> Sequence[Edit]:
        """All changes of a document, the oldest first."""


def value_of(document: Document, field: Field) -> Scalar:
    """What an indexed field of a document is."""
    if not field.json:
        return document.state
    found = msgspec.json.decode(document.value or b"null")
    if isinstance(found, dict) and field.json in found:
        return scalar(found[field.json])
    return scalar(msgspec.json.decode(field.otherwise))


def scalar(value: Any) -> Scalar:
    """A JSON value as it is compared; a list or an object as its text."""
    if value.__class__ is bool:
        return int(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return msgspec.json.encode(value).decode()


def rank(value: Scalar) -> tuple[int, Any]:
    """What values are sorted by: None, then numbers, then texts."""
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)


_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}


def _fits(condition: Condition, value: Scalar) -> bool:
    alike = isinstance(value, str) is isinstance(condition.value, str)
    if condition.operator == "eq":
        return alike and value == condition.value
    return alike and value is not None and _COMPARE[condition.operator](value, condition.value)
