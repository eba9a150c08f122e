"""Declarations: what is new, what is known, what is refused, what has a new name."""

from __future__ import annotations

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
from onward.errors import LeaseLost, Refused, StartNeeded
from onward.log import OVERLAP, AppSpec, Attempt, Commit, Request, SourceSpec, SourceState, StageSpec, TopicSpec, Totals
from onward.shape import fingerprint


def _begins(survey_stages, stage):
    return [facts.begins for facts in survey_stages if facts.stage == stage]


class Declaring(Suite):
    @scenario
    async def test_the_shapes_of_a_topic_are_remembered(self, case: Case) -> None:
        def shaped(*shapes: str) -> AppSpec:
            topics = [TopicSpec(IN, 1, 60.0, shape=shape) for shape in shapes]
            stages = [StageSpec(WORK, IN, (), upgrades=True)]
            return app_spec(topics=[topics[0], TopicSpec(OUT, 1, 60.0)], stages=stages)

        await case.log.declare(shaped('"any"'))
        assert list((await case.claim()).shapes) == [(fingerprint('"any"'), '"any"')]
        for shape in ('"int"', '"any"', '"str"', '"int"'):
            await case.log.declare(shaped(shape))
        assert [shape for _, shape in (await case.again()).shapes] == ['"any"', '"int"', '"str"']
        assert list((await case.claim(FEED)).shapes) == []

    @scenario
    async def test_a_version_that_cannot_read_what_is_stored_writes_nothing(self, case: Case) -> None:
        for shape, upgrades in (('"int"', False), ('"str"', False), ('"str"', True)):
            before = list((await case.again()).shapes) if shape != '"int"' else []
            stages = [StageSpec(WORK, IN, (), upgrades=upgrades)]
            await case.log.declare(app_spec(topics=[TopicSpec(IN, 1, 60.0, shape=shape)], stages=stages, sources=[]))
            told = [text for _, text in (await case.again()).shapes]
            assert told == {0: ['"int"'], 1: ['"int"', '"str"'] if upgrades else ['"int"']}[len(before)]

    @scenario
    async def test_a_shape_goes_with_the_last_records_that_may_have_it(self, case: Case) -> None:
        def shaped(shape: str) -> AppSpec:
            stages = [StageSpec(WORK, IN, (), upgrades=True)]
            return app_spec(topics=[TopicSpec(IN, 1, 60.0, shape=shape), TopicSpec(OUT, 1, 60.0)], stages=stages)

        await case.log.declare(shaped('"int"'))
        await case.put(1)
        await case.log.declare(shaped('"str"'))
        await case.put("a")
        case.clock.advance(OVERLAP + 1)
        await case.put("b")
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 1, 2, park=[parked(0)]))

        async def left(offset: int) -> list[str]:
            await case.log.retain(IN, case.clock.now() + 1, {0: offset})
            return [shape for _, shape in (await case.again()).shapes]

        assert await left(1) == ['"int"', '"str"']  # what is kept may have been written by the older version
        assert await left(2) == ['"int"', '"str"']  # it is parked
        claim = await case.again()
        await case.log.commit(Commit(lease=claim.lease, finished=[(0, 1)], totals=Totals(2), unpark=[0]))
        assert await left(2) == ['"str"']
        assert await left(3) == ['"str"']

    @scenario
    async def test_a_new_app_has_its_topics_and_stages(self, case: Case) -> None:
        await case.log.declare(app_spec(partitions=3))
        survey = await case.survey()
        assert [app.name for app in survey.apps] == ["app"]
        assert [(t.topic, t.partitions, t.records, t.put, t.ends) for t in survey.topics] == [
            (IN, 3, 0, 0, 0),
            (OUT, 3, 0, 0, 0),
        ]
        assert [(s.stage, s.topic, s.partition, s.begins, s.next, s.end) for s in survey.stages] == [
            (WORK, IN, partition, 0, 0, 0) for partition in range(3)
        ]

    @scenario
    async def test_a_declaration_is_remembered_as_it_was(self, case: Case) -> None:
        spec = AppSpec(
            "app",
            (TopicSpec(IN, 2, 3600.5), TopicSpec(OUT, 1, 0.0, was="app.never")),
            (SourceSpec(FEED, (IN, OUT), was="app.never"),),
            (StageSpec(WORK, IN, (), start="now"), StageSpec(OTHER, IN, (IN, OUT), start="first", was="app.no")),
        )
        await case.log.declare(spec)
        assert (await case.survey()).apps == [spec]

    @scenario
    async def test_declaring_again_changes_nothing(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 0, 1))
        before = await case.everything()
        await case.log.declare(app_spec())
        assert await case.everything() == before

    @scenario
    async def test_the_newer_declaration_wins(self, case: Case) -> None:
        await case.log.declare(app_spec())
        newer = app_spec(sources=(), topics=(TopicSpec(IN, 2, 1.0), TopicSpec(OUT, 2, 2.0)))
        await case.log.declare(newer)
        assert (await case.survey()).apps == [newer]

    @scenario
    async def test_apps_are_listed_by_name(self, case: Case) -> None:
        for name in ("zoo", "app", "mid"):
            await case.log.declare(AppSpec(name, (TopicSpec(f"{name}.t", 1, 1.0),), (), ()))
        survey = await case.survey()
        assert [app.name for app in survey.apps] == ["app", "mid", "zoo"]
        assert [topic.topic for topic in survey.topics] == ["app.t", "mid.t", "zoo.t"]

    @scenario
    async def test_another_number_of_partitions_is_refused_and_nothing_kept(self, case: Case) -> None:
        await case.log.declare(app_spec(partitions=2))
        before = await case.everything()
        topics = (TopicSpec("app.new", 1, 1.0), TopicSpec(IN, 3, 60.0), TopicSpec(OUT, 2, 60.0))
        with raises(Refused):
            await case.log.declare(app_spec(topics=topics))
        assert await case.everything() == before

    @scenario
    async def test_a_stage_on_a_topic_that_nobody_declared_is_refused(self, case: Case) -> None:
        with raises(Refused):
            await case.log.declare(app_spec(stages=[StageSpec(WORK, "far.away", ())]))
        survey = await case.survey()
        assert (survey.apps, survey.topics, survey.stages) == ([], [], [])

    @scenario
    async def test_a_stage_reads_a_topic_of_another_app(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.log.declare(AppSpec("far", (), (), (StageSpec("far.work", IN, ()),)))
        survey = await case.survey()
        assert [(s.stage, s.topic, s.partition) for s in survey.stages if s.stage == "far.work"] == [
            ("far.work", IN, 0),
            ("far.work", IN, 1),
        ]

    @scenario
    async def test_a_new_stage_on_records_must_say_where_it_starts(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=()))
        await case.put("a", "b", "c", partition=1)
        before = await case.everything()
        with raises(StartNeeded):
            await case.log.declare(app_spec())
        assert await case.everything() == before

    @scenario
    async def test_a_new_stage_may_start_at_the_first_record(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=()))
        await case.put("a", "b", "c", partition=1)
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (), start="first")]))
        assert _begins((await case.survey()).stages, WORK) == [0, 0]
        assert (await case.claim(partition=1)).next == 0

    @scenario
    async def test_the_first_record_is_the_first_that_is_kept(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=()))
        await case.put("a", "b")
        await case.put("c")
        await case.put("d", partition=1)
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 2, 1: 1})
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (), start="first")]))
        assert _begins((await case.survey()).stages, WORK) == [2, 1]

    @scenario
    async def test_a_new_stage_may_start_with_what_comes_next(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=()))
        await case.put("a", "b", "c", partition=1)
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (), start="now")]))
        assert _begins((await case.survey()).stages, WORK) == [0, 3]
        assert (await case.claim(partition=1)).next == 3

    @scenario
    async def test_a_stage_that_is_known_stays_where_it_is(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b", "c")
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,), start="now")]))
        assert _begins((await case.survey()).stages, WORK) == [0, 0]

    @scenario
    async def test_a_stage_with_another_topic_is_refused(self, case: Case) -> None:
        await case.log.declare(app_spec())
        before = await case.everything()
        with raises(Refused):
            await case.log.declare(app_spec(stages=[StageSpec(WORK, OUT, (), start="first")]))
        with raises(Refused):
            await case.log.declare(app_spec(stages=[StageSpec("app.new", OUT, (), start="first", was=WORK)]))
        assert await case.everything() == before

    @scenario
    async def test_a_removed_stage_keeps_what_it_has(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b", "c")
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 0, 2, park=[parked(1)]))
        await case.log.declare(app_spec(stages=()))
        (facts, _) = (await case.survey()).stages
        assert (facts.stage, facts.topic, facts.end, facts.next) == (WORK, IN, 3, 2)
        assert facts.parked == {"retrying": 1}
        await case.log.declare(app_spec())
        again = await case.again()
        assert (again.next, len(again.parked)) == (2, 1)

    @scenario
    async def test_a_renamed_topic_keeps_records_and_incarnation(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        before = await case.claim()
        spec = app_spec(
            topics=(TopicSpec("app.new", 2, 60.0, was=IN), TopicSpec(OUT, 2, 60.0)),
            sources=(SourceSpec(FEED, ("app.new",)),),
            stages=(StageSpec(WORK, "app.new", (OUT,)),),
        )
        for _ in range(2):
            await case.log.declare(spec)
            assert await case.values("app.new") == ["a", "b"]
            assert await case.read(IN) == []
            after = await case.again()
            assert after.incarnation == before.incarnation != ""
            assert after.next == 0
            survey = await case.survey()
            assert [(t.topic, t.put, t.records) for t in survey.topics] == [("app.new", 2, 2), (OUT, 0, 0)]
            assert [(s.topic, s.end) for s in survey.stages] == [("app.new", 2), ("app.new", 0)]
        await case.put("c", topic="app.new")
        assert await case.values("app.new") == ["a", "b", "c"]

    @scenario
    async def test_a_renamed_topic_keeps_what_was_counted_into_it(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        feed, work = await case.claim(FEED), await case.claim()
        await case.log.commit(Commit(lease=feed.lease, source=SourceState(emitted={IN: 4, OUT: 1})))
        await case.log.commit(finishing(work.lease, 0, 2, totals=Totals(2, 0, {OUT: 3})))
        topics = (TopicSpec("app.a", 2, 60.0, was=IN), TopicSpec("app.b", 2, 60.0, was=OUT))
        sources, stages = (SourceSpec(FEED, ("app.a",)),), (StageSpec(WORK, "app.a", ("app.b",)),)
        await case.log.declare(app_spec(topics=topics, sources=sources, stages=stages))
        survey = await case.survey()
        assert survey.sources[FEED].emitted == {"app.a": 4, "app.b": 1}
        assert survey.stages[0].totals == Totals(2, 0, {"app.b": 3})
        assert (await case.again()).totals == Totals(2, 0, {"app.b": 3})

    @scenario
    async def test_other_apps_follow_a_renamed_topic(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.log.declare(AppSpec("far", (), (), (StageSpec("far.work", IN, (OUT,)),)))
        await case.put("a")
        before = await case.claim("far.work")
        topics = (TopicSpec("app.new", 2, 60.0, was=IN), TopicSpec(OUT, 2, 60.0))
        await case.log.declare(app_spec(topics=topics, sources=(), stages=()))
        survey = await case.survey()
        assert survey.apps[1].stages == (StageSpec("far.work", "app.new", (OUT,)),)
        assert [(s.topic, s.end) for s in survey.stages if s.stage == "far.work"] == [("app.new", 1), ("app.new", 0)]
        assert (await case.again("far.work")).incarnation == before.incarnation

    @scenario
    async def test_a_renamed_stage_keeps_progress_parked_records_and_requests(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b", "c")
        claim = await case.claim()
        row = parked(1)
        attempt = Attempt(1, 1, 5.0, 0.25, "ValueError", "no", "Traceback")
        await case.log.commit(finishing(claim.lease, 0, 1, next=2, park=[row], attempts=[attempt]))
        (asked,) = await case.books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)])
        renamed = app_spec(stages=[StageSpec(OTHER, IN, (OUT,), was=WORK)])
        for _ in range(2):
            await case.log.declare(renamed)
            assert {facts.stage for facts in (await case.survey()).stages} == {OTHER}
            assert await case.books.parked(None, None, None, None) == [(OTHER, 0, row, [attempt])]
            news = await case.log.news([], [WORK, OTHER])
            assert [(request.id, request.stage) for request in news.requests] == [(asked, OTHER)]
        after = await case.again(OTHER)
        assert (after.next, after.totals, len(after.parked)) == (2, Totals(done=1), 1)
        assert after.lease.token > claim.lease.token

    @scenario
    async def test_a_holder_under_the_old_name_has_lost_it(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        work, feed = await case.claim(), await case.claim(FEED)
        sources, stages = (SourceSpec("app.fed", (IN,), was=FEED),), (StageSpec(OTHER, IN, (OUT,), was=WORK),)
        await case.log.declare(app_spec(sources=sources, stages=stages))
        for lease in (work.lease, feed.lease):
            with raises(LeaseLost):
                await case.log.commit(Commit(lease=lease, appends=[append("x", topic=OUT)]))
        assert await case.values(OUT) == []

    @scenario
    async def test_a_renamed_source_keeps_its_state(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim(FEED)
        state = SourceState(b"7", {IN: 3}, 10.0, 25.0, "idle")
        await case.log.commit(Commit(lease=claim.lease, source=state))
        for _ in range(2):
            await case.log.declare(app_spec(sources=[SourceSpec("app.fed", (IN,), was=FEED)]))
            assert (await case.survey()).sources == {"app.fed": state}
            assert (await case.again("app.fed")).source == state

    @scenario
    async def test_who_is_older_than_a_rename_begins_nothing_anew(self, case: Case) -> None:
        before = app_spec()
        await case.log.declare(before)
        await case.put("a", "b")
        work, feed = (await case.claim(WORK, 0, "old")).lease, (await case.claim(FEED, 0, "old")).lease
        await case.log.commit(finishing(work, 0, 1))
        after = app_spec(
            sources=[SourceSpec("app.fed", (IN,), was=FEED)], stages=[StageSpec("app.worked", IN, (OUT,), was=WORK)]
        )
        await case.log.declare(after)
        # Its leases are gone with the rename, and it gets none under the old names, nor may it begin again.
        assert set(await case.log.renew({work: "", feed: ""}, LEASE)) == {work, feed}
        for name in (WORK, FEED):
            assert await case.log.claim(name, 0, "old", LEASE) is None
        seen = await case.everything()
        with raises(Refused):
            await case.log.declare(before)
        assert await case.everything() == seen
        assert (await case.again("app.worked")).next == 1
        await case.log.declare(after)
        # The old names may be given to something new beside the renamed ones.
        both = app_spec(
            sources=[*after.sources, SourceSpec(FEED, (IN,))],
            stages=[*after.stages, StageSpec(WORK, IN, (OUT,), start="first")],
        )
        await case.log.declare(both)
        assert (await case.claim(WORK, 0, "new")).next == 0
        assert (await case.claim(FEED, 0, "new")).source == SourceState()

    @scenario
    async def test_a_rename_can_be_taken_back(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        await case.log.commit(finishing((await case.claim()).lease, 0, 1))
        await case.log.declare(app_spec(stages=[StageSpec("app.worked", IN, (OUT,), was=WORK)]))
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,), was="app.worked")]))
        assert (await case.again(WORK)).next == 1
        assert await case.log.claim("app.worked", 0, "w9", LEASE) is None
