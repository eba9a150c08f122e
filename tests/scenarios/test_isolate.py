"""Calls in processes of their own.

Given a stage with `isolate=True`;
when a call ends its process, is killed, overruns its time, fails, parks, waits for a budget;
then that record's attempt has failed and says how, it dies by policy, all others are delivered in order, and values,
outputs, outcomes and ids are as they are in one process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from onward import App, load
from onward.events import Progressed
from onward.plan import Plan
from onward.testing import TestRun
from scenarios.ground import Ground, append, until

PROGRAM = """
import asyncio, os, signal, sys, time
from pathlib import Path
from msgspec import Struct
from onward import App, Drop, Hold, Later, Record, Reject, Retry, Secret, Unavailable, Window

class Settings(Struct):
    folder: Path
    word: Secret = Secret("quiet please")

class Order(Struct):
    key: str
    n: int
    what: str = ""

class Bill(Struct):
    key: str
    n: int
    process: int

app = App("apart")
app.settings(Settings)
orders = app.topic("orders", Order, key="key")
bills = app.topic("bills", Bill, key="key")
registry = app.rate("registry", "1000/s")

@app.resource
def ledger(settings: Settings):
    file = (settings.folder / "ledger").open("a")
    yield file
    file.write(f"closed {os.getpid()}\\n")
    file.close()

def act(order, approved=True):
    match order.what:
        case "exit": os._exit(7)
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "crash": os.abort()
        case "sleep": time.sleep(1000)
        case "raise": raise ValueError("no such order")
        case "final": raise KeyError("never")
        case "reject": return Reject("not wanted")
        case "drop": return Drop("not needed")
        case "hold":
            if not approved: return Hold("ask first")
        case "odd": return 5
    return Bill(order.key, order.n, os.getpid())
"""

PLAIN = """
@app.stage(orders, to=bills, isolate=True, retry=Retry(attempts=2, reject=(KeyError,)), OPTIONS)
def bill(order: Record[Order], ledger, settings: Settings, progress, approved):
    print("at work on", order.value.n)
    assert isinstance(settings.folder, Path) and settings.word.reveal() == "quiet please"
    registry()
    progress(order.value.n, 10)
    ledger.write(f"{order.value.n} {order.attempt} {order.id}\\n")
    ledger.flush()
    return act(order.value, approved)
"""

ASYNC = """
@app.stage(orders, to=bills, isolate=True, retry=Retry(attempts=2), OPTIONS)
async def bill(order: Order):
    await registry()
    if order.what == "sleep":
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass
    yield act(order)
    yield bills.record(Bill(order.key, -order.n, 0))
"""

BATCH = """
@app.stage(orders, to=bills, isolate=True, batch=4, retry=Retry(attempts=2), OPTIONS)
def bill(given: list[Order]):
    return [act(order) for order in given]
