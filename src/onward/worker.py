"""A worker: a process that runs apps against a store.

It declares the apps, takes leases, and runs a lane for each stage and partition, and an intake for each source,
that it holds. Under `once` it ends when all is delivered that can be.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec import Struct

from onward import process, shape
from onward.app import App, topics_of
from onward.clock import Clock, SystemClock
from onward.codec import Codec
from onward.crew import Crew
from onward.emit import Emitter
from onward.errors import CannotRead, LeaseLost, Refused, StoreAway, StoreUncertain
from onward.events import (
    Deaf,
    Event,
    Failed,
    Observer,
    Observers,
    SourceElsewhere,
    StoreAbsent,
    Trouble,
    WorkerStarted,
    WorkerStopped,
)
from onward.failure import message_of
from onward.gates import Gates
from onward.health import BEATS, Health
from onward.intake import Intake
from onward.isolate import Isolation
from onward.lane import Lane
from onward.lease import LOOK, Leases, Wanted
from onward.log import (
    AppSpec,
    Books,
    Claim,
    Lease,
    Log,
    SourceSpec,
    StageSpec,
    TableSpec,
    TaskSpec,
    TopicSpec,
    stage_of,
)
from onward.pace import Pace
from onward.rate import Portion, Rate
from onward.replaying import Replays
from onward.resource import Resources
from onward.retention import Retention
from onward.settings import packed
from onward.shape import shape_text
from onward.sqlite.connection import path_of
from onward.stage import Stage
from onward.withhold import limited, withheld
from onward.within import SQLiteTarget, Target, Within

T = TypeVar("T")

MEMORY = 256_000_000

LAST = 1.0
"""Seconds for which what was cancelled may still take to end."""

SWEEP = 5.0
"""Seconds for which retention may go on when a run under `once` is done."""

GIVING_BACK = 5.0
"""Seconds that a worker which ends waits for its store."""

READS = 4
"""Lanes that read at once: a block is whole until it is cut to what its lane has room for."""

TROUBLE = 5.0
"""Seconds after which a lane or intake that broke is taken up again."""


def spec_of(app: App) -> AppSpec:
    """The app's declaration as the store keeps it."""
    return AppSpec(
        app.name,
        tuple(
            TopicSpec(t.name, t.partitions, t.keep, t.was, "()" if callable(t.key) else t.key, shape_text(t.type))
            for t in app.topics.values()
        ),
        tuple(SourceSpec(s.name, tuple(t.name for t in s.to), s.was) for s in app.sources.values()),
        tuple(
            StageSpec(
                s.name,
                s.topic.name,
                tuple(t.name for t in s.to),
                s.start,
                s.was,
                s.within and s.within.told,
                s.review.choices if s.review else (),
                s.upgrade is not None,
            )
            for s in app.stages.values()
        ),
        tuple(TaskSpec(t.name, tuple(str(one) for one in t.parameters(app))) for t in app.tasks.values()),
        tuple(
            TableSpec(t.name, tuple(t.fields.values()), t.lifecycle.moves if t.lifecycle else None, t.was)
            for t in app.tables.values()
        ),
    )


class Plan(Struct, frozen=True, kw_only=True):
    """How a worker is to run.

    Args:
        stages: full names of stages (and sources) to run; all if empty.
        once: end when nothing is left that can be done.
        memory: the byte budget of the process.
        patience: seconds; how far ahead a retry may be due for `once` to wait for it, and how long it waits for
            a store that is away.
        grace: seconds that work in hand has to finish at a stop.
        isolate: whether `isolate=` counts; else all calls are made in this process.
        dry_run: withhold effects outside; to be run on an overlay, with targets that are copies.
        limit: so many records at most per source and per stage.
        retention: let go, beside the work, of what the store is to keep no longer.
        bounded: whether sources and stages wait at the bounds of topics, and slow down for a stage that has tripped.
        follow: under `once`, do not judge whether all is done: the process that leads this one does, and stops it.
    """

    stages: tuple[str, ...] = ()
    once: bool = False
    memory: int = MEMORY
    patience: float = 60.0
    grace: float = 10.0
    retention: bool = True
    follow: bool = False
    isolate: bool = True
    dry_run: bool = False
    limit: int | None = None
    bounded: bool = True


