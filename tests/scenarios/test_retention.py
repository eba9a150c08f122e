"""A store with years of work stays small, and right.

Given a store with delivered, parked and outstanding records of long ago;
when a worker runs;
then what every stage has passed long enough ago is gone, nothing else is, and every count still holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward import App, Retry
from onward.audit import breaches
from onward.declaration import spec_of
from onward.errors import GoneTooLong
from onward.events import Swept
from onward.plan import Plan
from onward.process import new_name
from onward.retention import EVERY, Retention
from scenarios.ground import NOW, Ground, LeapClock, until

HOUR = 3600.0


def aged(ground: Ground) -> None:
    """The store's own instants come from the same clock as the worker's."""
    ground.own_clock = True


def program(bad: set[int], *, other: bool = False, again: bool = True) -> App:
    app = App("keep")
    source = app.topic("in", dict, key="key", keep="1h")
    out = app.topic("out", dict, key="key", keep="2h")

    if again:

        @app.stage(source, to=out, retry=Retry(attempts=1), start="first")
        def work(value: dict) -> dict:
            if value["n"] in bad:
                raise ValueError("bad")
            return value

    if other:

        @app.stage(source, start="first", effect=False)
        def also(value: dict) -> None:
            pass

    return app


def records(count: int, start: int = 0) -> list[dict]:
    return [{"key": f"k{n % 10}", "n": n} for n in range(start, start + count)]


def right(ground: Ground) -> None:
    ground.recount()
    assert breaches(*ground.books(lambda books: books.evidence())) == []


def count(ground: Ground, table: str) -> int:
    return ground.sql(f"SELECT count(*) FROM {table}")[0][0]


def worked(ground: Ground, app: App, rounds: int = 6) -> None:
    """Some work, ten minutes apart."""
    for n in range(rounds):
        ground.put(app, app.topics["keep.in"], *records(10, 10 * n))
        ground.run(app)
        ground.clock.advance(600)


def test_what_all_stages_have_passed_goes_when_its_time_is_over(ground: Ground) -> None:
    aged(ground)
    app = program({3})
    worked(ground, app)
    assert len(ground.values(app.topics["keep.in"])) == 60
    ground.clock.advance(1)  # the first were passed more than an hour ago
    ground.run(app)
    assert [value["n"] for value in ground.values(app.topics["keep.in"])] == list(range(10, 60))
    assert len(ground.values(app.topics["keep.out"])) == 54
    right(ground)
    ground.clock.advance(10 * HOUR)
    ground.run(app)
    assert ground.values(app.topics["keep.in"]) == ground.values(app.topics["keep.out"]) == []
    assert count(ground, "block") == 2
    assert count(ground, "progress") == 1
    assert ground.sql("SELECT sum(count), sum(commits) > 5 FROM statistic") == [(45, 1)]  # the newest row stays
    assert (ground.states(), len(ground.attempts()[3])) == ({"dead": 1, "behind": 5}, 1)
    right(ground)


def test_a_parked_record_is_delivered_from_its_copy_after_its_block_is_gone(ground: Ground) -> None:
    aged(ground)
    bad = {3}
    app = program(bad)
    worked(ground, app)
    ground.clock.advance(10 * HOUR)
    ground.run(app)
    bad.clear()
    ground.ask("keep.work", "retry")
    ground.run(app)
    assert [value["n"] for value in ground.values(app.topics["keep.out"])] == [3, 13, 23, 33, 43, 53]
    ground.recount(empty=True)
    ground.clock.advance(200 * HOUR)
    ground.run(app)
    ground.clock.advance(200 * HOUR)
    ground.run(app)
    assert count(ground, "progress") == 1
    assert (count(ground, "attempt"), count(ground, "request")) == (0, 0)
    right(ground)
    ground.put(app, app.topics["keep.in"], *records(10, 60))
    ground.run(app)
    assert len(ground.values(app.topics["keep.out"])) == 10
    right(ground)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM statistic WHERE minute = (SELECT min(minute) FROM statistic)",
        "UPDATE statistic SET count = count + 1 WHERE minute = (SELECT min(minute) FROM statistic)",
        "DELETE FROM folded",
        "UPDATE folded SET finished = '[[0,3]]'",
        "DELETE FROM progress",
    ],
)
def test_rows_that_somebody_deletes_are_missed_after_folding_too(ground: Ground, statement: str) -> None:
    aged(ground)
    app = program(set())
    worked(ground, app)
    ground.clock.advance(10 * HOUR)
    ground.run(app)
    right(ground)
    ground.sql(statement)
    assert breaches(*ground.books(lambda books: books.evidence()))


def test_what_a_stage_has_not_seen_stays_for_as_long_as_it_is_declared(ground: Ground) -> None:
    aged(ground)
    app = program(set(), other=True)
    ground.put(app, app.topics["keep.in"], *records(10))
    ground.run(app, stages=("keep.work",))
    ground.clock.advance(1_000 * HOUR)
    ground.run(app, stages=("keep.work",))
    assert len(ground.values(app.topics["keep.in"])) == 10
    right(ground)
    ground.run(app)
    right(ground)
    ground.clock.advance(2 * HOUR)
    ground.run(app)
    assert ground.values(app.topics["keep.in"]) == []


def test_a_stage_that_is_gone_holds_nothing_up_for_ever(ground: Ground) -> None:
    aged(ground)
    both, one = program(set(), other=True), program(set())
    ground.put(both, both.topics["keep.in"], *records(10))
    ground.run(both, stages=("keep.work",))
    ground.clock.advance(10 * HOUR)
    ground.run(one)
    assert len(ground.values(one.topics["keep.in"])) == 10
    ground.clock.advance(2 * HOUR)
    ground.run(one)
    assert ground.values(one.topics["keep.in"]) == []
    right(ground)
    with pytest.raises(GoneTooLong, match="onward forget"):
        ground.run(both)
    right(ground)


def test_one_worker_at_a_time_sweeps(ground: Ground) -> None:
    app = program(set())
    ground.put(app, app.topics["keep.in"], *records(10))

    async def story() -> None:
        clock = LeapClock(NOW)
        log, books = ground.Log(ground.url, clock=clock), ground.Books(ground.url, clock=clock)
        one, two = (Retention(log, books, clock, new_name(), lambda event: None) for _ in range(2))
        assert await one.sweep() is not None
        assert await two.sweep() is None
        assert await one.sweep() is not None
        clock.advance(3 * EVERY)  # the first is not heard of any more
        assert await two.sweep() is not None
        assert await one.sweep() is None
        await two.give_back()
        assert await one.sweep() is not None
        await books.close()
        await log.close()

    asyncio.run(story())


def test_a_running_worker_sweeps_by_itself(ground: Ground) -> None:
    aged(ground)
    app = program(set())

    async def story() -> None:
        async with ground.running(app) as worker:
            await worker.log.changed(0)
            for _ in range(3):
                await until(lambda: worker.clock._waiting)
                ground.clock.advance(EVERY + 1)
            await until(lambda: ground.sql("SELECT token FROM lease WHERE stage = 'retention'"))

    ground.put(app, app.topics["keep.in"], *records(10))
    ground.run(app)
    ground.clock.advance(10 * HOUR)
    asyncio.run(story())
    right(ground)


def test_much_goes_in_small_steps(ground: Ground) -> None:
    aged(ground)
    app = program(set())
    for n in range(0, 1_500, 10):
        ground.put(app, app.topics["keep.in"], *records(10, n))
    ground.run(app)
    ground.clock.advance(10 * HOUR)
    ground.run(app)
    assert [event.blocks for event in ground.seen.of(Swept)] == [149 + 1]  # in and out
    right(ground)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "run", "cut short", "sweep", "wait", "retry", "drop", "mend", "fold later"]),
        st.integers(1, 30),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_nothing_unseen_goes_and_all_counts_hold(
    steps: list[tuple[str, int]], tmp_path_factory: Any
) -> None:
    ground = Ground(tmp_path_factory.mktemp("random"))
    aged(ground)
    bad: set[int] = set()
    seen: set[int] = set()
    app, put, dropped = program(bad), 0, False
    ground.put(app, app.topics["keep.in"])
    for what, number in steps:
        match what:
            case "put":
                ground.put(app, app.topics["keep.in"], *records(number, put))
                bad.update(range(put, put + number, 7))
                put += number
            case "run":
                ground.run(app)
            case "cut short":
                asyncio.run(cut_short(ground, app, number))
                ground.clock.advance(11.0)  # nobody gives its leases back; by now they are over
            case "sweep" | "fold later":
                ground.clock.advance(3 * HOUR if what == "sweep" else 20 * HOUR)
                asyncio.run(sweep(ground))
            case "wait":
                ground.clock.advance(60.0 * number)
            case "mend":
                bad.clear()
            case "retry" | "drop":
                ground.ask("keep.work", what)
                dropped = dropped or what == "drop"
        seen.update(value["n"] for value in ground.values(app.topics["keep.out"]))
        right(ground)
    bad.clear()
    ground.ask("keep.work", "retry")
    ground.clock.advance(60)
    ground.run(app)
    right(ground)
    [stage] = ground.books(lambda books: books.survey()).stages
    assert stage.totals.done == put
    if not dropped:
        seen.update(value["n"] for value in ground.values(app.topics["keep.out"]))
        assert stage.totals.emitted.get("keep.out", 0) == put
    asyncio.run(sweep(ground))
    right(ground)


async def sweep(ground: Ground) -> None:
    log, books = ground.Log(ground.url, clock=ground.clock), ground.Books(ground.url, clock=ground.clock)
    await log.declare(spec_of(program(set())))
    sweeper = Retention(log, books, ground.clock, new_name(), lambda event: None)
    await sweeper.sweep()
    await sweeper.give_back()
    await books.close()
    await log.close()


async def cut_short(ground: Ground, app: App, commits: int) -> None:
    """A worker that is gone after some commits, with work in hand and without giving anything back."""
    async with ground.open(app, plan=Plan(once=True)) as worker:
        kept, made = worker.log.commit, 0

        async def commit(one: Any) -> None:
            nonlocal made
            made += 1
            if made > commits % 3:
                await asyncio.Event().wait()
            await kept(one)

        worker.log.commit = commit  # type: ignore[method-assign]
        running = asyncio.create_task(worker.run())
        await asyncio.wait([running], timeout=0.05)
        running.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
