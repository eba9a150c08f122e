"""The roster of a worker: who is at work in it just now, by stage or source, and partition."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from onward.claim import stage_of
from onward.crew import Crew
from onward.lane import Lane
from onward.lease import Wanted
from onward.log import Lease

if TYPE_CHECKING:
    from onward.intake import Intake
    from onward.replaying import Replays


class Roster:
    """Crews and intakes stay when their work is over, as they know how it went; the others are there while they work.

    `tasks` are what lanes and intakes run in; a task whose stage has no lane yet is one that is beginning.
    """

    def __init__(self) -> None:
        self.crews: dict[str, Crew] = {}
        self.lanes: dict[Wanted, Lane] = {}
        self.replays: dict[Wanted, Replays] = {}
        self.intakes: dict[str, Intake] = {}
        self.tasks: dict[Wanted, asyncio.Task[None]] = {}

    # coming and going

    def begin(self, crew: Crew, lane: Lane) -> None:
        """A lane is there, that of a replay too."""
        wanted = (lane.lease.stage, lane.partition)
        self.lanes[wanted] = crew.lanes[wanted] = lane

    def end(self, crew: Crew, lane: Lane) -> None:
        """The lane of a replay is over."""
        wanted = (lane.lease.stage, lane.partition)
        self.lanes.pop(wanted, None)
        crew.lanes.pop(wanted, None)

    def leave(self, wanted: Wanted) -> None:
        """What was done under one lease is over."""
        self.tasks.pop(wanted, None)
        self.lanes.pop(wanted, None)
        if (crew := self.crews.get(wanted[0])) is not None:
            crew.lanes.pop(wanted, None)
        self.replays.pop(wanted, None)

    # what is told to all

    def stop(self) -> None:
        """What is in hand is finished, and no more begun."""
        for lane in self.lanes.values():
            lane.stop()
        for intake in self.intakes.values():
            intake.stop()

    def stop_those(self, names: Collection[str]) -> None:
        """As `stop`, of these stages and sources."""
        for wanted, lane in self.lanes.items():
            if wanted[0] in names:
                lane.stop()
        for name, intake in self.intakes.items():
            if name in names:
                intake.stop()

    def give_up(self) -> None:
        """Nothing more is committed of what is in hand."""
        for lane in self.lanes.values():
            lane.give_up()
        for intake in self.intakes.values():
            intake.give_up()

    def wake(self, names: Collection[str]) -> None:
        """Sources and stages that waited may go on."""
        for (name, _), lane in list(self.lanes.items()):
            if stage_of(name) in names:
                lane.wake()
        for name in names:
            if (intake := self.intakes.get(name)) is not None:
                intake.wake()

    # what is asked of it; also from other threads

    @property
    def tripped(self) -> list[str]:
        """The stages that have tripped here."""
        return sorted(name for name, crew in self.crews.items() if crew.breaker.tripped)

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Records and bytes that lanes here may yet emit into a topic, or have emitted and not committed."""
        owed = [lane.owed(topic) for lane in self.lanes.values() if topic in lane.emits]
        return sum(records for records, _ in owed), sum(size for _, size in owed)

    def state_of(self, lease: Lease) -> str:
        """What `status` shows for a lease."""
        if (intake := self.intakes.get(lease.stage)) is not None:
            return intake.state
        crew = self.crews.get(lease.stage)
        return crew.state if crew is not None else "running"

    def states(self) -> dict[str, str]:
        """By source and stage what `status` shows of it."""
        parts = {name: intake.state for name, intake in list(self.intakes.items())}
        return parts | {name: crew.state for name, crew in list(self.crews.items())}
