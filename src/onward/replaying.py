"""Replays at work: each a lane of its own beside the live one, under the same lease and on the same call slots.

Between them no key is in hand twice, nor is a key replayed over that has something parked in the live lane. What a
replay commits is kept under its own name, with progress, totals and parked records of its own: so it is once in
effect as live work is, and whoever takes the lease goes on where it stood.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from onward.draft import Draft
from onward.events import Replayed
from onward.failure import kind_of, message_of
from onward.handing import Handing
from onward.lane import Lane
from onward.log import Block, Claim, Commit, Lease, Parked, Range, Replay
from onward.reading import READ_BYTES, Reading
from onward.span import spans_of
from onward.target import Target
from onward.window import Chunk, chunk_of
from onward.within import Within

if TYPE_CHECKING:
    from onward.crew import Crew
    from onward.worker import Worker

BURST = 0.2
"""Seconds whose share of a rate may come at once."""

SLACK = 1e-6
"""What a sum of parts of records may be short of a whole one."""

OVERTAKES = "its key has something parked; replay it again when that is settled"


class Trickle:
    """How many records may go now, where so many per second may."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = 1.0
        self._at = now

    def may(self, now: float) -> int:
        most = max(1.0, self._rate * BURST)
        self._left = min(most, self._left + (now - self._at) * self._rate)
        self._at = now
        return int(self._left + SLACK)

    def spend(self, records: int) -> None:
        self._left -= records

    @property
    def next(self) -> float | None:
        """When the next one may go; None if one could when it was last asked. Asked anew it might say so where none
        could a moment ago, and who found none then would not be woken."""
        return None if self._left + SLACK >= 1.0 else self._at + (1.0 - self._left) / self._rate


class RangeReading(Reading):
    """Reads what is to be replayed: the records up to `end`, of one key or of all."""

    def __init__(self, end: int, key: str | None, *wiring: Any, **more: Any) -> None:
        super().__init__(*wiring, **more)
        self._end = end
        self._key = key

    async def _read(self) -> None:
        window, topic, records = self._window, self._stage.topic.name, self._records
        blocks = await self._crew.patiently(
            lambda: self._crew.log.read(topic, self._partition, window.reach, records, READ_BYTES)
        )
        window.add(*self._of_job(blocks))

    def _of_job(self, blocks: Sequence[Block]) -> tuple[Chunk, int]:
        """The records that are to be replayed, and where reading goes on. What is kept no more is passed over."""
        window, end, key = self._window, self._end, self._key
        start = max(window.reach, blocks[0].offset) if blocks else end
        window.finish([(window.reach, min(start, end))], 0, 0)
        if start >= end:
            return Chunk((), [], (), 0), end
        chunk = chunk_of(blocks, start, window.skip, self._crew.reader)
        mine, others = [], []
        for index, offset in enumerate(chunk.offsets):
            if offset < end:
                (mine if key is None or chunk.keys[index] == key else others).append(index)
        window.finish(spans_of([chunk.offsets[index] for index in others]), 0, 0)
        return chunk.part(mine), min(blocks[-1].offset + blocks[-1].count, end)


