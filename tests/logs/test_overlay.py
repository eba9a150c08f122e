"""The overlay: reads from the store up to where it stood, keeps the rest, and changes nothing there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from onward.conformance.case import IN, OUT, WORK, app_spec, append, parked
from onward.errors import Broken, LeaseLost
from onward.log import Commit, Lease, Totals
from onward.logs.memory import MemoryLog
from onward.logs.overlay import Overlay


async def laid(store: MemoryLog, *readers: str) -> Overlay:
    return Overlay(store, await store.standing(), url="memory:", readers=readers)


async def given() -> MemoryLog:
    """Ten records, four of them passed, one parked."""
    store = MemoryLog()
    await store.declare(app_spec(partitions=1))
    await store.commit(Commit(appends=[append(*range(5)), append(*range(5, 10))]))
    claim = await store.claim(WORK, 0, "w", 10.0)
    assert claim is not None
    await store.commit(Commit(lease=claim.lease, finished=[(0, 2), (3, 4)], next=4, totals=Totals(3), park=[parked(2)]))
    return store


def scenario(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


async def offsets(log: MemoryLog, topic: str = IN, start: int = 0) -> list[int]:
    found: list[int] = []
    while blocks := await log.read(topic, 0, start, 100, 1_000_000):
        found += [block.offset for block in blocks]
        start = blocks[-1].offset + blocks[-1].count
    return found


@scenario
async def test_it_goes_on_where_the_store_ends() -> None:
    store = await given()
    overlay = await laid(store, WORK)
    await store.commit(Commit(appends=[append("later")]))
    await overlay.commit(Commit(appends=[append("x", "y")]))
    assert await offsets(overlay) == [0, 5, 10] and await offsets(overlay, start=7) == [5, 10]
    assert (await overlay.news([IN], [])).ends == {(IN, 0): 12}
    assert (await store.news([IN], [])).ends == {(IN, 0): 11}
    [*_, last] = await overlay.read(IN, 0, 10, 10, 1_000)
    assert b'"x"' in last.entries and overlay.gained(IN) == 2
    assert [(partition, offset) for partition, offset, _ in overlay.shown[IN]] == [(0, 10), (0, 11)]


@scenario
async def test_a_claim_is_where_the_store_stands_and_takes_no_lease() -> None:
    store = await given()
    before = await store.evidence()
    overlay = await laid(store, WORK)
    claim = await overlay.claim(WORK, 0, "dry", 10.0)
    assert claim is not None
    real = (await store.standing()).stages[WORK, 0].claim
    assert (claim.next, claim.totals, claim.incarnation) == (real.next, real.totals, real.incarnation)
    assert [row.offset for row in claim.parked] == [2] and claim.lease.token > real.lease.token
    await overlay.commit(Commit(lease=claim.lease, finished=[(4, 10)], next=10, totals=Totals(9)))
    assert await store.evidence() == before
    with pytest.raises(LeaseLost):
        await store.commit(Commit(lease=claim.lease))


@scenario
async def test_a_copy_comes_from_the_store_or_from_the_block() -> None:
    store = await given()
    overlay = await laid(store, WORK)
    [row] = await overlay.copies(WORK, 0, [2])
    assert row.entry == parked(2).entry
    await store.commit(Commit(lease=Lease(WORK, 0, "w", 1), unpark=[2]))
    [row] = await overlay.copies(WORK, 0, [2])
    [block] = await store.read(IN, 0, 0, 1, 1)
    assert row.entry.endswith(b",2]") and row.nonce == block.nonce
    await store.commit(Commit(lease=Lease(WORK, 0, "w", 1), finished=[(4, 10)], next=10))
    await store.retain(IN, float("inf"), {0: 10})
    with pytest.raises(Broken, match="gone from the store"):
        await overlay.copies(WORK, 0, [2])


@scenario
async def test_what_all_have_passed_is_forgotten() -> None:
    store = await given()
    overlay = await laid(store, WORK)
    claim = await overlay.claim(WORK, 0, "dry", 10.0)
    assert claim is not None
    await overlay.commit(Commit(appends=[append("x"), append("y")]))
    done = Commit(lease=claim.lease, finished=[(4, 11)], next=11, totals=Totals(10), appends=[append("z", topic=OUT)])
    await overlay.commit(done)
    # The newest block stays, without its entries where nobody reads it.
    assert await offsets(overlay, start=10) == [11] and await offsets(overlay, OUT) == []
    assert overlay.gained(OUT) == 1 and len(overlay.shown[OUT]) == 1