"""


def program(ground: Ground, code: str, options: str = "") -> App:
    number = len(list(ground.folder.glob("*.py")))
    file = ground.folder / f"apart_{ground.folder.parent.name.replace('-', '_')}_{number}.py"
    file.write_text(PROGRAM + code.replace(", OPTIONS", f", {options}" if options else ""))
    return load.app(str(file))


def order(app: App, n: int, what: str = "", key: str = "") -> Any:
    return app.topics["apart.orders"].type(key or f"k{n}", n, what)


def run(ground: Ground, app: App, *orders: Any, **plan: Any) -> Any:
    assert app.settings_class is not None
    ground.put(app, app.topics["apart.orders"], *orders)

    async def work() -> Any:
        settings = {"apart": app.settings_class(ground.folder)}  # type: ignore[misc]
        async with ground.open(app, plan=Plan(once=True, **plan), settings=settings) as worker:
            return await asyncio.wait_for(worker.run(), 60)

    return asyncio.run(work())


def given_out(ground: Ground, app: App) -> list[int]:
    return [bill.n for bill in ground.values(app.topics["apart.bills"])]


def test_calls_are_made_elsewhere_and_all_else_is_as_it_was(ground: Ground) -> None:
    app = program(ground, PLAIN)
    whats = ["", "raise", "final", "reject", "drop", "hold", "odd", ""]
    run(ground, app, *(order(app, n, what) for n, what in enumerate(whats)))
    processes = {bill.process for bill in ground.values(app.topics["apart.bills"])}
    assert len(processes) == 1 and os.getpid() not in processes
    assert given_out(ground, app) == [0, 7]
    rows = {row.offset: row for row in ground.parked()}
    assert {n: (row.state, row.attempts) for n, row in rows.items()} == {
        1: ("dead", 2), 2: ("dead", 1), 3: ("dead", 1), 5: ("waiting", 0), 6: ("dead", 2),
    }  # fmt: skip
    assert rows[1].error == "ValueError: no such order"
    assert rows[3].reason == "not wanted" and rows[5].reason == "ask first"
    assert "BadOutput" in rows[6].error
    (first, _) = ground.attempts()[1]
    assert 'raise ValueError("no such order")' in first.traceback
    assert {(event.done, event.total) for event in ground.seen.of(Progressed)} == {(n, 10) for n in range(8)}
    ledger = (ground.folder / "ledger").read_text().splitlines()
    assert ledger[-1] == f"closed {processes.pop()}"
    ids = {line.split()[2] for line in ledger if line.startswith("1 ")}
    assert len(ids) == 1 and ids.pop().startswith("apart.bill:apart.orders:")
    ground.ask("apart.bill", "retry", offset=5)
    run(ground, app)
    assert given_out(ground, app) == [0, 7, 5]
    ground.recount()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("exit", "it ended with exit code 7"),
        ("kill", "it was killed by SIGKILL, as the system does where memory runs out"),
        ("crash", "it was killed by SIGABRT"),
    ],
)
@pytest.mark.parametrize("code", [PLAIN, ASYNC], ids=["def", "async def"])
def test_a_record_that_ends_its_process_dies_by_policy(ground: Ground, code: str, what: str, says: str) -> None:
    app = program(ground, code)
    orders = [order(app, n, what if n == 5 else "", f"k{n % 4}") for n in range(1, 13)]
    run(ground, app, *orders)
    rows = {row.offset + 1: row for row in ground.parked()}
    assert {n: row.state for n, row in rows.items()} == {5: "dead", 9: "behind"}
    assert rows[5].attempts == 2 and rows[5].error.endswith(f"the call of apart.bill ended its process: {says}")
    found = [n for n in given_out(ground, app) if n > 0]
    assert sorted(found) == [n for n in range(1, 13) if n not in (5, 9)]
    assert all([n for n in found if n % 4 == k] == sorted(n for n in found if n % 4 == k) for k in range(4))
    ground.recount()


@pytest.mark.parametrize("code", [PLAIN, ASYNC], ids=["def", "async def that is deaf"])
def test_a_call_that_overruns_its_time_is_killed(ground: Ground, code: str) -> None:
    app = program(ground, code, 'timeout="1s", parallel=2')
    report = run(ground, app, *(order(app, n, "sleep" if n == 2 else "") for n in range(1, 7)))
    (dead,) = ground.parked()
    assert dead.state == "dead" and dead.attempts == 2 and "took longer than timeout=1s" in dead.error
    assert not report.replace
    assert sorted(n for n in given_out(ground, app) if n > 0) == [1, 3, 4, 5, 6]
    ground.recount()


@pytest.mark.parametrize("options", ["", "split=False", "effect=True"])
def test_a_batch_that_ends_its_process(ground: Ground, options: str) -> None:
    app = program(ground, BATCH, options)
    run(ground, app, *(order(app, n, "exit" if n == 2 else "") for n in range(12)))
    dead = {row.offset for row in ground.parked()}
    assert dead == ({2} if not options else {0, 1, 2, 3})
    assert sorted(given_out(ground, app)) == sorted(set(range(12)) - dead)
    ground.recount()


def test_a_dedupe_and_ids_of_the_value_hold_elsewhere(ground: Ground) -> None:
    app = program(ground, PLAIN, 'dedupe=Window("n", "1h"), idempotency="n"')
    run(ground, app, order(app, 1), order(app, 1), order(app, 2))
    assert given_out(ground, app) == [1, 2]
    ids = [line.split()[2] for line in (ground.folder / "ledger").read_text().splitlines() if line[0] in "12"]
    assert ids == ["apart.bill:1", "apart.bill:2"]


def test_an_app_that_cannot_be_loaded_there_stops_its_stage(ground: Ground) -> None:
    app = program(ground, PLAIN)
    app.reference = str(ground.folder / "gone.py")
    report = run(ground, app, order(app, 1), patience=0.0)
    assert "cannot run the app" in report.troubles[0] and "there is no file" in report.troubles[0]
    ground.recount()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes")
def test_a_stop_leaves_no_process_behind(ground: Ground) -> None:
    app = program(ground, PLAIN)
    ground.put(app, app.topics["apart.orders"], order(app, 1), order(app, 2, "sleep"))
    servers = set(_children())  # of other tests
    processes: list[int] = []

    async def work() -> None:
        assert app.settings_class is not None
        settings = {"apart": app.settings_class(ground.folder)}
        async with ground.running(app, plan=Plan(grace=0.2), settings=settings) as worker:
            await until(lambda: (ground.folder / "ledger").exists() and "2 1" in (ground.folder / "ledger").read_text())
            processes.extend(set(_children()) - servers)
            assert processes and worker.name
        await until(lambda: not set(processes) & set(_children()))

    asyncio.run(work())
    ground.recount()


def test_a_process_that_is_killed_while_it_is_idle_costs_nothing(ground: Ground) -> None:
    app = program(ground, PLAIN)
    ground.put(app, app.topics["apart.orders"], order(app, 1))

    async def work() -> None:
        assert app.settings_class is not None
        settings = {"apart": app.settings_class(ground.folder)}
        async with ground.running(app, settings=settings) as worker:
            await until(lambda: worker.roster.crews and worker.roster.crews["apart.bill"].isolation._idle)  # type: ignore[union-attr]
            isolation = worker.roster.crews["apart.bill"].isolation
            assert isolation is not None
            os.kill(isolation._idle[0].process.pid, signal.SIGKILL)
            await isolation._idle[0].process.wait()
            await append(worker.log, app.topics["apart.orders"], [order(app, 2)])  # type: ignore[arg-type]
            await until(lambda: given_out(ground, app) == [1, 2])

    asyncio.run(work())
    assert not ground.parked()
    ground.recount(empty=True)


def test_in_a_test_run_it_is_called_in_this_process(ground: Ground) -> None:
    app = program(ground, PLAIN)
    assert app.settings_class is not None
    with TestRun(app, settings=app.settings_class(ground.folder)) as test:
        test.put(app.topics["apart.orders"], order(app, 1))
        test.until_idle()
        (bill,) = test.values(app.topics["apart.bills"])
    assert bill.process == os.getpid()


def _children() -> list[int]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for file in found for pid in file.read_text().split()]