class ReplayHanding(Handing):
    """Hands out beside live work: no key that has something parked there, and at a rate of its own.

    A key whose first parked record is tried again is waited for; where it is dead or waits for a person the record
    fails, as that may last for ever.
    """

    def __init__(
        self, live: Lane, trickle: Trickle | None, cancelled: Callable[[], bool], *wiring: Any, **more: Any
    ) -> None:
        super().__init__(*wiring, **more)
        self._beside = live
        self._trickle = trickle
        self._cancelled = cancelled

    def next_due(self, *, more: bool) -> float | None:
        due = super().next_due(more=more)
        rows = self._parking.rows.values()
        if due is not None and self._beside.parked_keys and not any(self._may_try(row) for row in rows):
            due = None  # whoever frees the key wakes it
        if (slow := self._trickle.next if self._trickle is not None else None) is not None:
            # Whatever is handed out is counted; what was due before this would wake nobody.
            due = slow if self._window.pending else None if due is None else max(slow, due)
        return due

    def _may_try(self, row: Parked) -> bool:
        return row.state == "retrying" and (row.key is None or row.key not in self._beside.parked_keys)

    def _taken_keys(self) -> tuple[Set[str], Set[str]]:
        busy, parked = super()._taken_keys()
        if not self._beside.parked_keys:
            return busy, parked
        # Very many may be parked there; few of them are met.
        met = self._window.keys
        live = self._beside.parked_keys & met
        stopped = {key for key in live if self._beside.stops(key)}
        # What is tried again settles by itself, and is waited for; so is a call that is noted while it lasts.
        return busy | (live - stopped), (parked & met) | stopped

    def _set_aside(self, row: Parked) -> Parked:
        return replace(row, state="dead", reason=OVERTAKES) if self._beside.stops(row.key) else row

    def _may_fly(self, group: Sequence[int]) -> bool:
        keys = {self._parking.rows[offset].key for offset in group}
        return not any(key in self._beside.parked_keys for key in keys if key is not None) and super()._may_fly(group)

    def _uncommitted_enough(self) -> bool:
        return self._cancelled() or super()._uncommitted_enough()

    def _most(self, most: int) -> int:
        most = super()._most(most)
        return most if self._trickle is None else min(most, self._trickle.may(self._crew.now()))

    def _live(self, *, probe: bool = False, skip: int = 0) -> bool:
        if self._trickle is None:
            return super()._live(probe=probe, skip=skip)
        if self._trickle.may(self._crew.now()) < 1:
            return False
        before = self._window.pending
        handed = super()._live(probe=probe, skip=skip)
        self._trickle.spend(before - self._window.pending)
        return handed


class ReplayLane(Lane):
    """A replay in one partition. `run` returns when it is over (then it is `closed`), stopped, or its lease is lost."""

    def __init__(
        self, crew: Crew, claim: Claim, within: Within | None, replay: Replay, live: Lane, *, again: bool = False
    ) -> None:
        stage = copy.copy(crew.stage)
        stage.on_dead = "pass"  # a job comes to its end: what fails for good is counted, and holds nobody up
        stage.dedupe = None  # a replay is a repeat, and meant to be
        self.replay = replay
        end = next(one.end for one in replay.ranges if one.partition == claim.lease.partition)
        trickle = Trickle(replay.rate / len(replay.ranges), crew.now()) if replay.rate else None
        reading = partial(RangeReading, end, replay.key)
        handing = partial(ReplayHanding, live, trickle, lambda: self._cancelled)
        super().__init__(crew, claim, within, stage, reading=reading, handing=handing, again=again)
        self._end = end
        self._hand.keys = live._hand.keys
        self._cancelled = replay.cancelled
        self._closing = False
        self.closed = False
        self.beside = live
        live.beside = self

    @property
    def _known_as(self) -> str:
        return self.replay.stage if self.replay.same_id else self.replay.name

    def reached(self, end: int) -> None:
        """Its end was fixed when it was asked for."""

    def cancel(self) -> None:
        """Ends when what is in hand is done."""
        self._cancelled = True
        self.wake()

    def _parked_as(self, row: Parked) -> Parked:
        if row.state != "waiting":
            return row
        return replace(row, state="dead", reason=f"it would wait for a person, which no replay does: {row.reason}")

    # its end

    def _step(self) -> None:
        super()._step()
        if self._parking.rows and self.beside is not None and not (self.lost or self._stopping):
            self._give_up_behind(self.beside)
        if self._over and not (self._closing or self.lost or self._stopping):
            self._closing = True
            left = [offset for offset, row in self._parking.rows.items() if row.state != "dead"]
            next_ = self._window.next
            self._spawn(
                self._close(Commit(lease=self.lease, next=next_, totals=self._commits.totals, unpark=left, closes=True))
            )

    def _give_up_behind(self, live: Lane) -> None:
        """Records that were to be tried again, of keys that have stopped in live work, would wait for ever: they
        fail."""
        hand, late = self._hand, self._commits.unwritten
        rows = [row for row in self._parking.rows.values() if row.state != "dead" and live.stops(row.key)]
        if not rows or hand.units or hand.flying or any(row.offset in late for row in rows):
            return
        hand.flying.update(row.offset for row in rows)
        self._spawn(self._fail([row.offset for row in rows]))

    async def _fail(self, offsets: Sequence[int]) -> None:
        draft = Draft()
        for row in await self._work.copies(sorted(offsets)):
            draft.park[row.offset] = replace(row, state="dead", reason=OVERTAKES)
            self._parking.put(draft.park[row.offset])
        self._hand.flying.difference_update(offsets)
        draft.units = 1
        self._commits.add(draft)
        self._commits.start()

    @property
    def _over(self) -> bool:
        if self._tasks or self._commits.under_way or not self._commits.draft.empty:
            return False
        if self._cancelled:
            return True
        return self._window.next >= self._end and all(row.state == "dead" for row in self._parking.rows.values())

    async def _close(self, commit: Commit) -> None:
        await self._commits.write(commit)
        if not self.lost:
            self.closed = self._stopping = True
            failed = len(self._parking.rows) - len(commit.unpark)
            number, done = self.replay.number, self._commits.totals.done
            self._crew.observe(Replayed(self.stage.name, self.partition, number, done, failed))


