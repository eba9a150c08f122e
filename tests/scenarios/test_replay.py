"""A replay beside live work, through kills and takeovers, also within another database.

Given records that were delivered, and a replay of them;
when its worker dies in the middle, is replaced, or works on new records meanwhile;
then each record of the range is given once more, once in effect, under an id that carries the replay's number, and live
work is as it would be without it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import apsw

from onward import App, Database, Record
from onward.log import Range, Replay
from onward.plan import Plan
from scenarios.ground import BOUND, Ground, environment, sql

RECORDS, KEYS = 2_000, 20


def program(folder: Path, *, pace: float = 0.0) -> App:
    app = App("again")
    numbers = app.topic("in", dict, key="key", partitions=2)
    plain = app.topic("plain", dict, key="key")
    loaded = app.topic("loaded", dict, key="key")

    @app.stage(numbers, to=plain)
    def copy(record: Record[dict]) -> dict:
        time.sleep(pace)
        return {**record.value, "id": record.id}

    @app.stage(numbers, to=loaded, within=Database(f"sqlite:///{folder}/target.db"))
    def load(record: Record[dict], tx: apsw.Connection) -> dict:
        time.sleep(pace)
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER, id TEXT PRIMARY KEY)")
        tx.execute("INSERT INTO effect VALUES (?, ?)", (record.value["n"], record.id))
        return {**record.value, "id": record.id}

    return app


def values(first: int, end: int) -> list[dict]:
    return [{"key": f"k{n % KEYS}", "n": n} for n in range(first, end)]


def replay(ground: Ground, stage: str) -> int:
    ends = dict(ground.sql("SELECT partition, max(\"offset\" + count) FROM block WHERE topic = 'again.in' GROUP BY 1"))
    ranges = tuple(Range(partition, 0, end) for partition, end in sorted(ends.items()))
    return ground.books(lambda books: books.replay(Replay(stage=stage, ranges=ranges, by="tester")))


def start(ground: Ground) -> subprocess.Popen[bytes]:
    place = [type(ground).__module__, type(ground).__name__, str(ground.folder), ground.url]
    return subprocess.Popen([sys.executable, "-m", "scenarios.test_replay", *place], env=environment())


def passed(ground: Ground) -> int:
    """How many records the replays have passed."""
    parts = [part for one in ground.books(lambda books: books.survey()).replays for part in one.parts]
    return sum(part.next - part.begins for part in parts)


def over(ground: Ground) -> bool:
    return not ground.sql("SELECT 1 FROM replay_range WHERE closed IS NULL")


def check(ground: Ground, app: App, live: int) -> None:
    for name in ("plain", "loaded"):
        found = ground.values(app.topics[f"again.{name}"])
        again = [value for value in found if "~" in value["id"]]
        first = [value for value in found if "~" not in value["id"]]
        assert Counter(value["n"] for value in again) == Counter(range(RECORDS))
        assert Counter(value["n"] for value in first) == Counter(range(live))
        for some in (again, first):
            order: dict[str, int] = {}
            for value in some:
                assert order.get(value["key"], -1) < value["n"]
                order[value["key"]] = value["n"]
    rows = sql(ground.folder / "target.db", "SELECT n, count(*) FROM effect GROUP BY n")
    assert dict(rows) == {n: 2 if n < RECORDS else 1 for n in range(live)}
    ground.recount()


def test_it_survives_kills_and_live_work_goes_on(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["again.in"], *values(0, RECORDS))
    ground.run(app)
    for stage in ("again.copy", "again.load"):
        replay(ground, stage)
    put, kills = RECORDS, 0
    child = start(ground)
    try:
        end = time.monotonic() + 4 * BOUND
        while not over(ground):
            assert time.monotonic() < end
            if passed(ground) > (kills + 1) * RECORDS // 4:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
                kills += 1
                ground.recount()
                ground.put(app, app.topics["again.in"], *values(put, put + 50))
                put += 50
                child = start(ground)
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(BOUND) == 0
    assert kills > 3
    report = ground.run(app)
    assert not report.failed
    check(ground, app, put)


def test_another_worker_goes_on_where_it_stood(ground: Ground) -> None:
    app = program(ground.folder)
    ground.put(app, app.topics["again.in"], *values(0, RECORDS))
    ground.run(app)
    replay(ground, "again.copy")
    replay(ground, "again.load")

    async def some() -> None:
        async with ground.running(app) as worker:
            while not any("~" in name and lane._commits.totals.done for (name, _), lane in worker.roster.lanes.items()):
                await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(some(), BOUND))
    ground.recount()
    ground.run(app)
    assert over(ground)
    check(ground, app, RECORDS)


def main() -> None:
    """A process that works until it is told to stop."""
    module, kind, folder, url = sys.argv[1:]
    ground = getattr(import_module(module), kind)(Path(folder), url.rpartition("/")[2] if "sqlite" in url else url)

    async def work() -> None:
        app = program(ground.folder, pace=0.0005)
        async with ground.open(app, plan=Plan()) as worker:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
            await worker.run()

    asyncio.run(work())


if __name__ == "__main__":
    main()
