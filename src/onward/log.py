"""The port: what holds topics, and with them progress, leases and parked records.

`Log` is what moves records needs; `Books` is what looking at them needs. Each is made of a few parts, to be read, and
written, one by one. An implementation is one file under `logs/`, and passes `onward.conformance`.

The values that go to and fro stand in `onward.spec` (what is declared), `onward.commit` (what a step changes),
`onward.claim` (where work stands) and `onward.survey` (what can be seen); those that many use may be imported from
here. All are frozen; all instants are seconds since 1970 in UTC.

The port is cut at `commit`: everything that a unit of work changes travels in one `Commit`, and an implementation
makes it one transaction of its own kind, checked against the lease's token. So a log where outputs and progress
live elsewhere (a broker with transactions) fits without anything above knowing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from onward.carry import Mark
from onward.claim import Claim, Met, News, Range, Replay  # noqa: F401
from onward.commit import Append, Attempt, Block, Commit, Lease, Parked, Request, SourceState, Span, State, Totals  # noqa: F401
from onward.document import Document, Documents
from onward.rate import Portion
from onward.spec import AppSpec, SourceSpec, StageSpec, TableSpec, TopicSpec  # noqa: F401
from onward.survey import Backlog, BlockRow, Evidence, Fate, PartitionFacts, Retained, Spot, Standing, Stored, Survey  # noqa: F401
from onward.task_run import TaskRun

MEETING = 15.0
"""Seconds for which a worker that was not heard of again still counts as living."""

QUICK = 60.0
"""A holder that is gone sooner than this many seconds after it took its lease may have met what ends every holder."""

OVERLAP = 3600.0
"""Seconds for which two versions of a program may write to one topic, each its own shape."""


class Leasing(Protocol):
    """Who may change what: leases, and who is there to take them."""

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim | None:
        """Takes the lease if it is free, over, its holder dead, or the worker's own. Else None; also where the stage or
        source has another name by now.

        The token is larger than any before; from then on no commit with an older one is kept. Time alone takes no
        lease away: one that is over and that nobody has taken still commits, and may be renewed.

        Raises:
            StoreWentBack: the store has lost what this handle, or another one that it was open beside, saw it keep.
        """

    async def resume(self, lease: Lease, first: int) -> Claim:
        """Where a replay stands whose name the lease has; `first` is where it begins. To be asked by who holds the
        lease of its stage, whose token it carries."""

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        """Prolongs leases and notes each one's state; 0 seconds gives them back. Returns those that were lost, and
        those of which the store has lost what this handle saw it keep: to claim one of them says so."""

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        """Tells that this worker lives and which stages and sources it runs; gives the same of all that live, itself
        included. Who was not heard of for `MEETING` seconds, or whose process is dead, does not."""


class Sharing(Protocol):
    """What workers share beside work: budgets of calls, and limits on them."""

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


class Moving(Protocol):
    """What a lane or an intake does under its lease."""

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


class Heeding(Protocol):
    """How a worker hears of what has changed."""

    async def news(self, topics: Iterable[str], stages: Iterable[str]) -> News:
        """The ends of all partitions of those of these topics that there are, and requests not yet answered for
        these stages, the oldest of a stage first."""

    async def changed(self, seconds: float) -> None:
        """Returns when something may have changed since the last call (the first time: since the log was opened),
        whoever changed it, at the latest after `seconds` of true time. For one caller at a time."""


class Ageing(Protocol):
    """What goes from a store as it ages."""

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

        Those of a replay go by its name.

        Commits made before an instant, all of whose records are kept no more, nor anything that was in the topics
        `to` then, fold into counts per minute; `Claim`, counts and evidence stay what they are. Attempts go with their
        records, unless these are parked; requests that were answered before the instant go. What has been folded is
        recognised as `AlreadyCommitted` no more, but for the greatest `unit`.
        """


@runtime_checkable
class Joining(Protocol):
    """What a log can, besides, that lies in a database whose transactions programs have open themselves."""

    def join(self, tx: Any, appends: Sequence[Append]) -> Awaitable[None] | None:
        """Appends in an open transaction of somebody's, all or none: kept when that commits, and not at all where it
        is rolled back. Until then whoever appends to the same partitions waits.

        `tx` is a connection of the driver's. With one whose calls are awaited this gives what is to be awaited; else it
        is done when it returns, and blocks.

        Raises:
            Refused: the connection is to another database, has no transaction that can be joined, or its user may not;
                or as by `commit`. The transaction is as it was.
            Overruled: another transaction was preferred; the whole transaction is to be done again.
            StoreAway: nothing was appended.
        """


class Log(Leasing, Sharing, Moving, Heeding, Ageing, Protocol):
    """What moves records; besides its parts what has to do with an app as a whole.

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

    @property
    def tables(self) -> Documents:
        """What reads tables, by plain calls and from any thread."""
        ...

    async def record_run(self, run: TaskRun) -> int:
        """Keeps a run of a task: a new one where its `id` is 0, else what became of the one with that id. Returns its
        id, which only grows. Of each task the newest `task_run.KEPT` stay."""

    async def close(self) -> None:
        """Ends what is under way and lets go. Calling it again does nothing."""


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


class Looking(Protocol):
    """What is seen of a store as a whole."""

    async def survey(self, recent: float = 60.0) -> Survey:
        """Everything that `status` shows; `recent` seconds are what rates are counted over."""

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        """Every row that counts, for the audit."""

    async def home(self) -> Mark | None:
        """The mark of a store that has moved or is on its way; None where there is none."""

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        """All apps, and the backlog of each stage that has read one of these topics, by name. Quick also where much
        is kept."""

    async def standing(self) -> Standing:
        """Where all work stands, without taking any lease."""

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        """How far each of these stages had come at an instant, by stage and partition: `next` as it was then, or
        less where that is not known any more; where it began, if it had not begun to work."""


class Rows(Protocol):
    """What is kept, row by row."""

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

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        """As `Log.seen`."""


class Asking(Protocol):
    """What somebody outside asks workers to do."""

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        """Writes requests (their `id` is not looked at) and returns their ids, which only grow."""

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        """What came of those of the requests that have been carried out."""

    async def replay(self, replay: Replay) -> int:
        """Writes a job (its number is not looked at) and returns its number; numbers only grow."""

    async def cancel(self, number: int) -> bool:
        """Asks who works on a replay to end it; what is done stays done. False where there is none, or it is over."""

    async def pause(self, name: str, by: str, at: float) -> None:
        """Pauses a stage or source, until it is resumed; what is paused already stays as it is."""

    async def resume(self, name: str) -> None:
        """Takes a pause back, if there is one."""


class Forgetting(Struct, frozen=True):
    """What is to go from a store for good: full names."""

    stages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


class Operating(Protocol):
    """What is changed of a store itself, while no worker needs it."""

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


class Books(Looking, Rows, Trail, Asking, Operating, Protocol):
    """What looking at a store needs. Each answer comes from one snapshot; several may be asked for at once."""

    async def close(self) -> None:
        """Lets go. Calling it again does nothing."""
