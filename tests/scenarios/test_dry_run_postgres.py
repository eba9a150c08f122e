"""A dry run over a stage that commits within a PostgreSQL database.

Given records that are delivered and outstanding, and a database that holds what was delivered;
when a run is tried dry, alone or while others work there;
then each record sees what those before it did, later stages see what they gave, and the database is as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from onward import App, Database, Retry
from onward.dryrun import dry_run
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.would import DryRun
from scenarios.ground import BOUND, Ground
from scenarios.targets import PostgresPlace

MAKE = "CREATE TABLE IF NOT EXISTS serial (key text PRIMARY KEY, n integer)"


@pytest.fixture
def place(postgres: str) -> PostgresPlace:
    return PostgresPlace(postgres)


def program(place: PostgresPlace, act: Callable[[dict], None] = lambda value: None) -> App:
    """Each number needs the row that the one before it of its key made."""
    app = App("serial")
    numbers = app.topic("numbers", dict, key="key", partitions=2)
    loaded, last = app.topic("loaded", dict, key="key"), app.topic("last", dict, key="key")

    @app.stage(numbers, to=loaded, within=Database(place.url), retry=Retry(attempts=1), parallel=2)
    def load(value: dict, tx: psycopg.Connection) -> dict:
        if value["n"] == 0:
            tx.execute(MAKE)
        found = tx.execute("SELECT n FROM serial WHERE key = %s", (value["key"],)).fetchall()
        if (found[0][0] if found else -1) != value["before"]:
            raise ValueError(f"{value} comes after {found}")
        tx.execute(
            "INSERT INTO serial VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET n = excluded.n",
            (value["key"], value["n"]),
        )
        act(value)
        return value

    @app.stage(loaded, to=last)
    def tell(value: dict) -> dict:
        return value

    return app


def values(first: int, end: int, keys: int = 5) -> list[dict]:
    return [{"key": f"k{n % keys}", "n": n, "before": n - keys if n >= keys else -1} for n in range(first, end)]


def tried(ground: Ground, app: App, **plan: Any) -> DryRun:
    async def work() -> DryRun:
        books = SQLiteBooks(ground.url)
        try:
            return await dry_run([app], books, ground.url, Plan(**plan), {}, clock=ground.clock)
        finally:
            await books.close()

    return asyncio.run(asyncio.wait_for(work(), 4 * BOUND))


def delivered(ground: Ground, place: PostgresPlace, *values: dict) -> None:
    place.sql(MAKE)
    app = program(place)
    ground.put(app, app.topics["serial.numbers"], *values)
    assert not ground.run(app).failed


def dump(place: PostgresPlace) -> dict[str, Any]:
    names = [name for (name,) in place.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    return {name: place.sql(f"SELECT * FROM {name} ORDER BY 1, 2") for name in names}


def test_the_database_stays_as_it_is(ground: Ground, place: PostgresPlace) -> None:
    delivered(ground, place, *values(0, 50))
    app = program(place)
    numbers = app.topics["serial.numbers"]
    ground.put(app, numbers, *values(50, 100), {"key": "x", "n": 1, "before": 7})
    before = dump(place)
    for _ in range(2):
        load, tell = tried(ground, app).stages
        assert (load.records, load.done, load.dead, tell.done) == (51, 50, 1, 50)
    assert dump(place) == before
    report = ground.run(app)
    assert (report.died, report.troubles) == (1, [])
    ground.recount()


def test_where_no_stage_has_been_nothing_is_made(ground: Ground, place: PostgresPlace) -> None:
    app = program(place)
    ground.put(app, app.topics["serial.numbers"], *values(0, 20, 1))
    load, tell = tried(ground, app).stages
    assert (load.done, tell.done) == (20, 20)
    assert dump(place) == {}


def test_others_go_on_meanwhile_with_what_it_does_not_touch(ground: Ground, place: PostgresPlace) -> None:
    seen: list[Any] = []

    def act(value: dict) -> None:
        if value["n"] == 60:
            # As a worker would begin a unit, and as others would write; either would wait for a lock for ever.
            seen.extend(place.sql("SELECT stage FROM onward_cursor FOR UPDATE NOWAIT"))
            place.sql("INSERT INTO serial VALUES ('z', 1)")

    delivered(ground, place, *values(0, 50))
    app = program(place, act)
    ground.put(app, app.topics["serial.numbers"], *values(50, 100))
    load, _ = tried(ground, app).stages
    assert load.done == 50 and len(seen) == 2
    assert place.sql("SELECT n FROM serial WHERE key = 'z'") == [(1,)]


def test_others_who_change_the_same_rows_end_it_with_a_reason(ground: Ground, place: PostgresPlace) -> None:
    def act(value: dict) -> None:
        if value["n"] == 60:
            place.sql("UPDATE serial SET n = n WHERE key = 'k9'")

    delivered(ground, place, *values(0, 50, 10))
    app = program(place, act)
    ground.put(app, app.topics["serial.numbers"], {"key": "k0", "n": 60, "before": 40})
    ground.put(app, app.topics["serial.numbers"], *({"key": "k9", "n": n, "before": n - 10} for n in (59, 69)))
    told = tried(ground, app)
    assert told.failed
    assert any("others have worked on the same rows" in trouble for trouble in told.troubles), told
    assert place.sql("SELECT n FROM serial WHERE key = 'k9'") == [(49,)]
