"""Operating: what goes for good, and another number of partitions."""

from __future__ import annotations

from onward.audit import breaches
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
    raises,
    scenario,
)
from onward.errors import InUse, OtherPartitions, Refused
from onward.log import MEETING, Attempt, Commit, Forgetting, Request, SourceState, StageSpec, Totals


class Operating(Suite):
    async def _worked(self, case: Case) -> None:
        """A source has brought three records, somebody put two, and a stage has emitted two of them."""
        await case.log.declare(app_spec())
        feed = (await case.claim(FEED)).lease
        await case.log.commit(
            Commit(lease=feed, appends=[append("x", "y", "z")], source=SourceState(b"3", emitted={IN: 3}))
        )
        await case.put("a", "b")
        work = (await case.claim()).lease
        more = {"totals": Totals(2, 0, {OUT: 2}), "appends": [append("x", "y", topic=OUT)]}
        attempts = [Attempt(2, 1, 0.0, 0.5, "E", "", "")]
        await case.log.commit(finishing(work, 0, 2, park=[parked(2)], attempts=attempts, **more))
        await case.books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)])
        case.clock.advance(LEASE + MEETING + 1)  # nobody is heard of any more

    async def _right(self, case: Case) -> None:
        assert breaches(*await case.books.evidence()) == []

    @scenario
    async def test_of_a_forgotten_stage_nothing_is_left(self, case: Case) -> None:
        await self._worked(case)
        await case.books.pause(WORK, "me", 5.0)
        assert list(await case.books.forget(Forgetting(stages=(WORK,)))) == []
        survey = await case.survey()
        assert (list(survey.stages), dict(survey.paused)) == ([], {})
        assert [held.stage for held in survey.leases] == [FEED]
        assert list(survey.apps[0].stages) == []
        assert list(await case.books.parked(None, None, None, None)) == []
        assert list((await case.log.news([], [WORK])).requests) == []
        assert [(topic.topic, topic.records, topic.forgotten) for topic in survey.topics] == [(IN, 5, 0), (OUT, 2, 2)]
        await self._right(case)

    @scenario
    async def test_a_forgotten_stage_may_begin_anew(self, case: Case) -> None:
        await self._worked(case)
        await case.books.forget(Forgetting(stages=(WORK,)))
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,), start="first")]))
        claim = await case.claim()
        assert (claim.next, claim.totals, list(claim.parked), claim.unit) == (0, Totals(), [], None)
        await case.log.commit(finishing(claim.lease, 0, 2))
        await self._right(case)

    @scenario
    async def test_of_a_forgotten_source_nothing_is_left(self, case: Case) -> None:
        await self._worked(case)
        await case.books.forget(Forgetting(sources=(FEED,)))
        survey = await case.survey()
        assert (dict(survey.sources), list(survey.apps[0].sources)) == ({}, [])
        assert survey.topics[0].forgotten == 3
        await self._right(case)
        assert (await case.claim(FEED)).source == SourceState()

    @scenario
    async def test_a_topic_that_a_stage_reads_is_not_forgotten(self, case: Case) -> None:
        await self._worked(case)
        before = await case.everything()
        with raises(InUse):
            await case.books.forget(Forgetting(topics=(IN,)))
        assert await case.everything() == before

    @scenario
    async def test_a_forgotten_topic_begins_anew(self, case: Case) -> None:
        await self._worked(case)
        incarnation = (await case.claim()).incarnation
        case.clock.advance(LEASE + 1)
        await case.books.forget(Forgetting(topics=(OUT,)))
        assert await case.values(OUT) == []
        await self._right(case)
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,)), StageSpec(OTHER, OUT, ())]))
        await case.put("o", topic=OUT)
        assert (await case.log.news([OUT], [])).ends[OUT, 0] == 1
        assert (await case.claim(OTHER)).incarnation != incarnation
        await self._right(case)

    @scenario
    async def test_of_a_forgotten_app_nothing_is_left(self, case: Case) -> None:
        await self._worked(case)
        await case.books.forget(Forgetting((WORK,), (FEED,), (IN, OUT), ("app",)))
        survey, evidence, blocks = await case.books.evidence()
        assert (list(survey.apps), list(survey.stages), list(survey.topics), dict(survey.sources)) == ([], [], [], {})
        assert (list(evidence), list(blocks), survey.missing) == ([], [], 0)
        await case.log.declare(app_spec())
        await self._right(case)

    @scenario
    async def test_what_a_living_worker_holds_or_wants_is_not_forgotten(self, case: Case) -> None:
        await self._worked(case)
        lease = (await case.claim()).lease
        for what in (Forgetting(stages=(WORK,)), Forgetting(topics=(OUT,))):  # it writes to it
            with raises(InUse):
                await case.books.forget(what)
        await case.log.renew({lease: "stopped"}, 0)
        await case.log.meet("w1", [WORK])
        with raises(InUse):
            await case.books.forget(Forgetting(stages=(WORK,)))
        await case.log.meet("w1", [])
        await case.books.forget(Forgetting(stages=(WORK,)))

    @scenario
    async def test_stages_that_have_committed_within_another_database_are_named(self, case: Case) -> None:
        await self._worked(case)
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 3, 5, totals=Totals(4, 0, {OUT: 2}), next=5, unit="1"))
        case.clock.advance(LEASE + 1)
        assert list(await case.books.forget(Forgetting(stages=(WORK,), sources=(FEED,)))) == [WORK]

    @scenario
    async def test_folded_rows_may_be_forgotten(self, case: Case) -> None:
        await self._worked(case)
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 3, 5, totals=Totals(4, 0, {OUT: 2}), next=5))
        case.clock.advance(LEASE + 1)
        await case.log.retain(IN, case.clock.now(), {0: 3})
        assert await case.log.fold(WORK, 0, (), case.clock.now(), 10) == 1
        await self._right(case)
        await case.books.forget(Forgetting(stages=(WORK,)))
        await self._right(case)

    async def _delivered(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for partition in range(2):
            await case.put("a", "b", partition=partition)
            lease = (await case.claim(WORK, partition)).lease
            await case.log.commit(finishing(lease, 0, 2))
        case.clock.advance(LEASE + 1)

    @scenario
    async def test_more_partitions(self, case: Case) -> None:
        await self._delivered(case)
        old = (await case.claim()).incarnation
        case.clock.advance(LEASE + 1)
        await case.books.repartition(IN, 3)
        topics = (app_spec().topics[1], app_spec(partitions=3).topics[0])
        await case.log.declare(app_spec(topics=topics))
        for partition, offset in ((0, 2), (2, 0)):
            await case.put("c", partition=partition)
            claim = await case.claim(WORK, partition)
            assert (claim.next, claim.incarnation != old) == (offset, True)
            await case.log.commit(finishing(claim.lease, offset, offset + 1))
        assert await case.values(IN, 0) == ["a", "b", "c"]
        await self._right(case)
        with raises(Refused):
            await case.log.declare(app_spec())
        before = await case.everything()
        with raises(OtherPartitions):  # somebody who has learned of the topic before
            await case.log.commit(Commit(appends=[append("d")._replace(partitions=2)]))
        assert await case.everything() == before
        await case.log.commit(Commit(appends=[append("d")._replace(partitions=3)]))

    @scenario
    async def test_fewer_partitions(self, case: Case) -> None:
        await self._delivered(case)
        await case.books.repartition(IN, 1)
        await case.log.declare(app_spec(topics=(app_spec().topics[1], app_spec(partitions=1).topics[0])))
        with raises(Refused):
            await case.put("c", partition=1)
        assert dict((await case.log.news([IN], [])).ends) == {(IN, 0): 2}
        assert await case.values(IN, 1) == ["a", "b"]  # kept as long as they are
        survey = await case.survey()
        assert [(facts.partitions, facts.held, facts.ends) for facts in survey.topics[:1]] == [(1, 2, 4)]
        await self._right(case)
        assert await case.log.retain(IN, case.clock.now(), {1: 2}, 10, ()) == 0
        assert await case.values(IN, 1) == []
        await case.books.repartition(IN, 2)
        await case.put("c", partition=1)
        assert [block.offset for block in await case.read(IN, 1)] == [2]
        await self._right(case)

    @scenario
    async def test_no_other_number_of_partitions_while_something_is_left(self, case: Case) -> None:
        await self._delivered(case)
        await case.put("c")
        before = await case.everything()
        with raises(InUse):
            await case.books.repartition(IN, 3)
        assert await case.everything() == before
        claim = await case.claim()
        await case.log.commit(Commit(lease=claim.lease, next=3, park=[parked(2)]))
        case.clock.advance(LEASE + 1)
        with raises(InUse):
            await case.books.repartition(IN, 3)
        claim = await case.claim()
        await case.log.commit(Commit(lease=claim.lease, finished=[(2, 3)], totals=Totals(3), unpark=[2]))
        with raises(InUse):
            await case.books.repartition(IN, 3)
        case.clock.advance(LEASE + 1)
        await case.log.meet("w1", [FEED])  # it writes to it
        with raises(InUse):
            await case.books.repartition(IN, 3)
        await case.log.meet("w1", [])
        await case.books.repartition(IN, 3)
        with raises(Refused):
            await case.books.repartition("app.unknown", 3)
