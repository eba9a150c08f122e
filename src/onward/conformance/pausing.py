"""Pausing: a fact in the store that every worker learns of, and that stays until it is taken back."""

from __future__ import annotations

from onward.conformance.case import FEED, IN, OTHER, WORK, Case, Suite, app_spec, scenario
from onward.log import StageSpec
from onward.survey import Paused


class Pausing(Suite):
    @scenario
    async def test_nothing_is_paused_at_first(self, case: Case) -> None:
        await case.log.declare(app_spec())
        assert dict((await case.survey()).paused) == {}
        assert set((await case.log.news([IN], [WORK])).paused) == set()

    @scenario
    async def test_who_paused_what_and_since_when(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.books.pause(WORK, "ann", 5.0)
        await case.books.pause(FEED, "it's bob", 6.5)
        await case.books.pause(WORK, "cleo", 7.0)  # it is paused already
        assert dict((await case.survey()).paused) == {WORK: Paused("ann", 5.0), FEED: Paused("it's bob", 6.5)}
        assert set((await case.log.news([], [])).paused) == {WORK, FEED}

    @scenario
    async def test_resuming_takes_it_back(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.books.pause(WORK, "ann", 5.0)
        await case.books.resume(FEED)
        await case.books.resume(WORK)
        await case.books.resume(WORK)
        assert dict((await case.survey()).paused) == {}
        assert set((await case.log.news([], [])).paused) == set()

    @scenario
    async def test_a_pause_outlives_those_who_work(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.books.pause(WORK, "ann", 5.0)
        log, books = await case.another()
        await log.declare(app_spec())
        assert set((await log.news([], [])).paused) == {WORK}
        await books.resume(WORK)
        assert set((await case.log.news([], [])).paused) == set()

    @scenario
    async def test_a_pause_goes_with_a_new_name(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.books.pause(WORK, "ann", 5.0)
        await case.log.declare(app_spec(stages=[StageSpec(OTHER, IN, (), was=WORK)]))
        assert dict((await case.survey()).paused) == {OTHER: Paused("ann", 5.0)}

    @scenario
    async def test_a_pause_wakes_who_waits_for_changes(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.log.changed(0.0)
        await case.log.changed(0.0)
        await case.books.pause(WORK, "ann", 5.0)
        await case.log.changed(20.0)
        assert set((await case.log.news([], [])).paused) == {WORK}
