"""Replays in memory: what is given once more, beside live work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from creeping import Creeping
from onward import App, Drop, Hold, Record, Retry
from onward.log import Range, Replay
from onward.plan import Plan
from onward.replay import START, Bound, bound, failures, ranges, told
from onward.testing import TestRun
from onward.worker import Worker


class Numbers:
    """Numbers are doubled; what the handler was called with is kept. Some are bad, until mended."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[tuple[int, str]] = []
        self.bad: set[int] = set()
        self.held = {1_000}
        self.app = App("numbers")
        self.numbers = self.app.topic("in", int, key=lambda n: f"k{n % 10}", partitions=2)
        self.doubled = self.app.topic("out", int, key=lambda n: f"k{n}")
        options.setdefault("retry", Retry(attempts=3, first="1s", most="1s"))

        @self.app.stage(self.numbers, to=self.doubled, **options)
        def double(record: Record[int]) -> Any:
            self.calls.append((record.value, record.id))
            if record.value in self.bad:
                raise ValueError(f"{record.value} is bad")
            if record.value in self.held:
                return Hold("look")
            if record.value == 2_000:
                return Drop("no")
            return 2 * record.value

    def replay(self, run: TestRun, start: Bound = START, end: Bound | None = None, **more: Any) -> int:
        async def ask() -> int:
            standing = await run._log.standing()
            found = await ranges(run._log, standing, "numbers.double", start, end)
            return await run._log.replay(Replay(stage="numbers.double", ranges=found, by="tester", **more))

        return run._wait(ask())

    def status(self, run: TestRun, number: int = 1) -> Any:
        facts = next(one for one in run._wait(run._log.survey()).replays if one.replay.number == number)
        return told(facts, [])

    def settle(self, run: TestRun) -> None:
        """All that can be done now, without waiting for a retry."""
        run._work(Plan(stages=("numbers.double",), once=True, patience=0.0, retention=False))

    def failures(self, run: TestRun, number: int = 1) -> list[dict[str, Any]]:
        async def look() -> list[dict[str, Any]]:
            facts = next(one for one in (await run._log.survey()).replays if one.replay.number == number)
            return [one async for one in failures(run._log, facts)]

        return run._wait(look())


def test_all_is_given_once_more_with_other_ids() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(100))
        run.until_idle()
        before, cursors = list(numbers.calls), run._wait(run._log.survey()).stages
        numbers.calls.clear()
        numbers.replay(run)
        run.until_idle()
        assert sorted(n for n, _ in numbers.calls) == list(range(100))
        assert {id_.replace("double~1:", "double:") for _, id_ in numbers.calls} == {id_ for _, id_ in before}
        assert all("double~1:" in id_ for _, id_ in numbers.calls)
        assert sorted(run.values(numbers.doubled)) == sorted(2 * n for n in range(100) for _ in range(2))
        after = run._wait(run._log.survey()).stages
        assert [(one.next, one.totals) for one in after] == [(one.next, one.totals) for one in cursors]
        status = numbers.status(run)
        assert (status.state, status.offsets, status.passed, status.done, status.emitted) == (
            "done",
            100,
            100,
            100,
            100,
        )
        run.until_idle()
        assert len(numbers.calls) == 100


def test_with_the_same_ids() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(10))
        run.until_idle()
        numbers.replay(run, same_id=True)
        run.until_idle()
        assert sorted(numbers.calls[:10]) == sorted(numbers.calls[10:])


def test_dry(capsys: Any) -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(10))
        run.until_idle()
        run.put(numbers.numbers, 77)

        async def dry() -> Any:
            from onward.dryrun import dry_run
            from onward.plan import Plan

            found = await ranges(run._log, await run._log.standing(), "numbers.double", START, None)
            job = Replay(stage="numbers.double", ranges=found)
            return await dry_run([numbers.app], run._log, "memory:", Plan(), {}, replay=job)

        numbers.calls.clear()
        told_ = run._wait(dry())
        assert told_.troubles == []
        assert sorted(n for n, _ in numbers.calls) == list(range(10))
        live, replayed = told_.stages
        assert (live.name, live.records) == ("numbers.double", 0)
        assert (replayed.name, replayed.done, replayed.emitted) == ("numbers.double~1", 10, {"numbers.out": 10})
        assert len(run.values(numbers.doubled)) == 10


def test_only_a_range_and_only_a_key() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(100))
        run.until_idle()
        records = run.records(numbers.numbers)
        numbers.calls.clear()
        numbers.replay(run, Bound(5), Bound(9))
        run.until_idle()
        expected = [record.value for record in records if 5 <= record.position.offset < 9]
        assert sorted(n for n, _ in numbers.calls) == sorted(expected) and len(expected) == 8
        numbers.calls.clear()
        numbers.replay(run, key="k3")
        run.until_idle()
        assert [n for n, _ in numbers.calls] == list(range(3, 100, 10))
        status = numbers.status(run, 2)
        assert (status.state, status.done, status.passed) == ("done", 10, status.offsets) and status.offsets > 10


