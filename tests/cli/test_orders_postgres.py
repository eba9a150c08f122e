"""`onward orders` with a target in PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from cli.conftest import Command, until
from cli.test_orders import portfolios, said, write
from servers.postgres import Postgres

TAKE = "SELECT pg_advisory_lock(hashtextextended('onward pass paper_engine orders', 0))"
AT_ONCE = ("--min_sleep", "0", "--max_sleep", "0")


def keywords(url: str) -> str:
    """As operators write it: libpq's keywords, with a password (that nobody asks for here)."""
    return " ".join(f"{key}={value}" for key, value in conninfo_to_dict(url).items()) + r" password='s3cret \'w=ord'"


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c search_path=paper_engine") as connection:
        return connection.execute(statement).fetchall()


def there(url: str) -> bool:
    return bool(rows(url, "SELECT 1 FROM pg_tables WHERE schemaname = 'paper_engine' AND tablename = 'entity_3'"))


def count(url: str, table: str = "entity_3") -> int:
    return rows(url, f"SELECT count(*) FROM {table}")[0][0] if there(url) else 0


def test_a_pass_delivers_into_the_types_of_the_database_and_shows_no_password(command: Command, postgres: str) -> None:
    write(command, "entity_3/LOAD00000001.csv.gz", portfolios(1, 2, 3))
    write(command, "entity_3/20250301-101112123.csv", portfolios(1, op="D,"))
    environment = {"TARGET": keywords(postgres), "LOG_LEVEL": "DEBUG"}
    dry = command("orders", "--no-service", "--dry-run", **environment)
    assert "Dry run 1: would persist {'entity_3': {'CREATE': 3}}." in said(dry.stdout)
    assert rows(postgres, "SELECT nspname FROM pg_namespace WHERE nspname = 'paper_engine'") == []
    first = command("orders", "--no-service", **environment)
    lines = said(first.stdout)
    [target] = [line for line in lines if line.startswith("Target: ")]
    assert "user=postgres password=*** dbname=" in target and "(PostgreSQL 1" in target
    assert "Delivery 1: entity_3 (create: 3, amend: 0, remove: 0)." in lines
    assert "Delivery 2: persisted to postgres." in lines
    assert "Delivery 2: persisted {'entity_3': {'REMOVE': 1}}." in lines
    found = rows(
        postgres, "SELECT portfolio_id, total_notional, active, opened::text, portfolio_ts::text FROM entity_3"
    )
    assert [(n, str(total), *rest) for n, total, *rest in found] == [
        (n, "10.5000", True, "2022-04-01", "2022-09-21 16:00:00") for n in (2, 3)
    ]
    assert rows(postgres, "SELECT max(event_id) FROM entity_3_event_log") == [(4,)]
    again = command("orders", "--no-service", TARGET=postgres)
    assert [line for line in said(again.stdout) if line.startswith("Delivery")] == []
    shown = "".join(part for ended in (dry, first, again) for part in (ended.stdout, ended.stderr))
    shown += (
        command("config", "orders", **environment).stdout
        + command("doctor", "orders", exits=None, **environment).stdout
    )
    assert "s3cret" not in shown
    assert b"s3cret" not in b"".join(path.read_bytes() for path in Path(command.folder).iterdir() if path.is_file())
    command.accounted()


def test_of_two_instances_one_works_and_the_other_takes_its_turn(command: Command, postgres: str) -> None:
    """Given two loaders, started together; the first is killed in the middle of its pass."""
    for number in range(1, 31):
        write(command, f"entity_3/20250301-1011{number:05}.csv", portfolios(number, op="I,"))
    first = command.start("orders", *AT_ONCE, TARGET=postgres)
    until(lambda: count(postgres) > 0)
    os.kill(first.pid, signal.SIGSTOP)  # in the middle, and the turn is its own
    held = count(postgres)
    assert 0 < held < 30
    second = command.start("orders", *AT_ONCE, TARGET=postgres)
    waits(second)
    assert count(postgres) == held
    first.kill()
    until(lambda: count(postgres) == 30)
    assert rows(postgres, "SELECT count(*), count(DISTINCT source_key) FROM loader_deliveries") == [(30, 30)]
    assert rows(postgres, "SELECT count(*), max(event_id) FROM entity_3_event_log") == [(30, 30)]
    write(command, "entity_3/20250302-101100001.csv", portfolios(31, op="I,"))
    until(lambda: count(postgres) == 31)
    assert "Terminating..." in stopped(second)
    command.accounted()


def test_a_server_that_is_killed_at_any_moment_costs_nothing(command: Command, own_postgres: Postgres) -> None:
    postgres = own_postgres.create()
    for number in range(1, 41):
        write(command, f"entity_3/20250301-1011{number:05}.csv", portfolios(number, op="I,"))
    process = command.start("orders", *AT_ONCE, TARGET=postgres)
    for reached in (1, 15):
        until(lambda reached=reached: count(postgres) >= reached)
        own_postgres.kill()
        own_postgres.start()
    until(lambda: count(postgres) == 40, 60)
    assert rows(postgres, "SELECT count(*), count(DISTINCT source_key) FROM loader_deliveries") == [(40, 40)]
    assert rows(postgres, "SELECT count(*), max(event_id) FROM entity_3_event_log") == [(40, 40)]
    assert "ERROR" in stopped(process)
    command.accounted()


def test_an_instance_with_a_store_of_its_own_delivers_nothing_twice(command: Command, postgres: str) -> None:
    """What the target holds belongs to the store that it came from: another one is told so."""
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2))
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute(TAKE)
        process = command.start("orders", *AT_ONCE, "--store", "sqlite:///other.db", TARGET=postgres)
        waits(process)
        command("orders", "--no-service", "--dry-run", TARGET=postgres)
    until(lambda: count(postgres) == 2)
    stopped(process)
    ended = command("orders", "--no-service", exits=1, TARGET=postgres)
    assert "the store is older than its target" in ended.stdout
    assert (count(postgres), count(postgres, "loader_deliveries")) == (2, 1)


def waits(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if "Another instance of orders is at work on the target; this one waits." in line:
            return
    raise AssertionError("it ended")


def stopped(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return out


def test_who_waits_for_a_turn_stops_at_once(command: Command, postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute(TAKE)
        process = command.start("orders", TARGET=postgres)
        waits(process)
        started = time.monotonic()
        stopped(process)
        assert time.monotonic() - started < 10
