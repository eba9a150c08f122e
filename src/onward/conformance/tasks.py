"""Runs of tasks: kept from their beginning, bounded, the newest first."""

from __future__ import annotations

from msgspec.structs import replace

from onward.conformance.case import Case, Suite, app_spec, scenario
from onward.task_run import KEPT, TaskRun

RUN = TaskRun("app.load", "me", "here/1/2/3", 5.5, b'{"count":3}')


class Tasks(Suite):
    @scenario
    async def test_a_run_is_there_from_its_beginning_and_then_what_became_of_it(self, case: Case) -> None:
        await case.log.declare(app_spec())
        first = await case.log.record_run(RUN)
        second = await case.log.record_run(replace(RUN, task="app.other"))
        assert 0 < first < second
        assert await case.books.runs("app.load", 10) == [replace(RUN, id=first)]
        ended = replace(
            RUN, id=first, ended=7.25, outcome="done", result=b'{"it\'s":"\xc3\xa9"}', output="one\ntwo", error="x"
        )
        assert await case.log.record_run(ended) == first
        assert await case.books.runs("app.load", 10) == [ended]
        assert [run.id for run in await case.books.runs(None, 10)] == [second, first]
        assert [run.id for run in await case.books.runs(None, 1)] == [second]

    @scenario
    async def test_of_each_task_the_newest_runs_stay(self, case: Case) -> None:
        other = await case.log.record_run(replace(RUN, task="app.other"))
        ids = [await case.log.record_run(RUN) for _ in range(KEPT + 5)]
        found = await case.books.runs("app.load", 2 * KEPT)
        assert [run.id for run in found] == ids[:4:-1]
        assert [run.id for run in await case.books.runs("app.other", 10)] == [other]