def test_from_a_time_and_to_a_time() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        instants = []
        for start in range(0, 30, 10):
            instants.append(run.clock.now())
            run.put(numbers.numbers, *range(start, start + 10))
            run.clock.advance("1h")
        run.until_idle()
        numbers.calls.clear()
        from onward.units import instant_text

        numbers.replay(run, bound(instant_text(instants[1])), bound(instant_text(instants[2])))
        run.until_idle()
        assert sorted(n for n, _ in numbers.calls) == list(range(10, 20))


def test_what_is_outstanding_is_not_replayed_but_delivered() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(10))
        run.until_idle()
        numbers.calls.clear()
        run.put(numbers.numbers, *range(10, 20))
        numbers.replay(run)
        run.until_idle()
        assert sorted(n for n, id_ in numbers.calls if "~" in id_) == list(range(10))
        assert sorted(n for n, id_ in numbers.calls if "~" not in id_) == list(range(10, 20))


def test_what_fails_is_tried_by_the_policy_and_then_counted() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(40), 1_000, 2_000)
        numbers.bad |= {7}
        run.until_idle(raises=False)
        parked = {(row.key, row.state) for row in run.parked("double") if row.state != "behind"}
        assert parked == {("k0", "waiting"), ("k7", "dead")}
        # Both keys have something parked, and are not replayed over it.
        numbers.bad.clear()
        numbers.calls.clear()
        numbers.replay(run)
        run.until_idle(raises=False)
        assert not {n % 10 for n, _ in numbers.calls} & {0, 7}
        status = numbers.status(run)
        assert (status.state, status.done, status.failed, status.dropped) == ("done", 32, 10, 0)
        assert {one["reason"] for one in numbers.failures(run)} == {
            "its key has something parked; replay it again when that is settled"
        }


def test_a_key_that_live_work_tries_again_is_waited_for() -> None:
    numbers = Numbers(retry=Retry(attempts=2, first="1m", most="1m"))
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(20))
        run.until_idle()
        run.put(numbers.numbers, 107, 1_000)
        numbers.bad |= {107}
        numbers.settle(run)
        numbers.bad.clear()
        numbers.calls.clear()
        numbers.replay(run)
        run.until_idle(raises=False)
        # The retry of k7 comes first; k0 waits for a person, who is not waited for.
        assert [n for n, _ in numbers.calls if n % 10 == 7] == [107, 7, 17, 107]
        status = numbers.status(run)
        assert (status.state, status.done, status.failed) == ("done", 19, 3)


def test_a_record_to_be_tried_again_fails_when_its_key_stops_in_live_work() -> None:
    numbers = Numbers(retry=Retry(attempts=3, first="1m", most="1m"))
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(20))
        run.until_idle()
        numbers.bad |= {7}
        numbers.replay(run)
        numbers.settle(run)
        run.put(numbers.numbers, 1_007)
        numbers.held |= {1_007}
        run.until_idle(raises=False)
        status = numbers.status(run)
        assert (status.state, status.done, status.failed) == ("done", 18, 2)
        assert {one["reason"] for one in numbers.failures(run)} == {
            "its key has something parked; replay it again when that is settled"
        }


def test_a_record_that_fails_again_is_counted_as_failed_with_its_attempts() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(40), 2_000)
        run.until_idle()
        numbers.bad |= {13}
        numbers.calls.clear()
        numbers.replay(run)
        run.until_idle(raises=False)
        # It holds nobody up in its job: those behind it follow.
        assert [n for n, _ in numbers.calls if n % 10 == 3] == [3, 13, 13, 13, 23, 33]
        status = numbers.status(run)
        assert (status.state, status.done, status.dropped, status.failed) == ("done", 40, 1, 1)
        [failed] = numbers.failures(run)
        assert (failed["key"], failed["error"]) == ("k3", "ValueError: 13 is bad")
        assert [one["number"] for one in failed["attempted"]] == [1, 2, 3]
        assert run.parked("double") == []
        assert run._wait(run._log.parked(None, None, None, None)) == []


def test_what_would_wait_for_a_person_is_counted_as_failed() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(10))
        run.until_idle()
        numbers.held = {4}
        numbers.replay(run)
        run.until_idle(raises=False)
        status = numbers.status(run)
        assert (status.state, status.done, status.failed) == ("done", 9, 1)
        assert numbers.failures(run)[0]["reason"] == "it would wait for a person, which no replay does: look"


def test_not_faster_than_its_rate() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(100))
        run.until_idle()
        numbers.calls.clear()
        begun = run.clock.now()
        numbers.replay(run, rate=10.0)
        run.until_idle()
        assert sorted(n for n, _ in numbers.calls) == list(range(100))
        # Half of the rate for each of two partitions; the larger one has to be through.
        most = max(run._log.store.end("numbers.in", p) for p in range(2))
        assert (most - 3) / 5 <= run.clock.now() - begun <= (most + 3) / 5


def test_a_replay_that_is_cancelled_ends() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(100))
        run.until_idle()
        numbers.calls.clear()
        number = numbers.replay(run)
        assert run._wait(run._log.cancel(number)) and not run._wait(run._log.cancel(number + 1))
        run.until_idle()
        assert numbers.calls == [] and numbers.status(run).state == "cancelled"
        assert not run._wait(run._log.cancel(number))


