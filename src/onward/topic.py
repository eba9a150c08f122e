"""A topic: a named, typed, partitioned, append-only sequence of records."""

from __future__ import annotations

import dataclasses
import operator
import types
import typing
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from onward import bound as bounds
from onward import units
from onward.errors import BadOutput
from onward.record import Outgoing

T = TypeVar("T")
KeyOf = Callable[[Any], Any]

DAY = 86400.0


class Topic(Generic[T]):
    """Declared by `app.topic(...)`; a value without state. `name` is the full name `APP.NAME`.

    The partition of a key is its CRC-32 modulo their number, as librdkafka has it by default. Where a record without a
    key goes is the writer's choice: all of one unit, or of one piece of `put`, to one partition, the next unit's to the
    next. An empty key counts as none there.
    """

    def __init__(
        self,
        name: str,
        type: Any,
        *,
        key: str | KeyOf | None = None,
        partitions: int = 1,
        keep: str | timedelta | None = None,
        max_record: str | int = "1MB",
        bound: str | int | None = None,
        was: str | None = None,
        where: str = "",
    ) -> None:
        self.name = name
        self.type = type
        self.key = key
        self.partitions = partitions
        self.keep = units.duration(keep) if keep is not None else 7 * DAY
        self.max_record = units.size(max_record)
        self.bound = bounds.bound(bound)
        self.was = was
        self.where = where
        self._key_of = key_function(type, key)

    def __repr__(self) -> str:
        return f"Topic({self.name!r})"

    def record(
        self,
        value: T,
        key: Any = UNSET,
        headers: dict[str, str] | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
    ) -> Outgoing:
        """An outgoing record of this topic, to be returned or yielded; what is not said comes from the topic's `key=`
        and from the input record.

        Args:
            value: of the topic's type; checked when it is written, where one that does not fit fails the input record.
                NaN and the infinities do not fit, as JSON cannot say them.
            key: text, or what becomes its JSON text: a number, a UUID, a date, an enum, a tuple. None: no key.
            headers: texts by name.
            time: a datetime (without zone: UTC) or ISO 8601.
        """
        return Outgoing(self, value, key, headers, time)

    def key_of(self, value: T, otherwise: str | None = None) -> str | None:
        """The key of a value as text: by the topic's `key=`, else `otherwise`. Text and None are kept as they are; a
        number, UUID, date, enum or tuple becomes its JSON text: `3`, `true`, `["a",1]`.

        Raises:
            BadOutput: it has no such text.
        """
        return key_text(self._key_of(value)) if self._key_of else otherwise

    @property
    def plain_key(self) -> KeyOf | None:
        """For Onward itself: the function behind `key=`, before its result becomes text."""
        return self._key_of

    def accepts(self, value: Any) -> bool:
        """For Onward itself: whether the value's own class is one that this topic's type names."""
        return self.classes is None or value.__class__ in self.classes

    @property
    def classes(self) -> frozenset[type] | None:
        """For Onward itself: the exact classes that a plain value of this topic may have; None where any JSON value may
        come."""
        return classes_of(self.type)


def partition_of(key: str | None, partitions: int) -> int | None:
    """The partition of a key as librdkafka's default partitioner has it; None leaves the choice to the writer."""
    if partitions == 1:
        return 0
    return zlib.crc32(key.encode()) % partitions if key else None


def partitions_of(keys: Sequence[str | None], partitions: int, turn: int) -> list[int]:
    """As `partition_of` for many keys; `turn` is the partition of those that leave the choice."""
    if all(keys):
        return [crc % partitions for crc in map(zlib.crc32, map(str.encode, keys))]  # type: ignore[arg-type]
    found = [partition_of(key, partitions) for key in keys]
    return [turn if partition is None else partition for partition in found]


def key_text(key: Any) -> str | None:
    """A key as text: text and None as they are, all else (numbers, UUIDs, dates, enums, tuples) as in JSON."""
    if key is None or key.__class__ is str:
        return key
    try:
        plain = msgspec.to_builtins(key)
        return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    except (TypeError, ValueError) as error:
        raise BadOutput(f"{type(key).__name__} cannot be a key: {error}; give text, a number or a tuple") from error


def fields_of(type_: Any) -> frozenset[str] | None:
    """The field names of a struct, dataclass or typed dict; None where the type does not say."""
    plain = typing.get_origin(type_) or type_
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return frozenset(plain.__struct_fields__)
    if dataclasses.is_dataclass(plain):
        return frozenset(field.name for field in dataclasses.fields(plain))
    if typing.is_typeddict(plain):
        return frozenset(plain.__annotations__)
    if _is_union(type_):
        named = [fields_of(member) for member in typing.get_args(type_)]
        return None if None in named else frozenset.intersection(*named)  # type: ignore[type-var]
    return None


def key_function(type_: Any, key: str | KeyOf | None) -> KeyOf | None:
    """What gives the key of a value, before it becomes text: a field by its name, or a function as it is."""
    if key is None or callable(key):
        return key
    plain = typing.get_origin(type_) or type_
    by_item = plain in (dict, Any) or typing.is_typeddict(plain)
    return operator.itemgetter(key) if by_item else operator.attrgetter(key)


def _is_union(type_: Any) -> bool:
    return typing.get_origin(type_) in (typing.Union, types.UnionType)


def classes_of(type_: Any) -> frozenset[type] | None:
    if type_ is Any or type_ is object:
        return None
    if _is_union(type_):
        members = [classes_of(member) for member in typing.get_args(type_)]
        return None if None in members else frozenset().union(*members)  # type: ignore[arg-type]
    if type_ is None:
        return frozenset([type(None)])
    plain = typing.get_origin(type_) or type_
    if typing.is_typeddict(plain):
        return frozenset([dict])
    if plain is float:
        return frozenset([float, int])
    return frozenset([plain]) if isinstance(plain, type) else None
