"""What must not be in a store is noticed, and what must stay stays.

Given a store with delivered, parked and outstanding records;
when a row is lost, blocks are retired, or a second SQLite library comes near the file;
then the recount fails and so does the audit, offsets go on where they were, and the second library is refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import pytest

from onward import App, Retry
from onward.audit import breaches
from onward.declaration import spec_of
from onward.errors import ForeignLibrary
from onward.logs.sqlite import SQLiteLog
from scenarios.ground import NOW, Ground, append, until


def program() -> App:
    app = App("keep")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out, retry=Retry(attempts=1))
    def work(value: dict) -> dict:
        if value["n"] == 7:
            raise ValueError("bad")
        return value

    return app


def records(count: int, start: int = 0) -> list[dict]:
    return [{"key": f"k{n % 10}", "n": n} for n in range(start, start + count)]


def delivered(ground: Ground) -> App:
    app = program()
    for start in (0, 20, 40):
        ground.put(app, app.topics["keep.in"], *records(20, start))
        ground.run(app)
    ground.recount()
    return app


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM parked WHERE state = 'dead'",
        "DELETE FROM parked WHERE state = 'behind' AND \"offset\" = 17",
        "DELETE FROM progress WHERE seq = (SELECT min(seq) FROM progress WHERE count > 0)",
        "DELETE FROM progress WHERE seq = (SELECT max(seq) FROM progress)",
        "DELETE FROM block WHERE topic = 'keep.in' AND \"offset\" = 20",
        'DELETE FROM block WHERE topic = \'keep.out\' AND "offset" = (SELECT max("offset") FROM block '
        "WHERE topic = 'keep.out')",
        "UPDATE progress SET next = next + 1 WHERE seq = (SELECT max(seq) FROM progress)",
        'UPDATE parked SET "offset" = "offset" - 1 WHERE "offset" = 17',
        "UPDATE topic SET put = put + 1 WHERE name = 'keep.in'",
    ],
)
def test_a_row_that_is_lost_or_changed_is_noticed(ground: Ground, statement: str) -> None:
    delivered(ground)
    ground.sql(statement)
    with pytest.raises(AssertionError):
        ground.recount()
    assert breaches(*ground.books(lambda books: books.evidence()))


def test_offsets_go_on_after_all_blocks_are_retired(ground: Ground) -> None:
    app = delivered(ground)

    async def retire() -> int:
        log = SQLiteLog(ground.url)
        await log.declare(spec_of(app))
        count = await log.retain("keep.in", NOW + 10**9, {0: 60})
        count += await log.retain("keep.out", NOW + 10**9, {0: 57})
        await log.close()
        return count

    assert asyncio.run(retire()) > 0
    assert ground.values(app.topics["keep.out"]) == []
    ground.recount()
    ground.put(app, app.topics["keep.in"], *records(20, 60))
    ground.run(app)
    assert [value["n"] for value in ground.values(app.topics["keep.out"])] == [n for n in range(60, 80) if n % 10 != 7]
    assert ground.sql("SELECT min(\"offset\") FROM block WHERE topic = 'keep.in' AND size > 2") == [(60,)]
    ground.recount()
    ground.ask("keep.work", "drop", key="k7")
    ground.run(app)
    ground.recount(empty=True)


def test_a_second_library_is_refused_while_a_worker_runs(ground: Ground) -> None:
    app = program()

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, app.topics["keep.in"], records(5))
            with pytest.raises(ForeignLibrary):
                sqlite3.connect(ground.path)
            await append(worker.log, app.topics["keep.in"], records(5, 10))
            await until(lambda: len(ground.values(app.topics["keep.out"])) == 10)

    asyncio.run(story())
    ground.recount(empty=True)


def test_a_worker_refuses_a_file_that_the_second_library_has_open(ground: Ground) -> None:
    app = delivered(ground)
    other = sqlite3.connect(ground.path)
    other.execute("SELECT count(*) FROM block").fetchall()
    try:
        with pytest.raises(ForeignLibrary):
            ground.run(app)
    finally:
        other.close()
    assert not ground.run(app).failed


def test_another_process_with_the_second_library_may_read(ground: Ground) -> None:
    """Its locks are its own; what it reads is whole while a worker writes."""
    app = program()
    reader = (
        "import sqlite3, sys, time\n"
        "c = sqlite3.connect(sys.argv[1], timeout=10)\n"
        "end = time.monotonic() + 1.0\n"
        "while time.monotonic() < end:\n"
        "    a, b = c.execute('SELECT count(*), sum(count) FROM block').fetchone()\n"
        "c.close()\n"
    )

    async def story() -> None:
        async with ground.running(app) as worker:
            child = subprocess.Popen([sys.executable, "-c", reader, str(ground.path)])
            for start in range(0, 4_000, 100):
                await append(worker.log, app.topics["keep.in"], records(100, start + 10))
            await until(lambda: child.poll() is not None)
            assert child.returncode == 0
            await until(lambda: len(ground.values(app.topics["keep.out"])) == 4_000)

    asyncio.run(story())
    ground.recount(empty=True)
