"""A dry run beside workers, over a store on disk and a database that a stage commits within.

Given records that are delivered, outstanding and parked, and a target that holds what was delivered;
when a run is tried dry, alone or while another process works on the same files;
then it sees what is there and its own changes, and the store and the target are as they would be without it.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward import App, Checkpoint, Database, Retry
from onward.dryrun import dry_run
from onward.errors import Refused, StoreNotFound
from onward.events import Withheld
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.would import DryRun
from scenarios.ground import BOUND, Ground, Seen, environment, sql

RECORDS = 4_000


def program(folder: Path, *, pace: float = 0.0) -> App:
    """Numbers get a serial in a database of their own: each needs the row that the one before it of its key made."""
    app = App("serial")
    numbers = app.topic("numbers", dict, key="key", partitions=2)
    loaded = app.topic("loaded", dict, key="key")

    @app.source(to=numbers, every="1h")
    def bring(cursor: int | None):
        for n in range(cursor or 0, 10):
            yield {"key": f"s{n % 3}", "n": n, "before": n - 3 if n > 2 else -1}
            yield Checkpoint(n + 1)

    @app.stage(numbers, to=loaded, within=Database(f"sqlite:///{folder}/target.db"), retry=Retry(attempts=1))
    def load(value: dict, tx: apsw.Connection) -> dict:
        time.sleep(pace)
        tx.execute("CREATE TABLE IF NOT EXISTS serial (key TEXT PRIMARY KEY, n INTEGER)")
        tx.execute("CREATE TABLE IF NOT EXISTS once (key TEXT, n INTEGER, PRIMARY KEY (key, n))")
        found = tx.execute("SELECT n FROM serial WHERE key = ?", (value["key"],)).fetchall()
        if (found[0][0] if found else -1) != value["before"]:
            raise ValueError(f"{value} comes after {found}")
        if value.get("bad"):
            raise ValueError("bad")
        tx.execute("INSERT OR REPLACE INTO serial VALUES (?, ?)", (value["key"], value["n"]))
        tx.execute("INSERT INTO once VALUES (?, ?)", (value["key"], value["n"]))
        return value

    @app.stage(loaded)
    def tell(value: dict) -> None:
        with (folder / "told").open("a") as file:
            file.write(f"{value['n']}\n")

    return app


def values(first: int, end: int, keys: int = 20) -> list[dict]:
    return [{"key": f"k{n % keys}", "n": n, "before": n - keys if n >= keys else -1} for n in range(first, end)]


def tried(ground: Ground, app: App, *, seen: Seen | None = None, **plan: Any) -> DryRun:
    async def work() -> DryRun:
        books = None
        try:
            books = SQLiteBooks(ground.url)
        except StoreNotFound:
            pass
        try:
            observers = [seen] if seen is not None else []
            return await dry_run([app], books, ground.url, Plan(**plan), {}, clock=ground.clock, observers=observers)
        finally:
            if books is not None:
                await books.close()

    return asyncio.run(asyncio.wait_for(work(), 4 * BOUND))


def dump(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    names = [name for (name,) in sql(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return {name: sql(path, f'SELECT * FROM "{name}"') for name in ["sqlite_schema", *names]}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_store_and_target_stay_as_they_are(ground: Ground) -> None:
    app = program(ground.folder)
    numbers = app.topics["serial.numbers"]
    ground.put(app, numbers, *values(0, 100), {"key": "x", "n": 0, "before": -1, "bad": True})
    ground.run(app, stages=("serial.load", "serial.tell"))
    ground.put(app, numbers, *values(100, 200), {"key": "x", "n": 1, "before": 0}, {"key": "y", "n": 1, "before": 5})
    before = dump(ground.path), dump(ground.folder / "target.db"), files(ground.folder)
    seen = Seen()
    told = tried(ground, app, seen=seen)
    assert (dump(ground.path), dump(ground.folder / "target.db"), files(ground.folder)) == before
    load, tell = told.stages
    # What was dead stays dead and is not counted; what queues behind it would be behind, too.
    assert (load.records, load.done, load.behind, load.dead) == (112, 110, 1, 1)
    assert [(one.state, one.count, one.key) for one in load.reasons] == [("dead", 1, "y")]
    assert "comes after []" in load.reasons[0].reason
    assert (tell.records, tell.withheld) == (110, 110)
    assert sum(type(event) is Withheld for event in seen) == 110
    assert told.failed and told.troubles == []
    report = ground.run(app)
    assert report.died == 1
    ground.recount()
    assert len((ground.folder / "told").read_text().splitlines()) == 210


def test_twice_it_tells_the_same(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["serial.numbers"], *values(0, 3_000))
    first, second = tried(ground, app), tried(ground, app)
    assert first.stages == second.stages and first.sources == second.sources
    assert first.stages[0].done == 3_010 and not first.failed


def test_where_there_is_no_store_and_no_target_none_is_made(ground: Ground) -> None:
    app = program(ground.folder)
    told = tried(ground, app)
    assert [stage.done for stage in told.stages] == [10, 10] and not told.failed
    assert files(ground.folder) == set()


def test_with_a_limit(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["serial.numbers"], *values(0, 300))
    told = tried(ground, app, limit=7)
    assert [stage.done for stage in told.stages] == [7, 7]
    assert sum(told.sources[0].emitted.values()) == 7


def test_it_is_refused_as_a_run_would_be(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["serial.numbers"], *values(0, 3))
    other = App("serial")
    other.topic("numbers", dict, key="key", partitions=3)
    with pytest.raises(Refused, match="partitions"):
        tried(ground, other)
    late = App("late")
    late.stage(app.topics["serial.numbers"], name="late")(print)
    with pytest.raises(Refused, match="start="):
        tried(ground, late)


def test_requests_that_are_open_are_carried_out_in_it(ground: Ground) -> None:
    app = program(ground.folder)
    numbers = app.topics["serial.numbers"]
    ground.put(app, numbers, {"key": "x", "n": 0, "before": 7}, {"key": "x", "n": 1, "before": -1})
    ground.run(app, stages=("serial.load",))
    ground.ask("serial.load", "drop", partition=ground.sql("SELECT partition FROM parked")[0][0], state="dead")
    before = dump(ground.path)
    told = tried(ground, app, stages=("serial.load",))
    assert dump(ground.path) == before
    assert (told.stages[0].done, told.stages[0].dropped) == (2, 1)


def test_while_another_process_works(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["serial.numbers"], *values(0, RECORDS))
    ground.run(app, stages=("serial.bring",))
    child = subprocess.Popen([sys.executable, "-m", "scenarios.test_dry_run", str(ground.path)], env=environment())
    told: list[DryRun] = []
    try:
        end = time.monotonic() + 3 * BOUND
        while (done := _done(ground)) < RECORDS + 10:
            assert child.poll() is None and time.monotonic() < end, done
            if done > 20 * len(told):
                told.append(tried(ground, app))
        told.append(tried(ground, app))
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(BOUND) == 0
    assert len(told) > 3
    for one in told:
        # Had it seen the target at another moment than the store, records would come twice or too early.
        assert not one.failed, one
        assert one.stages[0].outstanding == one.stages[1].outstanding == 0
    left = [one.stages[0].done for one in told]
    assert left == sorted(left, reverse=True) and left[-1] == 0 and any(0 < one < RECORDS for one in left)
    ground.recount(empty=True)
    rows = sql(ground.folder / "target.db", "SELECT count(*), count(DISTINCT key || n) FROM once")
    assert rows == [(RECORDS + 10, RECORDS + 10)]
    assert len((ground.folder / "told").read_text().splitlines()) == RECORDS + 10


def _done(ground: Ground) -> int:
    return sum(one.totals.done for one in ground.books(lambda books: books.survey()).stages if "tell" in one.stage)


def main() -> None:
    """The other process: works until it is told to stop."""
    ground = Ground(Path(sys.argv[1]).parent)

    async def work() -> None:
        app = program(ground.folder, pace=0.002)
        async with ground.open(app, plan=Plan(stages=("serial.load", "serial.tell"))) as worker:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
            await worker.run()

    asyncio.run(work())


if __name__ == "__main__":
    main()
