"""A lane: one stage and partition at work, under one lease.

It reads ahead, hands units to call slots, settles what came of them and commits, all in one task. What is read,
called and committed overlaps; what is committed is in the order in which units ended. Of one key at most one unit
is in hand: a record is handed out only when no unit with its key is, so what a key's records give is settled, and
then committed, in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onward.call import Unit
from onward.commits import Commits
from onward.draft import Draft
from onward.filling import Filling
from onward.hand import Hand
from onward.log import Claim, Commit, Parked, Request
from onward.parking import Parking
from onward.reading import READ_RECORDS, Reading
from onward.repeats import Repeats
from onward.request import carried_out
from onward.running import is_suspect, untouched
from onward.settle import behind
from onward.stage import Stage
from onward.window import Chunk, Window
from onward.within import Within
from onward.work import Work

if TYPE_CHECKING:
    from onward.crew import Crew

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
        rows = crew.ration.parked(claim.parked, crew.horizon)
        keep, room = stage.on_dead == "hold", lambda: crew.room // 4
        self._parking = Parking(rows, ordered=not stage.unordered, dead_hold=keep, room=room)
        parked = [(row.offset, row.offset + 1) for row in claim.parked]
        self._window = Window(claim.next, [*claim.ahead, *parked])
        self._hand = Hand(self._window, self._parking)
        repeats = Repeats(stage, self._seen) if stage.dedupe is not None else None
        self._commits = Commits(crew, claim, self._window, repeats, spawn=self._spawn, give_up=self.give_up)
        self._reading = Reading(
            crew,
            stage,
            self.partition,
            self._hand,
            spawn=self._spawn,
            may_hold=lambda size: crew.may_hold(self, size),
        )
        self._work = Work(
            crew,
            stage,
            claim,
            self._hand,
            self._commits,
            repeats,
            within,
            known_as=self._known_as,
            parked_as=self._parked_as,
            give_up=self.give_up,
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
        self.beside: Lane | None = None
        """Another lane of the same stage and partition; no key is in hand in both."""
        self._careful = CAREFUL if claim.crashes > 1 and within is None and crew.isolation is None else 0
        self._left: set[int] = set()
        self._filling = Filling(stage.batch or 1, stage.fill or 0.0)
        self._again = again
        self._stopping = False
        self._error: BaseException | None = None
        self.idle = False

    @property
    def _known_as(self) -> str:
        """The stage, as `Record.id` has it."""
        return self.stage.name

    def _parked_as(self, row: Parked) -> Parked:
        """What a row is parked as that calls have given."""
        return row

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
        self._left = self._left or set(self._hand.running)
        self._hand.lost = True
        for task in self._tasks:
            task.cancel()
        self.wake()

    async def let_go(self) -> None:
        """After it has given up at a stop: notes that the calls that it broke off are to be made again. It is no fault
        of their records."""
        rows = self._parking.rows
        offsets = [o for o in self._left - self._commits.unwritten if o in rows and rows[o].state == "running"]
        if offsets:
            now = self._crew.now()
            park = [untouched(copy, now) for copy in await self._work.copies(sorted(offsets))]
            await self._commits.write(Commit(lease=self.lease, park=park))

    @property
    def lost(self) -> bool:
        """It has given up."""
        return self._hand.lost

    @property
    def running(self) -> Collection[int]:
        """Records whose call is noted in the store, and is under way."""
        return self._hand.running

    @property
    def stuck(self) -> bool:
        """A call hangs."""
        return self._hand.stuck

    @property
    def full(self) -> bool:
        """As many records are parked as may be: nothing more is read."""
        return self._reading.full

    @property
    def conflicted(self) -> bool:
        """A commit rested on documents that have changed."""
        return self._commits.conflicted

    @property
    def again(self) -> bool:
        """Whether it has ended only to begin again from what the store says."""
        return self._commits.conflicted and not (self._stopping or self._hand.lost)

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
        return self._hand.stuck or self._reading.full or self._crew.ration.over

    @property
    def emits(self) -> frozenset[str]:
        """The topics that it may emit to."""
        return frozenset(topic.name for topic in self.stage.to)

    def owed(self, topic: str) -> tuple[int, int]:
        """Records and bytes that are in hand, or emitted to the topic and not committed."""
        mine = [append for append in self._commits.appends if append.topic == topic]
        records = sum(len(unit) for unit in self._hand.units) + sum(append.count for append in mine)
        return records, sum(unit.chunk.size for unit in self._hand.units) + sum(len(append.entries) for append in mine)

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
            await self._work.take_up(again=self._again)
            self._work.promote_all()
            while not self._hand.lost:
                self._wake.clear()
                now = self._crew.now()
                self._step()
                if self._error is not None:
                    raise self._error
                if not self._tasks and (self._commits.conflicted or (self._stopping and self._commits.draft.empty)):
                    return
                if not self._wake.is_set():
                    self.idle = not self._tasks and self._commits.draft.empty
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
        if self._error is not None or self._commits.conflicted:
            return
        self._commits.start()
        self._reading.let_go(self._commits.under_way)
        if self._stopping or self._hand.stuck:
            return
        self._answer()
        self._reading.start(self._end)
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
            self._error = error

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
            more = new or self._reading.under_way
            if not (((not more or self._due(GATHER)) and self._retry_due()) or (new and self._hand_live())):
                self._crew.slot_free()
                return

    def _uncommitted_enough(self) -> bool:
        """Bounds what a crash would repeat, and keeps units of a target's transaction strictly one after another."""
        if self._crew.behind_lease():
            return True
        if self._within is not None:
            return (
                bool(self._hand.units or self._hand.flying or self._requests)
                or self._commits.under_way
                or not self._commits.draft.empty
            )
        if self._commits.halved and (self._hand.units or self._commits.under_way or not self._commits.draft.empty):
            return True
        if self._requests and not self._hand.flying:
            return True  # they wait for a moment when all is committed, which new work would put off for ever
        if self._commits.under_way and self._commits.draft.size > self._crew.room // 2:
            return True
        most = 1 if self.stage.effect else 8
        return (
            self._commits.draft.units >= most + (0 if self.stage.effect else self.stage.parallel)
            and self._commits.under_way
        )

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
        most = min(most, self._crew.room // self._hand.record_size if self._hand.record_size else RETRIES)
        groups = self._parking.take(
            self._crew.now(), self._most(max(1, most)), self._hand.flying | self._commits.unwritten
        )
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
        self._hand.flying.update(offsets)
        keys = {key for offset in offsets if (key := self._parking.rows[offset].key) is not None}
        self._hand.keys |= keys
        probe = self._crew.breaker.tripped
        self._spawn_in_slot(self._work.retry(offsets, keys, probe=probe), probe=probe)
        return True

    def _may_fly(self, group: Sequence[int]) -> bool:
        keys = {self._parking.rows[offset].key for offset in group}
        return self.stage.unordered or not (keys & self._hand.keys)

    def _hand_live(self, *, probe: bool = False, skip: int = 0) -> bool:
        stage = self.stage
        if self._uncommitted_enough():
            return False
        most = (
            1
            if probe or self._hand.singly or self._notes
            else max(1, (stage.batch or self._share()) >> self._commits.halved)
        )
        most = self._most(self._within_bound(most))
        busy: set[str] = set() if stage.unordered else self._hand.keys
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
        self._hand.singly = max(0, self._hand.singly - 1)
        if stage.parallel > 1 and not stage.unordered:
            unit.keys = {key for entry in chunk.entries if (key := entry[1]) is not None}
            self._hand.keys |= unit.keys
        self._hand.units.add(unit)  # in hand from now on, and not only when its task has begun
        self._spawn_in_slot(self._work.do(unit), probe=probe)
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
        self._commits.add(draft)
        self._commits.start()

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

    @property
    def _notes(self) -> bool:
        """Whether each call is noted in the store before it is made."""
        return self.stage.long or self._careful > 0

    # requests

    def _answer(self) -> None:
        """Carries out what was asked when no parked record is in hand, so that holder and asker do not race."""
        busy = self._hand.flying or self._commits.under_way or (self._within is not None and self._hand.units)
        if self._requests and not busy:
            self._hand.flying.add(-1)
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
                self._work.promote(draft, set(self._parking.blocked))
                self._commits.add(draft)
                self._answered.add(request.id)
                del self._requests[request.id]
        finally:
            self._hand.flying.discard(-1)

    async def _carried_out(self, request: Request, as_of: Mapping[int, Parked]) -> Draft:
        rows: Sequence[Parked] = [r for r in self._parking.matching(request.match, as_of) if r.state != "running"]
        if request.action != "drop" and rows:
            rows = await self._work.copies([row.offset for row in rows])
        stage, now = self.stage, self._crew.now()
        return carried_out(request, rows, stage.topic, self._crew.reader, now, stage.review)

    async def _seen(self, marks: Sequence[str], since: float) -> Mapping[str, int]:
        log, stage = self._crew.log, self.stage.name
        return await self._crew.patiently(lambda: log.seen(stage, self.partition, marks, since))
