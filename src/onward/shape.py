"""The shape of a topic's type: what its records look like as JSON, and whether one version reads what another wrote.

A shape is a JSON value of its own: a name for a plain type, else an object with one of `object`, `list`, `tuple`,
`dict`, `enum`, `union`. Names of classes are not in it, as records do not carry them, but tags are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from onward.errors import CannotRead
from onward.log import AppSpec, TopicSpec

Shape = Any

_PLAIN = {
    inspect.AnyType: "any", inspect.NoneType: "null", inspect.BoolType: "bool", inspect.IntType: "int",
    inspect.FloatType: "float", inspect.StrType: "str", inspect.BytesType: "bytes", inspect.ByteArrayType: "bytes",
    inspect.MemoryViewType: "bytes", inspect.DateTimeType: "datetime", inspect.DateType: "date",
    inspect.TimeType: "time", inspect.TimeDeltaType: "timedelta", inspect.UUIDType: "uuid",
    inspect.DecimalType: "decimal", inspect.RawType: "any", inspect.ExtType: "any",
}  # fmt: skip
_LISTS = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.CollectionType,
)


def shape_text(type_: Any) -> str:
    """A type's shape as text that is the same for the same shape."""
    return msgspec.json.encode(shape_of(type_), order="deterministic").decode()


def fingerprint(text: str) -> str:
    """Sixteen digits that tell a shape, given as its text, from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shape_of(type_: Any) -> Shape:
    """The shape of a type; `any` where it cannot be told."""
    try:
        info = inspect.type_info(type_)
    except (TypeError, ValueError, NameError):
        return "any"
    return _shape(info, ())


def fits(stored: Shape, mine: Shape) -> bool:
    """Whether a program reads what was written under another shape by itself: it is the same, with fields added that
    have defaults, at any depth; or it takes any value."""
    if mine in (stored, "any"):
        return True
    if not (isinstance(stored, dict) and isinstance(mine, dict)) or stored.keys() != mine.keys():
        return False
    if "object" in stored:
        return stored.get("tag") == mine.get("tag") and _fields_fit(stored["object"], mine["object"])
    if "list" in stored:
        return fits(stored["list"], mine["list"])
    if "dict" in stored:
        return stored["dict"][0] == mine["dict"][0] and fits(stored["dict"][1], mine["dict"][1])
    for several in ("tuple", "union"):
        if several in stored and len(stored[several]) == len(mine[several]):
            return all(fits(one, other) for one, other in zip(stored[several], mine[several], strict=True))
    return False


def check(stage: str, topic: str, type_: Any, stored: Sequence[tuple[str, str]]) -> None:
    """Whether a stage without `upgrade=` can read its topic.

    An older version that runs beside a newer one reads what that writes, as what it does not know is passed over.

    Args:
        stored: fingerprint and text of the shapes under which records were written, the oldest first.

    Raises:
        CannotRead: it cannot.
    """
    text = shape_text(type_)
    mine, known = msgspec.json.decode(text), [name for name, _ in stored]
    at = known.index(fingerprint(text)) if fingerprint(text) in known else len(known)
    for number, (_, other) in enumerate(stored):
        shape = msgspec.json.decode(other)
        if not (fits(shape, mine) or (number > at and fits(mine, shape))):
            raise CannotRead(stage, topic, told(shape), told(mine))


def writes(app: AppSpec, topic: TopicSpec, stored: Iterable[str]) -> bool:
    """Whether a program that declares this is taken for one that writes its shape of the topic: not where a stage of
    its own could not be started, so that after such a mistake the version before goes on."""
    mine = msgspec.json.decode(topic.shape or "null")
    upgraded = all(stage.upgrades for stage in app.stages if stage.topic == topic.name)
    return upgraded or all(fits(msgspec.json.decode(other), mine) for other in stored)


def told(shape: Shape) -> str:
    """A shape for people: `{customer: str, cents: int, note: str = ...}`."""
    if not isinstance(shape, dict):
        return str(shape)
    if "object" in shape:
        fields = shape["object"].items()
        inner = [f"{name}: {told(type_)}{'' if required else ' = ...'}" for name, (type_, required) in fields]
        return f"{{{', '.join([*([repr(shape['tag'])] if 'tag' in shape else []), *inner])}}}"
    if "union" in shape:
        return " | ".join(told(one) for one in shape["union"])
    if "enum" in shape:
        return " | ".join(repr(one) for one in shape["enum"])
    if "list" in shape:
        return f"list[{told(shape['list'])}]"
    several = next((name for name in ("tuple", "dict") if name in shape), None)
    return f"{several}[{', '.join(told(one) for one in shape[several])}]" if several else str(shape)


def _fields_fit(stored: dict[str, Any], mine: dict[str, Any]) -> bool:
    kept = all(
        name in mine and fits(type_, mine[name][0]) and (required or not mine[name][1])
        for name, (type_, required) in stored.items()
    )
    return kept and not any(required for name, (_, required) in mine.items() if name not in stored)


def _shape(info: inspect.Type, above: tuple[Any, ...]) -> Shape:
    if isinstance(info, inspect.Metadata):
        return _shape(info.type, above)
    if (plain := _PLAIN.get(type(info))) is not None:
        bounds = {name: _plain(value) for name, value in _bounds(info)}
        return {plain: bounds} if bounds else plain
    if isinstance(info, inspect.EnumType):
        return {"enum": sorted((_plain(one.value) for one in info.cls), key=str)}
    if isinstance(info, inspect.LiteralType):
        return {"enum": sorted((_plain(one) for one in info.values), key=str)}
    if isinstance(info, _LISTS):
        return {"list": _shape(info.item_type, above)}
    if isinstance(info, inspect.TupleType):
        return {"tuple": [_shape(one, above) for one in info.item_types]}
    if isinstance(info, inspect.DictType):
        return {"dict": [_shape(info.key_type, above), _shape(info.value_type, above)]}
    if isinstance(info, inspect.UnionType):
        return {"union": sorted((_shape(one, above) for one in info.types), key=msgspec.json.encode)}
    if isinstance(info, inspect.StructType | inspect.DataclassType | inspect.TypedDictType | inspect.NamedTupleType):
        return _object(info, above)
    return {"custom": str(getattr(info, "cls", info))}


def _object(info: Any, above: tuple[Any, ...]) -> Shape:
    if info.cls in above:  # it holds itself
        return {"same": len(above) - above.index(info.cls)}
    inner = (*above, info.cls)
    fields = [(one.encode_name, _shape(one.type, inner), one.required) for one in info.fields]
    if isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False):
        made: dict[str, Any] = {"tuple": [{"field": [type_, required]} for _, type_, required in fields]}
    else:
        made = {"object": {name: [type_, required] for name, type_, required in fields}}
    if getattr(info, "tag", None) is not None:
        made["tag"] = info.tag
    if getattr(info, "forbid_unknown_fields", False):
        made["closed"] = True
    return made


def _bounds(info: Any) -> Iterable[tuple[str, Any]]:
    names = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
    return ((name, value) for name in names if (value := getattr(info, name, None)) is not None)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
