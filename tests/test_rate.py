"""The account of a budget: portions follow one another, whatever the clock does."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creeping import Creeping
from onward import App
from onward.plan import Plan
from onward.rate import AHEAD, Account
from onward.testing import TestRun
from onward.worker import Worker

NOW = 1_750_000_000.0
STEPS = st.lists(st.tuples(st.floats(-5.0, 5.0), st.integers(1, 20)), min_size=1, max_size=40)


@given(st.floats(0.01, 1_000.0), STEPS)
def test_no_stretch_of_time_has_more_than_the_rate_and_one_portion(rate: float, steps: list[tuple[float, int]]) -> None:
    """Seen by a clock that only goes on; one that is set back gives no more either."""
    account, now, given_out = Account(NOW, NOW, rate), NOW, []
    for step, count in steps:
        now += abs(step)
        portion, account = account.portion(now, rate, count)
        assert portion.count in (0, count) and portion.wait >= 0
        assert portion.count == 0 or portion.wait <= AHEAD
        if portion.count:
            given_out.append((now + portion.wait, count))
    for at, (begin, _) in enumerate(given_out):
        for later in range(at, len(given_out)):
            end = given_out[later][0]
            between = sum(count for _, count in given_out[at:later])
            assert between <= rate * (end - begin) * 1.001 + 0.001


@given(st.floats(0.01, 1_000.0), STEPS)
def test_a_clock_that_is_set_back_costs_no_more_than_what_was_promised(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    account, now, most = Account(NOW, NOW, rate), NOW, max(count for _, count in steps)
    for step, count in steps:
        now += step
        portion, account = account.portion(now, rate, count)
        assert portion.wait <= AHEAD + most / rate + 0.001


def test_what_was_taken_at_another_rate_is_paid_off_at_the_new_one() -> None:
    _, account = Account(NOW, NOW, 1.0).portion(NOW, 1.0, 10)
    portion, _ = account.portion(NOW, 100.0, 1)
    assert portion == (1, portion.wait) and abs(portion.wait - 0.1) < 1e-6


@pytest.mark.parametrize("step", [0.00001, 0.00003, 0.0001, 0.0003, 0.0007, 0.0011])
def test_a_stage_misses_nothing_that_may_go_between_two_looks_at_the_clock(step: float) -> None:
    app, called = App("paced"), []
    numbers = app.topic("in", int, partitions=2, key=str)

    @app.stage(numbers, rate="2000/s")
    def take(number: int) -> None:
        called.append(number)

    with TestRun(app) as run:
        run.put(numbers, *range(200))

        async def work() -> None:
            worker = Worker([app], run._log, run._log, Plan(once=True), clock=Creeping(run.clock.now(), step))
            async with asyncio.timeout(20):
                await worker.run()

        run._wait(work())
    assert sorted(called) == list(range(200))
