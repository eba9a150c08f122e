"""From what handlers give to blocks that can be appended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from onward import codec
from onward.codec import HEADERS, KEY, ORIGIN, TIME, Codec, Entry
from onward.errors import BadOutput, RecordTooLarge
from onward.finite import check_finite
from onward.log import Append, Span
from onward.outcome import OUTCOMES, Drop, Outcome
from onward.record import Outgoing, Record
from onward.topic import Topic, key_text, partition_of, partitions_of
from onward.units import moment_text
from onward.window import Chunk

BLOCK_RECORDS = 1_000
BLOCK_BYTES = 1_000_000

_NONE = type(None)
_SPECIAL = frozenset([_NONE, Outgoing, Record, *OUTCOMES, list, tuple])


class Kept(NamedTuple):
    """What a generator yielded, as it was at that moment. What is UNSET is its input's."""

    topic: Topic[Any]
    key: Any
    time: Any
    headers: Any
    raw: msgspec.Raw


class Yields(list[Any]):
    """What a generator yielded, up to an outcome that ended it (`end`), if one did; `size` is in bytes."""

    end: Outcome | None = None
    size: int = 0


class Emitted:
    """What came of the results of a unit. `refused`, `ended` and `drops` (reasons) are by index; the outputs of the
    first two are not in `appends`."""

    __slots__ = ("appends", "drops", "ended", "records", "refused")

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.records: dict[str, int] = {}
        self.drops: list[tuple[int, str]] = []
        self.refused: list[tuple[int, BaseException]] = []
        self.ended: list[tuple[int, Outcome]] = []


_INPUTS: Any = (None, UNSET, UNSET, UNSET, None)
"""Stands for an input that is not known yet."""

Row = tuple[Any, ...]
Outside = tuple[Topic[Any], str | None, bytes]
"""A record from outside: its topic, its key, and its entry as JSON."""


