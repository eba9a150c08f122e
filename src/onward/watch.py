"""The watch of a worker: what others have changed in the store, told to those here whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from onward.errors import StoreAway, StoreUncertain
from onward.lease import LOOK, Wanted
from onward.log import Replay

if TYPE_CHECKING:
    from onward.worker import Worker


class Watch:
    """Of one worker: new records, requests, replays and pauses, as it has seen them last.

    `ends` are by topic and partition; `replays` are those that are not over.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._roster = worker.roster
        self._topics = sorted({stage.topic.name for stage in worker.stages.values()})
        self.ends: Mapping[tuple[str, int], int] = {}
        self.paused: Collection[str] = ()
        self.replays: Sequence[Replay] = ()

    async def begin(self) -> None:
        """Knows what is paused; to be done before a lease is taken."""
        while not self._worker.stopping:
            try:
                await self.look()
                return
            except StoreUncertain as error:  # only looking failed
                self._worker.store_away(error, LOOK)
                await asyncio.sleep(LOOK)

    async def run(self) -> None:
        """Looks whenever something may have changed, until it is cancelled."""
        while True:
            try:
                await self.look()
                await self._worker.gates.look()
                await self._worker.log.changed(60.0)
            except (StoreAway, StoreUncertain) as error:  # only looking failed
                self._worker.store_away(error, LOOK)
                await asyncio.sleep(LOOK)

    async def look(self) -> set[Wanted]:
        """Tells lanes; returns for what there are requests that no lane of this worker can carry out."""
        worker, lanes = self._worker, self._roster.lanes
        news = await worker.patiently(lambda: worker.log.news(self._topics, list(worker.stages)), or_stop=True)
        self.ends = news.ends
        self._heed(news.paused)
        for lane in list(lanes.values()):
            lane.reached(news.ends.get((lane.stage.topic.name, lane.partition), 0))
        for request in news.requests:
            if (lane := lanes.get((request.stage, request.partition))) is not None:
                lane.asked(request)
        self.replays = news.replays
        for one in self._roster.replays.values():
            one.told(news.replays)
        return {(request.stage, request.partition) for request in news.requests} - set(lanes)

    @property
    def to_replay(self) -> set[Wanted]:
        """What replays that are not over have to do with."""
        return {(job.stage, one.partition) for job in self.replays for one in job.ranges}

    def _heed(self, paused: Collection[str]) -> None:
        """Ends what was paused, when what it has in hand is done."""
        if resumed := set(self.paused) - set(paused):
            for name in resumed:
                self._roster.intakes.pop(name, None)
            self._worker.leases.note()
            self._worker.look()
        self.paused = paused
        self._roster.stop_those(paused)
