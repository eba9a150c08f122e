"""Calls that last for hours.

Given a stage with `long=True`;
when a call lasts, its worker is stopped, dies, is asked to hand over, or the record fails;
then the record is `running`, is counted so, others of other keys go on and those of its key queue behind it, it is
taken over only when its worker is gone, and that is a failed attempt; a stop is none.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onward import App, Retry, Unavailable
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.testing import TestRun
from scenarios.ground import Ground, append, request, until


class Gate:
    def __init__(self) -> None:
        self.inside: list[int] = []
        self.open = asyncio.Event()


def program(gate: Gate, **options: Any) -> App:
    app = App("long")
    jobs, out = app.topic("jobs", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(jobs, to=out, long=True, parallel=3, **options)
    async def work(job: dict) -> dict:
        gate.inside.append(job["n"])
        if job["n"] >= 0:
            await gate.open.wait()
        return job

    return app


def job(n: int, key: str = "") -> dict:
    return {"key": key or f"k{n}", "n": n}


def numbers(ground: Ground, app: App) -> list[int]:
    return [value["n"] for value in ground.values(app.topics["long.out"])]


def test_a_record_is_running_while_its_call_lasts(ground: Ground) -> None:
    app = program(Gate())
    ground.put(app, app.topics["long.jobs"], job(1), job(2), job(-1), job(-2), job(3, "k1"))

    async def work() -> None:
        gate = Gate()
        app = program(gate)
        async with ground.running(app) as worker:
            await until(lambda: set(gate.inside) == {1, 2, -1, -2})
            await until(lambda: numbers(ground, app) == [-1, -2])
            await until(lambda: ground.states() == {"running": 2, "behind": 1})
            await recount(ground)
            worker.duties.hand_over(("long.work", 0))  # it keeps it, and takes what comes
            await append(worker.log, app.topics["long.jobs"], [job(-3)])
            await until(lambda: numbers(ground, app) == [-1, -2, -3])
            gate.open.set()
            await until(lambda: sorted(numbers(ground, app)) == [-3, -2, -1, 1, 2, 3])

    asyncio.run(work())
    ground.recount(empty=True)


def test_requests_are_answered_while_it_runs_and_leave_it_alone(ground: Ground) -> None:
    app = program(Gate())
    ground.put(app, app.topics["long.jobs"], job(1), job(2, "k1"))

    async def work() -> None:
        gate = Gate()
        app = program(gate)
        async with ground.running(app) as worker:
            await until(lambda: ground.states() == {"running": 1, "behind": 1})
            books = SQLiteBooks(ground.url)
            (id_,) = await books.ask([request("long.work", "drop", state="behind")])
            (other,) = await books.ask([request("long.work", "drop")])
            answers: dict[int, str] = {}
            while other not in answers:
                answers |= await books.answers([id_, other])
                await asyncio.sleep(0.01)
            await books.close()
            assert answers == {id_: "1 dropped", other: "0 dropped"}
            assert ground.states() == {"running": 1} and worker.name
            gate.open.set()
            await until(lambda: numbers(ground, app) == [1])

    asyncio.run(work())
    ground.recount(empty=True)


def test_a_stop_breaks_it_off_and_counts_no_attempt(ground: Ground) -> None:
    gate = Gate()
    app = program(gate)
    ground.put(app, app.topics["long.jobs"], job(1))

    async def work() -> None:
        async with ground.running(app, plan=Plan(grace=0.05)):
            await until(lambda: ground.states() == {"running": 1})

    asyncio.run(work())
    (row,) = ground.parked()
    assert (row.state, row.attempts) == ("retrying", 0)
    ground.recount()
    quick = program(Gate())
    quick.stages["long.work"].handler.function = lambda job: job
    quick.stages["long.work"].handler.is_async = False
    ground.run(quick)
    assert numbers(ground, app) == [1]
    ground.recount(empty=True)


def test_it_is_taken_over_when_its_worker_is_gone_and_that_counts(ground: Ground) -> None:
    async def crash() -> None:
        gate = Gate()
        app = program(gate)
        async with ground.open(app) as worker:
            await worker.declare()
            running = asyncio.create_task(worker.run())
            await until(lambda: gate.inside)
            # As a process that dies: nothing is given back, and what it does later is refused.
            over = "2020-01-01T00:00:00.000000Z"
            ground.sql("UPDATE lease SET worker = 'vm/0/0/gone', token = token + 1, until = :over", over=over)
            await until(lambda: next(iter(worker.roster.lanes.values()), None) is None or gate.open.set())
            worker.stop()
            await running

    app = program(Gate(), retry=Retry(attempts=2))
    ground.put(app, app.topics["long.jobs"], job(1))
    asyncio.run(crash())
    (row,) = ground.parked()
    assert row.state == "running"

    calls: list[int] = []
    done = App("long")
    jobs, out = done.topic("jobs", dict, key="key"), done.topic("out", dict, key="key")

    @done.stage(jobs, to=out, long=True, name="work", retry=Retry(attempts=2))
    def work(job: dict) -> dict:
        calls.append(job["n"])
        return job

    ground.run(done)
    assert calls == [1] and numbers(ground, app) == [1]
    attempts = ground.sql("SELECT number, error FROM attempt ORDER BY number")
    assert attempts == [(1, "onward.errors.WorkerGone"), (2, "")]
    ground.recount(empty=True)


@pytest.mark.parametrize("plain", [False, True])
def test_a_failure_retries_and_an_outage_parks_nothing(plain: bool) -> None:
    calls: list[int] = []
    app = App("long")
    jobs, out = app.topic("jobs", dict, key="key"), app.topic("out", dict, key="key")

    def act(job: dict) -> dict:
        calls.append(job["n"])
        if calls.count(job["n"]) == 1:
            raise Unavailable("away") if job["n"] == 1 else ValueError("bad")
        return job

    async def later(job: dict) -> dict:
        return act(job)

    app.stage(jobs, to=out, long=True, name="work")(act if plain else later)
    with TestRun(app) as run:
        run.put(jobs, job(1), job(2), job(3, "k1"))
        run.until_idle()
        assert sorted(value["n"] for value in run.values(out)) == [1, 2, 3]
        assert run.parked("work") == []


async def recount(ground: Ground) -> None:
    await asyncio.to_thread(ground.recount)
