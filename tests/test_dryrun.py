"""A dry run in memory: the true path, and nothing moves."""

from __future__ import annotations

from typing import Any

import pytest

from onward import App, Checkpoint, Drop, Hold, Later, Record, Reject, Retry
from onward.testing import TestRun
from onward.would import StageWould


class Calls(list[Any]):
    """What a function outside was called with."""


def chain(calls: Calls, retry: Retry | None = None) -> App:
    """Numbers are doubled, what is doubled is announced; some of them fail, wait or are dropped."""
    app = App("chain")
    numbers = app.topic("numbers", int, key=lambda n: f"k{n}", partitions=2)
    doubled = app.topic("doubled", int, key=lambda n: f"k{n}")

    @app.source(to=numbers)
    def count(cursor: int | None, dry_run: bool):
        calls.append(("count", cursor, dry_run))
        for n in range(cursor or 0, 10):
            yield n
            yield Checkpoint(n + 1)

    @app.stage(numbers, to=doubled, retry=retry or Retry(attempts=2))
    def double(n: int, dry_run: bool, approved: bool) -> Any:
        calls.append(("double", n, dry_run))
        if n == 3:
            raise ValueError("three")
        if n == 4 and not approved:
            return Hold("look at four")
        if n == 5:
            return Drop("five")
        if n == 6:
            return Reject("six")
        if n == 7:
            return Later("400d", give_up="1000d")
        return 2 * n

    @app.stage(doubled)
    def announce(n: int) -> None:
        calls.append(("announce", n))

    @app.stage(doubled)
    def rehearse(record: Record[int], dry_run: bool) -> None:
        calls.append(("rehearse", record.value, dry_run))

    return app


def by_name(stages: list[StageWould]) -> dict[str, StageWould]:
    return {stage.name: stage for stage in stages}


def state(run: TestRun, app: App) -> Any:
    stages = {name: run.parked(name) for name in app.stages}
    return {name: run.records(topic) for name, topic in app.topics.items()}, stages, run.clock.now()


def test_all_stages_through_and_nothing_moves() -> None:
    calls = Calls()
    app = chain(calls)
    with TestRun(app) as run:
        run.put(app.topics["chain.numbers"], 100)
        before = state(run, app)
        told, effects = run.dry_run()
        assert state(run, app) == before
        stages = by_name(told.stages)
        double = stages["chain.double"]
        assert (double.records, double.done, double.dropped) == (11, 7, 1)
        assert (double.dead, double.waiting, double.retrying) == (2, 1, 1)
        assert double.emitted == {"chain.doubled": 6}
        assert {(one.state, one.reason, one.count, one.key) for one in double.reasons} == {
            ("dead", "ValueError: three", 1, "k3"),
            ("waiting", "look at four", 1, "k4"),
            ("dead", "six", 1, "k6"),
            ("retrying", "", 1, "k7"),
        }
        assert told.failed
        doubled = [0, 2, 4, 16, 18, 200]
        assert sorted(effect.value for effect in effects) == doubled
        assert {(effect.stage, effect.key) for effect in effects} == {("chain.announce", f"k{n}") for n in doubled}
        assert all(effect.id.startswith("chain.announce:chain.doubled:") for effect in effects)
        assert (stages["chain.announce"].withheld, stages["chain.announce"].done) == (6, 6)
        assert (stages["chain.rehearse"].withheld, stages["chain.rehearse"].done) == (0, 6)
        [source] = told.sources
        assert (source.emitted, source.before, bytes(source.cursor or b"")) == ({"chain.numbers": 10}, None, b"10")
        assert [(topic.name, topic.records) for topic in told.topics] == [("chain.doubled", 6), ("chain.numbers", 10)]
        assert {call[0] for call in calls} == {"count", "double", "rehearse"}
        assert all(call[2] for call in calls)


def test_the_run_after_it_does_what_it_told() -> None:
    calls = Calls()
    app = chain(calls)
    with TestRun(app) as run:
        told, effects = run.dry_run()
        calls.clear()
        run.poll("count")
        run.until_idle(raises=False)
        announced = [call[1] for call in calls if call[0] == "announce"]
        assert sorted(announced) == sorted(effect.value for effect in effects)
        assert run.values(app.topics["chain.doubled"]) == [0, 2, 4, 16, 18] or sorted(announced) == [0, 2, 4, 16, 18]
        parked = run.parked("double")
        would = by_name(told.stages)["chain.double"]
        # The real one moves the clock until 7 has waited for 1,000 days.
        assert (len(parked), sum(row.state == "dead" for row in parked)) == (4, would.dead + would.retrying)
        again, effects = run.dry_run()
        assert effects == [] and all(stage.records == 0 for stage in again.stages)
        assert [bytes(source.cursor or b"") for source in again.sources] == [b"10"] and not again.failed


