"""`onward orders`: the loader under its own contract."""

from __future__ import annotations

import gzip
import os
import re
import signal
import time
from pathlib import Path

import apsw
import pytest

from cli.conftest import Command, until
from servers.s3 import S3

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING|ERROR) \[\w+\.py:\d+\]: (.*)")
PORTFOLIO = '{n},"Fund {n}",{n:064x},1,10.5,0.1,1.5,1,2022-04-01,,2022-09-21 16:00:00\n'


def write(command: Command, name: str, text: str) -> None:
    path = command.folder / "data" / "dbo" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    part.rename(path)


def portfolios(*numbers: int, op: str = "") -> str:
    return "".join(op + PORTFOLIO.format(n=n) for n in numbers)


def said(text: str) -> list[str]:
    """What the log lines say; every line is one."""
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [each[2] for each in found if each]


def rows(command: Command, statement: str) -> list[tuple]:
    connection = apsw.Connection(str(command.folder / "orders.db"))
    connection.set_busy_timeout(10_000)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_one_pass_delivers_and_says_so_line_by_line(command: Command) -> None:
    write(command, "entity_3/LOAD00000001.csv.gz", portfolios(1, 2, 3))
    write(command, "entity_3/20250301-101112123.csv", portfolios(1, op="D,"))
    ended = command("orders", "--no-service")
    assert ended.stderr == ""
    lines = said(ended.stdout)
    assert lines[0] == "Source: data." and lines[1].startswith("Target: sqlite:///orders.db (SQLite 3.")
    assert lines[2] == "NATS: empty, so change messages stay in the topic `changes`."
    assert lines[3:6] == [
        "Delivery 1: process_dbo data/dbo/entity_3/LOAD00000001.csv.gz.",
        "Delivery 1: processed 0/3...",
        "Delivery 1: entity_3 (create: 3, amend: 0, remove: 0).",
    ]
    after = [line for line in lines if line.startswith("Delivery 2: ")]
    assert after[:-1] == [
        "Delivery 2: process_dbo data/dbo/entity_3/20250301-101112123.csv.",
        "Delivery 2: processed 0/1...",
        "Delivery 2: entity_3 (create: 0, amend: 0, remove: 1).",
        "Delivery 2: persisted to sqlite.",
        "Delivery 2: persisted {'entity_3': {'REMOVE': 1}}.",
    ]
    assert re.fullmatch(r"Delivery 2: processed \(0:00:\d\d\.\d{6} seconds\)\.", after[-1])
    assert lines[-1] == "Terminating..."
    assert rows(command, "SELECT portfolio_id FROM entity_3") == [(2,), (3,)]
    assert len(command.lines("read", "orders.changes")) == 2
    again = said(command("orders", "--no-service").stdout)
    assert [line for line in again if line.startswith("Delivery")] == []
    command.accounted()


def test_a_dry_run_says_what_would_be_and_writes_nothing(command: Command) -> None:
    write(command, "entity_3/LOAD00000001.csv.gz", portfolios(1, 2, 3))
    before = sorted(os.listdir(command.folder))
    lines = said(command("orders", RUN_AS_SERVICE="0", DRY_RUN="yes").stdout)
    assert "Dry run 1: would persist {'entity_3': {'CREATE': 3}}." in lines
    assert sorted(os.listdir(command.folder)) == before
    command("orders", "--no-service", "--no-dry-run", DRY_RUN="1")
    write(command, "entity_3/20250301-101112123.csv", portfolios(4, op="I,"))
    write(command, "entity_3/20250301-101112124.csv", portfolios(4, op="U,") + "U,x\n")
    write(command, "entity_3/20250301-101112125.csv", portfolios(5, op="I,"))
    write(command, "entity_3/20250301-101112122.csv", portfolios(1, 2, op="D,"))
    taken = rows(command, "SELECT * FROM loader_sequence")
    lines = said(command("orders", "--no-service", "--dry-run").stdout)
    assert "Dry run: would wait for a person: dbo/entity_3/20250301-101112122.csv would remove 2 of 3 rows" in str(
        lines
    )
    command("orders", "--no-service", "--dry-run", exits=0)
    assert rows(command, "SELECT count(*) FROM entity_3") == [(3,)]
    assert rows(command, "SELECT * FROM loader_sequence") == taken
    (command.folder / "data/dbo/entity_3/20250301-101112122.csv").unlink()
    lines = said(command("orders", "--no-service", "--dry-run").stdout)
    assert "Dry run 2: would persist {'entity_3': {'CREATE': 1}}." in lines
    assert any(line.startswith("Dry run: would stop dbo.entity_3: dbo/entity_3/20250301-101112124") for line in lines)
    assert "Dry run: dbo/entity_3/20250301-101112125.csv would wait: dbo.entity_3 is stopped." in lines
    assert "Dry run: 1 files would make 1 events; nothing was written." in lines


