"""A stage commits within a PostgreSQL database that is in trouble.

Given a stage whose effect is a row for each record in a PostgreSQL database;
when connections are lost, the server is stopped, others are preferred, or constraints fail at the commit;
then each record's one success is there, nothing parks that is not bad by itself, and `status` says what is waited for.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from onward import App, Database, Retry
from onward.databases import open_target
from onward.errors import MissingExtra, Refused
from onward.events import DatabaseAbsent, Failed
from onward.plan import Plan
from onward.targets.postgres_connection import Connections
from onward.topic import partition_of
from onward.units import duration
from scenarios.ground import BOUND, Ground, append, until, until_shown
from scenarios.numbered import records
from scenarios.targets import PostgresPlace
from servers.cutter import before
from servers.postgres import Postgres

Act = Callable[[dict, psycopg.Connection], Any]


@pytest.fixture
def place(postgres: str) -> PostgresPlace:
    made = PostgresPlace(postgres)
    made.sql(made.effects)
    return made


def program(url: str, act: Act = lambda value, tx: value, *, partitions: int = 1, **options: Any) -> App:
    app = App("ship")
    source, out = app.topic("in", dict, key="key", partitions=partitions), app.topic("out", dict, key="key")

    @app.stage(source, to=out, within=Database(url), **options)
    def load(value: dict, tx: psycopg.Connection) -> Any:
        tx.execute("INSERT INTO effect (n, key) VALUES (%s, %s)", (value["n"], value["key"]))
        return act(value, tx)

    return app


def batched(url: str, batch: int, act: Act = lambda value, tx: value, **options: Any) -> App:
    app = App("ship")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")

    @app.stage(source, to=out, within=Database(url), batch=batch, **options)
    def load(values: list[dict], tx: psycopg.Connection) -> list[dict]:
        for value in values:
            tx.execute("INSERT INTO effect (n, key) VALUES (%s, %s)", (value["n"], value["key"]))
        return [act(value, tx) for value in values]

    return app


def two_keys() -> list[str]:
    """One for each of two partitions."""
    found = {partition_of(f"k{n}", 2): f"k{n}" for n in range(20)}
    return [found[0], found[1]]


def effects(place: PostgresPlace) -> list[int]:
    return [n for (n,) in place.sql("SELECT n FROM effect ORDER BY n")]


def outputs(ground: Ground, app: App) -> list[int]:
    return sorted(value["n"] for value in ground.values(app.topics["ship.out"]))


def first(n: int) -> Callable[[dict], bool]:
    """Whether a record has this number, and comes for the first time."""
    left = [n]
    return lambda value: value["n"] in left and not left.clear()


def assert_delivered(ground: Ground, place: PostgresPlace, app: App, count: int) -> None:
    assert effects(place) == outputs(ground, app) == list(range(count))
    assert ground.seen.of(Failed) == []
    ground.recount(empty=True)


# the connection


@pytest.mark.parametrize("batch", [None, 8])
def test_a_connection_that_is_lost_in_a_call_costs_no_attempt(
    ground: Ground, place: PostgresPlace, batch: int | None
) -> None:
    lost = first(7)

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if lost(value):
            place.sql(f"SELECT pg_terminate_backend({tx.info.backend_pid}, 5000)")
            tx.execute("SELECT 1")
        return value

    app = batched(place.url, batch, act) if batch else program(place.url, act)
    ground.put(app, app.topics["ship.in"], *records(40))
    assert not ground.run(app).failed
    assert ground.seen.of(DatabaseAbsent)
    assert_delivered(ground, place, app, 40)


def test_a_handler_that_swallows_a_lost_connection_deceives_nobody(ground: Ground, place: PostgresPlace) -> None:
    lost = first(7)

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if lost(value):
            place.sql(f"SELECT pg_terminate_backend({tx.info.backend_pid}, 5000)")
            with pytest.raises(psycopg.OperationalError):
                tx.execute("SELECT 1")
        return value

    app = program(place.url, act)
    ground.put(app, app.topics["ship.in"], *records(40))
    assert not ground.run(app).failed
    assert_delivered(ground, place, app, 40)


def test_connections_that_died_while_nothing_was_to_do_are_replaced(ground: Ground, place: PostgresPlace) -> None:
    app = program(place.url)

    async def story() -> None:
        async with ground.running(app) as worker:
            for start in (0, 10):
                await append(worker.log, app.topics["ship.in"], records(start + 10)[start:])
                await until(lambda start=start: outputs(ground, app) == list(range(start + 10)))
                place.sql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'onward'"
                )

    asyncio.run(story())
    assert not ground.seen.of(DatabaseAbsent)
    assert_delivered(ground, place, app, 20)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_commit_whose_answer_is_lost_is_found_out(ground: Ground, place: PostgresPlace, when: Any, at: int) -> None:
    """Of connecting, of making the tables, of taking the lease, and of units."""
    port = int(conninfo_to_dict(place.url)["port"])
    with before(port) as cutter:
        app = batched(place.url.replace(f":{port}/", f":{cutter.port}/"), 10)
        ground.put(app, app.topics["ship.in"], *records(40))
        cutter.cut(b"COMMIT", when, at)
        assert not ground.run(app).failed
        assert cutter.cuts == 1
    assert_delivered(ground, place, app, 40)


def test_a_server_that_is_away_is_waited_for_and_status_says_so(ground: Ground, own_postgres: Postgres) -> None:
    place = PostgresPlace(own_postgres.create())
    place.sql(place.effects)
    app = program(place.url)

    async def story() -> None:
        async with ground.running(app) as worker:
            await append(worker.log, app.topics["ship.in"], records(20))
            await until(lambda: outputs(ground, app) == list(range(20)))
            own_postgres.kill()
            await append(worker.log, app.topics["ship.in"], records(40)[20:])
            told = await until_shown(worker, "ship.load", "waiting: ")
            assert "/onward_" in told and "refused" in told
            own_postgres.start()
            await until(lambda: outputs(ground, app) == list(range(40)))
            await until(lambda: worker.roster.states()["ship.load"] == "running")

    asyncio.run(story())
    assert_delivered(ground, place, app, 40)


@pytest.mark.parametrize("how", ["fast", "kill"])
def test_a_server_that_restarts_at_work_loses_and_doubles_nothing(
    ground: Ground, own_postgres: Postgres, how: str
) -> None:
    place = PostgresPlace(own_postgres.create())
    place.sql(place.effects)
    app = program(place.url, parallel=2, partitions=2)
    ground.put(app, app.topics["ship.in"], *records(3_000, 50))

    async def story() -> None:
        async with ground.running(app):
            for reached in (200, 900):
                await until(lambda reached=reached: len(effects(place)) > reached)
                own_postgres.kill() if how == "kill" else own_postgres.stop()
                own_postgres.start()
            await until(lambda: len(effects(place)) == 3_000, 3 * BOUND)
            await until(lambda: len(outputs(ground, app)) == 3_000)

    asyncio.run(story())
    assert_delivered(ground, place, app, 3_000)


def test_a_server_that_never_was_there_ends_once_after_its_patience(ground: Ground, place: PostgresPlace) -> None:
    app = program("postgresql://postgres:sesame@127.0.0.1:1/nowhere")
    ground.put(app, app.topics["ship.in"], *records(5))
    report = ground.run(app, patience=0.2)
    assert report.away and report.failed
    assert all("sesame" not in event.what and "nowhere" in event.what for event in ground.seen.of(DatabaseAbsent))


@pytest.mark.parametrize("state", ["53100", "57P03", "25006"])
def test_a_database_that_cannot_do_it_now_parks_nothing(ground: Ground, place: PostgresPlace, state: str) -> None:
    """A disk that is full, a server that shuts down, a standby that only reads."""
    failing = {"left": 3}

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if value["n"] == 7 and failing["left"]:
            failing["left"] -= 1
            tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END $$")
        return value

    app = program(place.url, act, retry=Retry(attempts=1))
    ground.put(app, app.topics["ship.in"], *records(20))
    assert not ground.run(app).failed
    assert any("not now" in event.what for event in ground.seen.of(DatabaseAbsent))
    assert_delivered(ground, place, app, 20)


# others


def test_partitions_are_at_work_at_the_same_time(ground: Ground, place: PostgresPlace) -> None:
    both = threading.Barrier(2)

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if value["n"] < 2:
            both.wait(BOUND)
        return value

    app = program(place.url, act, partitions=2, parallel=2)
    ground.put(app, app.topics["ship.in"], *({"key": two_keys()[n % 2], "n": n} for n in range(40)))
    assert not ground.run(app).failed
    assert_delivered(ground, place, app, 40)


def test_a_deadlock_between_two_partitions_costs_no_attempt(ground: Ground, place: PostgresPlace) -> None:
    place.sql("CREATE TABLE shared (n integer PRIMARY KEY, count integer)")
    place.sql("INSERT INTO shared VALUES (0, 0), (1, 0)")
    place.sql(f"ALTER DATABASE \"{place.url.rpartition('/')[2]}\" SET deadlock_timeout = '100ms'")
    both, met = threading.Barrier(2), []

    def act(value: dict, tx: psycopg.Connection) -> dict:
        mine = value["n"] % 2
        tx.execute("UPDATE shared SET count = count + 1 WHERE n = %s", (mine,))
        if value["n"] < 2 and len(met) < 2:
            met.append(value["n"])
            both.wait(BOUND)
        tx.execute("UPDATE shared SET count = count + 1 WHERE n = %s", (1 - mine,))
        return value

    app = program(place.url, act, partitions=2, parallel=2, retry=Retry(attempts=1))
    ground.put(app, app.topics["ship.in"], *({"key": two_keys()[n % 2], "n": n} for n in range(40)))
    assert not ground.run(app).failed
    assert sorted(met) == [0, 1]
    assert place.sql("SELECT count FROM shared") == [(40,), (40,)]
    assert_delivered(ground, place, app, 40)


def test_units_that_cannot_be_serialized_are_done_again(ground: Ground, place: PostgresPlace) -> None:
    place.sql("CREATE TABLE shared (count integer)")
    place.sql("INSERT INTO shared VALUES (0)")

    def act(value: dict, tx: psycopg.Connection) -> dict:
        ((count,),) = tx.execute("SELECT count FROM shared").fetchall()
        tx.execute("UPDATE shared SET count = %s", (count + 1,))
        return value

    url = f"{place.url}?options=-cdefault_transaction_isolation%3Dserializable"
    app = program(url, act, partitions=2, parallel=2, batch=None, retry=Retry(attempts=1))
    ground.put(app, app.topics["ship.in"], *records(60))
    assert not ground.run(app).failed
    assert place.sql("SELECT count FROM shared") == [(60,)]
    assert_delivered(ground, place, app, 60)


# what handlers do


@pytest.mark.parametrize("how", ["commit", "rollback", "close"])
def test_tx_cannot_be_ended_by_its_methods(ground: Ground, place: PostgresPlace, how: str) -> None:
    meddling = {"on": True}

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if meddling["on"] and value["n"] == 7:
            getattr(tx, how)()
        return value

    app = program(place.url, act)
    ground.put(app, app.topics["ship.in"], *records(20))
    report = ground.run(app)
    assert any("tx must not be" in trouble for trouble in report.troubles), report
    assert effects(place) == [] and ground.parked() == []
    meddling["on"] = False
    assert not ground.run(app).failed
    assert_delivered(ground, place, app, 20)


def test_a_statement_in_which_a_commit_is_hidden_keeps_nothing(ground: Ground, place: PostgresPlace) -> None:
    meddling = {"on": True}

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if meddling["on"] and value["n"] == 7:
            tx.execute("INSERT INTO effect (n) VALUES (7000); /* now */ COMMIT; INSERT INTO effect (n) VALUES (7001)")
        return value

    app = program(place.url, act)
    ground.put(app, app.topics["ship.in"], *records(20))
    assert ground.run(app).failed
    assert effects(place) == [] and ground.parked() == []
    meddling["on"] = False
    assert not ground.run(app).failed
    assert_delivered(ground, place, app, 20)


def test_blocks_of_tx_are_savepoints(ground: Ground, place: PostgresPlace) -> None:
    def act(value: dict, tx: psycopg.Connection) -> dict:
        for block in (tx, tx.transaction()):
            with pytest.raises(errors.DivisionByZero), block:
                tx.execute("INSERT INTO effect (n) VALUES (-1)")
                tx.execute("SELECT 1 / 0")
        with tx, tx.transaction():
            tx.execute("UPDATE effect SET key = 'seen' WHERE n = %s", (value["n"],))
        return value

    app = program(place.url, act)
    ground.put(app, app.topics["ship.in"], *records(20))
    assert not ground.run(app).failed
    assert place.sql("SELECT DISTINCT key FROM effect") == [("seen",)]
    assert_delivered(ground, place, app, 20)


def test_an_error_of_the_database_that_is_swallowed_fails_its_record(ground: Ground, place: PostgresPlace) -> None:
    def act(value: dict, tx: psycopg.Connection) -> dict:
        if value["n"] == 7:
            with pytest.raises(errors.DivisionByZero):
                tx.execute("SELECT 1 / 0")
        return value

    app = program(place.url, act, retry=Retry(attempts=1))
    ground.put(app, app.topics["ship.in"], *records(20, 20))
    assert ground.run(app).died == 1
    (row,) = ground.parked()
    assert row.offset == 7 and "with tx.transaction()" in row.error
    assert effects(place) == outputs(ground, app) == [n for n in range(20) if n != 7]
    ground.recount()


@pytest.mark.parametrize("batch", [None, 8])
def test_a_constraint_that_fails_at_the_commit_is_its_records_fault(
    ground: Ground, place: PostgresPlace, batch: int | None
) -> None:
    place.sql("CREATE TABLE known (n integer PRIMARY KEY)")
    place.sql("INSERT INTO known SELECT generate_series(0, 39)")
    place.sql("DELETE FROM known WHERE n IN (13, 15)")
    place.sql(
        "ALTER TABLE effect ADD CONSTRAINT is_known FOREIGN KEY (n) REFERENCES known DEFERRABLE INITIALLY DEFERRED"
    )
    once_more = Retry(attempts=2)
    app = batched(place.url, batch, retry=once_more) if batch else program(place.url, retry=once_more)
    ground.put(app, app.topics["ship.in"], *records(40))
    report = ground.run(app)
    assert report.died == 2 and report.troubles == []
    assert {row.offset for row in ground.parked() if row.state == "dead"} == {13, 15}
    assert all("is_known" in row.error for row in ground.parked() if row.state == "dead")
    left = [n for n in range(40) if not (n > 13 and n % 10 == 3) and not (n > 15 and n % 10 == 5)]
    assert effects(place) == outputs(ground, app) == [n for n in left if n not in (13, 15)]
    ground.recount()
    place.sql("INSERT INTO known VALUES (13), (15)")
    ground.ask("ship.load", "retry")
    assert not ground.run(app).failed
    ground.run(app)
    assert effects(place) == outputs(ground, app) == list(range(40))
    ground.recount(empty=True)


def test_what_a_handler_sets_on_tx_disturbs_nobody(ground: Ground, place: PostgresPlace) -> None:
    def act(value: dict, tx: psycopg.Connection) -> dict:
        tx.row_factory = psycopg.rows.dict_row
        tx.execute("SET search_path = nowhere")
        return value

    app = program(place.url.replace("postgresql:", "postgres:"), act, batch=None)

    @app.stage(app.topics["ship.in"], within=Database(place.url), start="first")
    def beside(value: dict, tx: psycopg.Connection) -> None:
        assert tx.execute("SELECT 1").fetchone() == (1,)

    ground.put(app, app.topics["ship.in"], *records(1))
    ground.run(app)
    assert place.sql("SELECT stage, next FROM onward_cursor ORDER BY stage") == [("ship.beside", 1), ("ship.load", 1)]


# where and how


def test_its_tables_are_made_where_the_connection_makes_tables(ground: Ground, place: PostgresPlace) -> None:
    place.sql("CREATE SCHEMA loader")
    app = program(f"{place.url}?options=-csearch_path%3Dloader,public")
    ground.put(app, app.topics["ship.in"], *records(10))
    assert not ground.run(app).failed
    assert place.sql("SELECT next FROM loader.onward_cursor") == [(10,)]
    assert_delivered(ground, place, app, 10)


def test_a_schema_that_is_not_there_is_refused(ground: Ground, place: PostgresPlace) -> None:
    app = program(f"{place.url}?options=-csearch_path%3Dnowhere")
    ground.put(app, app.topics["ship.in"], *records(1))
    (trouble,) = ground.run(app).troubles
    assert "no schema of its search_path exists" in trouble


def test_a_libpq_string_names_a_database_too(ground: Ground, place: PostgresPlace) -> None:
    given = conninfo_to_dict(place.url)
    app = program(" ".join(f"{name}={value}" for name, value in given.items()))
    ground.put(app, app.topics["ship.in"], *records(10))
    assert not ground.run(app).failed
    assert_delivered(ground, place, app, 10)


@pytest.fixture
def user(place: PostgresPlace) -> Iterator[str]:
    """Who may look and nothing else."""
    place.sql("CREATE ROLE looker LOGIN PASSWORD 'open-sesame'")
    place.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield place.url.replace("postgres@", "looker:open-sesame@")
    place.sql("DROP OWNED BY looker")
    place.sql("DROP ROLE looker")


def test_who_may_make_no_tables_is_told_so(ground: Ground, user: str) -> None:
    app = program(user)
    ground.put(app, app.topics["ship.in"], *records(1))
    (trouble,) = ground.run(app).troubles
    assert "permission denied" in trouble and "sesame" not in trouble


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:open/sesame@127.0.0.1:1/there",
        "postgresql://me:open@sesame@127.0.0.1:1/there",
        "host=127.0.0.1 password='open sesame dbname=there",
        "postgresql://me:open-sesame@127.0.0.1:1/there?sesame=1",
    ],
)
def test_no_part_of_a_password_is_shown(url: str) -> None:
    with pytest.raises(Refused) as found:
        Connections(url)
    assert "sesame" not in str(found.value)
    assert found.value.__cause__ is None and found.value.__suppress_context__
    assert "sesame" not in Database(url).told


def test_a_password_stands_nowhere(ground: Ground, place: PostgresPlace) -> None:
    app = program(place.url.replace("postgres@", "postgres:open-sesame@"), retry=Retry(attempts=1))

    @app.stage(app.topics["ship.out"], start="first")
    def fails(value: dict) -> None:
        raise ValueError("by open-sesame")

    ground.put(app, app.topics["ship.in"], *records(3, 3))
    ground.run(app)
    assert b"open-sesame" not in ground.path.read_bytes()
    assert b"onward_cursor" not in ground.path.read_bytes()


# who takes over


def test_a_holder_that_is_frozen_in_a_call_keeps_nobody_waiting(ground: Ground, place: PostgresPlace) -> None:
    """Its process is there and its connection is open; only its lease is over."""
    frozen, go = threading.Event(), threading.Event()

    def act(value: dict, tx: psycopg.Connection) -> dict:
        if value["n"] == 7 and not frozen.is_set():
            frozen.set()
            assert go.wait(3 * BOUND)
        return value

    app = program(place.url, act)

    async def story() -> None:
        async with ground.running(app, plan=Plan(grace=duration("20s"))) as worker:
            await append(worker.log, app.topics["ship.in"], records(20))
            await until(frozen.is_set)
            ground.sql("UPDATE lease SET until = '2000-01-01T00:00:00.000000Z', worker = 'elsewhere/1/1/x'")
            ground.sql("DELETE FROM worker")
            async with ground.open(app, plan=Plan(once=True)) as second:
                assert not (await asyncio.wait_for(second.run(), 2 * BOUND)).failed
            assert effects(place) == outputs(ground, app) == list(range(20))
            go.set()
            await until(lambda: not worker.roster.tasks)

    asyncio.run(story())
    assert_delivered(ground, place, app, 20)


def test_a_stop_does_not_wait_for_a_database_that_is_away(ground: Ground, place: PostgresPlace) -> None:
    app = program("postgresql://postgres@127.0.0.1:1/nowhere")
    ground.put(app, app.topics["ship.in"], *records(5))

    async def story() -> None:
        async with ground.running(app, plan=Plan(grace=10 * BOUND)):
            await until(lambda: ground.seen.of(DatabaseAbsent))

    asyncio.run(story())


def test_the_driver_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("onward.targets.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"onward\[postgres\]"):
        open_target("postgresql://127.0.0.1:1/nowhere")


def test_a_kind_that_there_is_not_is_refused_without_its_password() -> None:
    with pytest.raises(Refused, match=r"mysql://127\.0\.0\.1/there") as found:
        open_target("mysql://me:open-sesame@127.0.0.1/there")
    assert "sesame" not in str(found.value)


# a time-out of the user's own


def test_a_time_out_of_the_users_is_no_verdict_on_the_unit(ground: Ground, place: PostgresPlace) -> None:
    """It meets one of Onward's own statements, which waits for somebody who has locked the row by hand."""
    app = program(f"{place.url}?options=-cstatement_timeout%3D200")
    ground.put(app, app.topics["ship.in"], *records(5))
    assert not ground.run(app).failed
    ground.put(app, app.topics["ship.in"], *records(20)[5:])

    async def story() -> None:
        locked = await psycopg.AsyncConnection.connect(place.url)
        await locked.execute("SELECT * FROM onward_cursor FOR UPDATE")
        async with ground.running(app):
            await until(lambda: ground.seen.of(DatabaseAbsent))
            await locked.rollback()
            await locked.close()
            await until(lambda: outputs(ground, app) == list(range(20)))

    asyncio.run(story())
    assert_delivered(ground, place, app, 20)


