"""Which store a command opens, and what it does where there is none, or one that it must not touch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest
import typer

from onward.cli.program import program
from onward.logs.sqlite_rows import SQL

from .conftest import SHOP, Command

READING = [("status",), ("read", "orders"), ("audit",), ("parked", "list"), ("parked", "retry"), ("graph", "shop")]


@pytest.mark.parametrize("arguments", READING)
def test_reading_never_makes_a_store(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments, exits=2)
    if arguments[0] != "graph":
        assert "there is no store at" in ended.stderr.splitlines()[-1]
    assert list(command.folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("run", SHOP, "--once"), ("put", "orders", "--app", SHOP), ("demo", SHOP, "--once")],
)
def test_a_folder_that_is_not_there_is_mistyped(command: Command, arguments: tuple[str, ...]) -> None:
    for url in ("sqlite:///nowhere/onward.db", f"sqlite:///{command.folder}/nowhere/onward.db"):
        last = command(*arguments, "--store", url, exits=2).stderr.splitlines()[-1]
        assert f"there is no folder {command.folder}/nowhere; make it" in last
    assert not (command.folder / "nowhere").exists()


@pytest.mark.parametrize("url", ["sqlite:///other.db", "sqlite:////tmp/surely/not/there.db"])
def test_a_store_that_is_not_there_is_told_as_it_was_named(command: Command, url: str) -> None:
    last = command("audit", "--store", url, exits=2).stderr.splitlines()[-1]
    assert last.startswith(f"Error: there is no store at {url} (/") and last.count("sqlite:") == 1
    assert last == command("read", "orders", "--store", url, exits=2).stderr.splitlines()[-1]


NO_STORE = {"config", "doctor", "demo", "graph", "new"}
"""Commands that open none, or are looked at apart."""

CHANGING = [
    ("run", SHOP, "--once"), ("run", SHOP, "--once", "--processes", "2"), ("run", SHOP, "--dry-run", "--once"),
    ("put", "orders", "--app", SHOP), ("parked", "drop", "--all"), ("pause", "bill"), ("resume", "bill"),
    ("forget", "bill", "--yes"), ("repartition", "orders", "3"), ("backup", "copy.db"), ("status", "shop"),
    ("parked", "show"), ("parked", "retry"), ("read", "orders", "--key", "c"), ("trace", "c"), ("review", "list"),
    ("replay", "bill", "--from", "start"), ("replay", "list"), ("table", "accounts"), ("task", SHOP), ("move", "--to", "sqlite:///other.db"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", [*READING[:-1], *CHANGING])
def test_a_newer_store_is_refused_untouched(command: Command, arguments: tuple[str, ...]) -> None:
    command("put", "orders", "--app", SHOP, said='{"customer": "c", "number": 1}')
    store = command.folder / "onward.db"
    connection = apsw.Connection(str(store))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = _digest(store)
    ended = command(*arguments, exits=2)
    assert "schema version 99" in ended.stderr.splitlines()[-1]
    assert _digest(store) == before


def test_every_command_that_opens_a_store_is_among_these() -> None:
    known = {arguments[0] for arguments in (*READING, *CHANGING)}
    assert known | NO_STORE >= set(typer.main.get_command(program).commands)


def test_a_newer_store_is_told_by_doctor_and_left_alone(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said='{"customer": "c", "number": 1}')
    store = command.folder / "onward.db"
    connection = apsw.Connection(str(store))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = _digest(store)
    assert "schema version 99" in command("doctor", SHOP, exits=1).stdout
    command("config", SHOP)
    assert _digest(store) == before


def test_an_older_store_is_brought_up_to_date_by_run_alone(command: Command) -> None:
    store = command.folder / "onward.db"
    connection = apsw.Connection(str(store))
    connection.execute(SQL.migrations[0])
    connection.execute("PRAGMA user_version = 1")
    topic = "INSERT INTO topic (name, incarnation, partitions, put, made) VALUES (?, 'aa', ?, ?, '2025')"
    connection.execute(topic, ("shop.orders", 2, 2))
    connection.execute(topic, ("shop.bills", 1, 0))
    entries = """[[null,"c","2025-06-15T15:06:40.000000Z",null,{"customer":"c","number":1}],
                  [null,"c","2025-06-15T15:06:41.000000Z",null,{"customer":"c","number":2}]]"""
    block = "INSERT INTO block VALUES ('shop.orders', 0, 0, 2, '2025-06-15T15:06:40.000000Z', 'aa', ?, NULL, ?)"
    connection.execute(block, (len(entries), entries))
    for begin in (("shop.bill", 0, "shop.orders"), ("shop.bill", 1, "shop.orders"), ("shop.mail", 0, "shop.bills")):
        connection.execute("INSERT INTO begin VALUES (?, ?, ?, 0)", begin)
    connection.close()
    before = _digest(store)
    for arguments in (("status",), ("backup", "copy.db"), ("pause", "bill"), ("forget", "bill", "--yes"), ("audit",)):
        assert "`onward run` migrates it" in command(*arguments, exits=2).stderr.splitlines()[-1]
    assert _digest(store) == before
    command("run", SHOP, "--once", "--set", "many=0")
    assert command.stage("shop.mail")["done"] == 2
    command.accounted()
    command("run", SHOP, "--once")


@pytest.mark.parametrize("arguments", [("status",), ("run", SHOP, "--once")])
def test_a_database_of_something_else_is_refused_untouched(command: Command, arguments: tuple[str, ...]) -> None:
    store = command.folder / "onward.db"
    connection = apsw.Connection(str(store))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = _digest(store)
    command(*arguments, exits=2)
    assert _digest(store) == before


def test_a_file_that_is_no_database(command: Command) -> None:
    (command.folder / "onward.db").write_text("a letter to somebody\n" * 100)
    ended = command("run", SHOP, "--once", exits=2)
    assert "no SQLite database" in ended.stderr.splitlines()[-1]


def test_where_the_store_is(command: Command) -> None:
    def made() -> set[str]:
        return {path.name for path in command.folder.iterdir() if path.suffix == ".db"}

    order = '{"customer": "c", "number": 1}'
    (command.folder / "onward.toml").write_text('store = "sqlite:///file.db"\n[apps.shop]\nmany = 3\n')
    command("put", "orders", "--app", SHOP, said=order)
    assert made() == {"file.db"}
    command("put", "orders", "--app", SHOP, said=order, ONWARD_STORE="sqlite:///environment.db")
    assert made() == {"file.db", "environment.db"}
    command("put", "orders", "--app", SHOP, "--store", f"sqlite:///{command.folder}/option.db", said=order)
    assert made() == {"file.db", "environment.db", "option.db"}
    command("run", SHOP, "--once")
    assert command.stage("shop.bill")["done"] == 4
    command("run", SHOP, "--once", SHOP_MANY="5")
    assert command.stage("shop.bill")["done"] == 6
    command("run", SHOP, "--once", "--set", "many=6", SHOP_MANY="5")
    assert command.stage("shop.bill")["done"] == 7


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
