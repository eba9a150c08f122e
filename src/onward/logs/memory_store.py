"""What an in-memory log holds: plain objects in dicts, shared by all handles on it, on one event loop at a time."""

from __future__ import annotations

import asyncio
import secrets
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from onward import process
from onward.errors import Refused
from onward.log import (
    AppSpec,
    Attempt,
    Block,
    Claim,
    Held,
    Lease,
    Parked,
    Request,
    SourceState,
    Span,
    Stored,
    Totals,
)

EMPTY = b"[]"
"""The entries of a block that has lost them."""

Where = tuple[str, int]
"""A stage or source, and a partition."""


class Written(NamedTuple):
    """A block, when it was written, as which of all (`place`), by whom, and from which records of which partition."""

    block: Block
    at: float
    place: int = 0
    keys: bytes | None = None
    maker: str | None = None
    origin: tuple[int, Span] | None = None

    def stored(self, topic: str, partition: int) -> Stored:
        return Stored(topic, partition, self.block, self.at, self.maker)


class TopicRows:
    """A topic: its blocks by partition, and how many records were put into it."""

    def __init__(self, partitions: int) -> None:
        self.incarnation = secrets.token_hex(4)
        self.put = 0
        self.parts: list[list[Written]] = [[] for _ in range(partitions)]
        self.gone: dict[int, int] = {}

    def end(self, partition: int) -> int:
        """The offset that the next record of a partition gets."""
        part = self.parts[partition]
        return part[-1].block.offset + part[-1].block.count if part else 0

    def first(self, partition: int) -> int:
        """The offset of the first record that is kept; the partition's end where none is."""
        kept = self.kept(partition)
        return kept[0].offset if kept else self.end(partition)

    def kept(self, partition: int) -> list[Block]:
        """The blocks that have their entries."""
        return [block for block, *_ in self.parts[partition] if block.entries != EMPTY]


class LeaseRow:
    """The newest lease of a stage or source and partition."""

    def __init__(self) -> None:
        self.worker = ""
        self.token = 0
        self.until = 0.0
        self.state = ""

    def live(self, now: float) -> bool:
        return self.until > now and not process.is_dead(self.worker)

    def held(self, where: Where, now: float) -> Held:
        return Held(*where, self.worker, self.state, self.live(now))


class StageRows:
    """One stage and partition: where its work stands, and what it has parked."""

    def __init__(self, topic: str = "", begins: int = 0) -> None:
        self.topic = topic
        self.begins = begins
        self.next = begins
        self.totals = Totals()
        self.finished: list[tuple[float, Span]] = []
        self.firsts: set[int] = set()
        self.units: set[str] = set()
        self.drops: list[tuple[str, Span]] = []
        self.parked: dict[int, Parked] = {}
        self.attempts: dict[int, list[Attempt]] = {}

    @property
    def ahead(self) -> list[Span]:
        """What is finished beyond `next`."""
        return sorted((max(first, self.next), end) for _, (first, end) in self.finished if end > self.next)

    def claim(self, lease: Lease, incarnation: str, source: SourceState) -> Claim:
        """What there is to do under a lease."""
        return Claim(
            lease=lease,
            next=self.next,
            ahead=self.ahead,
            totals=self.totals,
            parked=[replace(parked, entry=b"", nonce="") for parked in self.parked_rows()],
            incarnation=incarnation,
            source=source,
            unit=max(self.units, default=None),
        )

    def parked_rows(self) -> list[Parked]:
        return [self.parked[offset] for offset in sorted(self.parked)]


class MemoryStore:
    """One store: everything that the port names, by name."""

    def __init__(self) -> None:
        self.apps: dict[str, AppSpec] = {}
        self.topics: dict[str, TopicRows] = {}
        self.stages: dict[Where, StageRows] = {}
        self.sources: dict[str, SourceState] = {}
        self.leases: dict[Where, LeaseRow] = {}
        self.requests: dict[int, Request] = {}
        self.answers: dict[int, str] = {}
        self.carried: dict[int, tuple[float, list[Span]]] = {}
        self.places = 0
        self.workers: dict[str, tuple[float, tuple[str, ...]]] = {}
        self.watching: set[asyncio.Event] = set()

    def tell(self) -> None:
        """Wakes all handles that wait for a change."""
        for event in self.watching:
            event.set()

    def end(self, topic: str, partition: int) -> int:
        return self.topics[topic].end(partition) if topic in self.topics else 0

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Block]:
        """The kept blocks of a partition from the one that holds the offset; none where nobody has declared it."""
        rows = self.topics.get(topic)
        part = rows.parts[partition] if rows is not None and partition < len(rows.parts) else []
        start = max(0, bisect_right(part, offset, key=lambda written: written.block.offset) - 1)
        for block, *_ in islice(part, start, None):
            if block.entries != EMPTY and block.offset + block.count > offset:
                yield block

    def part(self, topic: str, partition: int) -> list[Written]:
        """The blocks of a partition; `Refused` where nobody has declared it."""
        rows = self.topics.get(topic)
        if rows is None or not 0 <= partition < len(rows.parts):
            raise Refused(f"topic {topic} partition {partition} is not declared; run the app that declares it")
        return rows.parts[partition]

    def rename_topic(self, was: str, name: str) -> None:
        """Moves a topic with all that names it."""
        self.topics[name] = self.topics.pop(was)
        self.apps = {app: spec.with_topic_renamed(was, name) for app, spec in self.apps.items()}
        for rows in self.stages.values():
            rows.topic = name if rows.topic == was else rows.topic
            rows.totals = replace(rows.totals, emitted=_renamed(rows.totals.emitted, was, name))
        for source, state in self.sources.items():
            self.sources[source] = replace(state, emitted=_renamed(state.emitted, was, name))

    def rename_stage(self, was: str, name: str) -> None:
        for (stage, partition), rows in list(self.stages.items()):
            if stage == was:
                del self.stages[stage, partition]
                self.stages[name, partition] = rows
        self.requests = {
            id_: request._replace(stage=name) if request.stage == was else request
            for id_, request in self.requests.items()
        }
        self.rename_leases(was, name)

    def rename_leases(self, was: str, name: str) -> None:
        """And as whose work blocks stand."""
        for topic in self.topics.values():
            for part in topic.parts:
                part[:] = [written._replace(maker=name) if written.maker == was else written for written in part]
        for (stage, partition), lease in list(self.leases.items()):
            if stage == was:
                del self.leases[stage, partition]
                self.leases[name, partition] = lease


def _renamed(counts: dict[str, int], was: str, name: str) -> dict[str, int]:
    return {name if topic == was else topic: count for topic, count in counts.items()}
