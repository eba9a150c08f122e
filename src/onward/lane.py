"""A lane: one stage and partition at work, under one lease.

It reads ahead, hands units to call slots, settles what came of them and commits, all in one task. What is read,
called and committed overlaps; what is committed is in the order in which units ended. Of one key at most one unit
is in hand: a record is handed out only when no unit with its key is, so what a key's records give is settled, and
then committed, in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from onward.call import Called, Caller, Unit, batch_name, run_through
from onward.changes import Changes, Pending
from onward.draft import Draft
from onward.errors import AlreadyCommitted, Broken, Conflict, LeaseLost, TimedOut, Unavailable
from onward.events import Committed, Conflicted, Failed, Full, Recovered, Stuck, Tripped, Waiting
from onward.failure import Failure, message_of
from onward.filling import Filling
from onward.log import Claim, Commit, Parked, Request
from onward.parking import Parking
from onward.repeats import Repeats
from onward.request import carried_out
from onward.review import supersede
from onward.running import begun, gone, is_suspect, put_back, untouched
from onward.settle import behind, settle
from onward.stage import Stage
from onward.undo import Undo
from onward.window import Chunk, Window, chunk_of, chunk_of_copies, cut
from onward.within import Within, unit_after

if TYPE_CHECKING:
    from onward.crew import Crew

T = TypeVar("T")

READ_RECORDS = 1_000
READ_BYTES = 1_000_000
WINDOW_RECORDS = 10_000
MOST_HALVED = 10
"""Conflicts in a row after which units are as small as they get: each halves them, each commit doubles them."""

CAREFUL = 2 * READ_RECORDS
"""So many records are noted before they are called when holders were gone in a row."""

RETRIES = 16
"""Parked records that are tried together while it is not known how large they are."""

GATHER = 0.1
"""Seconds for which records that are due may wait for others while new ones are worked on."""


class Lane:
    """One stage and partition. `run` returns when it was stopped and its work is committed, or its lease is lost.

    Args:
        stage: in place of the crew's.
        again: whether the lane before it, in this process, ended by a conflict: then what it left as running has not
            failed.
    """

    def __init__(
        self, crew: Crew, claim: Claim, within: Within | None, stage: Stage | None = None, *, again: bool = False
    ) -> None:
        stage = stage or crew.stage
        self.stage: Stage = stage
        self.lease = claim.lease
        self.partition = claim.lease.partition
        self._crew = crew
        self._within = within
        self._last = claim.unit
        self._incarnation = claim.incarnation
        self._totals = claim.totals
        rows = crew.ration.parked(claim.parked, crew.horizon)
        keep, room = stage.on_dead == "hold", lambda: crew.room // 4
        self._parking = Parking(rows, ordered=not stage.unordered, dead_hold=keep, room=room)
        parked = [(row.offset, row.offset + 1) for row in claim.parked]
        self._window = Window(claim.next, [*claim.ahead, *parked])
        self._caller = Caller(
            stage,
            self.partition,
            reader=crew.reader,
            emitter=crew.emitter,
            breaker=crew.breaker,
            identity=f"{self._known_as}:{stage.topic.name}:{claim.incarnation}:{self.partition}",
            observe=crew.observe,
            room=lambda: crew.room // 2,
        )
        # Where a unit fails as one, or a hanging call parks its record alone, none before it of its key may be left.
        alone = crew.isolation is not None or (stage.timeout is not None and not stage.handler.is_async)
        whole = stage.whole if stage.batch else alone
        self._one_per_key = whole and not stage.unordered
        self._end = claim.next
        self._requests: dict[int, Request] = {}
        self._answered: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._units: set[Unit] = set()
        self._busy: set[str] = set()
        self.beside: Lane | None = None
        """Another lane of the same stage and partition; no key is in hand in both."""
        self._flying: set[int] = set()
        self._careful = CAREFUL if claim.crashes > 1 and within is None and crew.isolation is None else 0
        self.running: set[int] = set()
        self._left: set[int] = set()
        self._landed = asyncio.Event()
        self._draft = Draft()
        self._filling = Filling(stage.batch or 1, stage.fill or 0.0)
        self._repeats = Repeats(stage, self._seen) if stage.dedupe is not None else None
        self._writing: Commit | None = None
        self._singly = self._suspects = 0
        self._pending = Pending(crew.log.tables) if crew.has_tables else None
        self._halved = crew.conflicts.get(self.partition, 0)
        self._again = again
        self.conflicted = False
        self._large = self._record_size = 0
        self._reading = False
        self._committing = False
        self._stopping = False
        self.full = False
        self._hand_error: BaseException | None = None
        self.lost = False
        self.stuck = False
        self.idle = False

    @property
    def _known_as(self) -> str:
        """The stage, as `Record.id` has it."""
        return self.stage.name

    @property
    def _blocked(self) -> Collection[str]:
        """Keys whose records are set aside when they come."""
        return self.parked_keys

    @property
    def parked_keys(self) -> Collection[str]:
        """Keys that have something parked."""
        return self._parking.blocked

    # what others tell it

    def wake(self) -> None:
        """Something may have changed."""
        self.idle = False
        self._wake.set()

    def reached(self, end: int) -> None:
        """Its partition has records up to this offset."""
        if end > self._end:
            self._end = end
            self.wake()

    def asked(self, request: Request) -> None:
        """Somebody asks for something; each request is carried out once."""
        if request.id not in self._requests and request.id not in self._answered:
            self._requests[request.id] = request
            self.wake()

    def stop(self) -> None:
        """Takes no more work; what is in hand is finished."""
        self._stopping = True
        self.wake()

    def give_up(self) -> None:
        """Ends at once: the lease is lost, or grace is over. What is in hand is not committed."""
        self._left = self._left or set(self.running)
        self.lost = True
        for task in self._tasks:
            task.cancel()
        self.wake()

    async def let_go(self) -> None:
        """After it has given up at a stop: notes that the calls that it broke off are to be made again. It is no fault
        of their records."""
        rows = self._parking.rows
        offsets = [o for o in self._left - self._unwritten if o in rows and rows[o].state == "running"]
        if offsets:
            now = self._crew.now()
            park = [untouched(copy, now) for copy in await self._copies(sorted(offsets))]
            await self._write(Commit(lease=self.lease, park=park))

    @property
    def again(self) -> bool:
        """Whether it has ended only to begin again from what the store says."""
        return self.conflicted and not (self._stopping or self.lost)

    @property
    def end(self) -> int:
        """Up to where its partition is known to have records."""
        return self._end

    @property
    def outstanding(self) -> int:
        """Records of its partition that are neither done nor parked."""
        return self._end - self._window.next

    @property
    def pending(self) -> int:
        """Records that were read and wait to be handed out."""
        return self._window.pending

    @property
    def halted(self) -> bool:
        """It reads nothing more until somebody acts: a call hangs, too many records are parked, or the run is limited
        to what it has taken on."""
        return self.stuck or self.full or self._crew.ration.over

    @property
    def emits(self) -> frozenset[str]:
        """The topics that it may emit to."""
        return frozenset(topic.name for topic in self.stage.to)

    def owed(self, topic: str) -> tuple[int, int]:
        """Records and bytes that are in hand, or emitted to the topic and not committed."""
        appends = [*self._draft.appends, *(self._writing.appends if self._writing is not None else ())]
        mine = [append for append in appends if append.topic == topic]
        records = sum(len(unit) for unit in self._units) + sum(append.count for append in mine)
        return records, sum(unit.chunk.size for unit in self._units) + sum(len(append.entries) for append in mine)

    @property
    def next_due(self) -> float | None:
        """When something may be done that waits for a time: a retry, a probe, a batch that fills, what the rate lets
        through; None while nothing does."""
        due = self._tried_next
        if (filled := self._filling.until) is not None and not self._crew.breaker.tripped:
            due = filled if due is None else min(due, filled)
        pace = self._crew.pace
        if pace is None or (slow := pace.at) is None:
            return due
        if self._window.pending:
            return slow if due is None or not self._filling.until else max(slow, due)
        return None if due is None else max(slow, due)

    @property
    def _tried_next(self) -> float | None:
        due = self._parking.next_due()
        breaker = self._crew.breaker
        if not breaker.tripped:
            return due
        if self._window.pending or (self._window.reach < self._end and not self.halted):
            return breaker.probe_at  # what is not parked may probe, whenever what is parked is due
        return None if due is None else max(breaker.probe_at, due)

    # its life

    async def run(self) -> None:
        try:
            await self._take_up()
            self._promote_all()
            while not self.lost:
                self._wake.clear()
                now = self._crew.now()
                self._step()
                if self._hand_error is not None:
                    raise self._hand_error
                if not self._tasks and (self.conflicted or (self._stopping and self._draft.empty)):
                    return
                if not self._wake.is_set():
                    self.idle = not self._tasks and self._draft.empty
                    if self.idle:
                        self._crew.lane_idle()
                    await self._crew.clock_wait(self._wake, self._look_again(now))
                    self.idle = False
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look_again(self, looked: float) -> float | None:
        """When to look again by itself, having looked at an instant: what was due then waits for something else,
        which will wake us."""
        if self._crew.behind_lease():
            return looked + 0.5
        due = self.next_due
        return due if due is not None and due > looked else None

    def _step(self) -> None:
        if self._hand_error is not None or self.conflicted:
            return
        self._commit()
        self._let_go()
        if self._stopping or self.stuck:
            return
        self._answer()
        self._read_ahead()
        self._hand_out()

    def _spawn(
        self, work: Coroutine[Any, Any, None], let_go: Callable[[asyncio.Task[Any]], None] | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.create_task(self._noted(work))
        self._tasks.add(task)
        if let_go is not None:
            task.add_done_callback(let_go)  # first, so that who waits for it is woken before this lane is
        task.add_done_callback(self._ended)
        task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
        return task

    async def _noted(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            # At once, and not only when the task has ended: nothing may be committed after a commit that failed.
            self._hand_error = error

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self.wake()
        if self.beside is not None:
            self.beside.wake()

    def _spawn_in_slot(self, work: Coroutine[Any, Any, None], *, probe: bool) -> None:
        """Work that holds a call slot, and perhaps the stage's probe, which others wait for: it lets go of them also
        when it was cancelled before it began."""

        def let_go(_: asyncio.Task[Any]) -> None:
            self._crew.slot_free()
            if probe:
                self._crew.breaker.probing = False
                self._crew.wake_lanes()

        self._spawn(work, let_go)

    # reading

    def _read_ahead(self) -> None:
        window = self._window
        if self._reading or window.reach >= self._end or (self._crew.breaker.tripped and window.pending):
            return
        room = self._crew.room
        if window.held + READ_RECORDS > self._room or (window.held and window.size + _read_size(room) > room):
            return
        if self._is_full() or self._crew.ration.over:
            return
        if self._large and not self._crew.may_hold(self, self._large):
            return  # what it read last was larger than its room, and so may be what comes
        self._reading = True
        self._spawn(self._read())

    @property
    def _room(self) -> int:
        return max(2 * READ_RECORDS, min(WINDOW_RECORDS, 2 * self.stage.parallel * READ_RECORDS))

    def _is_full(self) -> bool:
        most = max(1, self.stage.parked_most // self.stage.topic.partitions)
        full = len(self._parking) >= most
        if full and not self.full:
            keys = self._parking.blocked
            key = max(keys, key=lambda key: len(keys[key]), default=None)
            self._crew.observe(Full(self.stage.name, self.partition, len(self._parking), key))
        self.full = full
        return full

    async def _read(self) -> None:
        window, topic = self._window, self.stage.topic.name
        size = _read_size(self._crew.room)
        try:
            async with self._crew.reads:
                blocks = await self._crew.patiently(
                    lambda: self._crew.log.read(topic, self.partition, window.reach, READ_RECORDS, size)
                )
                if not blocks or blocks[0].offset > window.reach:
                    raise Broken(
                        f"{topic}:{self.partition} holds no record at offset {window.reach}, which "
                        f"{self.stage.name} has yet to see; `onward audit` says what is missing"
                    )
                blocks = cut(blocks, window.reach, max(size, self._crew.room - window.size))
            if self._is_too_large(sum(len(block.entries) for block in blocks)):
                return
            reach = blocks[-1].offset + blocks[-1].count
            chunk = chunk_of(blocks, window.reach, window.skip, self._crew.reader)
            self._record_size = max(self._record_size, chunk.size // max(1, len(chunk)))
            window.add(*self._crew.ration.read(chunk, reach))
        finally:
            self._reading = False

    def _is_too_large(self, size: int) -> bool:
        """Whether what was read may not stay, as other lanes have much in hand; it is read again when it may."""
        self._large = size if size > self._crew.room else 0
        if not self._large:
            self._crew.holds_no_more(self.partition)
        return self._large > 0 and not self._crew.may_hold(self, size)

    def _let_go(self) -> None:
        """Says so when something large has left the hand."""
        if self._large and not (self._window.held or self._units or self._committing or self._reading):
            self._crew.holds_no_more(self.partition)

    # handing out

    def _hand_out(self) -> None:
        breaker = self._crew.breaker
        while not self._uncommitted_enough() and not self._crew.left.nothing:
            new = self._filling.ready(self._window.pending, self._crew.now())
            if not self._paced(new or breaker.tripped):
                return
            if breaker.tripped:
                if breaker.probing or self._crew.now() < breaker.probe_at or not self._crew.slot(self):
                    return
                if not self._probe():
                    self._crew.slot_free()
                    return
                continue
            if not (new or self._due()) or not self._crew.slot(self):
                return
            # While there is new work, what is due gathers for a moment: a hundred retries in one unit cost no more
            # than one. Not where nothing is read: then nothing would come that looks again.
            more = new or self._reading
            if not (((not more or self._due(GATHER)) and self._retry_due()) or (new and self._hand_live())):
                self._crew.slot_free()
                return

    def _uncommitted_enough(self) -> bool:
        """Bounds what a crash would repeat, and keeps units of a target's transaction strictly one after another."""
        if self._crew.behind_lease():
            return True
        if self._within is not None:
            return bool(self._units or self._flying or self._requests) or self._committing or not self._draft.empty
        if self._halved and (self._units or self._committing or not self._draft.empty):
            return True
        if self._requests and not self._flying:
            return True  # they wait for a moment when all is committed, which new work would put off for ever
        if self._committing and self._draft.size > self._crew.room // 2:
            return True
        most = 1 if self.stage.effect else 8
        return self._draft.units >= most + (0 if self.stage.effect else self.stage.parallel) and self._committing

    def _paced(self, new: bool) -> bool:
        """Whether the stage's rate lets something through; asks for more of it where there is work."""
        pace = self._crew.pace
        if pace is None or pace.may(1):
            return True
        wanted = (new and self._window.pending) or int(self._due())
        if wanted and pace.wanting:
            pace.ask(wanted)
        return False

    def _most(self, most: int) -> int:
        return most if self._crew.pace is None else self._crew.pace.may(most)

    def _due(self, since: float = 0.0) -> bool:
        due = self._parking.next_due()
        return due is not None and due + since <= self._crew.now()

    def _retry_due(self, most: int = READ_RECORDS) -> bool:
        """Hands out parked records that are due; one group at a time where calls act outside or are batches."""
        if self._requests or not self._due() or self._uncommitted_enough():
            return False
        most = min(most, self._crew.room // self._record_size if self._record_size else RETRIES)
        groups = self._parking.take(self._crew.now(), self._most(max(1, most)), self._flying | self._unwritten)
        groups = [group for group in groups if self._may_fly(group)]
        if not groups:
            return False
        if self._one_per_key:
            groups = [group[:1] if self._parking.rows[group[0]].batch is None else group for group in groups]
        if self._notes or any(is_suspect(self._parking.rows[group[0]]) for group in groups):
            groups = [groups[0][:1]]
        if self.stage.batch:
            groups = groups[:1]
            if self._parking.rows[groups[0][0]].batch is None:
                groups[0] = groups[0][: self.stage.batch]
        offsets = sorted(offset for group in groups for offset in group)
        if self._crew.pace is not None:
            self._crew.pace.spend(len(offsets))
        self._flying.update(offsets)
        keys = {key for offset in offsets if (key := self._parking.rows[offset].key) is not None}
        self._busy |= keys
        probe = self._crew.breaker.tripped
        self._spawn_in_slot(self._retry(offsets, keys, probe=probe), probe=probe)
        return True

    @property
    def _unwritten(self) -> set[int]:
        """Parked rows that the store does not have yet as they are: their copies cannot be read."""
        writing = () if self._writing is None else (row.offset for row in self._writing.park)
        return {*self._draft.park, *writing}

    def _may_fly(self, group: Sequence[int]) -> bool:
        keys = {self._parking.rows[offset].key for offset in group}
        return self.stage.unordered or not (keys & self._busy)

    def _hand_live(self, *, probe: bool = False, skip: int = 0) -> bool:
        stage = self.stage
        if self._uncommitted_enough():
            return False
        most = 1 if probe or self._singly or self._notes else max(1, (stage.batch or self._share()) >> self._halved)
        most = self._most(self._within_bound(most))
        busy: set[str] = set() if stage.unordered else self._busy
        if stage.fill:
            self._window.gather(most)
        chunk, blocked = self._window.take(most, busy, self._blocked, one_per_key=self._one_per_key, skip=skip)
        if blocked:
            self._park_behind(blocked)
        if chunk is not None and blocked and self._within is not None:
            # The unit would move `next` in the target past records whose parking the store does not have yet.
            self._window.give_back(chunk)
            return False
        if chunk is None:
            return False
        unit = Unit(chunk, probe=probe)
        unit.skipped = skip
        unit.note = self._notes
        self._careful = max(0, self._careful - 1)
        self._filling.handed_out()
        if self._crew.pace is not None:
            self._crew.pace.spend(len(unit))
        self._singly = max(0, self._singly - 1)
        if stage.parallel > 1 and not stage.unordered:
            unit.keys = {key for entry in chunk.entries if (key := entry[1]) is not None}
            self._busy |= unit.keys
        self._units.add(unit)  # in hand from now on, and not only when its task has begun
        self._spawn_in_slot(self._work(unit), probe=probe)
        return True

    def _within_bound(self, most: int) -> int:
        """So many records that what they emit stays within the bounds, if each gives one of its own size."""
        left = self._crew.left
        size = max(1, self._window.size // max(1, self._window.held))
        return max(1, int(min(most, left.records, left.bytes // size)))

    def _share(self) -> int:
        """How many records one slot takes, so that all slots get some."""
        if self.stage.parallel == 1:
            return READ_RECORDS
        return max(1, min(READ_RECORDS, -(-self._window.pending // self.stage.parallel)))

    def _park_behind(self, chunks: Sequence[Chunk]) -> None:
        draft, now = Draft(), self._crew.now()
        for chunk in chunks:
            unit = Unit(chunk)
            for index in range(len(chunk)):
                row = self._set_aside(behind(unit, index, now))
                draft.park[row.offset] = row
        draft.units = 1
        for chunk in chunks:
            self._window.finish([(offset, offset + 1) for offset in chunk.offsets], len(chunk), chunk.size)
        for row in draft.park.values():
            self._parking.put(row)
        self._draft.add(draft)
        self._commit()

    def _set_aside(self, row: Parked) -> Parked:
        return row

    def _probe(self) -> bool:
        breaker = self._crew.breaker
        breaker.probing = True
        # Another record each time, or one that is bad by itself would keep the stage down after the outage.
        handed = self._hand_live(probe=True, skip=breaker.probes - 1) or self._hand_live(probe=True)
        handed = handed or self._retry_due(most=1)
        breaker.probing = handed
        return handed

    # working

    async def _retry(self, offsets: list[int], keys: set[str], *, probe: bool) -> None:
        try:
            copies = await self._copies(offsets)
            if not copies:
                return
            unit = Unit(chunk_of_copies(copies, self._crew.reader), copies, probe=probe)
            unit.keys = keys
            await self._work(unit)
        finally:
            self._flying.difference_update(offsets)
            self._busy -= keys

    @property
    def _notes(self) -> bool:
        """Whether each call is noted in the store before it is made."""
        return self.stage.long or self._careful > 0

    def _to_be_noted(self, unit: Unit) -> bool:
        suspect = unit.parked is not None and is_suspect(unit.parked[0])
        return (
            self._within is None and len(unit) == 1 and not unit.repeats and (unit.note or self.stage.long or suspect)
        )

    async def _note(self, unit: Unit) -> None:
        """Notes that the call for its one record begins. From then on it is parked: others need not wait for it."""
        row = begun(unit, self._crew.now())
        draft = Draft()
        draft.park[row.offset] = row
        if unit.parked is None:
            draft.units = 1
            self._window.finish([(row.offset, row.offset + 1)], 1, unit.chunk.size)
        self._parking.put(row)
        unit.parked = [row]
        self.running.add(row.offset)
        self._flying.discard(row.offset)
        self._busy -= unit.keys
        self._draft.add(draft)
        self._commit()
        while row.offset in self._unwritten and not (self.lost or self.conflicted):
            await self._landed.wait()

    async def _take_up(self) -> None:
        """What was running when the holder before was gone has failed, as far as anybody knows."""
        if offsets := [offset for offset, row in self._parking.rows.items() if row.state == "running"]:
            copies = await self._copies(offsets)
            if self._again:
                for row in (untouched(copy, self._crew.now()) for copy in copies):
                    self._draft.park[row.offset] = row
                    self._parking.put(row)
                return
            unit = Unit(chunk_of_copies(copies, self._crew.reader), copies)
            called = gone(self.stage, len(unit))
            draft = self._settled(unit, called)
            self._apply(unit, called, draft)
            self._draft.add(draft)

    async def _copies(self, offsets: Sequence[int]) -> list[Parked]:
        """What is parked here as it stands now, each with its copy. The store is a commit behind: of the rows there
        only the copies count, and a record that was parked a moment ago may not be there yet; it stays due."""
        rows = self._parking.rows
        found = {offset: rows[offset] for offset in offsets if rows[offset].entry}
        if away := [offset for offset in offsets if offset not in found]:
            log, stage = self._crew.log, self.lease.stage
            for row in await self._crew.patiently(lambda: log.copies(stage, self.partition, away)):
                self._record_size = max(self._record_size, len(row.entry))
                found[row.offset] = msgspec.structs.replace(rows[row.offset], entry=row.entry, nonce=row.nonce)
        return [found[offset] for offset in offsets if offset in found]

    async def _work(self, unit: Unit) -> None:
        if self.stage.long or not self._to_be_noted(unit):
            await self._called(unit)
            return
        async with self._crew.alone:  # where several are noted, all are blamed for what one of them does
            await self._called(unit)

    async def _called(self, unit: Unit) -> None:
        self._units.add(unit)
        try:
            try:
                arguments = await self._crew.arguments()
            except Unavailable as error:
                called = Called()
                called.outage, called.rest = message_of(error), range(len(unit))
                self._take_back(unit, called)
                return
            if self._repeats is not None:
                await self._repeats.find(unit, self._crew.now())
            if self._to_be_noted(unit):
                await self._note(unit)
                if self.conflicted:
                    return
            if self._within is not None:
                await self._call_within(unit, arguments)
                return
            called = await self._call(unit, arguments, self._undo())
            if self.lost or self.conflicted:
                return
            if called.edits and not self._taken(called):
                called = Called()
                called.rest, called.anew = range(len(unit)), True
            draft = self._settled(unit, called)
            self._apply(unit, called, draft)
            self._take_back(unit, called)
            self._draft.add(draft)
        finally:
            self._units.discard(unit)
            self._busy -= unit.keys
            self.running.difference_update(unit.chunk.offsets)

    def _undo(self) -> Undo:
        if self._pending is None:
            return Undo()
        prefix, refuse = f"{self.stage.topic.name}:{self.partition}:", ""
        if self._within is not None:
            refuse = f"stage {self.stage.name} commits within another database and cannot change tables; use two stages"
        return Changes(self._pending, self.stage.name, self._crew.now, prefix=prefix, refuse=refuse)

    def _taken(self, called: Called) -> bool:
        """Whether its changes of tables fit what this lane has changed; else another unit came first, and this one is
        called again."""
        return self._pending is not None and self._pending.take(called.edits)

    def _settled(self, unit: Unit, called: Called) -> Draft:
        now = self._crew.now()
        draft = settle(self.stage, unit, called, now, self._crew.chance)
        if self.stage.review is not None and self.stage.review.newest:
            supersede(unit, called, draft, self._parking.rows)
        if self._repeats is not None:
            self._repeats.settled(unit, called, draft, now)
        put_back(unit, called, draft, now)
        return draft

    async def _seen(self, marks: Sequence[str], since: float) -> Mapping[str, int]:
        log, stage = self._crew.log, self.stage.name
        return await self._crew.patiently(lambda: log.seen(stage, self.partition, marks, since))

    async def _call(self, unit: Unit, arguments: dict[str, Any], undo: Undo) -> Called:
        if self._crew.isolation is not None:
            return await self._crew.isolation.call(unit, self._caller)
        work = self._caller.run(unit, arguments, undo)
        if self.stage.handler.is_async:
            return await work
        running = self._crew.in_thread(lambda: run_through(work))
        running.add_done_callback(lambda _: _close(work))
        called = await self._watched(unit, running)
        return self._overrun(unit) if called is None else called

    async def _watched(self, unit: Unit, running: asyncio.Future[T]) -> T | None:
        """Waits for a plain def, which cannot be stopped; None if a call overran its time and had no verdict yet."""
        limit = self.stage.timeout
        if limit is None:
            return await running
        loop = asyncio.get_running_loop()
        while True:
            done, _ = await asyncio.wait([running], timeout=max(0.005, limit / 4))
            if done:
                return running.result()
            since = unit.since
            if since and loop.time() - since > limit and unit.decide():
                return None

    def _overrun(self, unit: Unit) -> Called:
        """The lane commits what is certain, that this record's attempt failed, and nothing after that; the process is
        to be replaced."""
        limit = self.stage.timeout or 0.0
        self.stuck = True
        self._crew.observe(Stuck(self.stage.name, self.partition))
        self._crew.replace_process()
        called = Called()
        at = range(len(unit)) if self.stage.batch else [unit.at]
        error = TimedOut(self.stage.name, limit)
        batch = batch_name(unit.chunk.offsets) if self.stage.whole else None
        called.failures = [Failure(i, error=error, took=limit, batch=batch) for i in at]
        called.rest = [i for i in range(len(unit)) if i not in set(at)]
        return called

    async def _call_within(self, unit: Unit, arguments: dict[str, Any]) -> None:
        """Effect, ledger and cursor in one transaction of the target; then the relay to the store."""
        assert self._within is not None
        target = self._within.target
        name = unit_after(self._last, self._incarnation)

        def work() -> tuple[Called, Draft, bool]:
            tx = target.begin(self.lease)
            try:
                more = {**arguments, "tx": tx} if "tx" in self.stage.handler.needs else arguments
                called = run_through(self._caller.run(unit, more, target.undo(self._undo())))
                target.check(self.lease)
                draft = self._settled(unit, called)
                kept = bool(draft.finished or (draft.park and unit.parked is None))
                if not kept or self.lost or not unit.decide():
                    target.roll_back()
                    return called, draft, False
                next_ = self._window.next_with([*draft.finished, *((offset, offset + 1) for offset in draft.park)])
                commit = draft.commit(self.lease, next_, self._totals, name)
                target.commit(self.lease, next_, name, commit)
                return called, draft, True
            except BaseException:
                target.roll_back()
                unit.chunk = unit.chunk.fresh(range(len(unit)), self._crew.reader)
                unit.reopen()
                raise

        try:
            found = await self._crew.patiently(lambda: self._watched(unit, self._crew.in_thread(work)))
        except LeaseLost:
            self.give_up()
        if self.lost:
            return
        if found is None:
            called = self._overrun(unit)
            found = called, self._settled(unit, called), False
        called, draft, kept = found
        self._apply(unit, called, draft)
        self._take_back(unit, called)
        if kept:
            self._last = name
        if not draft.empty:
            await self._write(self._drawn_up(draft, name if kept else None))

    def _apply(self, unit: Unit, called: Called, draft: Draft) -> None:
        """Brings window and parking to what the draft says; adds who is first of its key now."""
        size = unit.chunk.size * (len(unit) - len(called.rest)) // max(len(unit), 1)
        if unit.parked is None:
            spans = [*draft.finished, *((offset, offset + 1) for offset in draft.park)]
            self._window.finish(spans, len(unit) - len(called.rest), size)
        else:
            self._window.finish(draft.finished, 0, 0)
        for offset in draft.unpark:
            self._parking.remove(offset)
        for row in draft.park.values():
            self._parking.put(row)
        keys = {unit.parked[i].key for i in range(len(unit))} if unit.parked is not None else set()
        if self.stage.on_dead == "pass":
            keys |= {row.key for row in draft.park.values() if row.state == "dead"}
        self._promote(draft, keys)
        self._tell(unit, called, draft)

    def _promote(self, draft: Draft, keys: set[str | None]) -> None:
        now = self._crew.now()
        for key in keys:
            if (promotion := self._parking.promotion(key, now)) is not None:
                draft.promote[promotion[0]] = promotion[1]

    def _promote_all(self) -> None:
        """The oldest of a key may always be tried; whoever held the lease before may have died before saying so."""
        draft = Draft()
        self._promote(draft, set(self._parking.blocked))
        self._draft.add(draft)

    def _take_back(self, unit: Unit, called: Called) -> None:
        rest = called.rest
        if self._crew.pace is not None:
            self._crew.pace.give_back(len(rest))
        if unit.parked is None and len(rest) and not self.stuck:
            again = unit.chunk.fresh(rest, self._crew.reader) if called.outage or called.anew else unit.chunk.part(rest)
            self._window.give_back(again)
        self._singly = max(self._singly, called.alone)
        breaker = self._crew.breaker
        if called.outage:
            if self.stage.whole:
                self._suspects = max(self._suspects, len(unit))
            if breaker.tripped and not unit.probe:
                return  # one of the calls that were under way when it tripped: the delays count probes
            wait = breaker.trip(called.outage, self._crew.now())
            self._crew.observe(Tripped(self.stage.name, called.outage, wait))
            self._crew.tripped()
        elif unit.probe:
            self._after_probe(unit, called)

    def _after_probe(self, unit: Unit, called: Called) -> None:
        breaker = self._crew.breaker
        # A verdict on the record, also a bad one, shows that the outside is there.
        if called.done or called.failures:
            breaker.recover()
            # Those that failed while this one passed may be bad by themselves: each is called alone, or a batch that
            # fails for one of them would be taken for the next outage, and so on for ever.
            self._singly, self._suspects = max(unit.skipped, self._suspects), 0
            self._crew.observe(Recovered(self.stage.name))
            self._crew.wake_lanes()

    def _tell(self, unit: Unit, called: Called, draft: Draft) -> None:
        for failure in called.failures:
            row = draft.park[unit.chunk.offsets[failure.index]]
            position = f"{self.stage.topic.name}:{self.partition}:{row.offset}"
            if row.state == "waiting":
                self._crew.observe(Waiting(self.stage.name, position, row.key, row.reason))
                continue
            reason = row.reason or row.error
            self._crew.observe(
                Failed(self.stage.name, position, row.key, row.attempts, row.state, reason, failure.error)
            )

    # committing

    def _commit(self) -> None:
        if self._committing or self.conflicted or self._draft.empty:
            return
        self._committing = True
        draft, self._draft = self._draft, Draft()
        self._writing = self._drawn_up(draft, None)
        self._spawn(self._commit_one(self._writing))

    def _drawn_up(self, draft: Draft, unit: str | None) -> Commit:
        """The draft as a commit. `next` and the totals are taken in the same step as the draft: a unit that ends
        after this one moves them too, and is not in it."""
        commit = draft.commit(self.lease, self._window.next, self._totals, unit)
        if commit.totals is not None:
            self._totals = commit.totals
        return commit

    async def _commit_one(self, commit: Commit) -> None:
        try:
            await self._write(commit)
        finally:
            self._committing = False
            self._writing = None
            landed, self._landed = self._landed, asyncio.Event()
            landed.set()

    async def _write(self, commit: Commit) -> None:
        """Commits, as often as it takes: a commit is a value, so trying again changes nothing."""
        try:
            await self._crew.patiently(lambda: self._crew.log.commit(commit))
        except AlreadyCommitted:
            if commit.unit is None:
                raise
        except LeaseLost:
            self.give_up()
            return
        except Conflict as error:
            # What was called after it may rest on it, too: all that is not committed is called again, by a new lane.
            self.conflicted = True
            self._crew.conflicts[self.partition] = min(self._halved + 1, MOST_HALVED)
            self._crew.observe(Conflicted(self.stage.name, self.partition, str(error)))
            return
        if commit.tables and self._pending is not None:
            self._pending.committed(commit.tables)
            self._halved = self._crew.conflicts[self.partition] = max(0, self._halved - 1)
        if self._repeats is not None:
            self._repeats.kept(commit.marks)
        self._crew.committed(commit.appends)
        if commit.next is not None or commit.park or commit.unpark:
            finished = sum(b - a for a, b in commit.finished)
            emitted = sum(append.count for append in commit.appends)
            self._crew.observe(
                Committed(self.stage.name, self.partition, self._window.next, finished, len(commit.park), emitted)
            )

    # requests

    def _answer(self) -> None:
        """Carries out what was asked when no parked record is in hand, so that holder and asker do not race."""
        busy = self._flying or self._committing or (self._within is not None and self._units)
        if self._requests and not busy:
            self._flying.add(-1)
            self._spawn(self._carry_out(list(self._requests.values())))

    async def _carry_out(self, requests: list[Request]) -> None:
        # Several are open: who asked last had seen what was parked before the first of them was carried out.
        as_of = dict(self._parking.rows)
        try:
            for request in requests:
                draft = await self._carried_out(request, as_of)
                for offset in draft.unpark:
                    self._parking.remove(offset)
                for row in draft.park.values():
                    self._parking.put(row)
                self._promote(draft, set(self._parking.blocked))
                self._draft.add(draft)
                self._answered.add(request.id)
                del self._requests[request.id]
        finally:
            self._flying.discard(-1)

    async def _carried_out(self, request: Request, as_of: Mapping[int, Parked]) -> Draft:
        rows: Sequence[Parked] = [r for r in self._parking.matching(request.match, as_of) if r.state != "running"]
        if request.action != "drop" and rows:
            rows = await self._copies([row.offset for row in rows])
        stage, now = self.stage, self._crew.now()
        return carried_out(request, rows, stage.topic, self._crew.reader, now, stage.review)


def _read_size(room: int) -> int:
    """Bytes to read at once: half of what there is room for, so that one half is worked on while the other is read."""
    return min(READ_BYTES, room // 2)


def _close(work: Coroutine[Any, Any, Any]) -> None:
    """Ends a call that was cancelled before a thread took it; one that a thread is in goes on and is not looked at."""
    with contextlib.suppress(ValueError):
        work.close()
