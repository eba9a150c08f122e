"""Putting records from outside into a topic: JSON lines, checked, in blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from onward.codec import VALUE, Codec
from onward.emit import BLOCK_RECORDS, Emitter, Outside
from onward.errors import BadRecord
from onward.log import Append
from onward.misfit import misfit
from onward.record import Outgoing
from onward.topic import Topic
from onward.units import counted, instant_text, moment_text

MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors begin a file of UTF-8 with."""

PIECE = 1_000_000
"""Bytes that are read at once, at most."""


class BadLine(BadRecord):
    """A line is no record of the topic. All before it are in."""

    def __init__(self, file: str, line: int, why: str, put: int) -> None:
        self.line = line
        self.put = put
        super().__init__(f"{file}, line {line}: {why}; {counted(put, 'record is', 'records are')} in")


class Shown(Struct):
    """A line as `read --json` prints it; where the record was, and what it was made from, is not kept."""

    value: msgspec.Raw
    key: str | UnsetType | None = UNSET
    time: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET


class Desk:
    """Takes lines for one topic and makes blocks of them.

    Args:
        records: whether a line is a record as `read --json` prints it, not a value.
    """

    def __init__(self, topic: Topic[Any], *, records: bool, now: Callable[[], float] = time.time) -> None:
        self._topic = topic
        self._codec = Codec(topic.type)
        self._emitter = Emitter([topic], {topic.name: self._codec})
        self._shown = msgspec.json.Decoder(Shown)
        self._read = self._record if records else self._value
        self._now = now

    def taken(self, line: bytes) -> Outside:
        """The record of a line.

        Raises:
            BadRecord: it is none of this topic.
        """
        try:
            return self._emitter.encoded(self._read(line), instant_text(self._now()))
        except BadRecord:
            raise
        except Exception as error:  # the topic's key function meets what it was not made for
            raise BadRecord(f"{type(error).__name__}: {error}") from error

    def blocks(self, records: list[Outside]) -> list[Append]:
        """What is to be appended."""
        return self._emitter.pack(records)

    def _value(self, line: bytes) -> Outgoing:
        return self._topic.record(self._codec.check(line))

    def _record(self, line: bytes) -> Outgoing:
        try:
            shown = self._shown.decode(line)
            stamp = UNSET if shown.time is UNSET else moment_text(shown.time)
            # Through an entry, as a value that is bytes has a form of its own there.
            entry = msgspec.json.encode([None, None, "", None, shown.value])
        except msgspec.MsgspecError as error:
            raise BadRecord(misfit(error)) from error
        except ValueError as error:
            raise BadRecord(f"`time`: {error}") from error
        value = self._codec.decode_one(entry)[VALUE]
        headers = UNSET if shown.headers is UNSET else shown.headers or {}
        return self._topic.record(value, shown.key, headers, stamp)


def batches(stream: IO[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Numbered lines, without empty ones and the mark at the beginning, up to a block's worth at once; what comes
    slowly is not waited for."""
    number, rest = 0, b""
    while True:
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        piece = read(PIECE)
        lines = (rest + piece).split(b"\n")
        rest = lines.pop() if piece else b""
        if not number and lines:
            lines[0] = lines[0].removeprefix(MARK)
        numbered = [(at, line) for at, line in enumerate(lines, number + 1) if line.strip()]
        number += len(lines)
        for start in range(0, len(numbered), BLOCK_RECORDS):
            yield numbered[start : start + BLOCK_RECORDS]
        if not piece:
            return
