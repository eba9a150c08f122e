"""An intake: one source at work, under its lease."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from onward.emit import Emitter
from onward.errors import LeaseLost, SettingError, StoreUncertain
from onward.events import SourceFailed, SourceRan
from onward.failure import is_stopped, kind_of, message_of
from onward.feed import COMMIT_SECONDS, Feed, Stopped
from onward.log import Claim, Commit, SourceState
from onward.resource import Resources
from onward.retry import Retry
from onward.source import Source

if TYPE_CHECKING:
    from onward.worker import Worker

PAUSE, LONGEST_PAUSE = 1.0, 15.0
AGAIN = Retry(first="1s", most="5m")


class Intake:
    """Calls a source by its schedule and commits what it brings, with the cursor, at its checkpoints."""

    def __init__(self, worker: Worker, source: Source, claim: Claim, resources: Resources, emitter: Emitter) -> None:
        self.source = source
        self.lease = claim.lease
        self.lost = False
        self.done = False
        """Under `--once`: it was called as often as it is to be."""
        self.failed = False
        self._worker = worker
        self._state = claim.source
        self._resources = resources
        self._emitter = emitter
        self._wake = asyncio.Event()
        self._stopping = False
        self._feed: Feed | None = None

    @property
    def state(self) -> str:
        return self._state.state

    def stop(self) -> None:
        """Ends at the source's next yield; what follows its last checkpoint is discarded."""
        self._stopping = True
        if self._feed is not None:
            self._feed.stop()
        self._wake.set()

    def give_up(self) -> None:
        self.lost = True
        self.stop()

    async def run(self) -> None:
        """Until it is stopped, its lease is lost or, under `--once`, it has been called."""
        failures, pause = 0, PAUSE
        while not self._stopping:
            begun = self._worker.clock.now()
            try:
                brought = await self._call(begun)
                failures = 0
            except LeaseLost:
                self.lost = True
                return
            except StoreUncertain:
                raise  # its cursor may have moved: whoever takes the lease next reads it
            except Exception as error:
                failures += 1
                wait = AGAIN.delay(failures, lambda: 0.5 + self._worker.chance() / 2)
                await self._failed(error, wait)
                if self._worker.once:
                    self.done = self.failed = True
                    self._worker.look()
                    return
                await self._pause(self._worker.clock.now() + wait)
                continue
            pause = PAUSE if brought else min(pause * 2, LONGEST_PAUSE)
            if self._worker.once and not (brought and self.source.continuous):
                self.done = True
                self._worker.look()
                return
            if not (self._worker.once and brought):
                await self._pause(self._state.next_run or self._worker.clock.now() + pause)

    async def _pause(self, until: float) -> None:
        if not self._stopping:
            self._wake.clear()
            await self._worker.clock.wait(self._wake, until)

    async def _call(self, begun: float) -> int:
        """Calls the source once; returns how many records it brought."""
        started = time.monotonic()
        arguments = await self._resources.get(self.source.handler)
        flags = {"dry_run": self._worker.dry_run, "once": self._worker.once}
        arguments |= {name: flag for name, flag in flags.items() if name in self.source.handler.needs}
        self._state = msgspec.structs.replace(self._state, last_run=begun, state="running")
        self._feed = feed = Feed(self.source.name, self._emitter, self._worker.memory // 4, self._worker.clock.now)
        producing = asyncio.ensure_future(self._produce(feed, self._cursor(), arguments))
        brought = 0
        try:
            while not producing.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(COMMIT_SECONDS):
                        await self._first(producing, feed)
                feed.news.clear()
                brought += await self._commit(feed)
                feed.go_on()
        except BaseException:
            # The commit failed, not the source: nothing later may be kept in its place.
            feed.stop()
            producing.cancel()
            raise
        try:
            producing.result()
        except Stopped:
            return brought + await self._commit(feed)
        except Exception:
            # What a checkpoint has closed is whole, whatever came after it.
            await self._commit(feed)
            raise
        feed.end()
        next_run = None if self.source.every is None else begun + self.source.every
        brought += await self._commit(feed, next_run=next_run, ended=True)
        self._worker.observe(SourceRan(self.source.name, brought, time.monotonic() - started))
        return brought

    async def _first(self, producing: asyncio.Future[None], feed: Feed) -> None:
        news = asyncio.ensure_future(feed.news.wait())
        try:
            await asyncio.wait([producing, news], return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def _produce(self, feed: Feed, cursor: Any, arguments: dict[str, Any]) -> None:
        function = self.source.handler.function
        if self.source.handler.is_async:
            try:
                async for item in function(cursor, **arguments):
                    feed.put(item)
                    if not feed.has_room():
                        await asyncio.to_thread(feed.wait)
            except BaseException as error:
                if is_stopped(error) or (carried := _carried(error)) is error:
                    raise
                raise carried from error
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                for item in function(cursor, **arguments) or ():
                    feed.put(item)
                    if not feed.has_room():
                        feed.wait()
            except BaseException as caught:
                error = _carried(caught)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, error)

        # A thread of its own, as a source may block for as long as it likes.
        threading.Thread(target=work, name=f"onward-{self.source.name}", daemon=True).start()
        await ended

    def _cursor(self) -> Any:
        if self._state.cursor is None:
            return None
        try:
            type_ = self.source.cursor_type
            return msgspec.json.decode(self._state.cursor, type=Any if isinstance(type_, str) else type_)
        except msgspec.MsgspecError as error:
            raise SettingError(
                f"the saved cursor of {self.source.name} does not fit its annotation: {error}; it is "
                f"{self._state.cursor.decode()[:200]}"
            ) from error

    async def _commit(self, feed: Feed, *, next_run: float | None = None, ended: bool = False) -> int:
        records, cursor = feed.take()
        if not records and cursor is None and not ended:
            return 0
        appends = self._emitter.pack(records)
        emitted = dict(self._state.emitted)
        for append in appends:
            emitted[append.topic] = emitted.get(append.topic, 0) + append.count
        state = SourceState(
            cursor=self._state.cursor if cursor is None else cursor,
            emitted=emitted,
            last_run=self._state.last_run,
            next_run=next_run,
            state="idle" if ended else "running",
        )
        commit = Commit(lease=self.lease, appends=appends, source=state)
        await self._worker.patiently(lambda: self._worker.log.commit(commit))
        self._state = state
        return len(records)

    async def _failed(self, error: BaseException, wait: float) -> None:
        self._worker.observe(SourceFailed(self.source.name, error, wait))
        again = self._worker.clock.now() + wait
        told = f"failed: {type(error).__name__}: {message_of(error)[:500]}"
        self._state = msgspec.structs.replace(self._state, state=told, next_run=again)
        with contextlib.suppress(LeaseLost):
            commit = Commit(lease=self.lease, source=self._state)
            await self._worker.patiently(lambda: self._worker.log.commit(commit))


def _carried(error: BaseException) -> BaseException:
    """What a source raised as an error that a future can carry, and that ends nothing but the source."""
    if isinstance(error, Stopped) or (isinstance(error, Exception) and not isinstance(error, StopIteration)):
        return error
    return RuntimeError(f"it raised {kind_of(error)}: {message_of(error)}")
