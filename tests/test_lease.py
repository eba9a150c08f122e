"""The leases of a worker, on a log that answers as the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from onward import lease as lease_
from onward.claim import Met
from onward.errors import StoreAway, StoreUncertain
from onward.events import ClocksDiffer, Event
from onward.lease import Leases, Wanted
from onward.log import Claim, Lease, SourceState, Totals


class Log:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.lost: Callable[[], Sequence[Lease]] = lambda: ()
        self.fails: list[Exception] = []
        self.others: dict[str, Met] = {}

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        return {worker: Met(wants, 0.0), **self.others}

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        if self.fails:
            raise self.fails.pop()
        self.told.append(f"renew {len(leases)}")
        return self.lost()

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim:
        self.told.append(f"claim {partition}")
        return Claim(Lease(stage, partition, worker, 1), 0, (), Totals(), (), "x", SourceState())


class Worker:
    name = "w"

    def __init__(self) -> None:
        self.log = Log()
        self.gone: list[Lease] = []
        self.seen: list[Event] = []
        self.away: list[Exception] = []

    def may_take(self, wanted: Wanted) -> bool:
        return True

    def lease_taken(self, claim: Claim) -> None: ...
    def hand_over(self, wanted: Wanted) -> None: ...

    def lease_lost(self, lease: Lease) -> None:
        self.gone.append(lease)

    def state_of(self, lease: Lease) -> str:
        return "running"

    def observe(self, event: Event) -> None:
        self.seen.append(event)

    def store_away(self, error: Exception, again_in: float) -> None:
        self.away.append(error)


def running(worker: Worker, leases: Leases, enough: Callable[[], bool]) -> None:
    async def work() -> None:
        task = asyncio.create_task(leases.run())
        async with asyncio.timeout(10):
            while not enough() and not task.done():
                leases.note()
                await asyncio.sleep(0)
        assert not task.done(), task
        task.cancel()

    asyncio.run(work())


def alone(work: Callable[[Worker, Any], Awaitable[None]], partitions: int = 1) -> None:
    async def made() -> None:
        worker = Worker()
        await work(worker, Leases(worker, worker, [("s", n) for n in range(partitions)]))  # type: ignore[arg-type]

    asyncio.run(made())


def test_what_is_held_is_renewed_while_many_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_, "RENEW", 0.0)

    async def work(worker: Worker, leases: Any) -> None:
        await leases._take()
        assert worker.log.told == ["claim 0", "renew 1", "claim 1", "renew 2", "claim 2", "renew 3"]

    alone(work, 3)


def test_the_answer_to_an_older_lease_takes_a_newer_one_from_nobody() -> None:
    async def work(worker: Worker, leases: Any) -> None:
        old, new = Lease("s", 0, "w", 1), Lease("s", 0, "w", 2)
        leases.held["s", 0] = old

        def claimed_again_meanwhile() -> Sequence[Lease]:
            leases.held["s", 0] = new
            return [old]

        worker.log.lost = claimed_again_meanwhile
        await leases._renew()
        assert leases.held == {("s", 0): new}
        assert (worker.gone, worker.seen) == ([], [])

        worker.log.lost = lambda: [new]
        await leases._renew()
        assert leases.held == {}
        assert worker.gone == [new]

    alone(work)


@pytest.mark.parametrize("error", [StoreAway("busy"), StoreUncertain("disk")])
def test_a_store_in_trouble_ends_nothing(error: Exception) -> None:
    worker = Worker()

    async def made() -> Leases:
        return Leases(worker, worker, [("s", 0)])  # type: ignore[arg-type]

    leases = asyncio.run(made())
    worker.log.fails = [error]
    running(worker, leases, lambda: "renew 1" in worker.log.told)
    assert worker.away == [error]


def test_a_clock_that_is_fast_by_more_than_a_third_of_a_lease_is_told_once() -> None:
    async def work(worker: Worker, leases: Any) -> None:
        for ago in (2.0, -3.3):
            worker.log.others = {"other": Met((), ago)}
            await leases._renew()
        assert worker.seen == []
        for _ in range(2):
            worker.log.others = {"other": Met((), -3.5)}
            await leases._renew()
        assert worker.seen == [ClocksDiffer("other", 3.5)]

    alone(work)
