"""A unit at work in a lane: noted if it is to be, called, settled, and brought to window, parking and draft."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from onward.call import Called, Unit, run_through, unkeepable
from onward.calling import Calling
from onward.commits import Commits
from onward.draft import Draft
from onward.errors import LeaseLost, Overruled, Unavailable, Unkeepable
from onward.events import Failed, Recovered, Tripped, Waiting
from onward.failure import message_of
from onward.hand import Hand
from onward.log import Claim, Commit, Parked
from onward.repeats import Repeats
from onward.review import supersede
from onward.running import begun, gone, is_suspect, put_back, untouched
from onward.settle import settle
from onward.stage import Stage
from onward.target import Transaction, unit_after
from onward.window import chunk_of_copies
from onward.within import Attempt, Within

if TYPE_CHECKING:
    from onward.crew import Crew

OVERRULED = 0.02
"""Seconds, about, after which a transaction that was overruled is tried again; twice as many after each further one."""


class Work:
    """Of one stage and partition, under one lease.

    Args:
        known_as: the stage, as `Record.id` has it.
        parked_as: what a row is parked as, as the lane has it.
        give_up: what the lane does when its lease is lost.
    """

    def __init__(
        self,
        crew: Crew,
        stage: Stage,
        claim: Claim,
        hand: Hand,
        commits: Commits,
        repeats: Repeats | None,
        within: Within | None,
        *,
        known_as: str,
        parked_as: Callable[[Parked], Parked],
        give_up: Callable[[], None],
    ) -> None:
        self._crew = crew
        self._stage = stage
        self._lease = claim.lease
        self._partition = claim.lease.partition
        self._hand = hand
        self._window = hand.window
        self._parking = hand.parking
        self._commits = commits
        self._repeats = repeats
        self._within = within
        self._last = claim.unit
        self._incarnation = claim.incarnation
        self._parked_as = parked_as
        self._give_up = give_up
        self._suspects = 0
        refuse = f"stage {stage.name} commits within another database and cannot change tables; use two stages"
        self._calling = Calling(
            crew,
            stage,
            self._partition,
            hand,
            identity=f"{known_as}:{stage.topic.name}:{claim.incarnation}:{self._partition}",
            pending=commits.pending,
            refuse=refuse if within is not None else "",
        )

    async def retry(self, offsets: list[int], keys: set[str], *, probe: bool) -> None:
        """Works on parked records, which are flying and whose keys are in hand."""
        try:
            copies = await self.copies(offsets)
            if not copies:
                return
            unit = Unit(chunk_of_copies(copies, self._crew.reader), copies, probe=probe)
            unit.keys = keys
            await self.do(unit)
        finally:
            self._hand.flying.difference_update(offsets)
            self._hand.keys -= keys

    def _to_be_noted(self, unit: Unit) -> bool:
        suspect = unit.parked is not None and is_suspect(unit.parked[0])
        return (
            self._within is None and len(unit) == 1 and not unit.repeats and (unit.note or self._stage.long or suspect)
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
        self._hand.running.add(row.offset)
        self._hand.flying.discard(row.offset)
        self._hand.keys -= unit.keys
        self._commits.add(draft)
        self._commits.start()
        while row.offset in self._commits.unwritten and not (self._hand.lost or self._commits.conflicted):
            await self._commits.landed()

    async def take_up(self, *, again: bool) -> None:
        """What was running when the holder before was gone has failed, as far as anybody knows."""
        if offsets := [offset for offset, row in self._parking.rows.items() if row.state == "running"]:
            copies = await self.copies(offsets)
            if again:
                for row in (untouched(copy, self._crew.now()) for copy in copies):
                    self._commits.draft.park[row.offset] = row
                    self._parking.put(row)
                return
            unit = Unit(chunk_of_copies(copies, self._crew.reader), copies)
            called = gone(self._stage, len(unit))
            draft = self._settled(unit, called)
            self._apply(unit, called, draft)
            self._commits.add(draft)

    async def copies(self, offsets: Sequence[int]) -> list[Parked]:
        """What is parked here as it stands now, each with its copy. The store is a commit behind: of the rows there
        only the copies count, and a record that was parked a moment ago may not be there yet; it stays due."""
        rows = self._parking.rows
        found = {offset: rows[offset] for offset in offsets if rows[offset].entry}
        if away := [offset for offset in offsets if offset not in found]:
            log, stage = self._crew.log, self._lease.stage
            for row in await self._crew.patiently(lambda: log.copies(stage, self._partition, away)):
                self._hand.record_size = max(self._hand.record_size, len(row.entry))
                found[row.offset] = msgspec.structs.replace(rows[row.offset], entry=row.entry, nonce=row.nonce)
        return [found[offset] for offset in offsets if offset in found]

    async def do(self, unit: Unit) -> None:
        """Works on a unit, to where it is in the draft or given back."""
        if self._stage.long or not self._to_be_noted(unit):
            await self._called(unit)
            return
        async with self._crew.alone:  # where several are noted, all are blamed for what one of them does
            await self._called(unit)

    async def _called(self, unit: Unit) -> None:
        self._hand.units.add(unit)
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
                if self._commits.conflicted:
                    return
            if self._within is not None:
                await self._call_within(self._within, unit, arguments)
                return
            called = await self._calling.call(unit, arguments)
            if self._hand.lost or self._commits.conflicted:
                return
            if called.edits and not self._taken(called):
                called = Called()
                called.rest, called.anew = range(len(unit)), True
            draft = self._settled(unit, called)
            self._apply(unit, called, draft)
            self._take_back(unit, called)
            self._commits.add(draft)
        finally:
            self._hand.units.discard(unit)
            self._hand.keys -= unit.keys
            self._hand.running.difference_update(unit.chunk.offsets)

    def _taken(self, called: Called) -> bool:
        """Whether its changes of tables fit what this lane has changed; else another unit came first, and this one is
        called again."""
        return (pending := self._commits.pending) is not None and pending.take(called.edits)

    def _settled(self, unit: Unit, called: Called) -> Draft:
        now = self._crew.now()
        draft = settle(self._stage, unit, called, now, self._crew.chance)
        if self._stage.review is not None and self._stage.review.newest:
            supersede(unit, called, draft, self._parking.rows)
        if self._repeats is not None:
            self._repeats.settled(unit, called, draft, now)
        put_back(unit, called, draft, now)
        for offset, row in draft.park.items():
            draft.park[offset] = self._parked_as(row)
        return draft

    async def _call_within(self, within: Within, unit: Unit, arguments: dict[str, Any]) -> None:
        """Effect, ledger and cursor in one transaction of the target; then the relay to the store."""
        name = unit_after(self._last, self._incarnation)

        def calls(transaction: Transaction) -> tuple[Called, Draft]:
            more = {**arguments, "tx": transaction.tx} if "tx" in self._stage.handler.needs else arguments
            called = run_through(self._calling.run(unit, more, transaction.undo(self._calling.undo())))
            transaction.check()
            return called, self._settled(unit, called)

        def commit(draft: Draft) -> tuple[int, str, Commit] | None:
            if not (draft.finished or (draft.park and unit.parked is None)) or self._hand.lost or not unit.decide():
                return None
            next_ = self._window.next_with([*draft.finished, *((offset, offset + 1) for offset in draft.park)])
            return next_, name, draft.commit(self._lease, next_, self._commits.totals, name)

        def attempt() -> Attempt:
            try:
                return within.attempt(self._lease, self._last, calls, commit)
            except Unkeepable as error:
                called = unkeepable(unit, error)
                return Attempt(called, self._settled(unit, called), False)
            except BaseException:
                unit.reopen(self._crew.reader)
                raise

        def kept() -> bool:
            return within.target.kept(self._lease, name)

        try:
            while True:
                found = await self._attempted(unit, attempt)
                if found is None or found.kept is not None:
                    break
                if await self._crew.there(lambda: self._crew.in_thread(kept)):
                    found = found._replace(kept=True)
                    break
                unit.reopen(self._crew.reader)
        except LeaseLost:
            self._give_up()
        if self._hand.lost:
            return
        if found is None:
            called = self._calling.overrun(unit)
            found = Attempt(called, self._settled(unit, called), False)
        self._apply(unit, found.called, found.draft)
        self._take_back(unit, found.called)
        if found.kept:
            self._last = name
        if not found.draft.empty:
            await self._commits.write(self._commits.drawn_up(found.draft, name if found.kept else None))

    async def _attempted(self, unit: Unit, attempt: Callable[[], Attempt]) -> Attempt | None:
        """Attempts it until the target lets it be; None if a call overran its time."""
        wait = OVERRULED
        while True:
            try:
                return await self._crew.there(lambda: self._calling.watched(unit, self._crew.in_thread(attempt)))
            except Overruled:  # whoever it met may meet it again, unless one of them waits
                await asyncio.sleep(wait * (0.5 + self._crew.chance()))
                wait = min(2 * wait, 1.0)

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
        if self._stage.on_dead == "pass":
            keys |= {row.key for row in draft.park.values() if row.state == "dead"}
        self.promote(draft, keys)
        self._tell(unit, called, draft)

    def promote(self, draft: Draft, keys: Iterable[str | None]) -> None:
        """Adds to a draft who is first of its key now."""
        now = self._crew.now()
        for key in keys:
            if (promotion := self._parking.promotion(key, now)) is not None:
                draft.promote[promotion[0]] = promotion[1]

    def promote_all(self) -> None:
        """The oldest of a key may always be tried; whoever held the lease before may have died before saying so."""
        draft = Draft()
        self.promote(draft, set(self._parking.blocked))
        self._commits.add(draft)

    def _take_back(self, unit: Unit, called: Called) -> None:
        rest = called.rest
        if self._crew.pace is not None:
            self._crew.pace.give_back(len(rest))
        if unit.parked is None and len(rest) and not self._hand.stuck:
            again = unit.chunk.fresh(rest, self._crew.reader) if called.outage or called.anew else unit.chunk.part(rest)
            self._window.give_back(again)
        self._hand.singly = max(self._hand.singly, called.alone)
        breaker = self._crew.breaker
        if called.outage:
            if self._stage.whole:
                self._suspects = max(self._suspects, len(unit))
            if breaker.tripped and not unit.probe:
                return  # one of the calls that were under way when it tripped: the delays count probes
            wait = breaker.trip(called.outage, self._crew.now())
            self._crew.observe(Tripped(self._stage.name, called.outage, wait))
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
            self._hand.singly, self._suspects = max(unit.skipped, self._suspects), 0
            self._crew.observe(Recovered(self._stage.name))
            self._crew.wake_lanes()

    def _tell(self, unit: Unit, called: Called, draft: Draft) -> None:
        choices = () if self._stage.review is None else self._stage.review.choices
        for failure in called.failures:
            row = draft.park[unit.chunk.offsets[failure.index]]
            position = f"{self._stage.topic.name}:{self._partition}:{row.offset}"
            if row.state == "waiting":
                self._crew.observe(Waiting(self._stage.name, position, row.key, row.reason, choices))
                continue
            reason = row.reason or row.error
            self._crew.observe(
                Failed(self._stage.name, position, row.key, row.attempts, row.state, reason, failure.error)
            )
