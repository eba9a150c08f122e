"""Duties: what a worker does under the leases that it holds.

Of a stage and partition a lane, with replays beside it; of a source an intake. Each runs in a task of its own, which
gives the lease back when it is over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from onward import shape
from onward.crew import Crew
from onward.emit import Emitter
from onward.errors import CannotRead, LeaseLost, OnwardError, StoreAway, StoreUncertain, StoreWentBack
from onward.failure import told_of
from onward.intake import Intake
from onward.lane import Lane
from onward.lease import Wanted
from onward.log import Claim, Lease
from onward.replaying import Replays
from onward.stage import Stage
from onward.target import Target
from onward.within import Within

if TYPE_CHECKING:
    from onward.worker import Worker

TROUBLE = 5.0
"""Seconds after which a lane or intake that broke is taken up again."""

PASSING = (LeaseLost, StoreAway, StoreUncertain)
"""What only the store's absence, or another worker, has ended is taken up again, also under `once`."""

UNCERTAIN = 5
"""So often under `once`, where the store loses its answers to commits."""


class Duties:
    """Of one worker. What its leases say is told here."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._roster = worker.roster
        self._not_before: dict[Wanted, float] = {}
        self._uncertain: Counter[Wanted] = Counter()

    @property
    def given_up(self) -> set[Wanted]:
        """What broke and is not taken up again in this run."""
        return {wanted for wanted, until in self._not_before.items() if until == float("inf")}

    # what leases ask and tell

    def may_take(self, wanted: Wanted) -> bool:
        return (
            not self._worker.stopping
            and wanted not in self._roster.tasks
            and wanted[0] not in self._worker.watch.paused
            and self._not_before.get(wanted, 0.0) <= self._tick()
        )

    def cannot_take(self, wanted: Wanted, error: OnwardError) -> None:
        """What the store said to a claim: nobody here goes on with it."""
        self._trouble(wanted, error)
        self._worker.look()

    def lease_taken(self, claim: Claim) -> None:
        if self._worker.stopping:
            return  # it was asked for before the stop; it goes back with the others
        wanted = (claim.lease.stage, claim.lease.partition)
        work = self._work_source(claim) if wanted[0] in self._worker.sources else self._work_stage(claim)
        task = asyncio.create_task(work)
        self._roster.tasks[wanted] = task
        task.add_done_callback(lambda ended: self._ended(wanted, ended))

    def lease_lost(self, lease: Lease) -> None:
        if (lane := self._roster.lanes.get((lease.stage, lease.partition))) is not None:
            lane.give_up()
        intake = self._roster.intakes.get(lease.stage)
        if intake is not None and lease.stage in self._worker.sources:
            intake.give_up()

    def may_go_on(self) -> None:
        """The leases are renewed after a time in which they might not have been ours: lanes had handed out nothing."""
        for lane in list(self._roster.lanes.values()):
            lane.wake()

    def hand_over(self, wanted: Wanted) -> None:
        """Another worker comes first for it: ends it here, so that the other can take it."""
        if (lane := self._roster.lanes.get(wanted)) is not None:
            if not lane.running:  # a call that lasts for hours would keep all others waiting
                lane.stop()
        elif (intake := self._roster.intakes.get(wanted[0])) is not None and wanted in self._roster.tasks:
            intake.hand_over()

    def state_of(self, lease: Lease) -> str:
        """What `status` shows for a lease."""
        return self._roster.state_of(lease)

    # how they end

    def _ended(self, wanted: Wanted, task: asyncio.Task[None]) -> None:
        self._roster.leave(wanted)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._trouble(wanted, error)
        self._worker.look()

    def _trouble(self, wanted: Wanted, error: BaseException) -> None:
        """A lane or intake broke. It is taken up again after a while; the reason shows in `status`."""
        what = told_of(error)
        if not isinstance(error, PASSING):
            if isinstance(error, CannotRead | StoreWentBack):
                self._worker.leases.leave_to_others(wanted[0])
            self._worker.say(wanted[0], what)
            if (crew := self._roster.crews.get(wanted[0])) is not None:
                crew.trouble = what
        if isinstance(error, StoreUncertain):
            self._worker.store_away(error, TROUBLE)
            self._uncertain[wanted] += 1
            if self._worker.once and self._uncertain[wanted] > UNCERTAIN:
                self._worker.say(wanted[0], what)
                self._not_before[wanted] = float("inf")
                return
        over = isinstance(error, CannotRead | StoreWentBack) or (self._worker.once and not isinstance(error, PASSING))
        self._not_before[wanted] = float("inf") if over else self._tick() + TROUBLE

    def _tick(self) -> float:
        return asyncio.get_running_loop().time()

    # stages

    async def _work_stage(self, claim: Claim) -> None:
        wanted, leases = (claim.lease.stage, claim.lease.partition), self._worker.leases
        stage = self._worker.stages[wanted[0]]
        crew = self._crew(stage)
        try:
            if stage.upgrade is None:
                shape.check(stage.name, stage.topic.name, stage.topic.type, claim.shapes)
            within: Within | None = None
            if stage.within is not None:
                url = stage.within.resolve(self._worker.settings_of(stage.name))
                within = Within(await self._opened(crew, url), self._worker.log, stage.was)
                claim = await self._agreed(within, crew, claim)
            crew.trouble = ""
            lane = await self._ran(crew, claim, within)
            while lane.again:
                lane = await self._ran(crew, await self._claimed_again(*wanted), within, again=True)
            if lane.lost:
                leases.held.pop(wanted, None)
            else:
                await leases.give_back(*wanted)
        except BaseException as error:
            if not self._worker.stopping:
                why = "" if isinstance(error, PASSING) else f": {told_of(error)}"
                await leases.give_back(*wanted, f"stopped{why}")
            raise

    def _crew(self, stage: Stage) -> Crew:
        crew = self._roster.crews.get(stage.name)
        if crew is None:
            resources = self._worker.resources_of(stage.name)
            crew = self._roster.crews[stage.name] = Crew(self._worker, stage, resources, self._worker.codecs)
        return crew

    async def _ran(self, crew: Crew, claim: Claim, within: Within | None, *, again: bool = False) -> Lane:
        """A lane that has run, and replays beside it."""
        stage, partition, watch = crew.stage, claim.lease.partition, self._worker.watch
        lane = Lane(crew, claim, within, again=again)
        self._roster.begin(crew, lane)
        target = within.target if within is not None else None
        replays = self._roster.replays[stage.name, partition] = Replays(self._worker, crew, lane, target)
        if self._worker.stopping or stage.name in watch.paused:
            lane.stop()
        lane.reached(watch.ends.get((stage.topic.name, partition), 0))
        log = self._worker.log
        news = await self._worker.patiently(lambda: log.news([stage.topic.name], [stage.name]), or_stop=True)
        for request in news.requests:
            if request.partition == partition:
                lane.asked(request)
        replays.told(news.replays)
        await replays.beside()
        return lane

    async def _opened(self, crew: Crew, url: str) -> Target:
        """The database of `within=`, once it can be reached."""
        return await crew.there(lambda: self._worker.databases.get(crew.stage.name, url))

    async def _agreed(self, within: Within, crew: Crew, claim: Claim) -> Claim:
        """The claim under which target and store agree: each time that they are compared it is a new one."""
        stage, claims, log = crew.stage, [claim], self._worker.log

        async def compare() -> Claim | None:
            claim = claims.pop() if claims else await self._claimed_again(stage.name, partition)
            end = (await log.news([stage.topic.name], ())).ends[stage.topic.name, partition]
            return None if await within.take(claim, end, crew.in_thread) else claim

        partition = claim.lease.partition
        while (agreed := await crew.there(compare)) is None:
            pass
        return agreed

    async def _claimed_again(self, name: str, partition: int) -> Claim:
        leases = self._worker.leases
        claim = await leases.claim((name, partition))
        if claim is None:
            raise LeaseLost(name, partition, leases.held[name, partition].token)
        leases.held[name, partition] = claim.lease
        return claim

    # sources

    async def _work_source(self, claim: Claim) -> None:
        worker, intakes, leases = self._worker, self._roster.intakes, self._worker.leases
        source = worker.sources[claim.lease.stage]
        resources, emitter = worker.resources_of(source.name), Emitter(source.to, worker.codecs)
        intake = Intake(worker, source, claim, resources, emitter, intakes.get(source.name))
        intakes[source.name] = intake
        if worker.stopping or (intake.done and source.name not in worker.watch.paused):
            return
        if source.name in worker.watch.paused:
            await leases.give_back(source.name, 0)
            return
        try:
            await intake.run()
        except BaseException:
            if not worker.stopping:
                await leases.give_back(source.name, 0)
            raise
        if intake.lost:
            leases.held.pop((source.name, 0), None)
            return
        if intake.away:
            self._not_before[source.name, 0] = self._tick() + intake.away
        if worker.stopping:
            return
        if intake.done:
            await leases.let_go(source.name)  # a service that has it too goes on with it
        else:
            await leases.give_back(source.name, 0)
