"""How a lane makes a call: on the event loop, in a thread, or in a process of its own; and what if it hangs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from onward.call import Called, Caller, Unit, batch_name, run_through
from onward.changes import Changes, Pending
from onward.errors import TimedOut
from onward.events import Stuck
from onward.failure import Failure
from onward.hand import Hand
from onward.stage import Stage
from onward.undo import Undo

if TYPE_CHECKING:
    from onward.crew import Crew

T = TypeVar("T")


class Calling:
    """Of one stage and partition.

    Args:
        identity: the stage, topic and partition, as `Record.id` has them.
        pending: the changes of tables that the lane has made and not committed; None where the app has no tables.
        refuse: why calls may not change tables; empty where they may.
    """

    def __init__(
        self,
        crew: Crew,
        stage: Stage,
        partition: int,
        hand: Hand,
        *,
        identity: str,
        pending: Pending | None,
        refuse: str,
    ) -> None:
        self._crew = crew
        self._stage = stage
        self._partition = partition
        self._hand = hand
        self._pending = pending
        self._refuse = refuse
        self._caller = Caller(
            stage,
            partition,
            reader=crew.reader,
            emitter=crew.emitter,
            breaker=crew.breaker,
            identity=identity,
            observe=crew.observe,
            room=lambda: crew.room // 2,
        )

    def undo(self) -> Undo:
        """What takes back single calls of a unit."""
        if self._pending is None:
            return Undo()
        prefix = f"{self._stage.topic.name}:{self._partition}:"
        return Changes(self._pending, self._stage.name, self._crew.now, prefix=prefix, refuse=self._refuse)

    async def call(self, unit: Unit, arguments: dict[str, Any]) -> Called:
        """Calls the handler for a unit; what hangs is given up as `overrun` says."""
        if self._crew.isolation is not None:
            return await self._crew.isolation.call(unit, self._caller)
        work = self.run(unit, arguments, self.undo())
        if self._stage.handler.is_async:
            return await work
        running = self._crew.in_thread(lambda: run_through(work))
        running.add_done_callback(lambda _: _close(work))
        called = await self.watched(unit, running)
        return self.overrun(unit) if called is None else called

    def run(self, unit: Unit, arguments: dict[str, Any], undo: Undo) -> Coroutine[Any, Any, Called]:
        """The calls of a unit, to be awaited or run through in a thread."""
        return self._caller.run(unit, arguments, undo)

    async def watched(self, unit: Unit, running: asyncio.Future[T]) -> T | None:
        """Waits for a plain def, which cannot be stopped; None if a call overran its time and had no verdict yet."""
        limit = self._stage.timeout
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

    def overrun(self, unit: Unit) -> Called:
        """The lane commits what is certain, that this record's attempt failed, and nothing after that; the process is
        to be replaced."""
        limit = self._stage.timeout or 0.0
        self._hand.stuck = True
        self._crew.observe(Stuck(self._stage.name, self._partition))
        self._crew.replace_process()
        called = Called()
        at = range(len(unit)) if self._stage.batch else [unit.at]
        error = TimedOut(self._stage.name, limit)
        batch = batch_name(unit.chunk.offsets) if self._stage.whole else None
        called.failures = [Failure(i, error=error, took=limit, batch=batch) for i in at]
        called.rest = [i for i in range(len(unit)) if i not in set(at)]
        return called


def _close(work: Coroutine[Any, Any, Any]) -> None:
    """Ends a call that was cancelled before a thread took it; one that a thread is in goes on and is not looked at."""
    with contextlib.suppress(ValueError):
        work.close()
