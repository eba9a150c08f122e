"""How blocks and their segments go from a PostgreSQL store."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest
from postgres_case import Store, on

from onward.audit import breaches
from onward.conformance.case import IN, OUT, Case, append, finishing
from onward.log import AppSpec, Commit, TopicSpec

MANY = "other.many"


def test_a_segment_of_which_nothing_is_kept_is_dropped(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("a", "b")
        await case.put("c", partition=1)
        assert store.segment()
        for value in "de":
            await case.put(value)
            await case.put(value, partition=1)
        assert not store.tidy()
        await case.log.retain(IN, store.clock.now(), {0: 2, 1: 1})
        assert await case.values() == ["d", "e"]
        before = await case.everything()
        assert store.segments == ["block_000001", "block_000002"]
        assert store.tidy() and not store.tidy()
        assert store.segments == ["block_000002"]
        assert await case.everything() == before
        await case.put("f")
        assert await case.values() == ["d", "e", "f"]

    on(postgres, test)


def test_one_of_which_something_is_kept_stays(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("x" * 100)
        await case.put("y" * 100, partition=1)
        assert store.segment()
        await case.put("b")
        await case.log.retain(IN, store.clock.now(), {0: 1})
        assert not store.tidy()
        assert len(store.segments) == 2 and await case.values(partition=1) == ["y" * 100]

    on(postgres, test)


def test_the_little_that_is_kept_moves_on_in_order(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("x" * 1000)
        for value in range(5):
            await case.put(value, partition=1)
        assert store.segment()
        await case.put("b")
        assert store.segment()
        await case.put("c")
        await case.log.retain(IN, store.clock.now(), {0: 1})
        before = await case.everything()
        while store.tidy():
            assert await case.everything() == before
        assert len(store.segments) == 3  # who looks from before does not see it in its new place
        store.moved_long_ago()
        while store.tidy():
            assert await case.everything() == before
        assert store.segments == ["block_000002", "block_000003"]
        assert await case.values(partition=1) == [0, 1, 2, 3, 4]
        await case.put(5, partition=1)
        assert await case.values(partition=1) == [0, 1, 2, 3, 4, 5]

    on(postgres, test)


def test_offsets_go_on_after_everything_has_gone(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("a", "b")
        await case.log.commit(finishing((await case.claim()).lease, 0, 2))
        assert store.segment()
        await case.put("other", topic=OUT)
        assert await case.log.retain(IN, store.clock.now(), {0: 2}) == 0
        assert await case.values() == []
        while store.tidy():
            store.moved_long_ago()
        assert store.segments == ["block_000002"]
        await case.put("c")
        assert [block.offset for block in await case.read()] == [2]
        assert [facts.ends for facts in (await case.survey()).topics] == [3, 1]

    on(postgres, test)


def test_a_worker_that_knows_only_what_has_gone_goes_on(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("a")
        other, books = await case.another()
        await other.read(IN, 0, 0, 1, 1)
        assert store.segment()
        await case.put("b")
        assert store.segment()
        await case.put("c")
        await case.log.retain(IN, store.clock.now(), {0: 2})
        while store.tidy():
            pass
        assert store.segments == ["block_000003"]
        case.log = other
        assert await case.values() == ["c"]
        await case.put("d")
        assert await case.values() == ["c", "d"]
        assert (await books.survey()).topics[0].records == 2

    on(postgres, test)


def test_who_reads_for_long_keeps_a_segment_and_stalls_nobody(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put("a")
        assert store.segment()
        await case.put("b")
        await case.log.retain(IN, store.clock.now(), {0: 1})
        with psycopg.connect(postgres) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            assert reader.execute("SELECT count(*) FROM onward.record").fetchone() == (1,)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                store.tidy()
            await case.put("c")
            assert await case.values() == ["b", "c"]
            assert len((await case.survey()).topics) == 2
            assert reader.execute("SELECT count(*) FROM onward.record").fetchone() == (1,)
        assert store.tidy()
        assert store.segments == ["block_000002"] and await case.values() == ["b", "c"]

    on(postgres, test)


def test_the_public_view_shows_what_is_kept(postgres: str) -> None:
    async def test(store: Store, case: Case) -> None:
        await case.put({"a": 1}, {"a": 2})
        await case.put({"a": 3})
        await case.log.retain(IN, store.clock.now() + 1, {0: 2})
        found = store.side.execute('SELECT topic, partition, "offset", key, value FROM onward.record').fetchall()
        assert found == [(IN, 0, 2, "k", {"a": 3})]

    on(postgres, test)


def test_nothing_is_lost_while_segments_come_move_and_go(postgres: str) -> None:
    """Two logs append to four partitions all the time; what is taken away is only what retention passes."""

    async def test(store: Store, case: Case) -> None:
        many = AppSpec("other", (TopicSpec(MANY, 4, 60.0),), (), ())
        await case.log.declare(many)
        other, _ = await case.another()
        stop, put = asyncio.Event(), [0] * 4

        async def append_to(partition: int) -> None:
            while not stop.is_set():
                log = (case.log, other)[put[partition] % 2]
                await log.commit(Commit(appends=[append(put[partition], topic=MANY, partition=partition)]))
                put[partition] += 1

        appending = [asyncio.create_task(append_to(partition)) for partition in range(4)]
        gone = [0] * 4
        for turn in range(12):
            await asyncio.sleep(0.05)
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                await asyncio.to_thread(store.segment)
            # One partition keeps everything, so that there is always something to be moved.
            gone[1:] = [max(put[at] - 5 * at, gone[at]) for at in range(1, 4)]
            await case.log.retain(MANY, store.clock.now() + 1, dict(enumerate(gone)))
            for _ in range(20):
                with contextlib.suppress(psycopg.errors.LockNotAvailable):
                    if not await asyncio.to_thread(store.tidy):
                        break
            if turn % 2:
                store.moved_long_ago()
        stop.set()
        await asyncio.gather(*appending)
        for partition in range(4):
            blocks = await case.read(MANY, partition)
            assert [block.offset for block in blocks] == list(range(gone[partition], put[partition]))
            assert await case.values(MANY, partition) == list(range(gone[partition], put[partition]))
        assert len(store.segments) < 13
        assert breaches(*await case.books.evidence()) == []

    on(postgres, test)
