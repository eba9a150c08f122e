"""An intake: one source at work, under its lease."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from onward.bound import Left
from onward.emit import Emitter
from onward.errors import LeaseLost, SettingError, SourceStalled, StoreUncertain
from onward.events import SavedFailed, SourceFailed, SourceRan
from onward.failure import is_stopped, message_of
from onward.feed import COMMIT_SECONDS, Feed, Stopped, Taken
from onward.handler import Handler
from onward.log import Append, Claim, Commit
from onward.misfit import misfit
from onward.patience import Absence
from onward.producer import Producer
from onward.resource import Resources
from onward.retry import Retry
from onward.schedule import Cron
from onward.source import Source

if TYPE_CHECKING:
    from onward.worker import Worker

PAUSE, LONGEST_PAUSE = 1.0, 15.0
AGAIN = Retry(first="1s", most="5m")

LEFT_BEHIND = 10.0
"""Seconds to wait for a call whose commit failed to end before the next one is begun."""


class Intake:
    """Calls a source by its schedule and commits what it brings, with the cursor, at its checkpoints.

    `before` is the intake that this worker had of the same source before this one.
    """

    def __init__(
        self,
        worker: Worker,
        source: Source,
        claim: Claim,
        resources: Resources,
        emitter: Emitter,
        before: Intake | None = None,
    ) -> None:
        self.source = source
        self.lease = claim.lease
        self.lost = False
        self.done = before is not None and before.done
        """Under `--once`: it was called as often as it is to be."""
        self.failed = before is not None and before.failed
        self.failures = 0 if before is None else before.failures
        self.away = 0.0
        """Seconds for which it is left to other workers, as it stalled here."""
        self._first_here = before is None
        self._left_behind = None if before is None or before.away else before._producer
        self._worker = worker
        self._absence = Absence(worker.patiently, worker.leases.note)
        self._state = claim.source
        self._resources = resources
        self._emitter = emitter
        self._wake = asyncio.Event()
        self._stopping = False
        self._feed: Feed | None = None
        self._producer: Producer | None = None
        self._saved_with: dict[str, Any] | None = None
        self._slow_until: float | None = None
        self._rest = PAUSE

    @property
    def state(self) -> str:
        """What `status` shows."""
        if self._absence.told:
            return f"waiting: {self._absence.told}"
        waits = self._worker.gates.waits(self.source)
        if not waits and self._slow_until is not None:
            waits = f"slowed: {self._worker.gates.slowed_by(self.source)} has tripped"
        return self._state.state if self.done or self._state.state.startswith("failed:") else waits or self._state.state

    def wake(self) -> None:
        """Something may have changed."""
        self._wake.set()
        if self._feed is not None:
            self._feed.news.set()

    def stop(self) -> None:
        """Ends at the source's next yield; what follows its last checkpoint is discarded."""
        self._stopping = True
        if self._feed is not None:
            self._feed.stop()
        self._wake.set()

    def hand_over(self) -> None:
        """Ends for another worker: between two calls, or within a call of one that may never return."""
        if self._feed is None or self.source.continuous:
            self.stop()
        self._stopping = True

    def give_up(self) -> None:
        self.lost = True
        self.stop()

    async def run(self) -> None:
        """Until it is stopped, its lease is lost or, under `--once`, it has been called."""
        if self._left_behind is not None:
            await self._left_behind.over(LEFT_BEHIND)
        pause, due = PAUSE, await self._first_due()
        while await self._comes(due):
            begun = self._worker.clock.now()
            try:
                brought = await self._call(begun, min(pause * 2, LONGEST_PAUSE))
                self.failures = 0
            except LeaseLost:
                self.lost = True
                return
            except StoreUncertain:
                raise  # its cursor may have moved: whoever takes the lease next reads it
            except Exception as error:
                self.failures += 1
                wait = AGAIN.delay(self.failures, lambda: 0.5 + self._worker.chance() / 2)
                await self._failed(error, wait)
                if self._worker.once:
                    self._end(failed=True)
                    return
                if isinstance(error, SourceStalled):
                    self.away = wait
                    return
                due = self._worker.clock.now() + wait
                continue
            pause = PAUSE if brought else min(pause * 2, LONGEST_PAUSE)
            if self._worker.once and not (brought and self.source.continuous):
                if not self._stopping:
                    self._end()
                return
            due = begun if self._worker.once else self._state.next_run or self._worker.clock.now() + pause

    def _end(self, *, failed: bool = False) -> None:
        self.done, self.failed = True, failed
        self._worker.look()

    async def _first_due(self) -> float:
        """When it is called first under this lease, which `status` shows from now on."""
        now, known, schedule = self._worker.clock.now(), self._state, self.source.schedule
        if self._worker.once:
            return now
        if known.state.startswith("failed:") and known.next_run is not None:
            due = known.next_run
        elif known.state == "running" or schedule is None:
            due = now  # a call that was cut off is taken up again
        elif isinstance(schedule, Cron):
            missed = known.next_run is not None and known.next_run <= now
            due = schedule.first(now) if known.last_run is None else schedule.next(known.last_run)
            due = now if missed and known.last_run is None else due
        else:
            due = schedule.first(now) if self._first_here or known.next_run is None else known.next_run
        if due > now and due != known.next_run:
            await self._note(next_run=due)
        return due

    async def _comes(self, due: float) -> bool:
        """Waits for an instant, and until those behind it let it go on; whether it has come before it is stopped."""
        clock = self._worker.clock
        while not self._stopping:
            self._wake.clear()
            left, due = self._left(), max(due, self._slow_until or due)
            if clock.now() >= due and not left.nothing:
                return True
            # Looked at again now and then, as a machine's clock may be set.
            await clock.wait(self._wake, clock.now() + 60.0 if clock.now() >= due else min(due, clock.now() + 60.0))
        return False

    def _left(self, brought: int = 0) -> Left:
        """How much may come, having brought so much just now. While a stage behind it has tripped nothing comes for a
        pause after each commit, which grows from 1 s to 15 s."""
        gates, now = self._worker.gates, self._worker.clock.now()
        if self._worker.once or not gates.slowed_by(self.source):
            self._slow_until, self._rest = None, PAUSE
        elif brought or self._slow_until is None:
            self._slow_until, self._rest = now + self._rest, min(self._rest * 2, LONGEST_PAUSE)
        return Left(0, 0) if self._slow_until is not None and now < self._slow_until else gates.left(self.source)

    async def _call(self, begun: float, pause: float) -> int:
        """Calls the source once; returns how many records it brought. `pause` is how long a continuous one rests if
        it brings nothing."""
        started = time.monotonic()
        arguments = await self._resources.get(self.source.handler)
        if self.source.saved is not None:
            self._saved_with = await self._resources.get(self.source.saved)
        flags = {"dry_run": self._worker.dry_run, "once": self._worker.once}
        arguments |= {name: flag for name, flag in flags.items() if name in self.source.handler.needs}
        schedule = self.source.schedule
        next_run = None if schedule is None else schedule.after(begun, self._worker.chance)
        await self._note(last_run=begun, next_run=next_run, state="running")
        feed = Feed(self.source, self._emitter, self._worker.memory // 4, self._worker.clock.now)
        producer = Producer(self.source, feed, self._cursor(), arguments)
        self._feed, self._producer = feed, producer
        feed.go_on(self._left())
        if self._stopping:
            feed.stop()
        try:
            brought, whole = await self._drain(feed, producer)
        finally:
            self._feed = None
            if not producer.result.done():
                producer.leave()  # the commit failed, not the source: nothing later may be kept in its place
        if whole:
            feed.end()
            taken = feed.take()
            brought += len(taken.records)
            rest = PAUSE if brought else pause
            await self._keep(taken, state="idle", next_run=next_run or self._worker.clock.now() + rest)
            self._worker.observe(SourceRan(self.source.name, brought, time.monotonic() - started))
        return brought

    async def _drain(self, feed: Feed, producer: Producer) -> tuple[int, bool]:
        """Commits what comes until the source has ended; returns how many records those were, and whether it ended by
        itself."""
        brought = 0
        while not producer.result.done():
            await self._news(feed, producer)
            came = await self._commit(feed)
            brought += came
            if came and self._worker.gates.bounded(self.source):
                await self._worker.patiently(self._worker.gates.look)
            feed.go_on(self._left(came))
            if self.source.stall is not None and feed.quiet() >= self.source.stall:
                raise SourceStalled(self.source.name, self.source.stall)
        try:
            producer.result.result()
        except Stopped:
            return brought + await self._commit(feed), False
        except Exception:
            # What a checkpoint has closed is whole, whatever came after it.
            await self._commit(feed)
            raise
        return brought, True

    async def _news(self, feed: Feed, producer: Producer) -> None:
        """Waits for as long as checkpoints are joined, or until enough is there."""
        news = asyncio.ensure_future(feed.news.wait())
        try:
            await asyncio.wait([producer.result, news], timeout=COMMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        feed.news.clear()

    def _cursor(self) -> Any:
        return None if self._state.cursor is None else self._decoded(self._state.cursor)

    def _decoded(self, cursor: bytes) -> Any:
        try:
            return msgspec.json.decode(cursor, type=self.source.cursor_type)
        except msgspec.MsgspecError as error:
            raise SettingError(
                f"the saved cursor of {self.source.name} does not fit its annotation: {misfit(error)}; it is "
                f"{cursor.decode()[:200]}"
            ) from error

    async def _commit(self, feed: Feed) -> int:
        taken = feed.take()
        if taken.records or taken.cursors:
            return await self._keep(taken)
        return 0

    async def _keep(self, taken: Taken, **more: Any) -> int:
        """Commits what was taken, with the cursor and what else changes of the state."""
        count, appends = len(taken.records), self._emitter.pack(taken.records)
        taken.records.clear()  # their bytes are in the blocks now
        emitted = dict(self._state.emitted)
        for append in appends:
            emitted[append.topic] = emitted.get(append.topic, 0) + append.count
        cursor = taken.cursors[-1] if taken.cursors else self._state.cursor
        await self._note(appends, cursor=cursor, emitted=emitted, **more)
        if self.source.saved is not None and taken.cursors and not self._worker.dry_run:
            await self._tell_saved(self.source.saved, taken.cursors)
        return count

    async def _note(self, appends: Sequence[Append] = (), **changes: Any) -> None:
        state = msgspec.structs.replace(self._state, **changes)
        commit = Commit(lease=self.lease, appends=appends, source=state)
        await self._absence.over(lambda: self._worker.log.commit(commit))
        self._state = state

    async def _tell_saved(self, saved: Handler, cursors: Sequence[bytes]) -> None:
        """Calls the function of `saved=` with each; they are saved, whatever comes of that."""
        arguments = self._saved_with or {}

        def call_all() -> list[BaseException]:
            return [error for cursor in cursors if (error := self._told(saved, cursor, arguments)) is not None]

        if not saved.is_async:
            failed = await asyncio.to_thread(call_all)
        else:
            failed = []
            for cursor in cursors:
                try:
                    await saved.function(self._decoded(cursor), **arguments)
                except BaseException as error:
                    if is_stopped(error):
                        raise
                    failed.append(error)
        for error in failed:
            self._worker.observe(SavedFailed(self.source.name, error))

    def _told(self, saved: Handler, cursor: bytes, arguments: dict[str, Any]) -> BaseException | None:
        try:
            saved.function(self._decoded(cursor), **arguments)
        except BaseException as error:
            return error
        return None

    async def _failed(self, error: BaseException, wait: float) -> None:
        self._worker.observe(SourceFailed(self.source.name, error, wait))
        again = self._worker.clock.now() + wait
        told = f"failed: {type(error).__name__}: {message_of(error)[:500]}"
        with contextlib.suppress(LeaseLost):
            await self._note(state=told, next_run=again)
