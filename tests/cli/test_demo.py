"""`onward demo`: on a store of its own, and twice."""

from __future__ import annotations

import signal

from .conftest import HANG, SHOP, Command, until


def test_once_and_again(command: Command) -> None:
    (command.folder / "onward.toml").write_text('store = "sqlite:///mine.db"\n')
    first = command("demo", SHOP, "--once")
    mailed = command.folder / "onward-demo" / "shop" / "mailed.txt"
    assert len(mailed.read_text().splitlines()) == 12
    assert "sqlite:///onward-demo/store.db" in first.stdout and str(mailed) in first.stdout
    assert "not running" in first.stdout
    command("demo", SHOP, "--once")
    assert len(mailed.read_text().splitlines()) == 12
    assert not (command.folder / "mine.db").exists()
    document = command.document("demo", SHOP, "--once", "--store", "sqlite:///other.db")
    assert document["apps"][0]["stages"][0]["done"] == 12 and document["files"] == [str(mailed)]


def test_as_a_service_until_interrupted(command: Command) -> None:
    process = command.start("demo", SHOP)
    mailed = command.folder / "onward-demo" / "shop" / "mailed.txt"
    until(lambda: mailed.exists() and len(mailed.read_text().splitlines()) == 12)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stdout is not None and "shop.mail" in process.stdout.read()


def test_an_app_without_one(command: Command) -> None:
    ended = command("demo", HANG, "--once", exits=2)
    assert "has no demo" in ended.stderr.splitlines()[-1]