class Emitter:
    """For one stage (or source): knows its topics. Shared by threads; holds no state but whose turn it is."""

    def __init__(self, to: Sequence[Topic[Any]], codecs: dict[str, Codec]) -> None:
        self._to = tuple(to)
        self._codecs = codecs
        self._by_class = {class_: topic for topic in reversed(self._to) for class_ in topic.classes or ()}
        self._any = next((topic for topic in self._to if topic.classes is None), None)
        self._only = self._to[0] if len(self._to) == 1 else None
        self._turn = 0

    @property
    def takes_lists(self) -> bool:
        """Whether a list may be a value of one of the topics, and so is not many values."""
        return self._any is not None or list in self._by_class

    def emit(self, chunk: Chunk, indices: Sequence[int], results: Sequence[Any], prefix: str) -> Emitted:
        """The blocks of all results of a unit, in the order of their inputs; `prefix` is `TOPIC:PARTITION:`."""
        made = Emitted()
        if not results:
            return made
        kinds = set(map(type, results))
        if kinds == {_NONE}:
            return made
        topic = self._only
        if topic is not None and not kinds & _SPECIAL and (topic.classes is None or kinds <= topic.classes):
            try:
                rows = self._plain_rows(topic, chunk, indices, results, prefix)
                self._pack(made, topic, rows)
                return made
            except Exception:
                made = Emitted()  # one of them cannot be written; which, the long way tells
        self._one_by_one(made, chunk, indices, results, prefix)
        return made

    def kept(self, out: Any) -> Any:
        """What a generator yields as it is now: it may be changed and yielded again. What cannot be written stays as
        it is, and fails its record when that is emitted."""
        if out is None:
            return None
        try:
            topic, (_, key, time, headers, value) = self._row(out, None, _INPUTS)
            headers = dict(headers) if isinstance(headers, dict) else headers
            raw = codec.encode(value)
            check_finite(topic.name, topic.type, [("", "", "", "", value)], raw)
            return Kept(topic, key, time, headers, msgspec.Raw(raw))
        except Exception:
            return out

    def size_of(self, out: Any) -> int:
        """The bytes of a result, if it is one value."""
        if type(out) is Yields:
            return out.size
        found = self.kept(out)
        return len(memoryview(found.raw)) if type(found) is Kept else 0

    def whole(self, chunk: Chunk, yields: Iterable[Any], prefix: str) -> Emitted:
        """The blocks of what a batch gave as a whole; its origin is the batch's range."""
        made = Emitted()
        origin = f"{prefix}{chunk.offsets[0]}"
        if len(chunk) > 1:
            origin += f"-{chunk.offsets[-1]}"
        gathered: dict[Topic[Any], list[Row]] = {}
        for result in yields:
            topic, row = self._row(result, origin, chunk.entries[0])
            gathered.setdefault(topic, []).append(row)
        for topic, rows in gathered.items():
            self._pack(made, topic, rows)
        return made

    def encoded(self, value: Any, now: str) -> Outside:
        """A record that comes from outside, ready to be packed.

        Raises:
            BadOutput, BadRecord: no topic takes it, or it is too large.
        """
        topic, row = self._row(value, None, (None, None, now, None, None))
        try:
            raw = codec.encode(row)
        except (TypeError, ValueError) as error:
            raise BadOutput(f"a value for topic {topic.name} cannot be written as JSON: {error}") from error
        _check_size(topic, row, len(raw))
        check_finite(topic.name, topic.type, [row], raw)
        return topic, row[KEY], raw

    def pack(self, records: Sequence[Outside]) -> list[Append]:
        """The blocks of such records, in their order."""
        self._turn += 1
        parts: dict[tuple[Topic[Any], int], list[Outside]] = {}
        for record in records:
            topic, key, _ = record
            partition = partition_of(key, topic.partitions)
            at = self._turn % topic.partitions if partition is None else partition
            parts.setdefault((topic, at), []).append(record)
        return [append for (topic, at), part in parts.items() for append in _raw_blocks(topic, at, part)]

    def _plain_rows(
        self, topic: Topic[Any], chunk: Chunk, indices: Sequence[int], values: Sequence[Any], prefix: str
    ) -> list[Row]:
        if len(indices) != len(chunk):
            chunk = chunk.part(indices)
        offsets, entries = chunk.offsets, chunk.entries
        getter = topic.plain_key
        if getter is None:
            keys: list[str | None] = [entry[KEY] for entry in entries]
        else:
            keys = [getter(value) for value in values]
            if not {type(key) for key in keys} <= {str, _NONE}:
                keys = [key_text(key) for key in keys]
        reader = self._codecs[topic.name]
        if not reader.plain:
            values = [reader.stored(value) for value in values]
        return [
            (f"{prefix}{offset}", key, entry[TIME], entry[HEADERS], value)
            for offset, key, entry, value in zip(offsets, keys, entries, values, strict=True)
        ]

    def _one_by_one(
        self, made: Emitted, chunk: Chunk, indices: Sequence[int], results: Sequence[Any], prefix: str
    ) -> None:
        gathered: dict[Topic[Any], list[Row]] = {}
        for index, result in zip(indices, results, strict=True):
            if result is None:
                continue
            outs: Sequence[Any] = result if type(result) is Yields else (result,)
            end = result.end if type(result) is Yields else None
            if isinstance(result, OUTCOMES):
                outs, end = (), result
            if end is not None and not isinstance(end, Drop):
                made.ended.append((index, end))
                continue
            try:
                entry, origin = chunk.entries[index], f"{prefix}{chunk.offsets[index]}"
                rows = [self._row(out, origin, entry) for out in outs if out is not None]
                for topic, row in rows:
                    if not _is_small(topic, row):
                        raw = codec.encode(row)
                        _check_size(topic, row, len(raw))
                        check_finite(topic.name, topic.type, [row], raw)
            except Exception as error:
                made.refused.append((index, error))
                continue
            if isinstance(end, Drop):
                made.drops.append((index, end.reason))
            for topic, row in rows:
                gathered.setdefault(topic, []).append(row)
        for topic, topic_rows in gathered.items():
            self._pack(made, topic, topic_rows)

    def _row(self, out: Any, origin: str | None, entry: Entry) -> tuple[Topic[Any], Row]:
        """The topic and the stored form of one output."""
        if type(out) is Kept:
            given = (out.key, out.time, out.headers)
            mine = (entry[KEY], entry[TIME], entry[HEADERS])
            key, time, headers = (b if a is UNSET else a for a, b in zip(given, mine, strict=True))
            return out.topic, (origin, key, time, headers, out.raw)
        key: Any = UNSET
        headers: Any = entry[HEADERS]
        time = entry[TIME]
        value = out
        if isinstance(out, Record):
            value, key, headers, time = out.value, out.key, _headers(out.headers), moment_text(out.time)
        if isinstance(out, Outgoing):
            topic, value, key = out.topic, out.value, out.key
            if topic not in self._to:
                raise BadOutput(f"a record for {topic.name}, which is not in to=")
            headers = entry[HEADERS] if out.headers is UNSET else _headers(out.headers)
            time = entry[TIME] if out.time is UNSET else moment_text(out.time)  # type: ignore[arg-type]
            if not topic.accepts(value):
                raise BadOutput(f"{type(value).__name__} is no value of topic {topic.name}")
        else:
            topic = self._topic_for(value)
        text = topic.key_of(value, entry[KEY]) if key is UNSET else key_text(key)
        return topic, (origin, text, time, headers, self._codecs[topic.name].stored(value))

    def _topic_for(self, value: Any) -> Topic[Any]:
        found = self._by_class.get(type(value), self._any)
        if found is None:
            what = f"{type(value).__name__} fits none of {', '.join(topic.name for topic in self._to)}"
            raise BadOutput(what if self._to else f"it gave a {type(value).__name__}, but has no to=")
        return found

    def _pack(self, made: Emitted, topic: Topic[Any], rows: list[Row]) -> None:
        made.records[topic.name] = made.records.get(topic.name, 0) + len(rows)
        if topic.partitions == 1:
            parts: dict[int, list[Row]] = {0: rows}
        else:
            self._turn = (self._turn + 1) % topic.partitions
            parts = _parts(rows, partitions_of([row[KEY] for row in rows], topic.partitions, self._turn))
        for partition, part in parts.items():
            for start in range(0, len(part), BLOCK_RECORDS):
                made.appends.extend(_blocks(topic, partition, part[start : start + BLOCK_RECORDS]))