class Replays:
    """The replays of one stage and partition, one after another by their numbers, beside its live lane."""

    def __init__(self, worker: Worker, crew: Crew, live: Lane, target: Target | None) -> None:
        self._worker = worker
        self._crew = crew
        self._live = live
        self._target = target
        self._jobs: dict[int, Replay] = {}
        self._over: set[int] = set()
        self._current: ReplayLane | None = None
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Something is to be begun; what has begun is a lane that tells for itself."""
        return self._current is None and self._next() is not None

    def told(self, replays: Sequence[Replay]) -> None:
        """Those that are not over, of any stage."""
        mine = [job for job in replays if job.stage == self._live.stage.name]
        self._jobs = {job.number: job for job in mine if self._range(job) is not None}
        current = self._current
        if current is not None and (job := self._jobs.get(current.replay.number)) is not None and job.cancelled:
            current.cancel()
        self._wake.set()

    async def beside(self) -> None:
        """Runs the live lane, and replays as long as it does."""
        running = asyncio.create_task(self._run())
        try:
            await self._live.run()
            self._stopping = True
            self._wake.set()
            if self._current is not None:
                if self._live.lost:
                    self._current.give_up()
                else:
                    self._current.stop()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            if (job := self._next()) is None:
                await self._wake.wait()
                continue
            try:
                if not await self._replay(job):
                    return  # it was stopped, as the live lane is
            except Exception as error:
                if self._stopping or self._live.lost:
                    return  # the next holder goes on where it stood
                # Live work goes on; whoever takes the lease next tries it again.
                self._worker.say(job.name, f"{kind_of(error)}: {message_of(error)}")
            self._over.add(job.number)
            self._worker.look()

    async def _replay(self, job: Replay) -> bool:
        """Whether it is over."""
        range_ = self._range(job)
        assert range_ is not None
        lease = replace(self._live.lease, stage=job.name)
        claim, within = await self._resumed(lease, range_), None
        if self._target is not None:
            within = Within(self._target, self._crew.log, None)
            if await self._taken(within, claim, range_.end):
                claim = await self._resumed(lease, range_)
        again = False
        while True:
            lane = self._current = ReplayLane(self._crew, claim, within, job, self._live, again=again)
            self._worker.roster.begin(self._crew, lane)
            try:
                if self._stopping:
                    lane.stop()
                await lane.run()
            finally:
                self._live.beside = self._current = None
                self._worker.roster.end(self._crew, lane)
                self._worker.look()
            if not lane.again:
                return lane.closed
            claim, again = await self._resumed(lease, range_), True

    async def _taken(self, within: Within, claim: Claim, end: int) -> bool:
        return await self._crew.there(lambda: within.take(claim, end, self._crew.in_thread))

    async def _resumed(self, lease: Lease, range_: Range) -> Claim:
        return await self._worker.patiently(lambda: self._crew.log.resume(lease, range_.first), or_stop=True)

    def _range(self, job: Replay) -> Range | None:
        return next((one for one in job.ranges if one.partition == self._live.partition), None)

    def _next(self) -> Replay | None:
        return next((job for number, job in sorted(self._jobs.items()) if number not in self._over), None)