def test_it_goes_on_from_the_live_cursors_and_from_what_is_parked() -> None:
    calls = Calls()
    app = chain(calls, Retry(attempts=3, first="1h", most="1h"))
    with TestRun(app) as run:
        run.poll("count")
        run.put(app.topics["chain.numbers"], 3, 50)
        run.until_idle(raises=False)
        run.put(app.topics["chain.numbers"], 51)
        calls.clear()
        told, effects = run.dry_run()
        assert [call[:2] for call in calls if call[0] != "count"] == [("double", 51), ("rehearse", 102)]
        assert calls[0] == ("count", 10, True)
        assert [(effect.value, effect.key) for effect in effects] == [(102, "k102")]
        assert by_name(told.stages)["chain.double"].records == 1


def test_what_is_due_is_tried_and_shown() -> None:
    app = App("due")
    topic = app.topic("topic", int, key=lambda n: "k")
    out = app.topic("out", int)
    mended: list[bool] = []

    @app.stage(topic, to=out, retry=Retry(attempts=None, first="1h", most="1h"))
    def work(n: int, dry_run: bool) -> int:
        if not mended and dry_run:
            raise ValueError("still")
        if not dry_run:
            raise RuntimeError("first")
        return n

    with TestRun(app) as run:
        run.put(topic, 1, 2)
        run._work(_once())  # one try only: what is retrying is not waited for
        assert [row.state for row in run.parked(work)] == ["retrying", "behind"]
        mended.append(True)
        told, _ = run.dry_run()
        [stage] = told.stages
        assert (stage.records, stage.done, stage.emitted) == (2, 2, {"due.out": 2})
        assert [row.error for row in run.parked(work)] == ["RuntimeError: first", ""]


def _once() -> Any:
    from onward.plan import Plan

    return Plan(stages=("due.work",), once=True, patience=0.0)


def test_a_limit_bounds_each_source_and_each_stage() -> None:
    app = App("many")
    numbers = app.topic("numbers", int, key=lambda n: f"k{n}", partitions=3)
    others = app.topic("others", int, key=lambda n: f"k{n}")
    calls = Calls()

    @app.source(to=numbers, every="1h")
    def count(cursor: int | None):
        for n in range(cursor or 0, 100):
            calls.append(n)
            yield n

    @app.source(to=numbers)
    async def more(cursor: int | None):
        for n in range(cursor or 1000, 1100):
            yield n
            yield Checkpoint(n + 1)

    @app.stage(numbers, to=others)
    def twice(n: int):
        yield n
        yield n

    @app.stage(others, batch=2)
    def send(batch: list[int]) -> None:
        raise AssertionError("not in a dry run")

    with TestRun(app) as run:
        run.put(numbers, *range(500, 600))
        told, effects = run.dry_run(limit=5)
        assert [sum(source.emitted.values()) for source in told.sources] == [5, 5] and len(calls) == 5
        stages = by_name(told.stages)
        assert (stages["many.twice"].done, stages["many.twice"].outstanding) == (5, 105)
        assert (stages["many.send"].withheld, stages["many.send"].outstanding) == (5, 5)
        assert len(effects) == 5 and not told.failed
        told, effects = run.dry_run()
        assert by_name(told.stages)["many.send"].withheld == 600


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_a_limit_counts_a_parked_record_with_those_behind_it(limit: int) -> None:
    app = App("due")
    topic = app.topic("topic", int, key=lambda n: f"k{n % 2}")
    tried = Calls()

    @app.stage(topic, retry=Retry(attempts=None, first="1s", most="1s"))
    def work(n: int, dry_run: bool) -> None:
        tried.append(n)
        if not dry_run:
            raise ValueError("later")

    with TestRun(app) as run:
        run.put(topic, 0, 1, 2, 3, 4)
        run._work(_once())
        run.put(topic, 7)
        tried.clear()
        told, _ = run.dry_run(limit=limit)
        assert len(tried) <= limit
        # Of k0 three are parked, of k1 two; 7 queues behind k1 where that may not be tried.
        assert sorted(tried) == {1: [], 2: [1, 3], 3: [0, 2, 4], 4: [0, 2, 4]}[limit]
        assert not told.failed


def test_a_source_that_fails_and_a_stage_that_trips_are_told() -> None:
    app = App("sick")
    topic = app.topic("topic", int, key=lambda n: f"k{n}")

    @app.source(to=topic)
    def broken(cursor: int | None):
        yield 1
        yield Checkpoint(1)
        raise OSError("no route")

    @app.stage(topic)
    def work(n: int, dry_run: bool) -> None:
        raise ValueError(f"bad {n}")

    with TestRun(app) as run:
        run.put(topic, *range(100))
        told, _ = run.dry_run()
        assert told.failed
        [source] = told.sources
        assert source.error == "OSError: no route" and source.emitted == {"sick.topic": 1}
        [stage] = told.stages
        assert stage.records == 101


@pytest.mark.parametrize("limit", [None, 1])
def test_nobody_is_told_that_a_cursor_is_saved(limit: int | None) -> None:
    app, told = App("saving"), []
    numbers = app.topic("numbers", int)

    @app.source(to=numbers, saved=told.append)
    def count(cursor: int | None):
        for n in range(cursor or 0, 3):
            yield n
            yield Checkpoint(n + 1)

    with TestRun(app) as run:
        run.dry_run(limit=limit)
        assert told == []
        run.poll(count)
        assert told[-1] == 3
