"""How a store ages: which blocks go, what of a stage's rows is folded, and what stays true of it."""

from __future__ import annotations

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
    raises,
    scenario,
)
from onward.errors import AlreadyCommitted, GoneTooLong
from onward.log import Attempt, BlockRow, Commit, Request, StageSpec, Totals

WIDE = 1_000


class Ageing(Suite):
    @scenario
    async def test_the_oldest_blocks_go_first_and_not_more_than_asked(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[]))
        for value in range(5):
            await case.put(value)
        case.clock.advance(1)
        now = case.clock.now()
        assert await case.log.retain(IN, now, {0: 4}, 2) == 2
        assert await case.values() == [2, 3, 4]
        assert await case.log.retain(IN, now, {0: 4}, 10) == 2
        assert await case.log.retain(IN, now, {0: 4}, 10) == 0
        assert await case.values() == [4]
        assert await case.log.retain(IN, now, {0: 5}, 10) == 0  # the newest stays, without its entries
        assert await case.values() == []

    @scenario
    async def test_what_a_stage_has_yet_to_see_stays(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, IN, ())]))
        for value in range(4):
            await case.put(value)
        await case.log.commit(finishing((await case.claim()).lease, 0, 4))
        await case.log.commit(finishing((await case.claim(OTHER)).lease, 0, 1))
        case.clock.advance(1)
        now = case.clock.now()
        assert await case.log.retain(IN, now, {0: WIDE}, 10, ()) == 1
        # It is declared, so naming it does not help.
        assert await case.log.retain(IN, now, {0: WIDE}, 10, [OTHER]) == 0
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        assert await case.log.retain(IN, now, {0: WIDE}, 10, ()) == 0
        assert await case.log.retain(IN, now, {0: WIDE}, 10, [OTHER]) == 2
        assert await case.values() == []

    @scenario
    async def test_what_its_app_declares_no_more_is_gone_since_then(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, IN, ())]))
        assert dict((await case.survey()).gone) == {}
        then = case.clock.now()
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        case.clock.advance(5)
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        assert dict((await case.survey()).gone) == {OTHER: then}
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, IN, ())]))
        assert dict((await case.survey()).gone) == {}

    @scenario
    async def test_a_renamed_stage_is_not_gone(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        await case.log.declare(app_spec(stages=[StageSpec(OTHER, IN, (), was=WORK)]))
        assert dict((await case.survey()).gone) == {}

    @scenario
    async def test_a_stage_that_comes_back_too_late_is_refused(self, case: Case) -> None:
        both = app_spec(stages=[StageSpec(WORK, IN, ()), StageSpec(OTHER, IN, ())])
        await case.log.declare(both)
        for value in range(3):
            await case.put(value)
        await case.log.commit(finishing((await case.claim()).lease, 0, 3))
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        await case.log.declare(both)  # in time
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, ())]))
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 2}, 10, [OTHER])
        before = await case.everything()
        with raises(GoneTooLong):
            await case.log.declare(both)
        assert await case.everything() == before

    @scenario
    async def test_how_far_a_stage_had_come(self, case: Case) -> None:
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (), start="now")]))
        await case.put(*range(20))
        begun = case.clock.now()
        lease = (await case.claim()).lease
        for first, end in ((0, 5), (5, 7)):
            case.clock.advance(10)
            await case.log.commit(finishing(lease, first, end))
        for ago, next_ in ((0.0, 7), (9.0, 5), (10.0, 5), (11.0, 0), (1_000.0, 0)):
            found = await case.books.passed({WORK: case.clock.now() - ago})
            assert dict(found) == {(WORK, 0): next_, (WORK, 1): 0}, (ago, begun)
        assert dict(await case.books.passed({"app.unknown": case.clock.now()})) == {}

    async def _aged(self, case: Case) -> None:
        """Five commits of a stage, of which the first four are of records that are kept no more."""
        await case.log.declare(app_spec(stages=[StageSpec(WORK, IN, (OUT,))]))
        for value in range(5):
            await case.put(value, value)
        lease = (await case.claim()).lease
        for n in range(5):
            # The second record of the second block parks, and is done with the fourth.
            spans = {1: [(2, 3)], 3: [(3, 4), (6, 8)]}.get(n, [(2 * n, 2 * n + 2)])
            done = (2, 3, 5, 8, 10)[n]
            await case.log.commit(
                Commit(
                    lease=lease,
                    finished=spans,
                    next=2 * n + 2,
                    totals=Totals(done, 0, {OUT: n + 1}),
                    park=[parked(3)] if n == 1 else [],
                    unpark=[3] if n == 3 else [],
                    attempts=[Attempt(2 * n, 1, case.clock.now(), 0.5, "E", "", "")],
                    appends=[append(n, topic=OUT)],
                    unit=f"{n}",
                )
            )
            case.clock.advance(10)
        await case.log.retain(IN, case.clock.now(), {0: 8})

    @scenario
    async def test_rows_of_records_that_are_kept_no_more_are_folded(self, case: Case) -> None:
        await self._aged(case)
        now, claimed = case.clock.now(), await case.again()
        survey, evidence, _ = await case.books.evidence()
        assert await case.log.fold(WORK, 0, (), now, WIDE) == 4 + 4  # rows of progress and attempts
        assert await case.log.fold(WORK, 0, (), now, WIDE) == 0
        after, found, _ = await case.books.evidence()
        assert after == survey
        assert [(one.facts, one.parked, one.folded) for one in found] == [
            (one.facts, one.parked, one.folded) for one in evidence
        ]
        assert list(found[0].finished) == [(0, 8), (8, 10)]
        claim = await case.again()
        assert (claim.next, claim.ahead, claim.totals, claim.unit) == (
            claimed.next,
            claimed.ahead,
            claimed.totals,
            claimed.unit,
        )
        with raises(AlreadyCommitted):
            await case.log.commit(finishing(claim.lease, 10, 11, unit="4"))

    @scenario
    async def test_few_rows_are_folded_at_a_time(self, case: Case) -> None:
        await self._aged(case)
        now, folded = case.clock.now(), []
        while count := await case.log.fold(WORK, 0, (), now, 1):
            folded.append(count)
            _, (one, _), _ = await case.books.evidence()
            assert sum(end - first for first, end in one.finished) == one.facts.totals.done == 10
        assert folded == [2, 2, 2, 2]

    @scenario
    async def test_rows_of_what_is_kept_stay(self, case: Case) -> None:
        await self._aged(case)
        now = case.clock.now()
        assert await case.log.fold(WORK, 0, (), now - 50, WIDE) == 4  # only attempts: the commits are too new
        assert await case.log.fold(WORK, 0, [OUT], now, WIDE) == 0  # its outputs are kept
        await case.log.retain(OUT, now, {0: 1})
        assert await case.log.fold(WORK, 0, [OUT], now, WIDE) == 1
        assert await case.log.fold(WORK, 1, [], now, WIDE) == 0
        assert await case.log.fold("app.unknown", 0, [], now, WIDE) == 0

    @scenario
    async def test_attempts_of_a_parked_record_stay(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        await case.put("b")
        lease = (await case.claim()).lease
        attempts = [Attempt(offset, 1, case.clock.now(), 0.5, "E", "", "") for offset in (0, 1)]
        await case.log.commit(finishing(lease, 1, 2, park=[parked(0)], attempts=attempts))
        case.clock.advance(1)
        await case.log.retain(IN, case.clock.now(), {0: 2})
        assert await case.log.fold(WORK, 0, (), case.clock.now(), WIDE) == 1
        assert await case.books.parked(None, None, None, None) == [(WORK, 0, parked(0), attempts[:1])]
        assert [row.offset for row in await case.log.copies(WORK, 0, [0])] == [0]

    @scenario
    async def test_answered_requests_go_and_open_ones_stay(self, case: Case) -> None:
        await case.log.declare(app_spec())
        request = Request(0, WORK, 0, "retry", {}, "me", 5.0)
        one, two, three = await case.books.ask([request] * 3)
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, answered=[(one, "done")]))
        case.clock.advance(10)
        await case.log.commit(Commit(lease=lease, answered=[(two, "done")]))
        assert await case.log.fold(WORK, 0, (), case.clock.now(), WIDE) == 1
        assert await case.books.answers([one, two, three]) == {two: "done"}
        assert [left.id for left in (await case.log.news([], [WORK])).requests] == [three]
        assert await case.books.ask([request]) == [three + 1]

    @scenario
    async def test_a_source_has_nothing_to_fold(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.claim(FEED)
        assert await case.log.fold(FEED, 0, [IN], case.clock.now(), WIDE) == 0

    @scenario
    async def test_folding_goes_with_a_new_name(self, case: Case) -> None:
        await self._aged(case)
        await case.log.fold(WORK, 0, (), case.clock.now(), WIDE)
        await case.log.declare(app_spec(stages=[StageSpec(OTHER, IN, (OUT,), was=WORK)]))
        _, (one, _), blocks = await case.books.evidence()
        assert (one.facts.stage, list(one.finished), one.folded) == (OTHER, [(0, 8), (8, 10)], 0)
        assert BlockRow(IN, 0, 8, 2) in blocks
