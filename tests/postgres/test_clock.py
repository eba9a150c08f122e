"""Workers whose machines' clocks differ go by the server's."""

from __future__ import annotations

import asyncio
import time

import pytest

from onward.conformance.case import WORK, app_spec
from onward.log import Commit, Lease
from onward.logs.postgres import PostgresLog
from onward.postgres import clock as clock_module
from onward.postgres.clock import ServerClock
from onward.postgres.connection import Database


class Fast:
    """A machine's clock that is an hour fast."""

    def __init__(self) -> None:
        self.ahead = 3600.0

    def time(self) -> float:
        return time.time() + self.ahead


def test_a_clock_that_is_wrong_is_corrected(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "time", Fast())
    monkeypatch.setattr("onward.clock.time", Fast())
    connection = Database(postgres).connect()
    clock = ServerClock()
    assert clock.now() - time.time() > 3_000
    clock.measure(connection)
    assert abs(clock.now() - time.time()) < 5
    connection.close()


def test_a_lease_is_held_against_a_worker_whose_clock_is_fast(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        right = PostgresLog(postgres)
        await right.declare(app_spec())
        claim = await right.claim(WORK, 0, "elsewhere/1/2/3", 60.0)
        assert claim is not None
        monkeypatch.setattr(clock_module, "time", Fast())
        monkeypatch.setattr("onward.clock.time", Fast())
        wrong = PostgresLog(postgres)
        assert await wrong.claim(WORK, 0, "another/1/2/3", 60.0) is None
        met = await wrong.meet("another/1/2/3", [WORK])
        assert set(met) == {"another/1/2/3"}
        await right.commit(Commit(lease=claim.lease, finished=[(0, 1)], next=1))
        assert list(await right.renew({Lease(WORK, 0, "elsewhere/1/2/3", claim.lease.token): ""}, 0)) == []
        await right.close()
        await wrong.close()

    asyncio.run(story())


def test_it_is_told_whose_clock_differs(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        right = PostgresLog(postgres)
        await right.declare(app_spec())
        fast = Fast()
        monkeypatch.setattr("onward.clock.time", fast)
        wrong = PostgresLog(postgres)
        await wrong.meet("wrong/1/2/3", [WORK])
        fast.ahead = 0.0
        met = await right.meet("right/1/2/3", [WORK])
        assert met["wrong/1/2/3"].ago < -3_000
        await right.close()
        await wrong.close()

    asyncio.run(story())
