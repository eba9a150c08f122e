"""A crew: one stage in one worker process; what its lanes share."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from onward.bound import Left
from onward.breaker import Breaker
from onward.codec import Codec
from onward.emit import Emitter
from onward.events import Event
from onward.lane import Lane
from onward.log import Append, Lease, Log
from onward.patience import Absence
from onward.ration import Ration
from onward.resource import Resources
from onward.slots import Slots
from onward.stage import Stage

if TYPE_CHECKING:
    from onward.worker import Worker

T = TypeVar("T")

_NO_BOUND = Left()


class Crew:
    """Call slots, the breaker, codecs and resources of one stage, for all its lanes here."""

    def __init__(self, worker: Worker, stage: Stage, resources: Resources, codecs: dict[str, Codec]) -> None:
        self.stage = stage
        self.lanes: dict[tuple[str, int], Lane] = {}
        self.reader = codecs[stage.topic.name].upgraded(stage.upgrade)
        self.emitter = Emitter(stage.to, codecs)
        self.breaker = Breaker(stage.retry, worker.chance)
        self.log: Log = worker.log
        self.ration = Ration(worker.limit)
        self.trouble = ""
        self.absence = Absence(worker.patiently, worker.leases.note)
        self.alone = worker.alone
        self.isolation = worker.isolation(stage)
        self.has_tables = worker.has_tables
        self.conflicts: dict[int, int] = {}
        self.pace = worker.budgets.pace(stage.rate) if stage.rate is not None else None
        if self.pace is not None:
            self.pace.listen(self.wake_lanes, stage.batch or 1)
        self._worker = worker
        self._resources = resources
        self._arguments: dict[str, Any] | None = None
        self._free = stage.parallel
        self._waiting: set[Lane] = set()
        self._slots = self._shared_slots() if stage.limit is not None else None
        self._served: dict[Lease, int] = {}
        self._number = itertools.count(1)
        self._bounded = worker.gates.bounded(stage)
        self._large: dict[int, int] = {}
        self._denied: set[Lane] = set()

    @property
    def room(self) -> int:
        """Bytes of records that one lane may have in hand."""
        return self._worker.room

    @property
    def horizon(self) -> float:
        """Up to which instant a run that ends waits for what is due."""
        return self._worker.horizon

    @property
    def reads(self) -> asyncio.Semaphore:
        """What a lane holds while it reads."""
        return self._worker.reads

    def may_hold(self, lane: Lane, size: int) -> bool:
        """Whether a lane may have something in hand that is larger than its room. All lanes of the stage together
        have so much at the most, or one of them one record; who is refused is woken when it may ask again."""
        others = sum(held for partition, held in self._large.items() if partition != lane.partition)
        if others and others + size > self._worker.large_room:
            self._denied.add(lane)
            return False
        self._large[lane.partition] = size
        return True

    def holds_no_more(self, partition: int) -> None:
        """What was larger than its room has left the lane's hand."""
        if self._large.pop(partition, None) is not None:
            denied, self._denied = self._denied, set()
            for lane in denied:
                lane.wake()

    @property
    def state(self) -> str:
        """What `status` shows of it."""
        if self.trouble:
            return f"stopped: {self.trouble}"
        if self.breaker.tripped:
            return f"tripped: {self.breaker.reason}"
        if self.absence.told:
            return f"waiting: {self.absence.told}"
        if self.waits:
            return self.waits
        if any(lane.full for lane in self.lanes.values()):
            return "stopped: as many records are parked as parked_most= allows; retry or drop some"
        if self.pace is not None and self.pace.at is not None and any(lane.pending for lane in self.lanes.values()):
            return f"running, waits for its rate of {self.pace.rate.text}"
        if self._slots is not None and self._waiting and self._slots.short:
            return f"running, waits for one of the {self.stage.limit} calls that all workers may make at once"
        return "running"

    @property
    def waits(self) -> str:
        """What its lanes wait for before they emit more; empty while they may."""
        return self._worker.gates.waits(self.stage) if self._bounded else ""

    @property
    def left(self) -> Left:
        """How much its lanes may emit before they wait."""
        return self._worker.gates.left(self.stage) if self._bounded else _NO_BOUND

    def committed(self, appends: Sequence[Append]) -> None:
        """A lane has committed, with these outputs."""
        self._worker.gates.progressed(self.stage.topic.name)
        for append in appends if self._bounded else ():
            self._worker.gates.spent(append.topic, append.count, len(append.entries))

    def down(self, now: float, patience: float) -> bool:
        """Whether nothing that is parked here is tried within the patience: a probe is not due, or all wait."""
        return self.breaker.down(now, patience) or bool(self.waits)

    def slot(self, lane: Lane) -> bool:
        """Takes a call slot; where none is free, all who asked are woken when one is: first who has waited longest."""
        if self._free and (self._slots is None or self._slots.take()):
            self._free -= 1
            self._served[lane.lease] = next(self._number)
            return True
        self._waiting.add(lane)
        return False

    def slot_free(self) -> None:
        self._free += 1
        if self._slots is not None:
            self._slots.free()
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for lane in sorted(waiting, key=lambda lane: self._served.get(lane.lease, 0)):
            lane.wake()

    def _shared_slots(self) -> Slots:
        name, most = self.stage.name, self.stage.limit or 1

        async def occupy(using: int, wants: int, seconds: float) -> int:
            return await self.log.occupy(name, self._worker.name, most, using, wants, seconds)

        return Slots(occupy, self._wanted_slots, self._wake_waiting)

    def _wanted_slots(self) -> int:
        used = self.stage.parallel - self._free
        more = max(1, sum(lane.pending for lane in self._waiting)) if self._waiting else 0
        return min(self.stage.parallel, used + more)

    async def close(self) -> None:
        """Lets go of what is shared with other workers."""
        if self._slots is not None:
            await self._slots.close()
        if self.isolation is not None:
            await self.isolation.close()

    def wake_lanes(self) -> None:
        for lane in self.lanes.values():
            lane.wake()

    async def arguments(self) -> dict[str, Any]:
        """What handlers are given besides the value; opens resources at first need."""
        if self.isolation is not None:
            return {}  # they are opened there
        if self._arguments is None:
            found = await self._resources.get(self.stage.handler)
            flags = {"dry_run": self._worker.dry_run, "once": self._worker.once}
            found |= {name: flag for name, flag in flags.items() if name in self.stage.handler.needs}
            self._arguments = found
        return self._arguments

    def in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._worker.threads, work)

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self.absence.over(work)

    async def there(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does what needs the database of `within=`, again and again while that is away, or until the worker is
        stopped."""
        return await self.absence.over(work, or_stop=True)

    async def clock_wait(self, event: asyncio.Event, until: float | None) -> None:
        await self._worker.clock.wait(event, until)

    def now(self) -> float:
        return self._worker.clock.now()

    @property
    def chance(self) -> Callable[[], float]:
        return self._worker.chance

    def observe(self, event: Event) -> None:
        self._worker.observe(event)

    def behind_lease(self) -> bool:
        """Whether the leases have not been renewed for so long that somebody else may hold them soon."""
        return time.monotonic() > self._worker.leases.safe_until

    def tripped(self) -> None:
        self._worker.leases.note()
        self.wake_lanes()

    def lane_idle(self) -> None:
        self._worker.look()

    def replace_process(self) -> None:
        self._worker.replace()
