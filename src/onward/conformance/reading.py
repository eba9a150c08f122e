"""Reading: blocks, copies, news, being woken; and what retention leaves."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from onward.conformance.case import (
    IN,
    OUT,
    PATIENCE,
    WORK,
    Case,
    Suite,
    app_spec,
    append,
    finishing,
    parked,
    scenario,
)
from onward.log import Commit, Request

SOON = PATIENCE / 3


class Reading(Suite):
    @scenario
    async def test_an_empty_partition_has_no_blocks(self, case: Case) -> None:
        await case.log.declare(app_spec())
        assert list(await case.log.read(IN, 0, 0, 10, 1_000)) == []
        await case.put("a")
        assert list(await case.log.read(IN, 1, 0, 10, 1_000)) == []
        assert list(await case.log.read(IN, 0, 1, 10, 1_000)) == []
        assert list(await case.log.read(IN, 0, 100, 10, 1_000)) == []

    @scenario
    async def test_reading_begins_with_the_block_that_holds_the_offset(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for first in (0, 3, 6):
            await case.put(first, first + 1, first + 2)
        for offset in range(9):
            blocks = await case.log.read(IN, 0, offset, 1_000, 1_000_000)
            assert blocks[0].offset == offset // 3 * 3
            assert all(a.offset + a.count == b.offset for a, b in pairwise(blocks))
            assert (await case.read(IN, 0, offset))[-1].offset == 6

    @scenario
    async def test_reading_stops_at_the_number_of_records(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for first in range(0, 30, 3):
            await case.put(first, first + 1, first + 2)
        for offset in range(0, 30, 2):
            for records in (1, 3, 4, 10):
                blocks = await case.log.read(IN, 0, offset, records, 1_000_000)
                before_last = sum(block.count for block in blocks[:-1]) - (offset - blocks[0].offset)
                assert len(blocks) == 1 or before_last < records

    @scenario
    async def test_reading_stops_before_the_size(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for _ in range(10):
            await case.put("x" * 100)
        one = len((await case.log.read(IN, 0, 0, 1, 1))[0].entries)
        for size in (1, one, 2 * one, 2 * one + 1, 5 * one - 1):
            blocks = await case.log.read(IN, 0, 0, 1_000, size)
            assert len(blocks) == 1 or sum(len(block.entries) for block in blocks) <= size

    @scenario
    async def test_reading_gives_at_least_one_block(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("x" * 100_000, "y")
        await case.put("z")
        for offset in range(3):
            assert len(await case.log.read(IN, 0, offset, 1, 1)) == 1

    @scenario
    async def test_partitions_and_topics_are_read_apart(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for topic in (IN, OUT):
            for partition in range(2):
                await case.put(f"{topic}{partition}", topic=topic, partition=partition)
        for topic in (IN, OUT):
            for partition in range(2):
                assert await case.values(topic, partition) == [f"{topic}{partition}"]

    @scenario
    async def test_copies_are_what_was_parked_in_order_of_offset(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(20))
        lease = (await case.claim()).lease
        rows = [parked(offset, f"k{offset}", nonce=f"{offset:08x}") for offset in (7, 3, 15)]
        await case.log.commit(Commit(lease=lease, park=rows))
        assert list(await case.log.copies(WORK, 0, [15, 3, 4])) == [rows[1], rows[2]]
        assert list(await case.log.copies(WORK, 0, [])) == []
        assert list(await case.log.copies(WORK, 1, [3])) == []
        claim = await case.again()
        assert [(row.offset, row.entry, row.nonce) for row in claim.parked] == [(n, b"", "") for n in (3, 7, 15)]

    @scenario
    async def test_news_tell_the_ends_of_all_partitions(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b", partition=1)
        await case.put("c", topic=OUT)
        assert (await case.log.news([IN], [])).ends == {(IN, 0): 0, (IN, 1): 2}
        assert (await case.log.news([IN, OUT, "app.unknown"], [])).ends == {
            (IN, 0): 0,
            (IN, 1): 2,
            (OUT, 0): 1,
            (OUT, 1): 0,
        }
        news = await case.log.news([], [])
        assert (news.ends, list(news.requests), list(news.replays)) == ({}, [], [])

    @scenario
    async def test_news_tell_open_requests_of_these_stages_only(self, case: Case) -> None:
        await case.log.declare(app_spec())
        asked = [
            Request(0, WORK, 0, "retry", {"key": "it's", "state": "dead"}, "me@here", 5.25),
            Request(0, "app.other", 0, "drop", {}, "me", 6.0),
            Request(0, WORK, 1, "drop", {"offset": 3}, "me", 7.0),
        ]
        ids = await case.books.ask(asked)
        expected = [request._replace(id=id_) for request, id_ in zip(asked, ids, strict=True)]
        assert list((await case.log.news([], [WORK])).requests) == [expected[0], expected[2]]
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, answered=[(ids[0], "done")]))
        assert list((await case.log.news([], [WORK])).requests) == [expected[2]]
        assert list((await case.log.news([], ["app.other"])).requests) == [expected[1]]

    @scenario
    async def test_waiting_ends_with_the_time(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for _ in range(3):
            await case.log.changed(0.01)
        await case.log.changed(0.0)

    @scenario
    async def test_what_was_committed_before_waiting_is_not_missed(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.log.changed(0.01)
        await case.put("a")
        await self._woken(case)

    @scenario
    async def test_a_commit_wakes_who_waits(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for value in range(3):
            await self._settled(case)
            waiting = asyncio.create_task(self._woken(case))
            await asyncio.sleep(0)
            await case.put(value)
            await waiting

    @scenario
    async def test_a_request_wakes_who_waits(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await self._settled(case)
        waiting = asyncio.create_task(self._woken(case))
        await asyncio.sleep(0)
        await case.books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)])
        await waiting

    @scenario
    async def test_commits_and_requests_through_other_handles_wake_too(self, case: Case) -> None:
        await case.log.declare(app_spec())
        log, books = await case.another()
        for _ in range(2):
            await self._settled(case)
            waiting = asyncio.create_task(self._woken(case))
            await asyncio.sleep(0)
            await log.commit(Commit(appends=[append("x")]))
            await waiting
            await self._settled(case)
            waiting = asyncio.create_task(self._woken(case))
            await asyncio.sleep(0)
            await books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)])
            await waiting

    async def _settled(self, case: Case) -> None:
        """Takes in what has changed until now."""
        await case.log.changed(0.0)
        await case.log.changed(0.0)

    async def _woken(self, case: Case) -> None:
        async with asyncio.timeout(SOON):
            await case.log.changed(10 * SOON)

    @scenario
    async def test_retention_deletes_what_is_old_and_passed(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for value in range(3):
            await case.put(value, value)
        case.clock.advance(10)
        then = case.clock.now()
        for value in range(3, 5):
            await case.put(value, value)
        assert await case.log.retain(IN, then, {0: 3}) == 1  # the second block ends beyond 3
        assert [block.offset for block in await case.read()] == [2, 4, 6, 8]
        assert await case.log.retain(IN, then, {0: 100}) == 2  # the rest is too new
        assert await case.values() == [3, 3, 4, 4]
        assert await case.log.retain(IN, then, {0: 100}) == 0
        (facts, _) = (await case.survey()).topics
        assert (facts.records, facts.ends, facts.put) == (4, 10, 10)

    @scenario
    async def test_retention_is_by_partition(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for partition in range(2):
            for value in range(2):
                await case.put(value, partition=partition)
        await case.put("o", topic=OUT)
        case.clock.advance(10)
        assert await case.log.retain(IN, case.clock.now(), {}) == 0
        assert await case.log.retain(IN, case.clock.now(), {1: 1}) == 1
        assert (await case.values(IN, 0), await case.values(IN, 1)) == ([0, 1], [1])
        assert await case.values(OUT) == ["o"]

    @scenario
    async def test_the_newest_block_keeps_its_offset_and_loses_its_entries(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for value in range(3):
            await case.put(value, value)
        case.clock.advance(10)
        assert await case.log.retain(IN, case.clock.now(), {0: 6}) == 2
        for offset in range(8):
            assert list(await case.log.read(IN, 0, offset, 10, 1_000)) == []
        assert (await case.log.news([IN], [])).ends[IN, 0] == 6
        (facts, _) = (await case.survey()).topics
        assert (facts.records, facts.bytes, facts.ends, facts.put) == (0, 0, 6, 6)

    @scenario
    async def test_after_retention_offsets_go_on(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 0, 2))
        case.clock.advance(10)
        await case.log.retain(IN, case.clock.now(), {0: 2})
        await case.put("c", "d")
        (block,) = await case.log.read(IN, 0, 2, 10, 1_000)
        assert (block.offset, block.count) == (2, 2)
        assert [block.offset for block in await case.log.read(IN, 0, 0, 10, 1_000)] == [2]
        case.clock.advance(10)
        assert await case.log.retain(IN, case.clock.now(), {0: 4}) == 1
        await case.put("e")
        assert await case.values() == ["e"]
        assert (await case.log.news([IN], [])).ends[IN, 0] == 5

    @scenario
    async def test_closing_again_does_nothing(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for _ in range(2):
            await case.log.close()
            await case.books.close()
