"""`onward pause` and `onward resume`: what they say, and what becomes of a running worker."""

from __future__ import annotations

import signal

from .conftest import SHOP, Command, until


def test_pause_and_resume(command: Command) -> None:
    command("run", SHOP, "--once", "--set", "many=3")
    told = command("pause", "mail", ONWARD_USER="ann").stdout
    assert told == "shop.mail is paused; what is in hand is finished, then nothing is taken\n"
    document = command.document("pause", "shop.mail", ONWARD_USER="bob")
    assert (document["stage"], document["paused"], document["by"]) == ("shop.mail", True, "ann")
    assert command.stage("shop.mail")["state"] == f"paused by ann since {document['since']}"
    left = command.document("run", SHOP, "--once", "--set", "many=5")["left"]
    assert [(one["name"], one["outstanding"]) for one in left] == [("shop.mail", 2)]
    assert command("resume", "mail").stdout.startswith("shop.mail goes on; it was paused by ann since")
    assert command("resume", "mail").stdout == "shop.mail was not paused\n"
    assert command.document("resume", "mail") == {"stage": "shop.mail", "paused": False, "by": None, "since": None}
    assert "there is no stage or source 'other'" in command("pause", "other", exits=2).stderr


def test_a_running_worker_heeds_it(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said='{"customer": "c", "number": 1}')
    command("pause", "mail")
    worker = command.start("run", SHOP, "--set", "many=0")
    until(lambda: command.stage("shop.bill")["done"] == 1)
    assert command.stage("shop.mail")["outstanding"] == 1
    command("resume", "mail")
    until(lambda: command.stage("shop.mail")["done"] == 1)
    command("pause", "bill")
    command("put", "orders", said='{"customer": "c", "number": 2}')
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert command.stage("shop.bill")["outstanding"] == 1
    command.accounted()
