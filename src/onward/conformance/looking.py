"""Books: what can be seen of a store, and what can be asked of it."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from onward.conformance.case import (
    FEED,
    IN,
    LEASE,
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
from onward.log import Attempt, BlockRow, Commit, PartitionFacts, Request, SourceState, StageSpec, State, Totals


class Looking(Suite):
    @scenario
    async def test_an_empty_store_has_nothing_to_show(self, case: Case) -> None:
        survey = await case.survey()
        assert (list(survey.apps), list(survey.stages), list(survey.topics)) == ([], [], [])
        assert (dict(survey.sources), list(survey.leases)) == ({}, [])
        assert list(await case.books.parked(None, None, None, None)) == []

    @scenario
    async def test_a_survey_counts(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        feed, claim = await case.claim(FEED), await case.claim()
        await case.log.commit(Commit(lease=feed.lease, appends=[append("x", "y")], source=SourceState(emitted={IN: 2})))
        states: list[State] = ["retrying", "dead", "waiting", "running", "behind", "behind"]
        rows = [parked(offset, f"k{offset}", state) for offset, state in enumerate(states)]
        totals = Totals(3, 1, {OUT: 1})
        await case.log.commit(
            Commit(
                lease=claim.lease,
                finished=[(6, 8), (9, 10)],
                next=8,
                totals=totals,
                park=rows,
                appends=[append("o", topic=OUT)],
            )
        )
        survey = await case.survey()
        assert survey.stages[0] == PartitionFacts(
            stage=WORK,
            topic=IN,
            partition=0,
            begins=0,
            end=12,
            next=8,
            ahead=1,
            totals=totals,
            parked={"retrying": 1, "dead": 1, "waiting": 1, "running": 1, "behind": 2},
            recent=3,
            holder=next(held for held in survey.leases if held.stage == WORK),
        )
        assert survey.stages[1] == PartitionFacts(WORK, IN, 1, 0, 0, 0, 0, Totals(), {}, 0, None)
        size = sum(len(block.entries) for block in await case.read())
        assert [tuple(facts) for facts in survey.topics] == [
            (IN, 2, 12, size, 10, 12, 0, 0),
            (OUT, 2, 1, len((await case.read(OUT))[0].entries), 0, 1, 0, 0),
        ]
        assert survey.sources == {FEED: SourceState(emitted={IN: 2})}

    @scenario
    async def test_where_work_stands_is_what_a_claim_would_give(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        feed, claim = await case.claim(FEED), await case.claim()
        state = SourceState(cursor=b"7", emitted={IN: 1})
        await case.log.commit(Commit(lease=feed.lease, appends=[append("x")], source=state))
        totals = Totals(4, 1, {OUT: 1})
        given = [append("o", topic=OUT)]
        rows = [parked(2), parked(3, "l", "waiting")]
        await case.log.commit(
            Commit(
                lease=claim.lease, finished=[(0, 2), (6, 8)], next=4, totals=totals, park=rows, appends=given, unit="1"
            )
        )
        request = Request(0, WORK, 0, "retry", {"key": "k"}, "tester", 5.0)
        [answered, asked] = await case.books.ask([request, request])
        await case.log.commit(Commit(lease=claim.lease, answered=[(answered, "done")]))
        before = await case.everything()
        standing = await case.books.standing()
        assert await case.everything() == before
        assert standing.apps == [app_spec()] and standing.sources == {FEED: state}
        assert standing.requests == [request._replace(id=asked)]
        assert [(list(topic.firsts), list(topic.ends)) for topic in (standing.topics[IN], standing.topics[OUT])] == [
            ([0, 0], [11, 0]),
            ([0, 0], [1, 0]),
        ]
        assert sorted(standing.stages) == [(WORK, 0), (WORK, 1)]
        topic, begins, stands = standing.stages[WORK, 0]
        assert (topic, begins, stands.lease) == (IN, 0, claim.lease)
        again = await case.again()
        assert (
            again == replace(stands, lease=again.lease, crashes=again.crashes)
            and again.lease.token > stands.lease.token
        )
        assert standing.topics[IN].incarnation == again.incarnation

    @scenario
    async def test_what_is_given_is_what_is_done_outstanding_or_parked(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(50))
        lease = (await case.claim()).lease
        await case.log.commit(
            Commit(
                lease=lease,
                finished=[(0, 7), (20, 25)],
                next=9,
                totals=Totals(12),
                park=[parked(7), parked(8, "l", "dead")],
            )
        )
        await case.log.commit(
            Commit(
                lease=lease,
                finished=[(8, 9), (30, 31)],
                next=9,
                totals=Totals(14),
                unpark=[8],
                park=[parked(40, "m", "waiting")],
            )
        )
        facts = (await case.survey()).stages[0]
        beyond = sum(row.offset >= facts.next for _, _, row, _ in await case.books.parked(WORK, None, None, None))
        outstanding = facts.end - facts.next - facts.ahead - beyond
        assert facts.end - facts.begins == facts.totals.done + outstanding + sum(facts.parked.values())

    @scenario
    async def test_what_was_finished_recently_is_counted(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(20))
        lease = (await case.claim()).lease
        for first, end in ((0, 5), (5, 7), (7, 8)):
            await case.log.commit(finishing(lease, first, end))
            case.clock.advance(30)
        assert [(await case.books.survey(recent)).stages[0].recent for recent in (0.0, 29.0, 30.0, 60.0, 1_000.0)] == [
            0,
            0,
            1,
            3,
            8,
        ]

    @scenario
    async def test_evidence_names_every_offset(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, OUT, ())]))
        await case.put(*range(10))
        await case.put(*range(5))
        await case.put("o", topic=OUT, partition=1)
        claim = await case.claim()
        await case.log.commit(Commit(lease=claim.lease, finished=[(8, 9)], next=0, totals=Totals(1)))
        await case.log.commit(
            Commit(
                lease=claim.lease,
                finished=[(0, 3), (4, 5)],
                next=5,
                totals=Totals(5),
                park=[parked(3, "a", "dead"), parked(6, None, "waiting")],
            )
        )
        survey, evidence, blocks = await case.books.evidence()
        assert [(found.facts.stage, found.facts.partition) for found in evidence] == [
            (OTHER, 0),
            (OTHER, 1),
            (WORK, 0),
            (WORK, 1),
        ]
        assert [found.facts for found in evidence] == list(survey.stages)
        assert list(evidence[2].finished) == [(0, 3), (4, 5), (8, 9)]
        assert list(evidence[2].parked) == [(3, "a", "dead"), (6, None, "waiting")]
        assert (list(evidence[3].finished), list(evidence[3].parked)) == ([], [])
        assert list(blocks) == [BlockRow(IN, 0, 0, 10), BlockRow(IN, 0, 10, 5), BlockRow(OUT, 1, 0, 1)]

    @scenario
    async def test_evidence_has_the_newest_block_after_retention(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        await case.put("b", "c")
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 3})
        _, _, blocks = await case.books.evidence()
        assert list(blocks) == [BlockRow(IN, 0, 1, 2, full=False)]

    @scenario
    async def test_parked_rows_are_found_by_stage_key_and_state(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, IN, ())]))
        for partition in range(2):
            await case.put(*range(5), partition=partition)
        for stage, partition, rows in (
            (WORK, 0, [parked(3, "b", "dead"), parked(1, "a"), parked(2, "a", "behind")]),
            (WORK, 1, [parked(0, "a", "waiting")]),
            (OTHER, 0, [parked(4, None), parked(0, "a")]),
        ):
            lease = (await case.claim(stage, partition)).lease
            await case.log.commit(Commit(lease=lease, park=rows))

        async def found(
            stage: str | None = None, key: str | None = None, state: str | None = None, limit: int | None = None
        ):
            rows = await case.books.parked(stage, key, state, limit)
            return [(name, partition, row.offset) for name, partition, row, _ in rows]

        everything = [(OTHER, 0, 0), (OTHER, 0, 4), (WORK, 0, 1), (WORK, 0, 2), (WORK, 0, 3), (WORK, 1, 0)]
        assert await found() == everything
        assert await found(limit=2) == everything[:2]
        assert await found(limit=0) == []
        assert await found(stage=WORK) == everything[2:]
        assert await found(key="a") == [everything[0], *everything[2:4], everything[5]]
        assert await found(state="dead") == [everything[4]]
        assert await found(WORK, "a", "behind") == [everything[3]]
        assert await found(WORK, "a", limit=1) == [everything[2]]
        assert await found(stage="app.unknown") == []
        assert await found(key="A") == []

    @scenario
    async def test_many_parked_rows_are_read_in_pages(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for partition in range(2):
            await case.put(*range(5), partition=partition)
            lease = (await case.claim(WORK, partition)).lease
            await case.log.commit(Commit(lease=lease, park=[parked(offset, f"k{offset % 2}") for offset in range(5)]))
        for key, count in ((None, 10), ("k0", 6)):
            found: list[tuple[str, int, int]] = [("", 0, 0)]
            while page := await case.books.parked(None, key, None, 3, found[-1]):
                assert len(page) <= 3
                found += [(name, partition, row.offset) for name, partition, row, _ in page]
            assert len(found) == len(set(found)) == count + 1
            assert found == sorted(found)

    @scenario
    async def test_books_read_blocks_as_the_log_does(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for first in range(0, 12, 3):
            await case.put(first, first + 1, first + 2)
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 3})
        for offset in range(13):
            for records, size in ((1, 1), (4, 1_000), (100, 1_000_000)):
                arguments = (IN, 0, offset, records, size)
                assert await case.books.read(*arguments) == await case.log.read(*arguments)
        assert list(await case.books.read(IN, 1, 0, 1, 1)) == []
        assert list(await case.books.read("app.unknown", 0, 0, 1, 1)) == []

    @scenario
    async def test_parked_rows_come_with_copy_and_attempts(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"ab")
        lease = (await case.claim()).lease
        row = parked(0, error="ValueError: no", due=11.5, since=2.25)
        attempts = [
            Attempt(0, number, 5.0 + number, 0.125 * number, "ValueError", f"no {number}", "") for number in (1, 2, 3)
        ]
        await case.log.commit(
            Commit(lease=lease, park=[row], attempts=[attempts[0], Attempt(1, 1, 5.0, 0.0, "E", "", "")])
        )
        for attempt in attempts[1:]:
            await case.log.commit(Commit(lease=lease, attempts=[attempt]))
        assert await case.books.parked(None, None, None, None) == [(WORK, 0, row, attempts)]

    @scenario
    async def test_ids_of_requests_only_grow(self, case: Case) -> None:
        await case.log.declare(app_spec())
        request = Request(99, WORK, 0, "retry", {}, "me", 5.0)
        ids = [*await case.books.ask([request, request]), *await case.books.ask([request])]
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, answered=[(id_, "done") for id_ in ids]))
        ids += await case.books.ask([request])
        assert ids == sorted(set(ids))
        assert list(await case.books.ask([])) == []

    @scenario
    async def test_answers_are_of_requests_that_were_carried_out(self, case: Case) -> None:
        await case.log.declare(app_spec())
        one, two, three = await case.books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)] * 3)
        assert await case.books.answers([one, two, three]) == {}
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, answered=[(one, "it's done"), (three, "")]))
        assert await case.books.answers([one, two, three, three + 1]) == {one: "it's done", three: ""}

    @scenario
    async def test_several_may_look_at_once(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        lease = (await case.claim()).lease
        await case.log.commit(finishing(lease, 0, 3, park=[parked(3)], next=4))
        request = Request(0, WORK, 0, "retry", {}, "me", 5.0)
        looks = [
            call
            for _ in range(5)
            for call in (
                case.books.survey(),
                case.books.evidence(),
                case.books.parked(None, None, None, None),
                case.books.ask([request]),
                case.books.answers([1]),
                case.put("x"),
            )
        ]
        await asyncio.gather(*looks)

    @scenario
    async def test_a_survey_is_of_one_moment(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(100))
        lease = (await case.claim()).lease

        async def work() -> None:
            for n in range(40):
                await case.log.commit(
                    finishing(lease, n, n + 1, totals=Totals(n + 1, 0, {OUT: n + 1}), appends=[append(n, topic=OUT)])
                )

        working = asyncio.create_task(work())
        while not working.done():
            survey = await case.survey()
            facts, topic = survey.stages[0], survey.topics[1]
            assert facts.next == facts.totals.done == facts.totals.emitted.get(OUT, 0) == topic.records == topic.ends
            await asyncio.sleep(0)
        await working

    @scenario
    async def test_a_backlog_is_what_is_neither_done_nor_parked(self, case: Case) -> None:
        other = StageSpec("app.other", IN, ())
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,)), other]))
        apps, (before, _) = await case.books.backlogs([IN])
        assert [app.name for app in apps] == ["app"]
        assert (before.stage, before.topic, before.records, before.bytes, before.holders) == ("app.other", IN, 0, 0, ())
        await case.put(*range(10))
        await case.put("a", "b", partition=1)
        lease = (await case.claim()).lease
        await case.log.renew({lease: "tripped: away"}, LEASE)
        # Done: 0, 1, 5, 6. Parked: 2 and 7. So 3, 4, 8 and 9 are left here, and two in the other partition.
        commit = Commit(
            lease=lease, finished=[(0, 2), (5, 7)], next=3, totals=Totals(4), park=[parked(2, "x"), parked(7, "y")]
        )
        await case.log.commit(commit)
        _, (untouched, left) = await case.books.backlogs([IN, OUT])
        assert (left.stage, left.records, untouched.records) == (WORK, 6, 12)
        assert [(held.worker, held.state, held.live) for held in left.holders] == [("w1", "tripped: away", True)]
        assert left.bytes == untouched.bytes == sum(topic.bytes for topic in (await case.survey()).topics)
        await case.log.commit(finishing(lease, 3, 5, next=10, totals=Totals(10)))
        _, (_, left) = await case.books.backlogs([IN])
        assert (left.records, left.bytes) == (2, sum(len(b.entries) for b in await case.read(IN, 1)))
        assert await case.books.backlogs([OUT]) == (apps, [])
        assert await case.books.backlogs([]) == (apps, [])
