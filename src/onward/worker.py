"""A worker: a process that runs apps against a store.

It declares the apps, and holds what does the work: `leases` says what this worker may do, `duties` does it, `roster`
knows who is at work, `watch` tells them what has changed in the store, `gates` who has to wait, and `ending` when a run
under `once` is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from onward import process
from onward.app import App, topics_of
from onward.budgets import Budgets
from onward.clock import Clock, SystemClock
from onward.closing import close
from onward.codec import Codec
from onward.databases import Databases, open_target
from onward.declaration import spec_of
from onward.duties import Duties
from onward.ending import Ending
from onward.errors import DatabaseAway, StoreAway, StoreUncertain
from onward.events import (
    DatabaseAbsent,
    Event,
    Failed,
    Observer,
    Observers,
    StoreAbsent,
    Trouble,
    WorkerStarted,
    WorkerStopped,
)
from onward.failure import message_of
from onward.gates import Gates
from onward.health import BEATS, Health
from onward.isolate import Isolation
from onward.lease import Leases, Wanted
from onward.log import AppSpec, Books, Log
from onward.patience import Patience
from onward.plan import Plan, Report
from onward.rate import Portion, Rate
from onward.resource import Resources
from onward.retention import Retention
from onward.roster import Roster
from onward.settings import packed
from onward.stage import Stage
from onward.target import Target
from onward.watch import Watch
from onward.withhold import limited, withheld

T = TypeVar("T")

SWEEP = 5.0
"""Seconds for which retention may go on when a run under `once` is done."""

READS = 4
"""Lanes that read at once: a block is whole until it is cut to what its lane has room for."""


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
        target: Callable[[str, str], Target] = open_target,
    ) -> None:
        self.name = process.new_name()
        self.log, self.books = log, books
        self.clock: Clock = clock or SystemClock()
        self.chance = chance
        self.once, self.dry_run, self.limit = plan.once, plan.dry_run, plan.limit
        self.memory, self.patience = plan.memory, plan.patience
        self.report = Report()
        self._plan = plan
        self._begun = self.clock.now()
        self._observers = Observers(observers)
        self._stop, self._look = asyncio.Event(), asyncio.Event()

        self._apps = list(apps)
        self._app_of = {part.name: app for app in apps for part in app}
        self._settings = dict(settings or {})
        self._resources = {app.name: Resources(app.resources, self._settings.get(app.name), resources) for app in apps}
        self.codecs = {topic.name: Codec(topic.type) for app in apps for topic in topics_of(app).values()}
        self.has_tables = any(app.tables for app in apps)
        selected = [name for name in self._app_of if not plan.stages or name in plan.stages]
        self.sources = {n: app.sources[n] for n in selected if n in (app := self._app_of[n]).sources}
        self.stages = {n: app.stages[n] for n in selected if n in (app := self._app_of[n]).stages}
        if plan.dry_run:
            self.sources = {n: limited(source, plan.limit) for n, source in self.sources.items()}
            self.stages = {n: withheld(stage, self.observe) for n, stage in self.stages.items()}
        wanted: list[Wanted] = [(name, 0) for name in self.sources]
        wanted += [(name, p) for name, stage in self.stages.items() for p in range(stage.topic.partitions)]

        self._patience = Patience(plan.patience if plan.once else None, self._stop, self.store_away, self._gave_up)
        self.roster = Roster()
        self.watch = Watch(self)
        self.duties = Duties(self)
        self.leases = Leases(self, self.duties, wanted, self.sources if plan.once else ())
        parts = {**self.sources, **self.stages} if plan.bounded else {}
        self.gates = Gates(self, books, parts, [spec_of(app) for app in apps])
        self.ending = Ending(self, wanted)
        self.databases = Databases(target, getattr(log, "url", ""))
        rates = [rate for app in apps for rate in app.rates.values()]
        self.budgets = Budgets(rates, self.clock, self._draw)
        self.retention = Retention(log, books, self.clock, self.name, self.observe)
        self.reads = asyncio.Semaphore(READS)
        self.alone = asyncio.Lock()
        calls = sum(2 * stage.parallel for stage in self.stages.values() if not stage.handler.is_async)
        self.threads = ThreadPoolExecutor(max(4, calls), thread_name_prefix="onward-call")

    @property
    def horizon(self) -> float:
        """Up to which instant a retry may be due for `once` to wait for it. A dry run always comes to its end: what is
        tried for ever is not waited for again and again."""
        return (self._begun if self.dry_run else self.clock.now()) + self.patience

    @property
    def room(self) -> int:
        """Bytes that one lane may have in hand. Decoded records take several times the bytes that they came in."""
        return max(64_000, self.memory // (20 * max(1, len(self.roster.lanes))))

    @property
    def large_room(self) -> int:
        """Bytes that all lanes of one stage may have in hand of records that are larger than one lane's room."""
        return self.memory // (20 * max(1, len(self.roster.crews)))

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    # its life

    async def declare(self) -> None:
        """Writes the apps' declarations into the store."""
        for app in self._apps:
            await self._declare(spec_of(app))

    async def _declare(self, spec: AppSpec) -> None:
        await self.patiently(lambda: self._patience.unless_stopped(self.log.declare(spec)), or_stop=True)

    async def run(self) -> Report:
        """Until it is stopped or, under `once`, all is done."""
        try:
            await self.declare()
        except StoreAway:
            if self.report.away:
                raise
            return self.report  # it was stopped before it had begun
        self.ending.begin()
        self.observe(WorkerStarted(self.name, getattr(self.log, "url", "")))
        self.budgets.connect()
        helpers: list[asyncio.Task[None]] = []
        try:
            await self.watch.begin()
            helpers += [asyncio.create_task(one.run()) for one in (self.leases, self.watch, self.gates)]
            if self._plan.retention:
                helpers.append(asyncio.create_task(self.retention.run()))
            await self._until_done(helpers)
            await self._sweep_once()
        except StoreAway:
            if not self._stop.is_set() or self.report.away:
                raise
        finally:
            self._stop.set()
            await close(self, self._plan.grace, helpers)
            self.observe(WorkerStopped(self.name))
        self.report.tripped = self.roster.tripped
        self.report.sources_failed = sum(intake.failed for intake in self.roster.intakes.values())
        return self.report

    def stop(self) -> None:
        """Takes no more work; what is in hand is finished within the grace, the rest is left as it was."""
        self._stop.set()
        self._look.set()

    def health(self) -> Health:
        """Whether it works, and can; from any thread."""
        now = time.monotonic()
        live, ready = now - self.leases.pulse < BEATS, now < self.leases.safe_until
        told = "at work" if live and ready else "the store is away" if live else "the event loop stands still"
        return Health(live, live and ready and not self.stopping, told, self.roster.states())

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
            if self.once and not self._plan.follow and await self.ending.come() and not self._look.is_set():
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

    async def close_resources(self) -> None:
        for name, resources in self._resources.items():
            try:
                await resources.close()
            except Exception as error:  # the others are closed all the same
                self.say(name, f"a resource failed when it was closed: {type(error).__name__}: {message_of(error)}")

    # for its parts

    def resources_of(self, name: str) -> Resources:
        """Those of the app that has this stage or source."""
        return self._resources[self._app_of[name].name]

    def settings_of(self, name: str) -> Any:
        """Those of the app that has this stage or source."""
        return self._settings.get(self._app_of[name].name)

    def isolation(self, stage: Stage) -> Isolation | None:
        """The processes of a stage that has some of its own."""
        if not (stage.isolate and self._plan.isolate):
            return None
        given = self.settings_of(stage.name)
        return Isolation(
            stage,
            app=self._app_of[stage.name].reference,
            settings=None if given is None else packed(given),
            flags={"dry_run": self.dry_run, "once": self.once},
            wait=self.budgets.take,
            observe=self.observe,
        )

    async def _draw(self, rate: Rate, count: int) -> Portion:
        return await self.patiently(lambda: self.log.draw(rate.name, rate.per_second, count))

    def say(self, name: str, what: str) -> None:
        """Something cannot go on until somebody acts."""
        self.observe(Trouble(name, what))
        self.report.troubles.append(f"{name}: {what}")

    def observe(self, event: Event) -> None:
        if isinstance(event, Failed) and event.state == "dead":
            self.report.died += 1
        self._observers(event)

    def store_away(self, error: StoreAway | StoreUncertain, again_in: float) -> None:
        kind = DatabaseAbsent if isinstance(error, DatabaseAway) else StoreAbsent
        self.observe(kind(str(error), again_in))

    async def patiently(self, work: Callable[[], Awaitable[T]], *, or_stop: bool = False) -> T:
        """Does what needs the store, again and again while it is away. Under `once` not longer than the patience;
        with `or_stop` only until the worker is stopped."""
        return await self._patience.until_done(work, or_stop=or_stop)

    def _gave_up(self) -> None:
        self.report.away = True
        self.stop()
