"""Trail: following one record, from its block to what became of it."""

from __future__ import annotations

from onward import codec
from onward.commit import Answer
from onward.conformance.case import (
    FEED,
    IN,
    OTHER,
    OUT,
    WORK,
    Case,
    Suite,
    app_spec,
    append,
    finishing,
    parked,
    scenario,
)
from onward.log import Append, Attempt, Commit, Lease, Request, Span, StageSpec, Totals


def made_of(origins: Span, *values: object, partition: int = 0) -> Append:
    """A block of a stage's outputs, made from these input offsets."""
    return append(*values, topic=OUT, partition=partition)._replace(origins=origins)


class Following(Suite):
    @scenario
    async def test_a_block_tells_who_made_it_and_when(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        feed, claim = await case.claim(FEED), await case.claim()
        case.clock.advance(5)
        await case.log.commit(Commit(lease=feed.lease, appends=[append("c")]))
        case.clock.advance(5)
        await case.log.commit(finishing(claim.lease, 0, 1, appends=[made_of((0, 1), "A")]))
        first, second = await case.books.stored(IN, 0, 1), await case.books.stored(IN, 0, 2)
        third = await case.books.stored(OUT, 0, 0)
        assert first is not None and second is not None and third is not None
        assert (first.topic, first.partition, first.block.offset, first.block.count) == (IN, 0, 0, 2)
        assert [one.maker for one in (first, second, third)] == [None, FEED, WORK]
        assert [one.written - first.written for one in (second, third)] == [5.0, 10.0]
        assert first.block == (await case.read())[0]

    @scenario
    async def test_there_is_no_block_where_nothing_was_written(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        for topic, partition, offset in ((IN, 0, 1), (IN, 1, 0), (IN, 7, 0), ("app.unknown", 0, 0)):
            assert await case.books.stored(topic, partition, offset) is None

    @scenario
    async def test_what_retention_has_deleted_is_known(self, case: Case) -> None:
        await case.log.declare(app_spec())
        assert dict(await case.books.retained()) == {}
        await case.put("a", "b")
        await case.put("c")
        await case.put("d", partition=1)
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 2})
        assert dict(await case.books.retained()) == {(IN, 0): (2, 2)}
        assert await case.books.stored(IN, 0, 1) is None
        await case.log.retain(IN, case.clock.now(), {0: 3, 1: 1})
        assert dict(await case.books.retained()) == {(IN, 0): (3, 3), (IN, 1): (1, 1)}
        bare = await case.books.stored(IN, 0, 2)
        assert bare is not None and bare.block.entries == b"[]"
        await case.log.retain(IN, case.clock.now(), {0: 3, 1: 1})
        assert dict(await case.books.retained()) == {(IN, 0): (3, 3), (IN, 1): (1, 1)}
        survey, _, blocks = await case.books.evidence()
        assert dict(survey.retained) == {(IN, 0): (3, 3), (IN, 1): (1, 1)}
        assert [row.full for row in blocks] == [False, False]

    @scenario
    async def test_the_fate_of_records(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        lease = (await case.claim()).lease
        case.clock.advance(5)
        failed = Attempt(3, 1, 7.25, 0.5, "ValueError", "no", "Traceback")
        await case.log.commit(
            Commit(
                lease=lease,
                finished=[(0, 3), (4, 6), (8, 9)],
                next=6,
                totals=Totals(6, 2),
                park=[parked(3, "a", "dead")],
                attempts=[failed],
                drops=[("not ours", [(1, 2)]), ("", [(4, 5)])],
            )
        )
        now = case.clock.now()
        fates = [await case.books.fate(WORK, 0, offset) for offset in range(10)]
        assert [fate.done for fate in fates] == [True] * 3 + [False] + [True] * 2 + [False] * 2 + [True, False]
        assert [fate.at for fate in fates] == [now] * 3 + [None] + [now] * 2 + [None] * 2 + [now, None]
        assert [fate.dropped for fate in fates] == [None, "not ours", None, None, "", *[None] * 5]
        assert fates[3].parked == parked(3, "a", "dead")
        assert [list(fate.attempts) for fate in fates] == [[], [], [], [failed], *[[]] * 6]
        assert (await case.books.fate(WORK, 1, 0)).done is False

    @scenario
    async def test_what_was_parked_and_passed_keeps_its_attempts(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        lease = (await case.claim()).lease
        one, two = Attempt(0, 1, 1.0, 0.5, "ValueError", "no", ""), Attempt(0, 2, 2.0, 0.5, "", "", "")
        await case.log.commit(Commit(lease=lease, next=1, totals=Totals(), park=[parked(0)], attempts=[one]))
        case.clock.advance(60)
        await case.log.commit(Commit(lease=lease, finished=[(0, 1)], totals=Totals(1), unpark=[0], attempts=[two]))
        fate = await case.books.fate(WORK, 0, 0)
        assert (fate.done, fate.at, fate.parked, list(fate.attempts)) == (True, case.clock.now(), None, [one, two])

    @scenario
    async def test_what_lies_before_the_begin_is_not_done(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[]))
        await case.put("a", "b")
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,), start="now")]))
        await case.put("c")
        await case.log.commit(finishing((await case.claim()).lease, 2, 3, totals=Totals(1)))
        assert [(await case.books.fate(WORK, 0, offset)).done for offset in range(3)] == [False, False, True]

    @scenario
    async def test_the_fate_of_records_that_were_finished_far_apart(self, case: Case) -> None:
        await case.log.declare(app_spec())
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, finished=[(1, 3), (50_000, 50_002)], totals=Totals(4), next=3))
        first = case.clock.now()
        case.clock.advance(5)
        await case.log.commit(Commit(lease=lease, finished=[(5, 6), (30_000, 30_001)], totals=Totals(6), next=3))
        await case.log.commit(Commit(lease=lease, finished=[(30_002, 30_003)], totals=Totals(7), next=3))
        now = case.clock.now()
        offsets = (0, 1, 2, 3, 5, 29_999, 30_000, 30_001, 30_002, 50_000, 50_001, 50_002)
        found = [(await case.books.fate(WORK, 0, offset)).at for offset in offsets]
        assert found == [None, first, first, None, now, None, now, None, now, first, first, None]

    @scenario
    async def test_what_a_stage_made_of_a_record_is_in_the_blocks_that_may_hold_it(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,)), StageSpec(OTHER, IN, (OUT,))]))
        await case.put(*range(20))
        work, other, second = await case.claim(), await case.claim(OTHER), await case.claim(WORK, 1)
        spans = [(0, 2), (2, 5), (1, 40_000), (5, 6), (70_000, 90_000)]
        for at, span in enumerate(spans):
            await case.log.commit(
                Commit(lease=work.lease, finished=[(at, at + 1)], appends=[made_of(span, at, partition=at % 2)])
            )
        await case.log.commit(Commit(lease=other.lease, finished=[(0, 1)], appends=[made_of((0, 9), "other")]))
        await case.log.commit(Commit(lease=second.lease, finished=[(0, 1)], appends=[made_of((0, 9), "second")]))
        anything = codec.Codec(object)
        for offset in (0, 1, 2, 4, 5, 6, 39_999, 40_000, 69_999, 70_000, 89_999, 90_000):
            made = await case.books.made(WORK, 0, offset)
            found = [anything.decode(one.block.entries)[0][codec.VALUE] for one in made]
            assert found == [at for at, (first, end) in enumerate(spans) if first <= offset < end], offset
            assert all((one.topic, one.maker) == (OUT, WORK) for one in made)
        assert [one.maker for one in await case.books.made(OTHER, 0, 3)] == [OTHER]

    @scenario
    async def test_blocks_that_may_hold_a_key_the_newest_first(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for key, topic, partition in (("k", IN, 0), ("l", IN, 0), ("k", IN, 1), ("k", OUT, 0), (None, OUT, 0)):
            await case.log.commit(Commit(appends=[append(1, 2, topic=topic, partition=partition, key=key)]))
        assert await self._holding(case, "k") == [(OUT, 0, 0), (IN, 1, 0), (IN, 0, 0)]
        assert await self._holding(case, "l") == [(IN, 0, 2)]
        assert await self._holding(case, "m") == []
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 2, 1: 2})
        assert await self._holding(case, "k") == [(OUT, 0, 0)]

    @scenario
    async def test_a_request_is_known_by_what_it_was_carried_out_on(self, case: Case) -> None:
        lease = await self._parking(case)
        request = Request(0, WORK, 0, "edit", {"offset": 1}, "ann", 5.0, '{"a":"it\'s"}')
        ids = await case.books.ask([request, Request(0, WORK, 0, "drop", {}, "bob", 6.0)])
        opened = (await case.log.news([], [WORK])).requests
        assert [one.value for one in opened] == ['{"a":"it\'s"}', None]
        assert (await case.books.fate(WORK, 0, 1)).requests == []
        case.clock.advance(5)
        answers = [Answer(ids[0], "1 edited", [(1, 2)]), Answer(ids[1], "2 dropped", [(0, 2)])]
        await case.log.commit(Commit(lease=lease, answered=answers))
        found = (await case.books.fate(WORK, 0, 1)).requests
        assert [(one.id, one.by, one.value, result) for one, _, result in found] == [
            (ids[0], "ann", '{"a":"it\'s"}', "1 edited"),
            (ids[1], "bob", None, "2 dropped"),
        ]
        assert [done for _, done, _ in found] == [case.clock.now()] * 2
        assert [one.id for one, *_ in (await case.books.fate(WORK, 0, 0)).requests] == [ids[1]]
        assert (await case.books.fate(WORK, 0, 2)).requests == []

    @scenario
    async def test_renaming_takes_the_trail_along(self, case: Case) -> None:
        lease = await self._parking(case)
        await case.log.commit(finishing(lease, 2, 3, appends=[made_of((2, 3), "A")]))
        case.clock.advance(1)
        await case.put("last")
        await case.log.retain(IN, case.clock.now(), {0: 3})
        spec = app_spec(stages=[StageSpec("app.done", "app.first", (OUT,), was=WORK)])
        topics = [spec.topics[0].__class__("app.first", 2, 60.0, was=IN), spec.topics[1]]
        await case.log.declare(app_spec(topics=topics, sources=[], stages=spec.stages))
        assert (await case.books.fate("app.done", 0, 2)).done
        assert [one.maker for one in await case.books.made("app.done", 0, 2)] == ["app.done"]
        assert dict(await case.books.retained()) == {("app.first", 0): (3, 3)}

    async def _parking(self, case: Case) -> Lease:
        await case.log.declare(app_spec())
        await case.put("a", "b", "c")
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, next=2, totals=Totals(), park=[parked(0), parked(1)]))
        return lease

    async def _holding(self, case: Case, key: str) -> list[tuple[str, int, int]]:
        found, before = [], None
        while True:
            spots, before = await case.books.holding(key, before)
            found += [tuple(spot) for spot in spots]
            if before is None:
                return found
