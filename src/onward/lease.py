"""Leases of one worker: which it takes, keeps, gives away and loses."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from onward import process
from onward.claim import Met
from onward.errors import StoreAway, StoreUncertain, StoreWentBack
from onward.events import ClocksDiffer, LeaseGone, LeaseTaken
from onward.log import Claim, Lease

if TYPE_CHECKING:
    from onward.duties import Duties
    from onward.worker import Worker

SECONDS = 10.0
RENEW = 3.0
LOOK = 1.0
YOUNG, OFTEN = 5.0, 0.2
"""Seconds for which a worker that has begun looks more often, and how often: those that begin together share their work
before the first has done it all."""
SPARE = 2.0

FIRST = "first:"
"""Before the name of a source that a worker wants for one call, before all who want it for good."""

Wanted = tuple[str, int]


class Leases:
    """Takes what is free, renews what it has, and shares with other workers that want the same."""

    def __init__(self, worker: Worker, duties: Duties, wanted: Sequence[Wanted], first: Iterable[str] = ()) -> None:
        self._worker = worker
        self._duties = duties
        self._wanted = list(wanted)
        self._first = set(first)
        self._asking: dict[Wanted, asyncio.Future[Claim | None]] = {}
        self._free_since: dict[Wanted, float] = {}
        self._others: Mapping[str, Met] = {}
        self._told: set[str] = set()
        self._noted = asyncio.Event()
        self.held: dict[Wanted, Lease] = {}
        self.safe_until = time.monotonic() + SECONDS
        self._renewed = 0.0
        self._begun = time.monotonic()
        self.pulse = time.monotonic()
        """When it last came round, whether or not the store was there."""

    def note(self) -> None:
        """A state has changed that `status` shows."""
        self._noted.set()

    def leave_to_others(self, name: str) -> None:
        """Takes nothing more of this stage, nor counts among those who share it."""
        self._wanted = [wanted for wanted in self._wanted if wanted[0] != name]
        self._first.discard(name)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                if self._due(OFTEN if self._young else RENEW) or self._noted.is_set():
                    self._noted.clear()
                    await self._renew()
                await self._take()
            except (StoreAway, StoreUncertain) as error:  # what was kept of it shows when it is done again
                self._worker.store_away(error, LOOK)
            self.pulse = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OFTEN if self._young else LOOK):
                    await self._noted.wait()

    async def claim(self, wanted: Wanted) -> Claim | None:
        """Asks the store for a lease. Who is stopped meanwhile gets no answer, but gives back what was taken."""
        asking = asyncio.ensure_future(self._worker.log.claim(*wanted, self._worker.name, SECONDS))
        self._asking[wanted] = asking
        await asyncio.wait([asking])  # unlike waiting for itself, to be cancelled here does not cancel it
        del self._asking[wanted]
        return asking.result()

    async def _answered(self) -> None:
        """Holds what was claimed when nobody waited any more."""
        asking, self._asking = self._asking, {}
        for wanted, answer in asking.items():
            with contextlib.suppress(StoreAway, StoreUncertain, StoreWentBack):
                if (claim := await answer) is not None:
                    self.held[wanted] = claim.lease

    async def give_back(self, name: str, partition: int, state: str = "stopped") -> None:
        """Lets others have it at once; `state` is what `status` shows until somebody takes it."""
        lease = self.held.pop((name, partition), None)
        if lease is not None:
            await self._worker.log.renew({lease: state}, 0)

    async def let_go(self, name: str) -> None:
        """Gives back a source, and wants it no more."""
        self._first.discard(name)
        self._wanted = [wanted for wanted in self._wanted if wanted != (name, 0)]
        await self.give_back(name, 0, "")
        await self._meet()

    async def give_back_all(self) -> None:
        """Lets others have all of them, and no more counts as one who shares: who comes next need not wait for it."""
        await self._answered()
        leases = {lease: "stopped" for lease in self.held.values()}
        self.held.clear()
        if leases:
            await self._worker.log.renew(leases, 0)
        await self._worker.log.meet(self._worker.name, ())

    async def _meet(self) -> None:
        wants = {name for name, _ in self._wanted} | {f"{FIRST}{name}" for name in self._first}
        self._others = await self._worker.log.meet(self._worker.name, sorted(wants))
        for name, met in self._others.items():
            # What it wrote lies in our future. The one whose clock is slow sees it; the other may not.
            if met.ago < -SECONDS / 3 and name not in self._told:
                self._told.add(name)
                self._worker.observe(ClocksDiffer(name, -met.ago))

    async def _renew(self) -> None:
        await self._meet()
        begun = time.monotonic()
        leases = {lease: self._duties.state_of(lease) for lease in self.held.values()}
        for lost in await self._worker.log.renew(leases, SECONDS):
            if self.held.get((lost.stage, lost.partition)) != lost:
                continue  # given back meanwhile, or claimed again: what is held now is another one
            del self.held[lost.stage, lost.partition]
            self._worker.observe(LeaseGone(lost.stage, lost.partition))
            self._duties.lease_lost(lost)
        late, self.safe_until = time.monotonic() > self.safe_until, begun + SECONDS - SPARE
        self._renewed = time.monotonic()
        if late:
            self._duties.may_go_on()

    def _due(self, seconds: float) -> bool:
        return time.monotonic() - self._renewed >= seconds

    @property
    def _young(self) -> bool:
        return time.monotonic() - self._begun < YOUNG

    async def _take(self) -> None:
        mine = self._mine()
        now = time.monotonic()
        for wanted in self._wanted:
            if wanted in self.held or not self._duties.may_take(wanted):
                continue
            # Another worker comes first here; only if it leaves it lying is it ours.
            if wanted not in mine and now - self._free_since.setdefault(wanted, now) < 2 * LOOK + RENEW:
                continue
            try:
                claim = await self.claim(wanted)
            except StoreWentBack as error:
                self._duties.cannot_take(wanted, error)
                continue
            if claim is not None:
                self._free_since.pop(wanted, None)
                self.held[wanted] = claim.lease
                self._worker.observe(LeaseTaken(*wanted, claim.lease.token))
                self._duties.lease_taken(claim)
            if self._due(RENEW):
                await self._renew()  # to take many may last longer than those that it has
        for wanted in [wanted for wanted in self.held if wanted not in mine]:
            self._free_since[wanted] = now
            self._duties.hand_over(wanted)

    def _mine(self) -> set[Wanted]:
        """The leases that are this worker's when all that want one share evenly, each coming to the same answer."""
        found = set()
        # Who died on this machine since all last met takes no more, and what it held is taken at once.
        living = {name: met.wants for name, met in self._others.items() if not process.is_dead(name)}
        for wanted in self._wanted:
            first = sorted(name for name, wants in living.items() if f"{FIRST}{wanted[0]}" in wants)
            who = first or sorted(name for name, wants in living.items() if wanted[0] in wants)
            if first and self._worker.name not in first:
                continue
            number = zlib.crc32(wanted[0].encode()) + wanted[1]
            if not who or self._worker.name not in who or who[number % len(who)] == self._worker.name:
                found.add(wanted)
        return found
