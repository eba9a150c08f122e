"""What can be seen of a store, as values: each comes from one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from onward.claim import Claim, Replay
from onward.commit import Attempt, Block, Parked, Request, SourceState, Span, State, Totals
from onward.spec import AppSpec


class Paused(NamedTuple):
    """Who paused a stage or source, and since when."""

    by: str
    since: float


class Held(NamedTuple):
    """A lease as others see it; `live` is false once its time is over or its process is dead."""

    stage: str
    partition: int
    worker: str
    state: str
    live: bool


class PartitionFacts(NamedTuple):
    """One stage and partition, from one snapshot: counts as in the conservation rule need no more than this.

    `begins` is the stage's first offset, `end` that of its topic's next record, `ahead` how many records are finished
    beyond `next`, `recent` how many were finished in the last seconds that were asked for. A stage that no app
    declares any more is among them.
    """

    stage: str
    topic: str
    partition: int
    begins: int
    end: int
    next: int
    ahead: int
    totals: Totals
    parked: dict[State, int]
    recent: int
    holder: Held | None


class TopicFacts(NamedTuple):
    """`records` and `bytes` are what is kept now; `put` those that came without a lease; `ends` all there ever were.

    `forgotten` are those that came from stages and sources which have been forgotten; `held` is the greatest number of
    partitions that it ever had, 0 where that has never changed: until then a key tells the partition.
    """

    topic: str
    partitions: int
    records: int
    bytes: int
    put: int
    ends: int
    forgotten: int = 0
    held: int = 0


class ReplayFacts(NamedTuple):
    """A replay: of each of its ranges what was done, `begins` and `end` being the range's; and in which partitions it
    is over."""

    replay: Replay
    parts: Sequence[PartitionFacts]
    closed: Sequence[int]


def parts_of(replays: Iterable[ReplayFacts]) -> Iterator[PartitionFacts]:
    """Of all these replays all ranges."""
    return (part for replay in replays for part in replay.parts)


class Retained(NamedTuple):
    """What retention has deleted of a partition: before which offset, and how many records."""

    offset: int
    count: int


class Survey(NamedTuple):
    """What `status` shows, from one snapshot: apps and topics by name, stages by name and partition."""

    apps: Sequence[AppSpec]
    stages: Sequence[PartitionFacts]
    topics: Sequence[TopicFacts]
    sources: Mapping[str, SourceState]
    leases: Sequence[Held]
    missing: int = 0
    """Rows of progress that were written, were not folded, and are gone; counted for the audit only."""
    gone: Mapping[str, float] = {}
    """Stages and sources that their app does not declare any more, and since when."""
    paused: Mapping[str, Paused] = {}
    replays: Sequence[ReplayFacts] = ()
    retained: Mapping[tuple[str, int], Retained] = {}
    """As `Trail.retained`; told to the audit only."""


class Backlog(NamedTuple):
    """What a stage has outstanding of its topic, over all partitions: records that are neither done nor parked, and
    the bytes of the blocks that hold them (of very many blocks, of the first ones). `holders` are who has leases."""

    stage: str
    topic: str
    records: int
    bytes: int
    holders: Sequence[Held]


class Evidence(NamedTuple):
    """One stage and partition in full, for the audit: every finished span and every parked row. One range of a replay
    likewise, under the replay's name.

    `folded` is how many records the statistics count less those that are known as finished by what was folded.
    """

    facts: PartitionFacts
    finished: Sequence[Span]
    parked: Sequence[tuple[int, str | None, State]]
    folded: int = 0


class BlockRow(NamedTuple):
    """A block that is there; `full` where it has its entries."""

    topic: str
    partition: int
    offset: int
    count: int
    full: bool = True


class Stored(NamedTuple):
    """A block with what is known of it: when it was written, and by which stage or source (None: put, or not known).

    Its entries are `[]` where retention has taken them.
    """

    topic: str
    partition: int
    block: Block
    written: float
    maker: str | None


class Spot(NamedTuple):
    """Where a block lies that may hold records of a key."""

    topic: str
    partition: int
    offset: int


class Fate(NamedTuple):
    """What a stage has made of one record.

    `done` with `at` None is done so long ago that it is not known when; `dropped` is the reason, None where it was
    not dropped. `requests` are those that were carried out on it, each with when and what came of it.
    """

    done: bool
    at: float | None
    dropped: str | None
    parked: Parked | None
    attempts: Sequence[Attempt]
    requests: Sequence[tuple[Request, float, str]]


class TopicStanding(NamedTuple):
    """A topic: by partition the offset of the first record that is kept, and that of the next record."""

    incarnation: str
    firsts: Sequence[int]
    ends: Sequence[int]


class StageStanding(NamedTuple):
    """One stage and partition: the claim that taking its lease would give, under the last holder's lease."""

    topic: str
    begins: int
    claim: Claim


class Standing(NamedTuple):
    """Where all work stands, from one snapshot: all that is needed to go on from there without touching it.

    `stages` are by name and partition, `requests` those not answered yet, the oldest first.
    """

    apps: Sequence[AppSpec]
    topics: Mapping[str, TopicStanding]
    stages: Mapping[tuple[str, int], StageStanding]
    sources: Mapping[str, SourceState]
    requests: Sequence[Request]
    paused: Mapping[str, Paused] = {}
