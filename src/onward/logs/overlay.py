"""A log laid over a store: reads from it, goes on where work stands there, and keeps all that is new in memory.

Guarantees: as `onward.logs.memory`, and that nothing of the store is changed, locked or leased. What the store gets
after the overlay was laid over it is not seen: offsets go on from where they were.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from onward import codec
from onward.claim import stage_of
from onward.clock import Clock
from onward.errors import Broken
from onward.log import Append, Block, Books, Claim, Commit, Lease, Parked, SourceState
from onward.logs.memory import MemoryLog
from onward.logs.memory_store import EMPTY, LeaseRow, MemoryStore, ProgressRow, StageRows, TopicRows, Written
from onward.logs.overlay_tables import TablesOver
from onward.survey import StageStanding, Standing, TopicStanding

SHOWN = 20
"""So many records of each topic are kept to be shown."""


class TopicOver(TopicRows):
    """A topic of the store, known by its name there, and what is appended to it here."""

    def __init__(self, home: str, standing: TopicStanding) -> None:
        super().__init__(len(standing.ends))
        self.home = home
        self.incarnation = standing.incarnation
        self.firsts = standing.firsts
        self.ends = standing.ends
        # A block without entries: what it stands for is read from the store.
        for part, end in zip(self.parts, standing.ends, strict=True):
            if end:
                part.append(Written(Block(0, end, EMPTY, ""), 0.0))

    def first(self, partition: int) -> int:
        first = self.firsts[partition]
        return first if first < self.ends[partition] else super().first(partition)


class StageOver(StageRows):
    """A stage of the store, known by its name there, and where it stands here."""

    def __init__(self, standing: StageStanding) -> None:
        super().__init__(standing.topic, standing.begins)
        claim = standing.claim
        self.home = claim.lease.stage
        self.before = claim
        self.next, self.totals = claim.next, claim.totals
        self.rows = [ProgressRow(0.0, tuple(claim.ahead), claim.next, None)]
        self.parked = {row.offset: row for row in claim.parked}
        self.units = {claim.unit} if claim.unit is not None else set()


class Overlay(MemoryLog):
    """Laid over what `books` look at, as it stood at `standing`.

    Args:
        books: of the store, and not closed with it; None where there is no store yet.
        readers: the full names of the stages that are run. Records that all of them have passed are forgotten.
    """

    def __init__(
        self, books: Books | None, standing: Standing, *, url: str, readers: Collection[str], clock: Clock | None = None
    ) -> None:
        super().__init__(_laid(standing), clock=clock)
        self.url = url
        if books is not None:
            known = {table.name: table for app in standing.apps for table in app.tables}
            self.store.tables = TablesOver(books.tables, known)
        self.shown: dict[str, list[tuple[int, int, bytes]]] = {}
        """The first records that each topic got: partition, offset, and the entry as it is stored."""
        self._books = books
        self._sources = standing.sources
        self._readers = readers

    def gained(self, topic: str) -> int:
        """How many records a topic has got here."""
        rows = self.store.topics[topic]
        had = sum(rows.ends) if isinstance(rows, TopicOver) else 0
        return sum(rows.end(partition) for partition in range(len(rows.parts))) - had

    def before(self, stage: str, partition: int) -> Claim | None:
        """Where a stage stands in the store; None where it is new."""
        rows = self.store.stages[stage, partition]
        return rows.before if isinstance(rows, StageOver) else None

    def source_before(self, source: str) -> SourceState:
        return self._sources.get(source, SourceState())

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        rows = self.store.topics.get(topic)
        if isinstance(rows, TopicOver) and self._books is not None and offset < rows.ends[partition]:
            end = rows.ends[partition]
            found = await self._books.read(rows.home, partition, offset, records, size)
            if found := [block for block in found if block.offset < end]:
                return found
        return await super().read(topic, partition, offset, records, size)

    async def copies(self, stage: str, partition: int, offsets: Sequence[int]) -> Sequence[Parked]:
        found = await super().copies(stage, partition, offsets)
        return [row if row.entry else await self._copy(stage, partition, row) for row in found]

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        found = await super().seen(stage, partition, marks, since)
        rows = self.store.stages[stage, partition]
        if self._books is None or not isinstance(rows, StageOver):
            return found
        return {**await self._books.seen(rows.home, partition, marks, since), **found}

    async def commit(self, commit: Commit) -> None:
        await super().commit(commit)
        topics = {append.topic for append in commit.appends}
        if commit.lease is not None and commit.next is not None:
            topics.add(self.store.stages[stage_of(commit.lease.stage), commit.lease.partition].topic)
        for topic in topics:
            await self.retain(topic, float("inf"), self._passed(topic))

    def _append(self, append: Append, lease: Lease | None, now: float) -> None:
        at = self.store.topics[append.topic].end(append.partition)
        shown = self.shown.setdefault(append.topic, [])
        if len(shown) < SHOWN:
            entries = codec.split(append.entries)[: SHOWN - len(shown)]
            shown += [(append.partition, at + i, bytes(entry)) for i, entry in enumerate(entries)]
        super()._append(append, lease, now)

    def _passed(self, topic: str) -> Mapping[int, int]:
        """Up to where no stage that is run has anything left to read, by partition."""
        passed = dict.fromkeys(range(len(self.store.topics[topic].parts)), sys.maxsize)
        for (stage, partition), rows in self.store.stages.items():
            if rows.topic == topic and stage in self._readers:
                passed[partition] = min(passed[partition], rows.next)
        return passed

    async def _copy(self, stage: str, partition: int, row: Parked) -> Parked:
        """A row that was parked in the store, with its copy: that of the row there, or of its block if the row is
        gone since."""
        rows = self.store.stages[stage, partition]
        assert self._books is not None and isinstance(rows, StageOver)
        at = (rows.home, partition, row.offset - 1)
        for _, there, other, _ in await self._books.parked(rows.home, None, None, 1, at):
            if there == partition and other.offset == row.offset:
                return replace(row, entry=other.entry, nonce=other.nonce)
        for block in await self.read(rows.topic, partition, row.offset, 1, 1):
            if block.offset <= row.offset < block.offset + block.count:
                entry = bytes(codec.split(block.entries)[row.offset - block.offset])
                return replace(row, entry=entry, nonce=block.nonce)
        raise Broken(
            f"{rows.topic}:{partition}:{row.offset} was parked and is gone from the store since; do it once more"
        )


def _laid(standing: Standing) -> MemoryStore:
    store = MemoryStore()
    store.apps = {app.name: app for app in standing.apps}
    store.topics = {name: TopicOver(name, topic) for name, topic in standing.topics.items()}
    store.sources = dict(standing.sources)
    store.paused = dict(standing.paused)
    store.requests = {request.id: request for request in standing.requests}
    for where, stage in standing.stages.items():
        store.stages[where] = StageOver(stage)
        store.leases[where] = _lease(stage.claim.lease.token)
    return store


def _lease(token: int) -> LeaseRow:
    """Free to be taken here, by tokens that go on from those of the store: a target knows them too."""
    row = LeaseRow()
    row.token = token
    return row
