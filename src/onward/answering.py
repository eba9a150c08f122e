"""Carrying out in a lane what people have asked of its parked records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onward.commits import Commits
from onward.draft import Draft
from onward.hand import Hand
from onward.log import Parked, Request
from onward.request import carried_out
from onward.stage import Stage
from onward.work import Work

if TYPE_CHECKING:
    from onward.crew import Crew


class Answering:
    """Of one stage and partition; each request is carried out once.

    Args:
        units: whether requests wait for units in hand, too.
        spawn: runs work as a task of the lane.
    """

    def __init__(
        self,
        crew: Crew,
        stage: Stage,
        hand: Hand,
        commits: Commits,
        work: Work,
        *,
        units: bool,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._crew = crew
        self._stage = stage
        self._hand = hand
        self._parking = hand.parking
        self._commits = commits
        self._work = work
        self._units = units
        self._spawn = spawn
        self._open: dict[int, Request] = {}
        self._answered: set[int] = set()

    @property
    def open(self) -> bool:
        """Something was asked and is not carried out."""
        return bool(self._open)

    def asked(self, request: Request) -> bool:
        """Takes a request; whether it is a new one."""
        if request.id in self._open or request.id in self._answered:
            return False
        self._open[request.id] = request
        return True

    def start(self) -> None:
        """Carries out what was asked when no parked record is in hand, so that holder and asker do not race."""
        busy = self._hand.flying or self._commits.under_way or (self._units and self._hand.units)
        if self._open and not busy:
            self._hand.flying.add(-1)
            self._spawn(self._carry_out(list(self._open.values())))

    async def _carry_out(self, requests: list[Request]) -> None:
        # Several are open: who asked last had seen what was parked before the first of them was carried out.
        as_of = dict(self._parking.rows)
        try:
            for request in requests:
                draft = await self._carried_out(request, as_of)
                for offset in draft.unpark:
                    self._parking.remove(offset)
                for row in draft.park.values():
                    self._parking.put(row)
                self._work.promote(draft, set(self._parking.blocked))
                self._commits.add(draft)
                self._answered.add(request.id)
                del self._open[request.id]
        finally:
            self._hand.flying.discard(-1)

    async def _carried_out(self, request: Request, as_of: Mapping[int, Parked]) -> Draft:
        rows: Sequence[Parked] = [r for r in self._parking.matching(request.match, as_of) if r.state != "running"]
        if request.action != "drop" and rows:
            rows = await self._work.copies([row.offset for row in rows])
        stage, now = self._stage, self._crew.now()
        return carried_out(request, rows, stage.topic, self._crew.reader, now, stage.review)
