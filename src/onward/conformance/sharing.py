"""What workers share besides leases: budgets of calls."""

from __future__ import annotations

from onward.conformance.case import Case, Suite, scenario
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
