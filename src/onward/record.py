"""A record: key, value, headers and time, at a position. Never changed once written."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from onward.topic import Topic

T = TypeVar("T")

_POSITION = re.compile(r"([a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*):(\d+):(\d+)")
_RANGE = re.compile(r"((?:[a-z][a-z0-9_-]*\.)?[a-z][a-z0-9_-]*):(\d+):(\d+)(?:-(\d+))?")


class Position(Struct, frozen=True, order=True):
    """Where a record is: `topic` (full name), `partition` and `offset` (both from 0). As text it is
    `TOPIC:PARTITION:OFFSET`. Positions are ordered by these three.
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """The position that `text` names, or None where it has another shape (then it is a key)."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2]), int(match[3])) if match else None


class Range(NamedTuple):
    """Offsets of one partition, from the first to before `end`: one record, or a batch that was one origin.

    `TOPIC:PARTITION:FIRST`, or `TOPIC:PARTITION:FIRST-LAST`.
    """

    topic: str
    partition: int
    first: int
    end: int

    def __str__(self) -> str:
        more = f"-{self.end - 1}" if self.records > 1 else ""
        return f"{self.topic}:{self.partition}:{self.first}{more}"

    @property
    def records(self) -> int:
        return self.end - self.first

    def holds(self, topic: str, partition: int, offset: int) -> bool:
        """Whether it has this record."""
        return (topic, partition) == (self.topic, self.partition) and self.first <= offset < self.end

    @classmethod
    def parse(cls, text: str) -> Range | None:
        """What `text` names, the topic in full or in short; None where it has another shape."""
        match = _RANGE.fullmatch(text)
        if match is None or int(match[4] or match[3]) < int(match[3]):
            return None
        return cls(match[1], int(match[2]), int(match[3]), int(match[4] or match[3]) + 1)


class Record(Struct, Generic[T], frozen=True):
    """A record as a handler gets it. `value` is freshly decoded for each stage, which may change it.

    `key` is None without one; `headers` are texts by name, empty without any; `time` is UTC: when it was put or
    brought, unless said; of what a stage emits, its input's. `position` is where it is; `origin` the position (or
    range) that it was made from, as text, None where it came from a source or `put`. `attempt` counts from 1, and
    starts anew when a person retries. `id` is the same at every attempt and in no other store: use it as an idempotency
    key. It is `STAGE:TOPIC:INCARNATION:PARTITION:OFFSET:NONCE`, with the number behind it in a replay, or as
    `idempotency=` says.

    Returned or yielded, itself or a changed copy, it is emitted with its own key, headers and time.
    """

    key: str | None
    value: T
    headers: dict[str, str]
    time: datetime
    position: Position
    origin: str | None
    attempt: int
    id: str


class Outgoing(Struct, frozen=True):
    """A record to be written: `topic.record(...)` makes it of `topic, value, key, headers, time`. What is unset is
    taken from the input record."""

    topic: Topic[Any]
    value: Any
    key: Any = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    time: datetime | str | UnsetType = UNSET