def test_a_database_of_another_encoding_will_do(ground: Ground, place: PostgresPlace) -> None:
    name = f"{place.url.rpartition('/')[2]}_latin"
    place.sql(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        latin = PostgresPlace(f"{place.url.rpartition('/')[0]}/{name}")
        latin.sql(latin.effects)

        def act(value: dict, tx: psycopg.Connection) -> dict:
            if value["n"] == 3:
                raise ValueError("no rôle, 3 € and 😀")
            return {**value, "text": "✓ 😀"}

        app = program(latin.url, act, retry=Retry(attempts=1))
        ground.put(app, app.topics["ship.in"], *records(5, 5))
        assert ground.run(app).died == 1
        assert effects(latin) == outputs(ground, app) == [0, 1, 2, 4]
        assert {value["text"] for value in ground.values(app.topics["ship.out"])} == {"✓ 😀"}
        assert "3 € and 😀" in ground.parked()[0].error
    finally:
        place.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_sessions_end_by_themselves_unless_somebody_knows_better(ground: Ground, place: PostgresPlace) -> None:
    seen: dict[str, dict[str, str]] = {}

    def settings(tx: psycopg.Connection) -> dict[str, str]:
        names = ("idle_in_transaction_session_timeout", "tcp_user_timeout", "tcp_keepalives_idle")
        found = tx.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(names),))
        return dict(found.fetchall())

    for name, options in (("plain", ""), ("said", "?options=-cidle_in_transaction_session_timeout%3D7h")):
        app = App(name)
        source = app.topic("in", dict, key="key")

        @app.stage(source, within=Database(place.url + options), name="look")
        def look(value: dict, tx: psycopg.Connection, name: str = name) -> None:
            seen[name] = settings(tx)

        ground.put(app, source, *records(1))
        assert not ground.run(app).failed
    assert seen["plain"] == {
        "idle_in_transaction_session_timeout": "600000",
        "tcp_user_timeout": "11000",
        "tcp_keepalives_idle": "5",
    }
    assert seen["said"] == {**seen["plain"], "idle_in_transaction_session_timeout": "25200000"}
