"""Many bad records among good ones are not an outage.

Given a topic in which one record in a hundred can never be delivered
when  a stage works through it
then  the good ones arrive, the bad ones die after their attempts, and the stage does not trip when they come back
      together; only an outage that lasts ends a run as tripped.
"""

from __future__ import annotations

import pytest

from onward import App, Retry, Unavailable
from onward.testing import TestRun

RETRY = Retry(attempts=3, first="10ms", most="1s")


def test_one_in_a_hundred_dies_and_the_rest_arrive() -> None:
    app = App("bad")
    numbers = app.topic("numbers", int, key=str)
    good = app.topic("good", int)

    @app.stage(numbers, to=good, retry=RETRY)
    def pick(number: int) -> int:
        if number % 97 == 0:
            raise ValueError(number)
        return number

    with TestRun(app) as run:
        run.put(numbers, *range(10_000))
        run.until_idle(raises=False)
        assert sorted(run.values(good)) == [number for number in range(10_000) if number % 97]
        parked = run.parked(pick)
        assert [row.value for row in parked] == [number for number in range(10_000) if number % 97 == 0]
        assert {(row.state, row.attempts) for row in parked} == {("dead", 3)}


def test_an_outage_that_lasts_is_told_and_nothing_is_parked() -> None:
    app = App("out")
    numbers = app.topic("numbers", int, key=str)

    @app.stage(numbers, retry=RETRY)
    def send(number: int) -> None:
        raise ConnectionError("nobody answers")

    with TestRun(app) as run:
        run.put(numbers, *range(200))
        with pytest.raises(Unavailable, match="stays tripped"):
            run.until_idle()
        assert run.parked(send) == []


def test_after_an_outage_a_bad_record_at_the_head_does_not_keep_the_stage_down() -> None:
    app = App("back")
    numbers = app.topic("numbers", int, key=str)
    seen: list[int] = []
    calls = 0

    @app.stage(numbers, retry=RETRY)
    def send(number: int) -> None:
        nonlocal calls
        calls += 1
        if calls <= 23 or number == 0:
            raise ConnectionError("nobody answers")
        seen.append(number)

    with TestRun(app) as run:
        run.put(numbers, *range(100))
        run.until_idle(raises=False)
        assert sorted(seen) == list(range(1, 100))
        assert [(row.value, row.state, row.attempts) for row in run.parked(send)] == [(0, "dead", 3)]
