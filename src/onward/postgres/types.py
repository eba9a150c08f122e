"""How values travel to PostgreSQL and back: instants as seconds since 1970, JSON as text, text with NUL in it.

No text of PostgreSQL may hold the character NUL, and keys may. Such a text is stored escaped, under a character that
stands for nothing, so that two texts are the same if and only if they are stored as the same.
"""

from __future__ import annotations

import struct
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg.types.string import StrDumper, StrDumperUnknown

_EPOCH = 946_684_800
"""PostgreSQL counts microseconds from 2000 on."""

_MARK = "\ufffe"
_MARK_BYTES = _MARK.encode()

_unpacked = struct.Struct("!q").unpack


class Text(bytes):
    """UTF-8 that is to be stored as text as it is, without being decoded and encoded again."""


class _TextDumper(Dumper):
    format = Format.BINARY
    oid = psycopg.adapters.types["text"].oid

    def dump(self, obj: Any) -> bytes:
        return bytes(obj)


class _Str(StrDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(escaped(obj))


class _StrUnknown(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(escaped(obj))


class _StrLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> str:
        return unescaped(bytes(data).decode())


class _InstantLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> float:
        # In one division, as an instant is read from text: so both give the same float.
        return float((_unpacked(data)[0] + _EPOCH * 1_000_000) / 1_000_000)


class _JsonLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> str:
        return bytes(data).decode()


class _JsonbLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> str:
        return bytes(data)[1:].decode()  # after its version


def escaped(text: str) -> str:
    """A text as it can be stored."""
    if "\0" not in text and not text.startswith(_MARK):
        return text
    return _MARK + text.replace("~", "~1").replace("\0", "~0")


def unescaped(text: str) -> str:
    """The text that was stored."""
    return text[1:].replace("~0", "\0").replace("~1", "~") if text.startswith(_MARK) else text


def register(adapters: AdaptersMap) -> None:
    """Makes values travel so over a connection or cursor."""
    adapters.register_dumper(Text, _TextDumper)
    for dumper in (Int8Dumper, Int8BinaryDumper):
        adapters.register_dumper(int, dumper)  # always of one type, so that a statement is prepared once
    adapters.register_dumper(str, _Str)
    adapters.register_dumper(str, _StrUnknown)
    adapters.register_loader("timestamptz", _InstantLoader)
    adapters.register_loader("json", _JsonLoader)
    adapters.register_loader("jsonb", _JsonbLoader)
    for name in ("text", "varchar"):
        adapters.register_loader(name, _StrLoader)


ADAPTERS = AdaptersMap(psycopg.adapters)
register(ADAPTERS)
