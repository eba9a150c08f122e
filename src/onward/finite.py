"""Numbers that JSON cannot say: NaN and the infinities, which the encoder would write as null.

Looking costs next to nothing where there are none: a type without floats has none, and text without more nulls than
are meant neither.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from onward.codec import HEADERS, KEY, ORIGIN, VALUE
from onward.errors import BadOutput

Row = tuple[Any, ...]

# As MessagePack has floats, which can say all: a mark, then eight bytes, with eleven ones after the sign.
_ODD = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


def check_finite(topic: str, type_: Any, rows: Sequence[Row], entries: bytes) -> None:
    """Refuses rows of which one has such a number, `entries` being their JSON.

    Raises:
        BadOutput: naming where in the value it stands.
    """
    if not has_floats(type_):
        return
    meant = sum((row[ORIGIN] is None) + (row[KEY] is None) + (row[HEADERS] is None) for row in rows)
    if entries.count(b"null") == meant:
        return
    for row in rows:
        if _may_be_odd(row[VALUE]) and (found := _odd(row[VALUE], "")) is not None:
            path, number = found
            at = f"at {path}" if path else "as its value"
            raise BadOutput(f"a record for topic {topic} has {number} {at}, which JSON cannot say; give None or a text")


@lru_cache(maxsize=256)
def has_floats(type_: Any) -> bool:
    """Whether a value of the type may have floats anywhere in it."""
    try:
        return _has_floats(inspect.type_info(type_), set())
    except Exception:
        return True


def _has_floats(info: inspect.Type, seen: set[Any]) -> bool:
    if isinstance(info, inspect.AnyType | inspect.FloatType | inspect.CustomType):
        return True
    if (class_ := getattr(info, "cls", None)) is not None:
        if class_ in seen:
            return False
        seen.add(class_)
    parts = [getattr(info, name, None) for name in ("key_type", "value_type", "item_type", "type")]
    parts += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    parts += [field.type for field in getattr(info, "fields", ())]
    return any(_has_floats(part, seen) for part in parts if isinstance(part, inspect.Type))


def _may_be_odd(value: Any) -> bool:
    try:
        return _ODD.search(msgspec.msgpack.encode(value)) is not None
    except Exception:
        return True


def _odd(value: Any, path: str) -> tuple[str, float] | None:
    """The first of them, and where it stands."""
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, value)
    if isinstance(value, Mapping):
        inner: Any = [(f"{path}.{name}" if path else str(name), part) for name, part in value.items()]
    elif isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value):
        names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else vars(value)
        inner = [(f"{path}.{name}" if path else name, getattr(value, name)) for name in names]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = [(f"{path}[{index}]", part) for index, part in enumerate(value)]
    else:
        return None
    return next((found for at, part in inner if (found := _odd(part, at)) is not None), None)
