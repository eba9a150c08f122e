"""The log port: what holds topics, and with them progress, leases and parked records.

`Log` is what moves records needs; `Books` is what looking at them needs. An implementation is one file under
`logs/`, and passes `onward.conformance`. All values here are frozen; all instants are seconds since 1970 in UTC.

The port is cut at `commit`: everything that a unit of work changes travels in one `Commit`, and an implementation
makes it one transaction of its own kind, checked against the lease's token. So a log where outputs and progress
live elsewhere (a broker with transactions) fits without anything above knowing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from onward.document import Document, Documents, Edit, Field
from onward.rate import Portion
from onward.task_run import TaskRun

Span = tuple[int, int]
"""Offsets from the first, to before the second."""

MEETING = 15.0
"""Seconds for which a worker that was not heard of again still counts as living."""

QUICK = 60.0
"""A holder that is gone sooner than this many seconds after it took its lease may have met what ends every holder."""

OVERLAP = 3600.0
"""Seconds for which two versions of a program may write to one topic, each its own shape."""

State = Literal["retrying", "dead", "waiting", "running", "behind"]
STATES: tuple[State, ...] = ("retrying", "dead", "waiting", "running", "behind")


class TopicSpec(Struct, frozen=True, omit_defaults=True):
    """A topic as the store knows it. `key` is the field that is its key, `()` where a function makes it."""

    name: str
    partitions: int
    keep: float
    was: str | None = None
    key: str | None = None
    shape: str | None = None
    """What its records look like, as `onward.shape` tells it."""


class SourceSpec(Struct, frozen=True, omit_defaults=True):
    name: str
    to: tuple[str, ...]
    was: str | None = None


class StageSpec(Struct, frozen=True, omit_defaults=True):
    name: str
    topic: str
    to: tuple[str, ...]
    start: Literal["first", "now"] | None = None
    was: str | None = None
    within: str | None = None
    choices: tuple[str, ...] = ()
    """Of a review: what may be decided."""
    upgrades: bool = False


class TaskSpec(Struct, frozen=True, omit_defaults=True):
    """A task, and each of its arguments as a person reads it."""

    name: str
    takes: tuple[str, ...] = ()


class TableSpec(Struct, frozen=True):
    """A table: its indexed fields, and where it has states, which may follow which."""

    name: str
    index: tuple[Field, ...] = ()
    moves: dict[str, tuple[str, ...]] | None = None
    was: str | None = None


class AppSpec(Struct, frozen=True, omit_defaults=True):
    """An app's declaration without its code: names, topics and arrows."""

    name: str
    topics: tuple[TopicSpec, ...]
    sources: tuple[SourceSpec, ...]
    stages: tuple[StageSpec, ...]
    tasks: tuple[TaskSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()

    def with_topic_renamed(self, was: str, name: str) -> AppSpec:
        """The same declaration, where a topic that it names has got another name."""

        def now(topics: Iterable[str]) -> tuple[str, ...]:
            return tuple(name if topic == was else topic for topic in topics)

        return replace(
            self,
            topics=tuple(replace(topic, name=now([topic.name])[0]) for topic in self.topics),
            sources=tuple(replace(source, to=now(source.to)) for source in self.sources),
            stages=tuple(replace(stage, topic=now([stage.topic])[0], to=now(stage.to)) for stage in self.stages),
        )


class Block(NamedTuple):
    """`count` records from `offset` on; `entries` is the JSON array `[[origin, key, time, headers, value], ...]`."""

    offset: int
    count: int
    entries: bytes
    nonce: str


class Append(NamedTuple):
    """A block of at least one record to be written; `keys` is the summary that `codec.key_summary` makes, `origins`
    the narrowest span of input offsets that its records were made from, None where they came from outside; `partitions`
    how many its topic was taken to have when the partition was chosen, 0 where that is not said."""

    topic: str
    partition: int
    count: int
    entries: bytes
    keys: bytes | None
    origins: Span | None = None
    partitions: int = 0


class Totals(Struct, frozen=True):
    """What a stage has done in one partition since its start; `done` includes dropped."""

    done: int = 0
    dropped: int = 0
    emitted: dict[str, int] = field(default_factory=dict)


class Parked(Struct, frozen=True):
    """A record set aside. `entry` is its copy as JSON; `batch` names those that are to be tried together."""

    offset: int
    key: str | None
    state: State
    due: float
    attempts: int
    since: float
    error: str = ""
    reason: str = ""
    batch: str | None = None
    approved: bool = False
    entry: bytes = b""
    nonce: str = ""


class Attempt(NamedTuple):
    """One call for one record: when, how long in seconds, and how it failed (empty: it did not)."""

    offset: int
    number: int
    at: float
    took: float
    error: str
    message: str
    traceback: str


class Mark(NamedTuple):
    """By what repeats of the record with an offset are told, and since when."""

    text: str
    offset: int
    at: float


class Lease(Struct, frozen=True):
    """The right to change everything of one stage (or source) and partition. Tokens only grow."""

    stage: str
    partition: int
    worker: str
    token: int


class Request(NamedTuple):
    """What somebody asks the holder to do with parked records that match. To decide, `match` says besides what: a
    `decision` with `choice` and `note`. `value` is JSON: what an edit puts in."""

    id: int
    stage: str
    partition: int
    action: Literal["retry", "drop", "decide", "edit"]
    match: dict[str, object]
    by: str
    at: float
    value: str | None = None


class Answer(NamedTuple):
    """What came of a request, and the offsets that it was carried out on."""

    id: int
    result: str
    offsets: Sequence[Span] = ()


class Range(NamedTuple):
    """What is to be replayed of one partition: from `first` to before `end`; `gone` before it were asked for, but are
    kept no more."""

    partition: int
    first: int
    end: int
    gone: int = 0


class Replay(Struct, frozen=True):
    """A numbered job: a stage is given records once more, beside its live work and with counts of its own.

    What it commits is kept under a name of its own, `STAGE~NUMBER`, and checked against the stage's lease.
    """

    stage: str
    ranges: tuple[Range, ...]
    key: str | None = None
    rate: float | None = None
    """Records a second, over all partitions."""
    same_id: bool = False
    by: str = ""
    at: float = 0.0
    number: int = 0
    cancelled: bool = False

    @property
    def name(self) -> str:
        return f"{self.stage}~{self.number}"


def stage_of(name: str) -> str:
    """The stage whose lease counts: of a replay's name that of its stage, else the name itself."""
    return name.partition("~")[0]


class SourceState(Struct, frozen=True):
    """Where a source is. `cursor` is JSON, None before the first checkpoint."""

    cursor: bytes | None = None
    emitted: dict[str, int] = field(default_factory=dict)
    last_run: float | None = None
    next_run: float | None = None
    state: str = "idle"


class Commit(Struct, frozen=True, kw_only=True):
    """All that one step changes, kept whole or not at all.

    Args:
        lease: checked in the same transaction; None for what somebody puts, then only `appends` and `tables` count.
        appends: blocks, in order.
        finished: the spans of input offsets that are done with this commit, ascending; each offset only once, ever.
        next: the end of the gapless prefix of what is finished or parked; None where it does not move.
        totals: the running totals with this commit in; None where they do not change.
        unpark: offsets whose parked row goes.
        park: parked rows to write, whole, over what is there for their offset; written after `unpark`.
        promote: offsets behind that are the oldest of their key now, and when each is due: they become `retrying`,
            since then. One that is not `behind` stays as it is.
        attempts: to be remembered.
        marks: to be remembered, each over what is there for its text.
        forget: an offset and an instant: marks before either may go, sooner or later.
        source: the state of a source to keep.
        answered: requests that are carried out with this commit, with what came of them; the first answer counts.
        tables: changes of documents, in the order in which they were made; written before anything else is locked, by
            table and key, so that commits wait for each other in one direction only.
        closes: the replay that the lease names is over in this partition.
        drops: which of `finished` a handler or a person has dropped, by reason.
        unit: a name, of this stage and partition, under which a repeated commit is recognised (`AlreadyCommitted`).
    """

    lease: Lease | None = None
    appends: Sequence[Append] = ()
    finished: Sequence[Span] = ()
    next: int | None = None
    totals: Totals | None = None
    park: Sequence[Parked] = ()
    unpark: Sequence[int] = ()
    promote: Sequence[tuple[int, float]] = ()
    attempts: Sequence[Attempt] = ()
    marks: Sequence[Mark] = ()
    forget: tuple[int, float] | None = None
    source: SourceState | None = None
    answered: Sequence[Answer] = ()
    drops: Sequence[tuple[str, Sequence[Span]]] = ()
    tables: Sequence[Edit] = ()
    closes: bool = False
    unit: str | None = None


class Claim(Struct, frozen=True):
    """A lease, and where its work stands.

    `ahead` are spans finished beyond `next`, ascending; `parked` is without copies, ascending by offset;
    `incarnation` is that of the stage's topic, and stays when the topic is renamed (empty for a source); `unit` is the
    greatest that was kept, as text; `crashes` how many holders in a row, up to the last one, were gone without having
    given the lease back, each within `QUICK` seconds (the first of them after any time); `shapes` are fingerprint and
    text of the shapes under which records of its topic may have been written, the oldest first.
    """

    lease: Lease
    next: int
    ahead: Sequence[Span]
    totals: Totals
    parked: Sequence[Parked]
    incarnation: str
    source: SourceState
    unit: str | None = None
    crashes: int = 0
    shapes: Sequence[tuple[str, str]] = ()


class News(NamedTuple):
    """What a worker looks for when something may have changed: the ends of partitions, open requests, which
    stages and sources are paused, whoever asked, and replays that are not over, by number, each with those of its
    ranges that are not."""

    ends: Mapping[tuple[str, int], int]
    requests: Sequence[Request]
    paused: Collection[str] = ()
    replays: Sequence[Replay] = ()


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


class Met(NamedTuple):
    """A living worker: which stages and sources it runs; and by how many seconds what its clock said when it was last
    heard of lies before what the clock here says now. Below nought its clock is fast, or ours slow."""

    wants: Sequence[str]
    ago: float


class Log(Protocol):
    """What moves records.

    Every method may raise `StoreAway` (nothing was kept, try again) or `StoreUncertain` (what was kept only reading
    again can tell). `commit`s for one lease take effect in the order in which they were called. A handle belongs to
    one event loop.
    """

    async def declare(self, app: AppSpec) -> None:
        """Makes the topics and stages that are new, renames by `was`, and remembers the declaration.

        A table whose indexed fields are others than before is indexed anew.

        Declaring the same again changes nothing. What is renamed keeps all it has: a topic its records, counts and
        incarnation, and all who name it name it anew; a stage its progress, parked records and requests; a source
        its state. Leases of a renamed stage or source go with it, so that who holds one under the old name loses it,
        and nobody gets one under that name any more. An app that declares the old name again, without `was` of the new
        one and without the new one beside it, is older than the rename.

        A new stage begins at the first kept record (`start` "first", or a topic that never had any) or at the end
        ("now"), and stays there whatever `start` says later.

        Raises:
            Refused: it does not fit what the store holds (another number of partitions, a start not said, a topic
                that nobody has declared, another topic than the stage had, a name from before a rename); nothing was
                kept.
        """

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim | None:
        """Takes the lease if it is free, over, its holder dead, or the worker's own. Else None; also where the stage or
        source has another name by now.

        The token is larger than any before; from then on no commit with an older one is kept. Time alone takes no
        lease away: one that is over and that nobody has taken still commits, and may be renewed.
        """

    async def resume(self, lease: Lease, first: int) -> Claim:
        """Where a replay stands whose name the lease has; `first` is where it begins. To be asked by who holds the
        lease of its stage, whose token it carries."""

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        """Prolongs leases and notes each one's state; 0 seconds gives them back. Returns those that were lost."""

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        """Blocks in order from the one that holds `offset`, or from the first kept one after it, until `records` or
        `size` bytes are reached; at least one if there is one. `records` count from `offset` on; a block that would
        go beyond `size` is left for the next call. Blocks without their entries are passed over."""

    async def copies(self, stage: str, partition: int, offsets: Sequence[int]) -> Sequence[Parked]:
        """Those of these parked rows that are there, with their copies, ascending by offset."""

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        """The offsets of those of these marks that were made at or after an instant."""

    async def commit(self, commit: Commit) -> None:
        """Keeps it whole, durably. Each append gets the next offsets of its partition, without gaps.

        Raises:
            LeaseLost: the lease has another token by now; nothing was kept.
            AlreadyCommitted: another commit has the same first offset in `finished`, or the same `unit`; nothing was
                kept now. That other offsets are finished once only is for the holder to see to.
            Conflict: a document in `tables` has another version than the one that it was changed on; nothing was
                kept. Of a commit that was kept before, `AlreadyCommitted` says so first.
            Refused: a topic, partition or table that nobody has declared, or a topic that has another number of
                partitions than an append was made for; nothing was kept.
        """

    @property
    def tables(self) -> Documents:
        """What reads tables, by plain calls and from any thread."""
        ...

    async def news(self, topics: Iterable[str], stages: Iterable[str]) -> News:
        """The ends of all partitions of those of these topics that there are, and requests not yet answered for
        these stages, the oldest of a stage first."""

    async def changed(self, seconds: float) -> None:
        """Returns when something may have changed since the last call (the first time: since the log was opened),
        whoever changed it, at the latest after `seconds` of true time. For one caller at a time."""

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        """Tells that this worker lives and which stages and sources it runs; gives the same of all that live, itself
        included. Who was not heard of for `MEETING` seconds, or whose process is dead, does not."""

    async def draw(self, budget: str, per_second: float, count: int) -> Portion:
        """Takes a portion of `count` calls of a budget that all who name it share; one nobody has drawn on is full.

        Portions are given in the order in which they are asked for and follow one another: a budget is never drawn
        on faster than `per_second`, and what nobody asks for is not saved up. The store's clock alone decides, and the
        answer is in seconds from now, so clocks of workers may differ. What a worker does not use is lost.
        """

    async def occupy(self, stage: str, worker: str, most: int, using: int, wants: int, seconds: float) -> int:
        """Says how many call slots of a stage's limit a worker uses and could use; gives how many it may hold.

        All that live together hold at most `most`, shared evenly between those that want them; what cannot be shared
        evenly goes round by time. Nobody is made to hold fewer than it uses. What a worker holds is free again after
        `seconds`, at once if its process is dead or `seconds` is 0.
        """

    async def retain(
        self,
        topic: str,
        written_before: float,
        offsets: Mapping[int, int],
        most: int | None = None,
        overrun: Collection[str] | None = None,
    ) -> int:
        """Deletes blocks written before an instant and ending at or before `offsets[partition]`, the oldest first, up
        to the first that stays; returns how many.

        The newest block of a partition stays (without its entries, and not counted), so that offsets never start
        again. Partitions without an offset keep all. A shape of which no record can be left goes too: another one was
        declared more than `OVERLAP` before the oldest block that is kept was written.

        Args:
            most: at most so many blocks, and not many bytes, so that it is done in tens of milliseconds; to be called
                again until nothing is deleted.
            overrun: if given, what a stage of the topic has yet to see stays, except where that stage is among these
                and gone (see `Survey.gone`).
        """

    async def fold(self, stage: str, partition: int, to: Collection[str], before: float, most: int) -> int:
        """Lets go of old rows of a stage and partition, at most `most` of each kind; returns how many went.

        Commits made before an instant, all of whose records are kept no more, nor anything that was in the topics
        `to` then, fold into counts per minute; `Claim`, counts and evidence stay what they are. Attempts go with their
        records, unless these are parked; requests that were answered before the instant go. What has been folded is
        recognised as `AlreadyCommitted` no more, but for the greatest `unit`.
        """

    async def record_run(self, run: TaskRun) -> int:
        """Keeps a run of a task: a new one where its `id` is 0, else what became of the one with that id. Returns its
        id, which only grows. Of each task the newest `task_run.KEPT` stay."""

    async def close(self) -> None:
        """Ends what is under way and lets go. Calling it again does nothing."""


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
    """One stage and partition in full, for the audit: every finished span and every parked row.

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


class Trail(Protocol):
    """What following one record through a store needs. Each answer comes from one snapshot."""

    async def stored(self, topic: str, partition: int, offset: int) -> Stored | None:
        """The block that has this offset, also one without its entries; None where none is there."""

    async def retained(self) -> Mapping[tuple[str, int], Retained]:
        """By topic and partition what retention has deleted; what is not named kept all."""

    async def fate(self, stage: str, partition: int, offset: int) -> Fate:
        """What the stage has made of this record by now."""

    async def made(self, stage: str, partition: int, offset: int) -> Sequence[Stored]:
        """The blocks that may hold what the stage made of this record, the oldest first; they may be a few too many,
        never too few."""

    async def holding(self, key: str, before: int | None) -> tuple[Sequence[Spot], int | None]:
        """Blocks that may hold records of a key, the newest first, and where to go on (as `before`), None at the end.

        Each call looks at so many blocks as a snapshot may take; it may find none and yet have to go on.
        """


class Forgetting(Struct, frozen=True):
    """What is to go from a store for good: full names."""

    stages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


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


class Books(Trail, Protocol):
    """What looking at a store needs. Each answer comes from one snapshot; several may be asked for at once."""

    async def survey(self, recent: float = 60.0) -> Survey:
        """Everything that `status` shows; `recent` seconds are what rates are counted over."""

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        """Every row that counts, for the audit."""

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        """All apps, and the backlog of each stage that has read one of these topics, by name. Quick also where much
        is kept."""

    async def standing(self) -> Standing:
        """Where all work stands, without taking any lease."""

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        """As `Log.read`."""

    async def parked(
        self,
        stage: str | None,
        key: str | None,
        state: str | None,
        limit: int | None,
        after: tuple[str, int, int] = ("", 0, 0),
    ) -> Sequence[tuple[str, int, Parked, Sequence[Attempt]]]:
        """Parked rows that match, with copy, stage, partition and attempts; by stage, partition and offset. What is
        None matches all, but those of replays are given only where one is named; attempts are in the order in which
        they were made.

        `after` is a stage, partition and offset: rows up to it are left out, so that many are read in pages.
        """

    @property
    def tables(self) -> Documents:
        """As `Log.tables`."""
        ...

    async def documents(self, table: str, after: str | None, limit: int) -> Sequence[Document]:
        """Documents of a table that are there, by key from beyond `after` on (None: all)."""

    async def runs(self, task: str | None, limit: int) -> Sequence[TaskRun]:
        """Runs of a task, or of all, the newest first."""

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        """How far each of these stages had come at an instant, by stage and partition: `next` as it was then, or
        less where that is not known any more; where it began, if it had not begun to work."""

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        """As `Log.seen`."""

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        """Writes requests (their `id` is not looked at) and returns their ids, which only grow."""

    async def replay(self, replay: Replay) -> int:
        """Writes a job (its number is not looked at) and returns its number; numbers only grow."""

    async def cancel(self, number: int) -> bool:
        """Asks who works on a replay to end it; what is done stays done. False where there is none, or it is over."""

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        """What came of those of the requests that have been carried out."""

    async def pause(self, name: str, by: str, at: float) -> None:
        """Pauses a stage or source, until it is resumed; what is paused already stays as it is."""

    async def resume(self, name: str) -> None:
        """Takes a pause back, if there is one."""

    async def forget(self, what: Forgetting) -> Sequence[str]:
        """Deletes all there is of these stages, sources and topics, and of them in declarations; and the declarations
        of these apps. What a forgotten stage has brought into a topic that stays still counts there. Gives those of
        the stages that have committed units of another database (`within=`), which keeps rows of theirs.

        It goes in steps, each of which looks whether something stands in the way; if it ends half-way, what is left is
        as it was, older rows apart, and calling it again does the rest.

        Raises:
            InUse: a living worker runs one of these or writes to a topic, or a stage that is not among these reads it.
        """

    async def repartition(self, topic: str, partitions: int) -> None:
        """Makes a new incarnation of a topic, with this number of partitions. Offsets of partitions go on where they
        are; kept records stay where they are, also in partitions that there are no more. Stages begin with the first
        record of a partition that is new.

        All writers wait meanwhile, so that records of a key keep their order: what was before is done with.

        Raises:
            InUse: a stage has not passed the topic's end, or has records parked; or a living worker runs one that reads
                the topic or writes to it. All that is outstanding is named; nothing was changed.
            Refused: there is no such topic.
        """

    async def close(self) -> None:
        """Lets go. Calling it again does nothing."""