class Report(Struct):
    """What happened in a run, for the exit code."""

    died: int = 0
    sources_failed: int = 0
    tripped: list[str] = []
    replace: bool = False
    deaf: bool = False
    away: bool = False
    troubles: list[str] = []

    @property
    def failed(self) -> bool:
        return bool(self.died or self.sources_failed or self.tripped or self.away or self.troubles)

    @property
    def why(self) -> str:
        """What has failed, in one line; empty if nothing has."""
        found = [f"{self.died} {'record' if self.died == 1 else 'records'} died"] if self.died else []
        if self.sources_failed:
            found.append(f"{self.sources_failed} {'call' if self.sources_failed == 1 else 'calls'} of sources failed")
        found += [f"{name} is tripped" for name in self.tripped]
        found += ["the store was away for too long"] if self.away else []
        return "; ".join([*found, *self.troubles]).replace("\n", " ")


class Worker:
    """Runs once: `await run()`; `stop()` from the same loop ends it gracefully."""

    def __init__(
        self,
        apps: Sequence[App],
        log: Log,
        books: Books,
        plan: Plan,
        *,
        settings: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
        observers: Sequence[Observer] = (),
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        target: Callable[[str], Target] = SQLiteTarget,
    ) -> None:
        self.name = process.new_name()
        self.log = log
        self.clock: Clock = clock or SystemClock()
        self.chance = chance
        self.once = plan.once
        self.dry_run = plan.dry_run
        self._begun = self.clock.now()
        self.limit = plan.limit
        self.memory = plan.memory
        self.report = Report()
        self._apps = list(apps)
        self._books = books
        self._plan = plan
        self.has_tables = any(app.tables for app in apps)
        self._observers = Observers(observers)
        self._codecs = {topic.name: Codec(topic.type) for app in apps for topic in topics_of(app).values()}
        self._resources = {
            app.name: Resources(app.resources, (settings or {}).get(app.name), resources) for app in apps
        }
        self._settings = dict(settings or {})
        self._app_of = {part.name: app for app in apps for part in app}
        selected = [name for name in self._app_of if not plan.stages or name in plan.stages]
        self._sources = {n: app.sources[n] for n in selected if n in (app := self._app_of[n]).sources}
        self._stages = {n: app.stages[n] for n in selected if n in (app := self._app_of[n]).stages}
        if plan.dry_run:
            self._sources = {n: limited(source, plan.limit) for n, source in self._sources.items()}
            self._stages = {n: withheld(stage, self.observe) for n, stage in self._stages.items()}
        self._crews: dict[str, Crew] = {}
        self._paces: dict[str, Pace] = {}
        self._lanes: dict[Wanted, Lane] = {}
        self._replays: dict[Wanted, Replays] = {}
        self._to_replay: set[Wanted] = set()
        self._intakes: dict[str, Intake] = {}
        self._target_of = target
        self._targets: dict[str, Target] = {}
        self.reads = asyncio.Semaphore(READS)
        self._opening = asyncio.Lock()
        self.alone = asyncio.Lock()
        self._tasks: dict[Wanted, asyncio.Task[None]] = {}
        self._paused: Collection[str] = ()
        self._look = asyncio.Event()
        self._stop = asyncio.Event()
        self._ends: Mapping[tuple[str, int], int] = {}
        self._pause_until: dict[Wanted, float] = {}
        self._began = 0.0
        self._elsewhere: set[str] = set()
        parts = {**self._sources, **self._stages} if plan.bounded else {}
        self.gates = Gates(self, books, parts, [spec_of(app) for app in apps])
        wanted: list[Wanted] = [(name, 0) for name in self._sources]
        wanted += [(name, p) for name, stage in self._stages.items() for p in range(stage.topic.partitions)]
        self._wanted = wanted
        self.leases = Leases(self, wanted, self._sources if plan.once else ())
        self.retention = Retention(log, books, self.clock, self.name, self.observe)
        calls = sum(2 * stage.parallel for stage in self._stages.values() if not stage.handler.is_async)
        self.threads = ThreadPoolExecutor(max(4, calls), thread_name_prefix="onward-call")

    @property
    def horizon(self) -> float:
        """Up to which instant a retry may be due for `once` to wait for it. A dry run always comes to its end: what is
        tried for ever is not waited for again and again."""
        return (self._begun if self.dry_run else self.clock.now()) + self._plan.patience

    @property
    def room(self) -> int:
        """Bytes that one lane may have in hand. Decoded records take several times the bytes that they came in."""
        return max(64_000, self.memory // (20 * max(1, len(self._lanes))))

    @property
    def large_room(self) -> int:
        """Bytes that all lanes of one stage may have in hand of records that are larger than one lane's room."""
        return self.memory // (20 * max(1, len(self._crews)))

    # its life

    async def declare(self) -> None:
        """Writes the apps' declarations into the store."""
        for app in self._apps:
            await self.patiently(lambda app=app: self._unless_stopped(self.log.declare(spec_of(app))), or_stop=True)  # type: ignore[misc]

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """A stop does not wait for a store that does not answer."""
        doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([doing, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise StoreAway("the store had not answered when the worker was stopped")
            return doing.result()
        finally:
            doing.cancel()
            stopped.cancel()

    async def run(self) -> Report:
        """Until it is stopped or, under `once`, all is done."""
        try:
            await self.declare()
        except StoreAway:
            if self.report.away:
                raise
            return self.report  # it was stopped before it had begun
        self._began = self._tick()
        self.observe(WorkerStarted(self.name, getattr(self.log, "url", "")))
        for rate in self._rates:
            rate.connect(self.pace(rate))
        helpers: list[asyncio.Task[None]] = []
        try:
            await self._know_what_is_paused()
            helpers += [asyncio.create_task(work) for work in (self.leases.run(), self._watch(), self.gates.run())]
            if self._plan.retention:
                helpers.append(asyncio.create_task(self.retention.run()))
            await self._until_done(helpers)
            await self._sweep_once()
        except StoreAway:
            if not self._stop.is_set() or self.report.away:
                raise
        finally:
            await self._wind_up(helpers)
            self.observe(WorkerStopped(self.name))
        self.report.tripped = sorted(name for name, crew in self._crews.items() if crew.breaker.tripped)
        self.report.sources_failed = sum(intake.failed for intake in self._intakes.values())
        return self.report

    async def _know_what_is_paused(self) -> None:
        """To be done before a lease is taken."""
        while not self._stop.is_set():
            try:
                await self._news(sorted({stage.topic.name for stage in self._stages.values()}))
                return
            except StoreUncertain as error:  # only looking failed
                self.store_away(error, LOOK)
                await asyncio.sleep(LOOK)

    def stop(self) -> None:
        """Takes no more work; what is in hand is finished within the grace, the rest is left as it was."""
        self._stop.set()
        self._look.set()

    def health(self) -> Health:
        """Whether it works, and can; from any thread."""
        now = time.monotonic()
        live, ready = now - self.leases.pulse < BEATS, now < self.leases.safe_until
        told = "at work" if live and ready else "the store is away" if live else "the event loop stands still"
        parts = {name: intake.state for name, intake in list(self._intakes.items())}
        parts |= {name: crew.state for name, crew in list(self._crews.items())}
        return Health(live, live and ready and not self._stop.is_set(), told, parts)

    def replace(self) -> None:
        """A call hangs in a thread that cannot be stopped; the process has to go."""
        self.report.replace = True
        self.stop()

    def look(self) -> None:
        """Something has become idle or ended: perhaps all is done."""
        self._look.set()

    async def _until_done(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        while not self._stop.is_set():
            self._look.clear()
            # What became idle while all was being looked at may have emitted into what had been seen before.
            if self.once and not self._plan.follow and await self._all_done() and not self._look.is_set():
                return
            for helper in helpers:
                if helper.done():
                    helper.result()
            # Work that others hold is looked at again; what is ours tells us.
            if self._look.is_set():
                continue
            looking = asyncio.ensure_future(self._look.wait())
            await asyncio.wait([looking, *helpers], timeout=0.25 if self.once else None, return_when="FIRST_COMPLETED")
            looking.cancel()

    async def _sweep_once(self) -> None:
        """A run that ends by itself leaves the store as small as it may be: there may be no other worker to do it."""
        if self._plan.retention and self.once and not (self._stop.is_set() or self._plan.follow):
            with contextlib.suppress(TimeoutError, StoreAway, StoreUncertain):
                async with asyncio.timeout(SWEEP):
                    await self.retention.sweep()

    async def _wind_up(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        self._stop.set()
        for lane in self._lanes.values():
            lane.stop()
        for intake in self._intakes.values():
            intake.stop()
        working = dict(zip(self._tasks.values(), self._tasks, strict=True))
        late: set[asyncio.Task[None]] = set()
        deaf: set[asyncio.Task[None]] = set()
        if working:
            _, late = await asyncio.wait(working, timeout=self._plan.grace)
            lanes = list(self._lanes.values())
            for lane in lanes:
                lane.give_up()
            for intake in self._intakes.values():
                intake.give_up()
            for pace in self._paces.values():
                pace.close()
            for task in late:
                task.cancel()
            _, deaf = await asyncio.wait(working, timeout=LAST)
            with contextlib.suppress(TimeoutError, StoreAway, StoreUncertain):
                async with asyncio.timeout(LAST):
                    await asyncio.gather(*(lane.let_go() for lane in lanes))
            for task in deaf:
                self.report.deaf = True
                self.observe(Deaf(*working[task]))
        for rate in self._rates:
            rate.connect(None)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, *(crew.close() for crew in self._crews.values()), return_exceptions=True)
        # A store that is away keeps nobody from ending: what is not given back is over soon, or its process dead.
        try:
            async with asyncio.timeout(GIVING_BACK):
                await self.retention.give_back()
                await self.leases.give_back_all()
        except (StoreAway, StoreUncertain, TimeoutError) as error:
            self.observe(StoreAbsent(str(error) or "its leases could not be given back", 0.0))
        # A plain def that overran the grace cannot be stopped, nor what it uses closed under it.
        parts = {**self._stages, **self._sources}
        running_on = self.report.replace or any(not parts[working[task][0]].handler.is_async for task in late - deaf)
        running_on = running_on or bool(deaf)
        if not running_on:
            await self._close_resources()
        self.threads.shutdown(wait=not running_on, cancel_futures=True)
        for target in self._targets.values():
            if not running_on:
                target.close()

    async def _close_resources(self) -> None:
        for name, resources in self._resources.items():
            try:
                await resources.close()
            except Exception as error:  # the others are closed all the same
                self.say(name, f"a resource failed when it was closed: {type(error).__name__}: {message_of(error)}")

    async def _watch(self) -> None:
        """Tells lanes of new records and of requests."""
        topics = sorted({stage.topic.name for stage in self._stages.values()})
        while True:
            try:
                await self._news(topics)
                await self.gates.look()
                await self.log.changed(60.0)
            except (StoreAway, StoreUncertain) as error:  # only looking failed
                self.store_away(error, LOOK)
                await asyncio.sleep(LOOK)

    async def _news(self, topics: Sequence[str]) -> set[Wanted]:
        """Tells lanes; returns for what there are requests that no lane of this worker can carry out."""
        news = await self.patiently(lambda: self.log.news(topics, list(self._stages)), or_stop=True)
        self._ends = news.ends
        self._heed(news.paused)
        for lane in list(self._lanes.values()):
            lane.reached(news.ends.get((lane.stage.topic.name, lane.partition), 0))
        for request in news.requests:
            if (lane := self._lanes.get((request.stage, request.partition))) is not None:
                lane.asked(request)
        self._to_replay = {(job.stage, one.partition) for job in news.replays for one in job.ranges}
        for one in self._replays.values():
            one.told(news.replays)
        return {(request.stage, request.partition) for request in news.requests} - set(self._lanes)

    def _heed(self, paused: Collection[str]) -> None:
        """Ends what was paused, when what it has in hand is done."""
        if resumed := set(self._paused) - set(paused):
            for name in resumed:
                self._intakes.pop(name, None)
            self.leases.note()
            self.look()
        self._paused = paused
        for wanted, lane in self._lanes.items():
            if wanted[0] in paused:
                lane.stop()
        for name, intake in self._intakes.items():
            if name in paused:
                intake.stop()

    # what gates ask

    def tripped(self, stage: str) -> bool | None:
        """Whether a stage of this worker has tripped; None where others work on it too, or only others."""
        crew = self._crews.get(stage)
        return True if crew is not None and crew.breaker.tripped else None

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Records and bytes that lanes here may yet emit into a topic, or have emitted and not committed."""
        owed = [lane.owed(topic) for lane in self._lanes.values() if topic in lane.emits]
        return sum(records for records, _ in owed), sum(size for _, size in owed)

    def wake(self, names: Collection[str]) -> None:
        """Sources and stages that waited may go on."""
        for (name, _), lane in list(self._lanes.items()):
            if stage_of(name) in names:
                lane.wake()
        for name in names:
            if (intake := self._intakes.get(name)) is not None:
                intake.wake()

    # once

    async def _all_done(self) -> bool:
        """Whether nothing is left that this run could still do, or should wait for."""
        # As it is now: nothing that waits may be taken for done when it could go on.
        await self.patiently(self.gates.look, or_stop=True)
        waiting = [name for name in self._sources if not self._source_done(name) and not self._at_rest(name)]
        if waiting and not await self._brought_elsewhere(waiting):
            return False
        asked = await self._news(sorted({stage.topic.name for stage in self._stages.values()}))
        if any(wanted not in self._given_up and wanted[0] not in self._paused for wanted in asked):
            return False
        if any(one.busy for one in self._replays.values()):
            return False
        starting = any(wanted[0] in self._stages and wanted not in self._lanes for wanted in self._tasks)
        if starting or any(not lane.idle for lane in self._lanes.values()):
            return False
        now, patience, horizon = self.clock.now(), self._plan.patience, self.horizon
        lanes = [lane for lane in self._lanes.values() if not self._crews[lane.stage.name].down(now, patience)]
        due = min((due for lane in lanes if (due := lane.next_due) is not None), default=None)
        if due is not None and due <= horizon:
            self.clock.idle(due)
            return False
        for lane in self._lanes.values():
            crew = self._crews[lane.stage.name]
            if lane.outstanding and not (crew.breaker.tripped or crew.waits) and not lane.halted:
                return False
        return not await self._others_work()

    def _at_rest(self, name: str) -> bool:
        """Whether a source waits at a bound for somebody who does not go on: it is not waited for. What it has closed
        is kept; the rest it brings in a run to come."""
        return name in self._intakes and bool(self.gates.waits(self._sources[name]))

    async def _others_work(self) -> bool:
        """Whether another worker has, or should have, something of ours in hand."""
        mine = set(self._lanes) | self._given_up
        if all(wanted in mine for wanted in self._wanted if wanted[0] in self._stages):
            return False
        survey = await self.patiently(self._books.survey, or_stop=True)
        for facts in survey.stages:
            wanted = (facts.stage, facts.partition)
            if (lane := self._lanes.get(wanted)) is not None and lane.end < facts.end:
                return True  # another worker emitted into it since it was last looked at
            if wanted in mine or facts.stage not in self._stages:
                continue
            holder = facts.holder
            if holder is not None and holder.live and holder.state.startswith(("tripped:", "stopped:")):
                continue
            if facts.stage in self._paused:
                if holder is not None and holder.live and holder.worker != self.name:
                    return True  # it finishes what it has in hand
                continue
            if self.gates.waits(self._stages[facts.stage]):
                continue
            if facts.parked.get("running"):
                return True
            if facts.end - facts.begins - facts.totals.done - sum(facts.parked.values()) > 0:
                return True
            if wanted in self._to_replay:
                return True
            if facts.parked.get("retrying") and await self._due_soon(wanted):
                return True
        return False

    async def _due_soon(self, wanted: Wanted) -> bool:
        """Whether a parked record of another worker's is to be tried again within the patience."""
        horizon, after = self.horizon, ("", 0, 0)

        def page() -> Awaitable[Sequence[Any]]:
            return self._books.parked(wanted[0], None, "retrying", 100, after)

        while rows := await self.patiently(page, or_stop=True):
            if any(partition == wanted[1] and row.due <= horizon for _, partition, row, _ in rows):
                return True
            name, partition, row, _ = rows[-1]
            after = (name, partition, row.offset)
        return False

    def _source_done(self, name: str) -> bool:
        intake = self._intakes.get(name)
        if name in self._paused and (name, 0) not in self._tasks:
            return True
        return (intake is not None and intake.done) or (name, 0) in self._given_up

    async def _brought_elsewhere(self, names: Sequence[str]) -> bool:
        """Whether another worker has these sources and did not hand them over within the patience. One that is in a
        call by schedule will; a continuous one may never return, and what it brings counts as this run's."""
        if self._tick() < self._began + self._plan.patience:
            return False
        survey = await self.patiently(self._books.survey, or_stop=True)
        held = {held.stage: held.worker for held in survey.leases if held.live and held.worker != self.name}
        for name in names:
            called = name in survey.sources and survey.sources[name].state == "running"
            if name not in held or (called and not self._sources[name].continuous):
                return False
        for name in names:
            if name not in self._elsewhere:
                self._elsewhere.add(name)
                self.observe(SourceElsewhere(name, held[name]))
        return True

    @property
    def _given_up(self) -> set[Wanted]:
        """What broke and is not taken up again in this run."""
        return {wanted for wanted, until in self._pause_until.items() if until == float("inf")}

    # leases

    def may_take(self, wanted: Wanted) -> bool:
        return (
            not self._stop.is_set()
            and wanted not in self._tasks
            and wanted[0] not in self._paused
            and self._pause_until.get(wanted, 0.0) <= self._tick()
        )

    def _tick(self) -> float:
        return asyncio.get_running_loop().time()

    def lease_taken(self, claim: Claim) -> None:
        if self._stop.is_set():
            return  # it was asked for before the stop; it goes back with the others
        wanted = (claim.lease.stage, claim.lease.partition)
        work = self._work_source(claim) if claim.lease.stage in self._sources else self._work_stage(claim)
        task = asyncio.create_task(work)
        self._tasks[wanted] = task
        task.add_done_callback(lambda ended: self._ended(wanted, ended))

    def lease_lost(self, lease: Lease) -> None:
        wanted = (lease.stage, lease.partition)
        if (lane := self._lanes.get(wanted)) is not None:
            lane.give_up()
        if (intake := self._intakes.get(lease.stage)) is not None and lease.stage in self._sources:
            intake.give_up()

    def hand_over(self, wanted: Wanted) -> None:
        """Another worker comes first for it: ends it here, so that the other can take it."""
        if (lane := self._lanes.get(wanted)) is not None:
            if not lane.running:  # a call that lasts for hours would keep all others waiting
                lane.stop()
        elif (intake := self._intakes.get(wanted[0])) is not None and wanted in self._tasks:
            intake.hand_over()

    def state_of(self, lease: Lease) -> str:
        """What `status` shows for a lease."""
        if (intake := self._intakes.get(lease.stage)) is not None:
            return intake.state
        crew = self._crews.get(lease.stage)
        return crew.state if crew is not None else "running"

    def _ended(self, wanted: Wanted, task: asyncio.Task[None]) -> None:
        self._tasks.pop(wanted, None)
        self._lanes.pop(wanted, None)
        if (crew := self._crews.get(wanted[0])) is not None:
            crew.lanes.pop(wanted, None)
        self._replays.pop(wanted, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._trouble(wanted, error)
        self._look.set()

    def _trouble(self, wanted: Wanted, error: BaseException) -> None:
        """A lane or intake broke. It is taken up again after a while; the reason shows in `status`."""
        what = f"{type(error).__name__}: {message_of(error)}"
        if not isinstance(error, LeaseLost | StoreAway):
            if isinstance(error, CannotRead):
                self.leases.leave_to_others(wanted[0])
            self.say(wanted[0], what)
            if (crew := self._crews.get(wanted[0])) is not None:
                crew.trouble = what
        # What only the store's absence, or another worker, has ended is taken up again also under `once`.
        over = isinstance(error, CannotRead) or (self.once and not isinstance(error, LeaseLost | StoreAway))
        self._pause_until[wanted] = float("inf") if over else self._tick() + TROUBLE

    async def _work_stage(self, claim: Claim) -> None:
        wanted = (claim.lease.stage, claim.lease.partition)
        stage = self._stages[wanted[0]]
        crew = self._crews.get(stage.name)
        if crew is None:
            app = self._app_of[stage.name]
            crew = self._crews[stage.name] = Crew(self, stage, self._resources[app.name], self._codecs)
        try:
            if stage.upgrade is None:
                shape.check(stage.name, stage.topic.name, stage.topic.type, claim.shapes)
            within: Within | None = None
            if stage.within is not None:
                within = Within(await self._target(stage.name), self.log, stage.was)
                claim = await self._agreed(within, crew, claim)
            crew.trouble = ""
            lane = await self._ran(crew, claim, within)
            while lane.again:
                lane = await self._ran(crew, await self._claimed_again(*wanted), within, again=True)
            if lane.lost:
                self.leases.held.pop(wanted, None)
            else:
                await self.leases.give_back(*wanted)
        except BaseException as error:
            if not self._stop.is_set():
                why = (
                    "" if isinstance(error, LeaseLost | StoreAway) else f": {type(error).__name__}: {message_of(error)}"
                )
                await self.leases.give_back(*wanted, f"stopped{why}")
            raise

    async def _ran(self, crew: Crew, claim: Claim, within: Within | None, *, again: bool = False) -> Lane:
        """A lane that has run, and replays beside it."""
        stage, partition = crew.stage, claim.lease.partition
        lane = Lane(crew, claim, within, again=again)
        self.begin(crew, lane)
        target = within.target if within is not None else None
        replays = self._replays[stage.name, partition] = Replays(self, crew, lane, target)
        if self._stop.is_set() or stage.name in self._paused:
            lane.stop()
        lane.reached(self._ends.get((stage.topic.name, partition), 0))
        news = await self.patiently(lambda: self.log.news([stage.topic.name], [stage.name]), or_stop=True)
        for request in news.requests:
            if request.partition == partition:
                lane.asked(request)
        replays.told(news.replays)
        await replays.beside()
        return lane

    async def _agreed(self, within: Within, crew: Crew, claim: Claim) -> Claim:
        """The claim under which target and store agree: each time that they are compared it is a new one."""
        stage, claims = crew.stage, [claim]

        async def compare() -> Claim | None:
            claim = claims.pop() if claims else await self._claimed_again(stage.name, partition)
            end = (await self.log.news([stage.topic.name], ())).ends[stage.topic.name, partition]
            return None if await within.take(claim, end, crew.in_thread) else claim

        partition = claim.lease.partition
        while (agreed := await self.patiently(compare, or_stop=True)) is None:
            pass
        return agreed

    async def _claimed_again(self, name: str, partition: int) -> Claim:
        claim = await self.leases.claim((name, partition))
        if claim is None:
            raise LeaseLost(name, partition, self.leases.held[name, partition].token)
        self.leases.held[name, partition] = claim.lease
        return claim

    async def _target(self, name: str) -> Target:
        stage, app = self._stages[name], self._app_of[name]
        assert stage.within is not None
        url = stage.within.resolve(self._settings.get(app.name))
        async with self._opening:
            return await self._opened(name, url)

    async def _opened(self, name: str, url: str) -> Target:
        if url not in self._targets:
            if not url.startswith("sqlite:"):
                raise Refused(f"stage {name}: within= takes sqlite:/// URLs, not {url.split(':')[0]}:")
            store = getattr(self.log, "url", "")
            if store.startswith("sqlite:") and path_of(store) == path_of(url):
                raise Refused(
                    f"stage {name}: within= names the store's own file, whose writer would wait for the stage for "
                    "ever; name another file"
                )
            self._targets[url] = await asyncio.to_thread(self._target_of, url)
        return self._targets[url]

    async def _work_source(self, claim: Claim) -> None:
        source = self._sources[claim.lease.stage]
        resources = self._resources[self._app_of[source.name].name]
        emitter = Emitter(source.to, self._codecs)
        intake = Intake(self, source, claim, resources, emitter, self._intakes.get(source.name))
        self._intakes[source.name] = intake
        if self._stop.is_set() or (intake.done and source.name not in self._paused):
            return
        if source.name in self._paused:
            await self.leases.give_back(source.name, 0)
            return
        try:
            await intake.run()
        except BaseException:
            if not self._stop.is_set():
                await self.leases.give_back(source.name, 0)
            raise
        if intake.lost:
            self.leases.held.pop((source.name, 0), None)
            return
        if intake.away:
            self._pause_until[source.name, 0] = self._tick() + intake.away
        if self._stop.is_set():
            return
        if intake.done:
            await self.leases.let_go(source.name)  # a service that has it too goes on with it
        else:
            await self.leases.give_back(source.name, 0)

    # for its parts

    def begin(self, crew: Crew, lane: Lane) -> None:
        """A lane is there, that of a replay too."""
        wanted = (lane.lease.stage, lane.partition)
        self._lanes[wanted] = crew.lanes[wanted] = lane

    def end(self, crew: Crew, lane: Lane) -> None:
        """The lane of a replay is over."""
        wanted = (lane.lease.stage, lane.partition)
        self._lanes.pop(wanted, None)
        crew.lanes.pop(wanted, None)
        self.look()

    def say(self, name: str, what: str) -> None:
        """Something cannot go on until somebody acts."""
        self.observe(Trouble(name, what))
        self.report.troubles.append(f"{name}: {what}")

    @property
    def _rates(self) -> list[Rate]:
        return [rate for app in self._apps for rate in app.rates.values()]

    def isolation(self, stage: Stage) -> Isolation | None:
        """The processes of a stage that has some of its own."""
        if not (stage.isolate and self._plan.isolate):
            return None
        app = self._app_of[stage.name]
        given = self._settings.get(app.name)
        return Isolation(
            stage,
            app=app.reference,
            settings=None if given is None else packed(given),
            flags={"dry_run": self.dry_run, "once": self.once},
            wait=lambda name: self._paces[name].take(),
            observe=self.observe,
        )

    def pace(self, rate: Rate) -> Pace:
        """What this process may call of a budget; one for all that name it."""
        if rate.name not in self._paces:

            async def draw(count: int) -> Portion:
                return await self.patiently(lambda: self.log.draw(rate.name, rate.per_second, count))

            self._paces[rate.name] = Pace(rate, self.clock, draw)
        return self._paces[rate.name]

    def observe(self, event: Event) -> None:
        if isinstance(event, Failed) and event.state == "dead":
            self.report.died += 1
        self._observers(event)

    def store_away(self, error: StoreAway | StoreUncertain, again_in: float) -> None:
        self.observe(StoreAbsent(str(error), again_in))

    async def patiently(self, work: Callable[[], Awaitable[T]], *, or_stop: bool = False) -> T:
        """Does what needs the store, again and again while it is away. Under `once` not longer than the patience;
        with `or_stop` only until the worker is stopped."""
        wait, end = 0.05, self._tick() + self._plan.patience
        while True:
            try:
                return await work()
            except StoreAway as error:
                if or_stop and self._stop.is_set():
                    raise
                if self.once and self._tick() >= end:
                    self.report.away = True
                    self.stop()
                    raise
                self.store_away(error, wait)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await (self._stop.wait() if or_stop else asyncio.sleep(wait))
                wait = min(wait * 2, 5.0)
