"""Entries: records as a block stores them, in JSON that anybody with a SQL prompt can read.

An entry is `[origin, key, time, headers, value]`: the position it came from or null, the key or null, an ISO 8601
instant, an object of texts or null, and the value in the type's own JSON. A value that is bytes and not UTF-8
is `{"$base64": "..."}`; where any value may come, an object that looks like such a marker is wrapped as
`{"$value": ...}`.
"""

from __future__ import annotations

import array
import base64
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from onward.errors import BadRecord
from onward.log import Block
from onward.misfit import misfit

Entry = tuple[str | None, str | None, str, dict[str, str] | None, Any]
Upgrade = Callable[[Any], Any]
ORIGIN, KEY, TIME, HEADERS, VALUE = range(5)
UNFIT = "the stored value does not fit the topic's type: "

_encoder = msgspec.json.Encoder()
_anything = msgspec.json.Decoder(tuple[str | None, str | None, str, dict[str, str] | None, Any])
_raw = msgspec.json.Decoder(list[msgspec.Raw])
encode: Callable[[Any], bytes] = _encoder.encode


class Codec:
    """Reads and writes the entries of one topic type. Stateless, so shared by threads."""

    def __init__(self, type_: Any, upgrade: Upgrade | None = None) -> None:
        self._type = type_
        self._upgrade = upgrade
        self._bytes = type_ is bytes
        self._any = type_ is Any
        stored = str | dict[str, str] if self._bytes else type_
        self._entries = msgspec.json.Decoder(list[tuple[str | None, str | None, str, dict[str, str] | None, stored]])
        self._entry = msgspec.json.Decoder(tuple[str | None, str | None, str, dict[str, str] | None, stored])
        self._value = msgspec.json.Decoder(type_)

    def decode(self, entries: bytes) -> list[Entry]:
        """All entries of a block, each with a value of its own.

        Raises:
            BadRecord: at least one cannot be read as the topic's type; `decode_one` tells which.
        """
        try:
            found = self._entries.decode(entries)
        except msgspec.MsgspecError as error:
            if self._upgrade is not None:
                return [self.decode_one(entry) for entry in split(entries)]
            raise BadRecord(str(error)) from error
        if self._bytes or self._any:
            return [(o, k, t, h, self._unmark(v)) for o, k, t, h, v in found]
        return found

    def decode_one(self, entry: bytes | msgspec.Raw) -> Entry:
        """One entry; raises `BadRecord`, saying what does not fit, where it cannot be read."""
        try:
            found: Any = self._entry.decode(entry)
        except msgspec.MsgspecError as error:
            if self._upgrade is not None:
                return self._upgraded(self._upgrade, entry)
            raise BadRecord(f"{UNFIT}{misfit(error, inside=VALUE)}") from error
        return (*found[:VALUE], self._unmark(found[VALUE])) if self._bytes or self._any else found

    def upgraded(self, upgrade: Upgrade | None) -> Codec:
        """The same, where a value that cannot be read as the type is one of an older version: `upgrade` makes a new one
        of it, given as plain JSON values."""
        return self if upgrade is None else Codec(self._type, upgrade)

    def _upgraded(self, upgrade: Upgrade, entry: bytes | msgspec.Raw) -> Entry:
        found = _anything.decode(entry)
        try:
            value = upgrade(found[VALUE])
        except Exception as error:
            raise BadRecord(f"upgrade= failed at a stored value: {type(error).__name__}: {error}") from error
        try:
            return (*found[:VALUE], msgspec.convert(value, self._type, str_keys=True))
        except msgspec.MsgspecError as error:
            raise BadRecord(f"what upgrade= gave does not fit the topic's type: {misfit(error)}") from error

    def stored(self, value: Any) -> Any:
        """The value as it is handed to the JSON encoder."""
        if isinstance(value, bytes | bytearray | memoryview):
            return _mark_bytes(bytes(value), self._any)
        if self._any and value.__class__ is dict and len(value) == 1 and not value.keys().isdisjoint(_MARKS):
            return {"$value": value}
        return value

    @property
    def plain(self) -> bool:
        """Whether values go to the encoder as they are."""
        return not (self._bytes or self._any)

    def check(self, line: bytes) -> Any:
        """A value from JSON given by somebody else.

        Raises:
            BadRecord: it is no JSON, or does not fit the type.
        """
        try:
            return line if self._bytes else self._value.decode(line)
        except msgspec.MsgspecError as error:
            raise BadRecord(misfit(error)) from error

    def _unmark(self, value: Any) -> Any:
        if self._bytes and isinstance(value, str):
            return value.encode()
        if value.__class__ is dict and len(value) == 1:
            if "$base64" in value:
                return base64.b64decode(value["$base64"])
            if self._any and "$value" in value:
                return value["$value"]
        return value


_MARKS = frozenset(["$base64", "$value"])


def _mark_bytes(value: bytes, always: bool) -> Any:
    if not always:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"$base64": base64.b64encode(value).decode()}


def split(entries: bytes) -> list[msgspec.Raw]:
    """The entries of a block, each as it is stored."""
    return _raw.decode(entries)


def joined(blocks: Sequence[Block]) -> bytes:
    """The entries of several blocks as those of one."""
    if len(blocks) == 1:
        return blocks[0].entries
    return b"[" + b",".join([block.entries[1:-1] for block in blocks if block.count]) + b"]"


def key_summary(keys: Iterable[str | None]) -> bytes | None:
    """The CRC-32 of each distinct key, four bytes each in this machine's order; None without keys."""
    found = set(keys)
    found.discard(None)
    return array.array("I", map(zlib.crc32, map(str.encode, found))).tobytes() if found else None  # type: ignore[arg-type]


def key_mark(key: str) -> bytes:
    """What stands for a key in a summary."""
    return zlib.crc32(key.encode()).to_bytes(4, sys.byteorder)


def may_hold(summary: bytes | None, key: str) -> bool:
    """Whether a block with this summary can have records of the key; it is seldom wrong, and never when it says no."""
    if summary is None:
        return False
    wanted = key_mark(key)
    # Found as bytes, then whether it begins where a number does: some hundred times as fast as number by number.
    at = summary.find(wanted)
    while at % 4 and at >= 0:
        at = summary.find(wanted, at + 1)
    return at >= 0