def test_two_replays_one_after_the_other() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(20))
        run.until_idle()
        numbers.calls.clear()
        first, second = numbers.replay(run), numbers.replay(run)
        run.until_idle()
        of = [id_.partition("~")[2].partition(":")[0] for n, id_ in numbers.calls if n % 2]
        assert (first, second) == (1, 2) and of == sorted(of, key=int)
        assert [numbers.status(run, number).done for number in (1, 2)] == [20, 20]


def test_what_is_gone_by_retention_is_said() -> None:
    numbers = Numbers()
    with TestRun(numbers.app) as run:
        for start in range(0, 30, 10):
            run.put(numbers.numbers, *range(start, start + 10))
        run.until_idle()
        firsts = {p: run._log.store.topics["numbers.in"].parts[p][1].block.offset for p in range(2)}
        run._wait(run._log.retain("numbers.in", float("inf"), firsts))
        numbers.calls.clear()
        numbers.replay(run)
        run.until_idle()
        assert sorted(n for n, _ in numbers.calls) == list(range(10, 30))
        assert numbers.status(run).gone == 10


def test_beside_live_work_no_key_is_in_hand_twice() -> None:
    in_hand: set[str] = set()
    overlaps: list[str] = []

    app = App("beside")
    topic = app.topic("in", int, key=lambda n: f"k{n % 5}")
    out = app.topic("out", int)
    import asyncio

    @app.stage(topic, to=out, parallel=8)
    async def work(record: Record[int]) -> int:
        key = record.key or ""
        if key in in_hand:
            overlaps.append(record.id)
        in_hand.add(key)
        await asyncio.sleep(0)
        await asyncio.sleep(0.0005)
        in_hand.discard(key)
        return record.value

    with TestRun(app) as run:
        run.put(topic, *range(200))
        run.until_idle()
        found = (Range(0, 0, 200),)
        run._wait(run._log.replay(Replay(stage="beside.work", ranges=found)))
        run.put(topic, *range(200, 400))
        run.until_idle()
        assert overlaps == []
        assert sorted(run.values(out)) == sorted([*range(400), *range(200)])


def test_another_worker_tries_again_what_is_parked_in_the_job() -> None:
    from onward.plan import Plan

    numbers = Numbers(retry=Retry(attempts=5, first="1h", most="1h"))
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(40))
        run.until_idle()
        numbers.bad |= {13}
        numbers.calls.clear()
        numbers.replay(run)
        run._work(Plan(stages=("numbers.double",), once=True, patience=0.0))
        status = numbers.status(run)
        assert (status.state, status.done + status.behind, status.retrying) == ("waits for a worker", 39, 1)
        numbers.bad.clear()
        run.until_idle()
        assert [n for n, _ in numbers.calls if n % 10 == 3] == [3, 13, 13, 23, 33]
        assert len({id_ for n, id_ in numbers.calls if n == 13}) == 1
        status = numbers.status(run)
        assert (status.state, status.done, status.failed) == ("done", 40, 0)


def test_it_changes_tables_once_as_live_work_does() -> None:
    from msgspec import Struct

    class Count(Struct):
        key: str
        times: int = 0

    app = App("counts")
    topic = app.topic("in", int, key=lambda n: f"k{n % 5}")
    counts = app.table("counts", Count, key="key")
    out = app.topic("out", int)

    @app.stage(topic, to=out, parallel=4)
    def count(record: Record[int]) -> int:
        key = str(record.value % 3)
        found = counts.get(key) or Count(key)
        counts.put(Count(key, found.times + 1))
        return record.value

    with TestRun(app) as run:
        run.put(topic, *range(60))
        run.until_idle()
        run._wait(run._log.replay(Replay(stage="counts.count", ranges=(Range(0, 0, 60),))))
        run.put(topic, *range(60, 90))
        run.until_idle()
        assert len(run.values(out)) == 150
        documents = run._log.store.tables
        found = [documents.get("counts.counts", str(key)) for key in range(3)]
        assert [one is not None and b'"times":50' in bytes(one.value or b"") for one in found] == [True, True, True]


@pytest.mark.parametrize("step", [0.00001, 0.00003, 0.0001, 0.0003, 0.0007, 0.0011])
def test_what_may_go_between_two_looks_at_the_clock_is_not_missed(step: float) -> None:
    numbers = Numbers(retry=Retry(attempts=2, first="1ms", most="1ms"))
    with TestRun(numbers.app) as run:
        run.put(numbers.numbers, *range(100))
        run.until_idle()
        numbers.bad = {3, 8, 77}
        numbers.replay(run, rate=1_000.0)

        async def work() -> None:
            worker = Worker([numbers.app], run._log, run._log, Plan(once=True), clock=Creeping(run.clock.now(), step))
            async with asyncio.timeout(20):
                await worker.run()

        run._wait(work())
        assert (numbers.status(run).done, numbers.status(run).failed) == (97, 3)
