"""`onward move`, in processes: what is said, what is refused, how it ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from onward import stores
from onward.carry import Mark

from .conftest import SHOP, Command, until

ORDER = '{"customer": "c", "number": 1}'
OTHER = "sqlite:///other.db"


def filled(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said=ORDER)
    command("run", SHOP, "--once")


def test_work_goes_on_in_the_new_home(command: Command) -> None:
    filled(command)
    before = command.document("status")["apps"]
    done = command.document("move", "--to", OTHER)
    assert (done["store"], done["to"]) == (
        f"sqlite:///{command.folder}/onward.db",
        f"sqlite:///{command.folder}/other.db",
    )
    assert (done["records"], done["bytes"]) == (sum(one["records"] for one in before[0]["topics"]), done["bytes"])
    for store in ((), ("--store", OTHER)):
        assert command.document("audit", *store)["ok"]
        after = command.document("status", *store)["apps"]
        assert [{**one, "per_second": 0} for one in after[0]["stages"]] == [
            {**one, "per_second": 0} for one in before[0]["stages"]
        ]
    command("run", SHOP, "--once", "--store", OTHER)
    assert command.document("move", "--to", OTHER)["to"] == done["to"]  # it has ended, and is said again


def test_the_old_home_can_be_read_and_says_where_it_has_gone(command: Command) -> None:
    filled(command)
    told = command("move", "--to", OTHER)
    assert "has moved to sqlite:///" in told.stdout and "name the new one" in told.stderr
    findings = command.document("doctor", SHOP)["findings"]
    assert any(one["state"] == "warning" and "has moved to" in one["told"] for one in findings)
    for arguments in (
        ("status",),
        ("read", "orders"),
        ("trace", "c"),
        ("parked", "list"),
        ("audit",),
        ("graph", "shop"),
    ):
        ended = command(*arguments)
        assert "onward.db has moved to sqlite:///" in ended.stderr, arguments
        assert ended.stdout or arguments[0] == "parked"
    for arguments in (
        ("run", SHOP, "--once"), ("put", "orders"), ("pause", "bill"),
        ("replay", "bill", "--from", "start"), ("forget", "bill", "--yes"), ("repartition", "orders", "3"),
    ):  # fmt: skip
        ended = command(*arguments, exits=2, said=ORDER if arguments[0] == "put" else None)
        assert "has moved to sqlite:///" in ended.stderr.splitlines()[-1], arguments


def test_while_a_worker_lives_nothing_is_moved(command: Command) -> None:
    filled(command)
    worker = command.start("run", SHOP)
    until(lambda: command.stage("shop.bill")["state"] == "idle")
    assert "stop it first" in command("move", "--to", OTHER, exits=2).stderr.splitlines()[-1]
    assert not (command.folder / "other.db").exists()
    worker.terminate()
    assert worker.wait(30) == 0
    command("move", "--to", OTHER)


def test_what_is_given_up_works_again(command: Command) -> None:
    filled(command)
    assert "not being moved" in command("move", "--cancel", exits=2).stderr

    async def begin() -> None:
        async with stores.carrying(f"sqlite:///{command.folder}/onward.db") as old:
            await old.leave(Mark("leaving", "m", f"sqlite:///{command.folder}/other.db", "me", time.time()))

    asyncio.run(begin())  # and end, as by a kill
    assert "is being moved to" in command("run", SHOP, "--once", exits=2).stderr.splitlines()[-1]
    assert "is being moved to" in command("status").stderr
    assert "works again" in command("move", "--cancel").stdout
    command("run", SHOP, "--once")
    asyncio.run(begin())
    command("move", "--to", OTHER)
    command("run", SHOP, "--once", "--store", OTHER)
    assert "too late" in command("move", "--cancel", exits=2).stderr


def test_a_place_that_cannot_be_made_stops_nothing(command: Command) -> None:
    filled(command)
    command("move", "--to", "sqlite:///none/x.db", exits=2)
    command("run", SHOP, "--once")


def test_what_cannot_be_said(command: Command) -> None:
    for arguments, why in (
        ((), "say where the store is to live"),
        (("--to", OTHER, "--cancel"), "say where the store is to live"),
        (("orders", "--to", OTHER), "in this version"),
        (("--to", "mysql://x/y"), "begins with 'mysql'"),
        (("--to", OTHER), "holds nothing"),
    ):
        assert why in command("move", *arguments, exits=2).stderr.splitlines()[-1]
    assert list(Path(command.folder).iterdir()) == []
