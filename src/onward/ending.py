"""When a run under `once` is done: nothing is left that it could still do, or should wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from onward.events import ReplayAwaited, SourceElsewhere
from onward.lease import Wanted
from onward.log import PartitionFacts

if TYPE_CHECKING:
    from onward.worker import Worker


class Ending:
    """Judges for one worker; `wanted` is all that it takes leases of. Its patience runs from `begin` on."""

    def __init__(self, worker: Worker, wanted: Sequence[Wanted]) -> None:
        self._worker = worker
        self._roster = worker.roster
        self._wanted = wanted
        self._began = 0.0
        self._elsewhere: set[str] = set()
        self._awaited: set[int] = set()

    def begin(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def come(self) -> bool:
        """Whether it has come: all is done, here and by others."""
        worker = self._worker
        # As it is now: nothing that waits may be taken for done when it could go on.
        await worker.patiently(worker.gates.look, or_stop=True)
        waiting = [name for name in worker.sources if not self._source_done(name) and not self._at_rest(name)]
        if waiting and not await self._brought_elsewhere(waiting):
            return False
        asked = await worker.watch.look()
        given_up, paused = worker.duties.given_up, worker.watch.paused
        if any(wanted not in given_up and wanted[0] not in paused for wanted in asked):
            return False
        self._tell_replays()
        return not self._lanes_work() and not await self._others_work()

    # sources

    def _source_done(self, name: str) -> bool:
        intake = self._roster.intakes.get(name)
        if name in self._worker.watch.paused and (name, 0) not in self._roster.tasks:
            return True
        return (intake is not None and intake.done) or (name, 0) in self._worker.duties.given_up

    def _at_rest(self, name: str) -> bool:
        """Whether a source waits at a bound for somebody who does not go on: it is not waited for. What it has closed
        is kept; the rest it brings in a run to come."""
        return name in self._roster.intakes and bool(self._worker.gates.waits(self._worker.sources[name]))

    async def _brought_elsewhere(self, names: Sequence[str]) -> bool:
        """Whether another worker has these sources and did not hand them over within the patience. One that is in a
        call by schedule will; a continuous one may never return, and what it brings counts as this run's."""
        worker = self._worker
        if asyncio.get_running_loop().time() < self._began + worker.patience:
            return False
        survey = await worker.patiently(worker.books.survey, or_stop=True)
        held = {held.stage: held.worker for held in survey.leases if held.live and held.worker != worker.name}
        for name in names:
            called = name in survey.sources and survey.sources[name].state == "running"
            if name not in held or (called and not worker.sources[name].continuous):
                return False
        for name in names:
            if name not in self._elsewhere:
                self._elsewhere.add(name)
                worker.observe(SourceElsewhere(name, held[name]))
        return True

    # stages

    def _tell_replays(self) -> None:
        watch = self._worker.watch
        for job in watch.replays:
            if job.number not in self._awaited and job.stage not in watch.paused:
                self._awaited.add(job.number)
                records = sum(one.end - one.first for one in job.ranges)
                self._worker.observe(ReplayAwaited(job.stage, job.number, records))

    def _lanes_work(self) -> bool:
        """Whether lanes of this worker have something to do, or will have within the patience."""
        worker, lanes, crews = self._worker, self._roster.lanes, self._roster.crews
        if any(one.busy for one in self._roster.replays.values()):
            return True
        starting = any(wanted[0] in worker.stages and wanted not in lanes for wanted in self._roster.tasks)
        if starting or any(not lane.idle for lane in lanes.values()):
            return True
        now, patience, horizon = worker.clock.now(), worker.patience, worker.horizon
        trying = [lane for lane in lanes.values() if not crews[lane.stage.name].down(now, patience)]
        due = min((due for lane in trying if (due := lane.next_due) is not None), default=None)
        if due is not None and due <= horizon:
            worker.clock.idle(due)
            return True
        for lane in lanes.values():
            crew = crews[lane.stage.name]
            if lane.outstanding and not (crew.breaker.tripped or crew.waits) and not lane.halted:
                return True
        return False

    async def _others_work(self) -> bool:
        """Whether another worker has, or should have, something of ours in hand."""
        worker, lanes = self._worker, self._roster.lanes
        mine = set(lanes) | worker.duties.given_up
        if all(wanted in mine for wanted in self._wanted if wanted[0] in worker.stages):
            return False
        survey = await worker.patiently(worker.books.survey, or_stop=True)
        for facts in survey.stages:
            wanted = (facts.stage, facts.partition)
            if (lane := lanes.get(wanted)) is not None and lane.end < facts.end:
                return True  # another worker emitted into it since it was last looked at
            if wanted in mine or facts.stage not in worker.stages:
                continue
            if await self._goes_on(facts):
                return True
        return False

    async def _goes_on(self, facts: PartitionFacts) -> bool:
        """Whether somebody else is to do something of a stage and partition, before this run may end."""
        worker, holder, wanted = self._worker, facts.holder, (facts.stage, facts.partition)
        if holder is not None and holder.live and holder.state.startswith(("tripped:", "stopped:")):
            return False
        if facts.stage in worker.watch.paused:  # its holder finishes what it has in hand
            return holder is not None and holder.live and holder.worker != worker.name
        if worker.gates.waits(worker.stages[facts.stage]):
            return False
        if facts.parked.get("running"):
            return True
        if facts.end - facts.begins - facts.totals.done - sum(facts.parked.values()) > 0:
            return True
        if wanted in worker.watch.to_replay:
            return True
        return bool(facts.parked.get("retrying")) and await self._due_soon(wanted)

    async def _due_soon(self, wanted: Wanted) -> bool:
        """Whether a parked record of another worker's is to be tried again within the patience."""
        horizon, after = self._worker.horizon, ("", 0, 0)

        def page() -> Awaitable[Sequence[Any]]:
            return self._worker.books.parked(wanted[0], None, "retrying", 100, after)

        while rows := await self._worker.patiently(page, or_stop=True):
            if any(partition == wanted[1] and row.due <= horizon for _, partition, row, _ in rows):
                return True
            name, partition, row, _ = rows[-1]
            after = (name, partition, row.offset)
        return False
