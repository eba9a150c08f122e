"""Which store a command opens, and what it does where there is none, or one that it must not touch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest

from .conftest import SHOP, Command

READING = [("status",), ("read", "orders"), ("audit",), ("parked", "list"), ("parked", "retry"), ("graph", "shop")]


@pytest.mark.parametrize("arguments", READING)
def test_reading_never_makes_a_store(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments, exits=2)
    if arguments[0] != "graph":
        assert "there is no store at" in ended.stderr.splitlines()[-1]
    assert list(command.folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [*READING[:-1], ("run", SHOP, "--once"), ("put", "orders", "--app", SHOP)])
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