def test_a_bad_file_fails_the_only_pass_and_is_gone_on_with_when_mended(command: Command) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1) + "2,short\n")
    lines = said(command("orders", "--no-service", exits=1).stdout)
    [stopped] = [line for line in lines if line.startswith("dbo.entity_3 is stopped")]
    assert "dbo/entity_3/LOAD00000001.csv, line 2, column account_id: the row has 2 fields, not 11" in stopped
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2))
    command("parked", "retry", "--key", "dbo.entity_3")
    command("orders", "--no-service")
    assert rows(command, "SELECT count(*) FROM entity_3") == [(2,)]


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        ([], {"RUN_AS_SERVICE": "maybe"}, "RUN_AS_SERVICE"),
        ([], {"TARGET": "dbname=x passwort=s3cretword"}, "TARGET"),
        ([], {"SOURCE": "bucket_name=x bucket_key=s3cretword"}, "SOURCE"),
        ([], {"NATS": "nats://u:s3cretword@h/x"}, "NATS"),
        (["--min_sleep", "9", "--max_sleep", "8"], {}, "MIN_SLEEP 9 and MAX_SLEEP 8"),
        (["--log-level", "loud"], {}, "LOG_LEVEL"),
        (["--source", "ftp://h/x"], {}, "ftp://"),
        (["--min_sleep", "x"], {}, "min_sleep"),
    ],
)
def test_a_bad_configuration_ends_with_2_and_names_it(
    command: Command, arguments: list[str], environment: dict[str, str], named: str
) -> None:
    ended = command("orders", *arguments, exits=2, **environment)
    assert named in ended.stderr and "s3cretword" not in ended.stdout + ended.stderr
    assert os.listdir(command.folder) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_drains_pauses_goes_on_and_wakes_to_stop(command: Command, number: signal.Signals) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    process = command.start("orders", "--min_sleep", "1", "--max_sleep", "1")
    made = "SELECT 1 FROM sqlite_schema WHERE name = 'entity_3'"
    until(lambda: (command.folder / "orders.db").exists() and rows(command, made))
    until(lambda: rows(command, "SELECT count(*) FROM entity_3") == [(1,)])
    write(command, "entity_3/20250301-101112123.csv", portfolios(2, op="I,"))
    until(lambda: rows(command, "SELECT count(*) FROM entity_3") == [(2,)])
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said(out)[3] == "Running as a service, with 1 to 1 seconds between passes."
    assert said(out)[-1] == "Terminating..."


def test_a_signal_wakes_a_long_pause_at_once(command: Command) -> None:
    process = command.start("orders", "--min_sleep", "500", "--max_sleep", "500")
    assert process.stdout is not None
    for line in process.stdout:
        if "Running as a service" in line:
            break
    until(lambda: (command.folder / "onward.db").exists())
    time.sleep(0.5)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0 and time.monotonic() - started < 10


def test_a_service_goes_on_beside_a_table_that_is_stopped(command: Command) -> None:
    write(command, "entity_3/LOAD00000001.csv", "bad\n")
    process = command.start("orders", "--min_sleep", "0", "--max_sleep", "0")
    until(lambda: (command.folder / "onward.db").exists() and command("parked", "list", exits=None).stdout)
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    command("parked", "retry", "--key", "dbo.entity_3")
    until(lambda: command.stage("orders.deliver")["done"] == 2)
    assert rows(command, "SELECT count(*) FROM entity_3") == [(1,)]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_from_a_bucket_and_no_secret_is_shown(command: Command, s3: S3) -> None:
    s3.put("data/dbo/entity_3/LOAD00000001.csv.gz", gzip.compress(portfolios(1, 2).encode()))
    s3.put("data/dbo/entity_3/20250301-101112123.csv", portfolios(3, op="I,"))
    source = (
        f"bucket_endpoint={s3.endpoint} bucket_id=AKIA0123 bucket_key=s3cr=t/+word bucket_name={s3.bucket}"
        " bucket_path=data"
    )
    ended = command("orders", "--no-service", "--log_level", "DEBUG", SOURCE=source)
    assert "Delivery 1: process_dbo data/dbo/entity_3/LOAD00000001.csv.gz." in said(ended.stdout)
    assert rows(command, "SELECT portfolio_id FROM entity_3") == [(1,), (2,), (3,)]
    s3.put("data/dbo/entity_3/LOAD00000001.csv.gz", gzip.compress(portfolios(1, 2, 4).encode()))
    again = command("orders", "--no-service", SOURCE=source)
    assert "Delivery 3: entity_3 (create: 1, amend: 0, remove: 0)." in said(again.stdout)
    shown = "".join([ended.stdout, ended.stderr, again.stdout, command("config", "orders", SOURCE=source).stdout])
    assert "s3cr=t" not in shown and "s3cr%3Dt" not in shown
    assert b"s3cr" not in b"".join(path.read_bytes() for path in Path(command.folder).iterdir() if path.is_file())


def test_what_describes_the_entities(command: Command) -> None:
    assert command("orders", "diagram").stdout.startswith("erDiagram\n    entity_3 {")
    assert "## entity_1" in command("orders", "specification").stdout
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2))
    text = command("orders", "profile", "data/dbo/entity_3/LOAD00000001.csv").stdout
    assert "2 rows" in text and "ENTITY_3 = Entity(" in text
    assert "nofile" in command("orders", "profile", "nofile", exits=2).stderr
