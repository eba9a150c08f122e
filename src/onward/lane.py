"""A lane: one stage and partition at work, under one lease.

It reads ahead, hands units to call slots, settles what came of them and commits, all in one task. What is read,
called and committed overlaps; what is committed is in the order in which units ended. Of one key at most one unit
is in hand: a record is handed out only when no unit with its key is, so what a key's records give is settled, and
then committed, in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from onward.answering import Answering
from onward.commits import Commits
from onward.hand import Hand
from onward.handing import Handing
from onward.log import Claim, Commit, Parked, Request
from onward.parking import Parking
from onward.reading import Reading
from onward.repeats import Repeats
from onward.running import untouched
from onward.stage import Stage
from onward.window import Window
from onward.within import Within
from onward.work import Work

if TYPE_CHECKING:
    from onward.crew import Crew


class Lane:
    """One stage and partition. `run` returns when it was stopped and its work is committed, or its lease is lost.

    Args:
        stage: in place of the crew's.
        reading, handing: make the parts that read ahead and hand out.
        again: whether the lane before it, in this process, ended by a conflict: then what it left as running has not
            failed.
    """

    def __init__(
        self,
        crew: Crew,
        claim: Claim,
        within: Within | None,
        stage: Stage | None = None,
        *,
        reading: Callable[..., Reading] = Reading,
        handing: Callable[..., Handing] = Handing,
        again: bool = False,
    ) -> None:
        stage = stage or crew.stage
        self.stage: Stage = stage
        self.lease = claim.lease
        self.partition = claim.lease.partition
        self._crew = crew
        rows = crew.ration.parked(claim.parked, crew.horizon)
        keep, room = stage.on_dead == "hold", lambda: crew.room // 4
        self._parking = Parking(rows, ordered=not stage.unordered, dead_hold=keep, room=room)
        parked = [(row.offset, row.offset + 1) for row in claim.parked]
        self._window = Window(claim.next, [*claim.ahead, *parked])
        self._hand = Hand(self._window, self._parking)
        repeats = Repeats(stage, self._seen) if stage.dedupe is not None else None
        self._commits = Commits(crew, claim, self._window, repeats, spawn=self._spawn, give_up=self.give_up)
        self._reading = reading(
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
        self._answering = Answering(
            crew, stage, self._hand, self._commits, self._work, units=within is not None, spawn=self._spawn
        )
        self._handing = handing(
            crew,
            stage,
            self._hand,
            self._commits,
            self._reading,
            self._work,
            self._answering,
            within=within is not None,
            careful=claim.crashes > 1 and within is None and crew.isolation is None,
            slot=lambda: crew.slot(self),
            spawn=self._spawn_in_slot,
        )
        self._end = claim.next
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.beside: Lane | None = None
        """Another lane of the same stage and partition; no key is in hand in both."""
        self._left: set[int] = set()
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
    def parked_keys(self) -> Set[str]:
        """Keys that have something parked."""
        return self._parking.blocked.keys()

    def stops(self, key: str | None) -> bool:
        """Whether a key stays so until somebody does something: the first of it is dead, or waits."""
        return self._parking.stops(key)

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
        if self._answering.asked(request):
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
        return self._handing.next_due(more=self._window.reach < self._end and not self.halted)

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
        due = self.next_due
        return due if due is not None and due > looked else None

    def _step(self) -> None:
        if self._error is not None or self._commits.conflicted:
            return
        self._commits.start()
        self._reading.let_go(self._commits.under_way)
        if self._stopping or self._hand.stuck:
            return
        self._answering.start()
        self._reading.start(self._end)
        self._handing.start()

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

    async def _seen(self, marks: Sequence[str], since: float) -> Mapping[str, int]:
        log, stage = self._crew.log, self.stage.name
        return await self._crew.patiently(lambda: log.seen(stage, self.partition, marks, since))
