"""What workers share besides leases: budgets of calls, calls at once, and what has been seen before."""

from __future__ import annotations

from onward.commit import Mark
from onward.conformance.case import LEASE, OTHER, WORK, Case, Suite, app_spec, finishing, raises, scenario
from onward.conformance.leasing import name_of_a_dead_worker
from onward.errors import LeaseLost
from onward.log import AppSpec, StageSpec
from onward.rate import AHEAD


class Sharing(Suite):
    @scenario
    async def test_a_budget_that_nobody_has_drawn_on_gives_at_once(self, case: Case) -> None:
        assert await case.log.draw("app.calls", 10.0, 3) == (3, 0.0)

    @scenario
    async def test_portions_of_a_budget_follow_one_another(self, case: Case) -> None:
        await case.log.draw("app.calls", 10.0, 3)
        count, wait = await case.log.draw("app.calls", 10.0, 2)
        assert count == 2 and abs(wait - 0.3) < 1e-6
        case.clock.advance(0.4)
        count, wait = await case.log.draw("app.calls", 10.0, 1)
        assert count == 1 and abs(wait - 0.1) < 1e-6

    @scenario
    async def test_what_nobody_asked_for_is_not_saved_up(self, case: Case) -> None:
        await case.log.draw("app.calls", 10.0, 1)
        case.clock.advance(60.0)
        assert await case.log.draw("app.calls", 10.0, 5) == (5, 0.0)
        count, wait = await case.log.draw("app.calls", 10.0, 5)
        assert count == 5 and abs(wait - 0.5) < 1e-6

    @scenario
    async def test_nothing_is_promised_far_ahead(self, case: Case) -> None:
        await case.log.draw("app.calls", 1.0, 10)
        count, wait = await case.log.draw("app.calls", 1.0, 1)
        assert count == 0 and abs(wait - 10.0) < 1e-6
        case.clock.advance(10.0 - AHEAD)
        count, wait = await case.log.draw("app.calls", 1.0, 1)
        assert count == 1 and abs(wait - AHEAD) < 1e-5

    @scenario
    async def test_each_budget_is_drawn_on_by_itself(self, case: Case) -> None:
        await case.log.draw("app.calls", 1.0, 10)
        assert await case.log.draw("app.others", 1.0, 1) == (1, 0.0)

    @scenario
    async def test_handles_share_a_budget(self, case: Case) -> None:
        other, _ = await case.another()
        await case.log.draw("app.calls", 10.0, 3)
        count, wait = await other.draw("app.calls", 10.0, 1)
        assert count == 1 and abs(wait - 0.3) < 1e-6

    @scenario
    async def test_who_is_alone_may_hold_all_slots_that_it_wants(self, case: Case) -> None:
        assert await case.log.occupy(WORK, "w1", 4, 0, 3, 10.0) == 3
        assert await case.log.occupy(WORK, "w1", 4, 3, 9, 10.0) == 4

    @scenario
    async def test_all_together_never_hold_more_slots_than_there_are(self, case: Case) -> None:
        assert await case.log.occupy(WORK, "w1", 4, 0, 9, 10.0) == 4
        assert await case.log.occupy(WORK, "w2", 4, 0, 9, 10.0) == 0
        assert await case.log.occupy(WORK, "w1", 4, 3, 9, 10.0) == 3  # it uses more than is its share
        assert await case.log.occupy(WORK, "w2", 4, 0, 9, 10.0) == 1
        assert await case.log.occupy(WORK, "w1", 4, 1, 9, 10.0) == 2
        assert await case.log.occupy(WORK, "w2", 4, 1, 9, 10.0) == 2

    @scenario
    async def test_slots_that_cannot_be_shared_evenly_go_round(self, case: Case) -> None:
        held: list[str] = []
        for _ in range(4):
            for worker in ("w1", "w2", "w1", "w2"):
                if await case.log.occupy(WORK, worker, 1, 0, 1, 10.0):
                    held.append(worker)
            case.clock.advance(1.0)
        assert {"w1", "w2"} == set(held)

    @scenario
    async def test_slots_are_free_when_they_are_given_back_or_not_renewed(self, case: Case) -> None:
        await case.log.occupy(WORK, "w1", 1, 0, 1, 10.0)
        await case.log.occupy(WORK, "w1", 1, 0, 0, 0.0)
        assert await case.log.occupy(WORK, "w2", 1, 0, 1, 10.0) == 1
        case.clock.advance(10.001)
        assert await case.log.occupy(WORK, "w3", 1, 0, 1, 10.0) == 1

    @scenario
    async def test_slots_of_a_dead_process_are_free_at_once(self, case: Case) -> None:
        await case.log.occupy(WORK, name_of_a_dead_worker(), 2, 2, 2, 10.0)
        assert await case.log.occupy(WORK, "w2", 2, 0, 2, 10.0) == 2

    @scenario
    async def test_each_stage_has_slots_of_its_own(self, case: Case) -> None:
        await case.log.occupy(WORK, "w1", 1, 1, 1, 10.0)
        assert await case.log.occupy(OTHER, "w2", 1, 0, 1, 10.0) == 1

    @scenario
    async def test_marks_are_kept_with_their_commit(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim()
        now = case.clock.now()
        assert await case.log.seen(WORK, 0, ["a", "b"], 0.0) == {}
        await case.log.commit(finishing(claim.lease, 0, 2, marks=[Mark("a", 0, now), Mark("it's", 1, now)]))
        assert await case.log.seen(WORK, 0, ["a", "b", "it's"], 0.0) == {"a": 0, "it's": 1}
        assert await case.books.seen(WORK, 0, ["a"], 0.0) == {"a": 0}
        assert await case.log.seen(WORK, 1, ["a"], 0.0) == await case.log.seen(OTHER, 0, ["a"], 0.0) == {}
        case.clock.advance(LEASE + 1)
        await case.claim(worker="w2")
        with raises(LeaseLost):
            await case.log.commit(finishing(claim.lease, 2, 3, marks=[Mark("b", 2, now)]))
        assert await case.log.seen(WORK, 0, ["b"], 0.0) == {}

    @scenario
    async def test_marks_count_from_when_they_were_made_last(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim()
        now = case.clock.now()
        await case.log.commit(finishing(claim.lease, 0, 1, marks=[Mark("a", 0, now), Mark("b", 0, now)]))
        await case.log.commit(finishing(claim.lease, 1, 2, marks=[Mark("a", 1, now + 1)]))
        assert await case.log.seen(WORK, 0, ["a", "b"], now) == {"a": 1, "b": 0}
        assert await case.log.seen(WORK, 0, ["a", "b"], now + 1) == {"a": 1}

    @scenario
    async def test_marks_before_an_offset_or_an_instant_are_forgotten(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim()
        now = case.clock.now()
        marks = [Mark(f"m{n}", n, now + n) for n in range(10)]
        await case.log.commit(finishing(claim.lease, 0, 10, marks=marks, forget=(4, now + 2)))
        found = await case.log.seen(WORK, 0, [mark.text for mark in marks], 0.0)
        assert set(found.values()) == set(range(4, 10))
        await case.log.commit(finishing(claim.lease, 10, 11, forget=(0, now + 6)))
        found = await case.log.seen(WORK, 0, [mark.text for mark in marks], 0.0)
        assert set(found.values()) == set(range(6, 10))

    @scenario
    async def test_a_stage_that_is_renamed_keeps_its_marks(self, case: Case) -> None:
        spec = app_spec()
        await case.log.declare(spec)
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 0, 1, marks=[Mark("a", 0, case.clock.now())]))
        renamed = StageSpec("app.newly", spec.stages[0].topic, spec.stages[0].to, None, WORK)
        await case.log.declare(AppSpec("app", spec.topics, spec.sources, (renamed,)))
        assert await case.log.seen("app.newly", 0, ["a"], 0.0) == {"a": 0}
