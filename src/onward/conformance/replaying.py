"""Replays: numbered jobs whose work is kept under names of their own."""

from __future__ import annotations

from onward.audit import breaches
from onward.conformance.case import FEED, IN, OUT, WORK, Case, Suite, app_spec, append, parked, raises, scenario
from onward.errors import AlreadyCommitted, LeaseLost
from onward.log import Attempt, Commit, Forgetting, Lease, Range, Replay, StageSpec, Totals


def job(*ranges: Range, **more: object) -> Replay:
    return Replay(stage=WORK, ranges=ranges or (Range(0, 2, 8), Range(1, 0, 0)), by="me", at=5.25, **more)  # type: ignore[arg-type]


class Replaying(Suite):
    @scenario
    async def test_what_is_asked_for_is_told_until_it_is_over(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        first = job(key="it's", rate=0.5, same_id=True)
        second = job(Range(0, 1, 3, 7), Range(1, 0, 5))
        assert [await case.books.replay(one) for one in (first, second)] == [1, 2]
        assert list((await case.log.news([], [FEED])).replays) == []
        [told, other] = (await case.log.news([], [WORK])).replays
        # A range of nothing is over from the beginning.
        assert told == Replay(WORK, (Range(0, 2, 8),), "it's", 0.5, True, "me", 5.25, 1)
        assert other == Replay(WORK, second.ranges, None, None, False, "me", 5.25, 2)
        assert told.name == f"{WORK}~1"
        lease = await self._lease(case, 2)
        await case.log.commit(Commit(lease=lease, next=3, totals=Totals(2), closes=True))
        [_, other] = (await case.log.news([], [WORK])).replays
        assert other.ranges == (Range(1, 0, 5),)
        facts = (await case.survey()).replays
        assert [(one.replay.number, list(one.closed)) for one in facts] == [(1, [1]), (2, [0])]
        assert [(part.begins, part.end, part.next, part.topic) for part in facts[1].parts] == [
            (1, 3, 3, IN),
            (0, 5, 0, IN),
        ]

    @scenario
    async def test_it_may_be_cancelled_until_it_is_over(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        number = await case.books.replay(job())
        assert not await case.books.cancel(number + 1)
        assert await case.books.cancel(number)
        [told] = (await case.log.news([], [WORK])).replays
        assert told.cancelled
        await case.log.commit(Commit(lease=await self._lease(case, number), next=2, totals=Totals(), closes=True))
        assert list((await case.log.news([], [WORK])).replays) == []
        assert not await case.books.cancel(number)

    @scenario
    async def test_what_it_commits_is_its_own(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        live = (await case.claim()).lease
        await case.log.commit(Commit(lease=live, finished=[(0, 9)], next=9, totals=Totals(9), park=[parked(9)]))
        before = (await case.survey()).stages
        number = await case.books.replay(job())
        lease = Lease(f"{WORK}~{number}", 0, live.worker, live.token)
        claim = await case.log.resume(lease, 2)
        assert (claim.lease, claim.next, list(claim.ahead), claim.totals, list(claim.parked)) == (
            lease,
            2,
            [],
            Totals(),
            [],
        )
        assert claim.incarnation == (await case.again()).incarnation and claim.unit is None
        lease = await self._lease(case, number)
        attempt = Attempt(4, 1, 5.0, 0.5, "ValueError", "x", "")
        commit = Commit(
            lease=lease,
            finished=[(2, 4), (5, 6)],
            next=4,
            totals=Totals(3, 1, {OUT: 2}),
            park=[parked(4)],
            attempts=[attempt],
            appends=[append(1, 2, topic=OUT)],
            unit="1",
        )
        await case.log.commit(commit)
        with raises(AlreadyCommitted):
            await case.log.commit(commit)
        again = await case.log.resume(lease, 2)
        assert (again.next, list(again.ahead), again.totals, again.unit) == (4, [(5, 6)], Totals(3, 1, {OUT: 2}), "1")
        assert [row.offset for row in again.parked] == [4]
        assert [row.offset for row in await case.log.copies(lease.stage, 0, [4, 9])] == [4]
        survey = await case.survey()
        assert [one._replace(holder=None) for one in survey.stages] == [one._replace(holder=None) for one in before]
        part = survey.replays[0].parts[0]
        assert (part.next, part.ahead, part.totals, part.parked) == (4, 1, Totals(3, 1, {OUT: 2}), {"retrying": 1})
        assert [(row[0], row[2].offset) for row in await case.books.parked(None, None, None, None)] == [(WORK, 9)]
        [(_, _, _, attempts)] = await case.books.parked(lease.stage, None, None, None)
        assert list(attempts) == [attempt]
        assert (await case.log.claim(WORK, 0, lease.worker, 10.0)).next == 9  # type: ignore[union-attr]

    @scenario
    async def test_what_it_finished_is_told_to_the_audit(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        number = await case.books.replay(job())
        lease = await self._lease(case, number)
        commit = Commit(
            lease=lease, finished=[(2, 4), (5, 6)], next=4, totals=Totals(3), park=[parked(4, state="dead")]
        )
        await case.log.commit(commit)
        survey, evidence, blocks = await case.books.evidence()
        [one, other] = [one for one in evidence if one.facts.stage == lease.stage]
        assert (list(one.finished), list(one.parked)) == ([(2, 4), (5, 6)], [(4, "k", "dead")])
        assert list(other.finished) == list(other.parked) == []
        assert breaches(survey, evidence, blocks) == []
        await case.log.commit(Commit(lease=lease, finished=[(6, 8)], next=8, totals=Totals(4), closes=True))
        [breach] = breaches(*await case.books.evidence())
        assert (breach.name, breach.partition, breach.claimed, breach.counted) == (lease.stage, 0, 4, 5)

    @scenario
    async def test_what_it_has_left_behind_folds_as_it_ages(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        live = (await case.claim()).lease
        await case.log.commit(Commit(lease=live, finished=[(0, 10)], next=10, totals=Totals(10)))
        lease = await self._lease(case, await case.books.replay(job()))
        for first, end in ((2, 4), (4, 6), (6, 8)):
            await case.log.commit(Commit(lease=lease, finished=[(first, end)], next=end, totals=Totals(end - 2)))
        assert await case.log.fold(lease.stage, 0, (), case.clock.now() + 1, 100) == 0, "its records are kept"
        await case.put(*range(10, 20))
        await case.log.retain(IN, case.clock.now() + 1, {0: 10, 1: 10})
        before = await case.survey()
        assert await case.log.fold(lease.stage, 0, (), case.clock.now() + 1, 100) == 2
        assert (await case.survey()).replays == before.replays
        assert breaches(*await case.books.evidence()) == []

    @scenario
    async def test_only_who_holds_the_lease_of_the_stage_commits(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        lease = await self._lease(case, await case.books.replay(job()))
        await case.again()
        before = await case.everything()
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=lease, finished=[(2, 4)], next=4, totals=Totals(2)))
        assert await case.everything() == before

    @scenario
    async def test_it_is_forgotten_with_its_stage(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        number = await case.books.replay(job())
        commit = Commit(
            lease=await self._lease(case, number),
            finished=[(2, 4)],
            next=4,
            totals=Totals(2, 0, {OUT: 1}),
            park=[parked(4)],
            appends=[append(1, topic=OUT)],
        )
        await case.log.commit(commit)
        await case.log.declare(app_spec(stages=[]))
        case.clock.advance(60)
        await case.books.forget(Forgetting(stages=(WORK,)))
        survey = await case.survey()
        assert list(survey.replays) == [] and survey.missing == 0
        [out] = [one for one in survey.topics if one.topic == OUT]
        assert (out.ends, out.forgotten) == (1, 1)
        assert list(await case.books.parked(f"{WORK}~{number}", None, None, None)) == []
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,), start="first")]))
        assert await case.books.replay(job()) == number + 1

    @scenario
    async def test_it_goes_with_its_stage_when_that_is_renamed(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(10))
        number = await case.books.replay(job())
        lease = await self._lease(case, number)
        await case.log.commit(Commit(lease=lease, finished=[(2, 4)], next=4, totals=Totals(2), park=[parked(4)]))
        await case.log.declare(app_spec(stages=[StageSpec("app.now", IN, (OUT,), was=WORK)]))
        [told] = (await case.log.news([], ["app.now"])).replays
        assert told.name == f"app.now~{number}"
        claim = await case.log.resume(Lease(told.name, 0, "w", 9), 2)
        assert (claim.next, claim.totals, [row.offset for row in claim.parked]) == (4, Totals(2), [4])

    async def _lease(self, case: Case, number: int) -> Lease:
        live = (await case.again()).lease
        return Lease(f"{WORK}~{number}", 0, live.worker, live.token)
