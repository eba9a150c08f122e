"""`onward parked`: looking at what was set aside, and asking for it to be tried again or given up."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from .conftest import SHOP, Command, until


@pytest.fixture
def died(command: Command) -> Command:
    """Of 20 records number 7 is dead, two are behind it."""
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    return command


def test_list_and_show(died: Command) -> None:
    first, *behind = died.lines("parked", "list")
    assert first["state"] == "dead" and first["attempts"] == 2 and first["error"] == "ValueError: unlucky"
    assert first["key"] == "c2" and first["stage"] == "shop.bill" and first["topic"] == "shop.orders"
    assert [one["state"] for one in behind] == ["behind", "behind"]
    assert died.lines("parked", "list", "--state", "dead", "--stage", "bill", "--key", "c2", "--error", "luck") == [
        first
    ]
    assert died.lines("parked", "list", "--error", "other") == died.lines("parked", "list", "--key", "c1") == []
    assert len(died.lines("parked", "list", "--limit", "2")) == 2
    position = f"shop.orders:{first['partition']}:{first['offset']}"
    assert died.lines("parked", "list", position) == [first]
    assert died.lines("parked", "list", position.removeprefix("shop.")) == [first]
    assert died.lines("parked", "list", f"orders:{first['partition']}:0-{first['offset']}") == [first]
    assert died.lines("parked", "list", "c2") == [first, *behind]
    [shown] = died.document("parked", "show", position)["records"]
    assert shown["value"] == {"customer": "c2", "number": 7}
    assert [one["number"] for one in shown["attempted"]] == [1, 2]
    assert "raise ValueError" in shown["attempted"][0]["traceback"]
    text = died("parked", "show", "--state", "dead").stdout
    assert text.startswith(f"{position} of stage shop.bill: dead") and "ValueError: unlucky" in text
    assert len(died("parked", "list").stdout.splitlines()) == 4


def test_retry_by_a_later_run(died: Command) -> None:
    asked = died.document("parked", "retry", "--state", "dead")
    assert asked["requests"][0]["records"] == 1 and asked["requests"][0]["answer"] is None
    died("run", SHOP, "--once")
    assert died.stage("shop.mail")["done"] == 20
    assert died.lines("parked", "list") == []
    died.accounted()


def test_drop_by_a_later_run(died: Command) -> None:
    died("parked", "drop", exits=2)
    died("parked", "drop", "--state", "dead")
    died("run", SHOP, "--once")
    bill = died.stage("shop.bill")
    assert (bill["done"], bill["dropped"], bill["emitted"]) == (20, 1, 19)
    died.accounted()


def test_nothing_that_fits(died: Command) -> None:
    ended = died("parked", "retry", "--key", "nobody")
    assert ended.stdout == "" and "no parked record matches" in ended.stderr
    assert "--state" in died("parked", "list", "--state", "lost", exits=2).stderr
    assert "no stage" in died("parked", "list", "--stage", "post", exits=2).stderr
    for action in ("list", "show", "retry", "drop", "edit"):
        assert "nothing is parked as 'nobody'" in died("parked", action, "nobody", exits=1).stderr
        assert "nothing is parked as 'orders:0:999'" in died("parked", action, "orders:0:999", exits=1).stderr
    assert "no topic 'shop.post'" in died("parked", "list", "shop.post:0:1", exits=2).stderr
    assert "say it or --key" in died("parked", "retry", "c2", "--key", "c1", exits=2).stderr
    assert "no parked record matches" in died("parked", "show", "--key", "nobody").stderr


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_beside_a_running_worker(died: Command, action: str) -> None:
    worker = died.start("run", SHOP, "--set", "many=400", "--set", "slow=0.005")
    until(lambda: died.stage("shop.bill")["state"] == "running")
    [asked] = died.document("parked", action, "--state", "dead", ONWARD_USER="kim")["requests"]
    assert asked["answer"] == {"retry": "1 to be tried", "drop": "1 dropped"}[action]
    died.accounted()
    until(lambda: died.stage("shop.bill")["outstanding"] == 0)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    bill = died.stage("shop.bill")
    assert bill["done"] == 400 and bill["dropped"] == (action == "drop")
    died("run", SHOP, "--once", "--set", "many=400")
    mailed = (died.folder / "mailed.txt").read_text().splitlines()
    assert len(mailed) == len(set(mailed)) == 400 - (action == "drop")
    of_key = [int(line.split()[1]) for line in mailed if line.startswith("c2 ")]
    assert of_key == sorted(of_key)
    died.accounted()


def test_edit_by_a_later_run(died: Command) -> None:
    [dead] = died.lines("parked", "list", "--state", "dead")
    position = f"{dead['topic']}:{dead['partition']}:{dead['offset']}"
    assert "both" in died("parked", "edit", "--value", "1", "--file", "x", exits=2).stderr
    assert "no terminal" in died("parked", "edit", position, exits=2).stderr
    assert "no parked record" in died("parked", "edit", "--key", "nobody", "--value", "1", exits=1).stderr
    assert "one record is edited at a time" in died("parked", "edit", "--key", "c2", "--value", "1", exits=2).stderr
    bad = ["parked", "edit", position, "--app", SHOP, "--value"]
    assert "a key may not change" in died(*bad, '{"customer": "c3", "number": 8}', exits=2).stderr
    assert "is no record of topic" in died(*bad, '{"customer": "c2"}', exits=2).stderr
    ended = died(*bad, '{"customer": "c2", "number": "7"}', exits=2)
    assert ended.stderr.endswith("is no record of topic shop.orders: Expected `int`, got `str`, in field `number`\n")
    assert "trailing comma in object (line 3, column 1)" in died(*bad, '{\n  "number": 7,\n}', exits=2).stderr
    (died.folder / "same.json").write_bytes(b'\xef\xbb\xbf{"customer": "c2", "number": 7}')
    assert "nothing was changed" in died("parked", "edit", position, "--file", "same.json").stderr
    assert "nothing was changed" in died(*bad, '{"customer": "c2", "number": 7}').stderr
    assert died.lines("parked", "list", "--state", "dead") == [dead]
    edited = ("parked", "edit", position, "--file", "-")
    [asked] = died.document(*edited, said='{"customer": "c2", "number": 1007}', ONWARD_USER="kim")["requests"]
    assert (asked["records"], asked["answer"]) == (1, None)
    died("parked", "retry", position, ONWARD_USER="lee")
    died("run", SHOP, "--once", "--set", "bad=7")
    assert "c2 1007" in (died.folder / "mailed.txt").read_text()
    step, *_ = died.lines("trace", position)
    assert step["value"] == {"customer": "c2", "number": 7}
    edit, retry = step["stages"][0]["requests"]
    assert (edit["action"], edit["by"], edit["value"]["number"]) == ("edit", "kim", 1007)
    assert edit["difference"] == [{"path": "number", "before": 7, "after": 1007}]
    assert (retry["action"], retry["by"], retry["result"]) == ("retry", "lee", "1 to be tried")
    assert "~ number 7 -> 1007" in died("trace", position).stdout
    died.accounted()


def test_edit_in_an_editor_beside_a_running_worker(died: Command) -> None:
    worker = died.start("run", SHOP, "--set", "many=40", "--set", "bad=7")
    until(lambda: died.stage("shop.bill")["state"] in ("running", "idle"))
    program = f"{sys.executable} -m onward parked edit --state dead"
    (died.folder / "editor").write_text("#!/bin/sh\nsed -i s/7/1007/ $1\n")
    (died.folder / "editor").chmod(0o755)
    said = subprocess.run(
        ["script", "-qec", program, "/dev/null"], cwd=died.folder, capture_output=True, text=True, timeout=60,
        env=died.environment | {"EDITOR": "./editor"},
    )  # fmt: skip
    assert said.returncode == 0 and "1 edited" in said.stdout, said.stdout
    [shown] = died.document("parked", "show", "--state", "dead")["records"]
    assert shown["value"]["number"] == 1007 and [one["action"] for one in shown["requests"]] == ["edit"]
    assert "edit asked for by" in died("parked", "show", "--state", "dead").stdout
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