def _parts(rows: list[Row], partitions: Sequence[int]) -> dict[int, list[Row]]:
    """The rows by their partitions; often all are of one, as what a unit has made has its key."""
    if partitions.count(partitions[0]) == len(partitions):
        return {partitions[0]: rows}
    parts: dict[int, list[Row]] = {}
    for partition, row in zip(partitions, rows, strict=True):
        parts.setdefault(partition, []).append(row)
    return parts


def _blocks(topic: Topic[Any], partition: int, rows: list[Row]) -> list[Append]:
    """The rows as one block, or as several where one would be too large."""
    entries = codec.encode(rows)
    if len(entries) > BLOCK_BYTES and len(rows) > 1:
        middle = len(rows) // 2
        return _blocks(topic, partition, rows[:middle]) + _blocks(topic, partition, rows[middle:])
    if len(entries) - 2 > topic.max_record:
        for row, raw in zip(rows, codec.split(entries), strict=True):
            _check_size(topic, row, len(raw))
    check_finite(topic.name, topic.type, rows, entries)
    keys = codec.key_summary([row[KEY] for row in rows])
    return [Append(topic.name, partition, len(rows), entries, keys, _origins(rows), topic.partitions)]


def _origins(rows: list[Row]) -> Span | None:
    """What the rows of one unit were made from, which are in the order of their inputs."""
    if rows[0][ORIGIN] is None:
        return None
    first = rows[0][ORIGIN].rpartition(":")[2].partition("-")[0]
    last = rows[-1][ORIGIN].rpartition(":")[2].rpartition("-")[2]
    return int(first), int(last) + 1


def _raw_blocks(topic: Topic[Any], partition: int, records: list[Outside]) -> list[Append]:
    made: list[Append] = []
    part: list[Outside] = []
    size = 0
    for record in [*records, None]:
        if part and (record is None or len(part) == BLOCK_RECORDS or size + len(record[2]) > BLOCK_BYTES):
            entries = b"[" + b",".join([raw for _, _, raw in part]) + b"]"
            keys = codec.key_summary([key for _, key, _ in part])
            made.append(Append(topic.name, partition, len(part), entries, keys, partitions=topic.partitions))
            part, size = [], 0
        if record is not None:
            part.append(record)
            size += len(record[2]) + 1
    return made


def _headers(given: Any) -> dict[str, str] | None:
    """Headers as they are stored; what is no text would make the record unreadable."""
    if not all(type(part) is str for item in given.items() for part in item):
        raise BadOutput(f"headers are texts by name, not {given!r}")
    return given or None


def _is_small(topic: Topic[Any], row: Row) -> bool:
    """Whether a row that a generator gave is small for sure, so that it need not be written to be measured."""
    if type(row[-1]) is not msgspec.Raw or row[HEADERS] is not None:
        return False
    return len(memoryview(row[-1])) + 6 * len(row[KEY] or "") + 1_000 < topic.max_record


def _check_size(topic: Topic[Any], row: Row, size: int) -> None:
    if size > topic.max_record:
        raise RecordTooLarge(topic.name, row[KEY], size, topic.max_record)
