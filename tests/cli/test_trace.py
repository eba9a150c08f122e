"""`onward trace`: the way of a record, as a person and as a program see it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from .conftest import SHOP, Command


@pytest.fixture
def ran(command: Command) -> Command:
    """Of 20 records number 7 is dead, two are behind it."""
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    return command


def test_by_key_and_by_position(ran: Command) -> None:
    found = ran.lines("trace", "c2")
    first = found[0]
    assert (first["key"], first["traced"], first["maker"]) == ("c2", True, "shop.arrive")
    states = [stage["state"] for one in found for stage in one["stages"] if stage["stage"] == "shop.bill"]
    assert sorted(states) == sorted(["behind", "behind", "dead", "done"])
    dead = next(one for one in found if any(stage["state"] == "dead" for stage in one["stages"]))
    [stage] = dead["stages"]
    assert [one["error"] for one in stage["attempts"]] == ["ValueError", "ValueError"]
    assert "raise ValueError" in stage["attempts"][0]["traceback"] and stage["error"] == "ValueError: unlucky"
    assert ran.lines("trace", dead["position"]) == [{**dead, "journey": 1}]
    bill = next(one for one in found if one["topic"] == "shop.bills")
    origin, back, *_ = ran.lines("trace", bill["position"])
    assert (origin["position"], origin["traced"], back["traced"]) == (bill["origin"], False, True)
    assert origin["stages"][0]["outputs"] == [] and back["difference"] == bill["difference"]


def test_as_text(ran: Command) -> None:
    text = ran("trace", "c2").stdout
    assert "shop.bill: dead since" in text and "attempt 2" in text and "ValueError: unlucky" in text
    assert "behind since" in text and "an older record of its key is parked" in text
    assert "brought by shop.arrive" in text and not any(line.endswith(" ") for line in text.splitlines())
    some = ran("trace", "c2", "--limit", "1")
    assert "the newest 1; --limit shows more" in some.stderr and len(some.stdout) < len(text)


def test_on_a_terminal_it_is_a_tree(ran: Command) -> None:
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "onward", "trace", "c2"], cwd=ran.folder, stdout=slave, stderr=slave,
        env=ran.environment | {"TERM": "xterm", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(slave)
    said = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    assert child.wait(30) == 0
    os.close(master)
    assert "├──" in said.decode() and "shop.bill: dead" in said.decode()


def test_what_is_not_there(ran: Command) -> None:
    ended = ran("trace", "nobody", exits=1)
    assert ended.stdout == "" and "no record that is kept has the key 'nobody'" in ended.stderr
    assert "is not written yet" in ran("trace", "shop.orders:0:999", exits=1).stderr
    assert "there is no topic 'shop.lost'" in ran("trace", "shop.lost:0:0", exits=2).stderr
    assert "is not written yet" in ran("trace", "orders:99:0", exits=1).stderr
    assert "has the key 'lost:0:0'" in ran("trace", "lost:0:0", exits=1).stderr
    assert "has the key 'shop.orders:0:0'" in ran("trace", "--key", "shop.orders:0:0", exits=1).stderr
