"""`onward status`, `graph`, `--version`: what is told, in which shape, and where."""

from __future__ import annotations

import json
import signal

from .conftest import HANG, SHOP, Command, until

COUNTS = ["records", "done", "outstanding", "retrying", "dead", "waiting", "running", "behind", "emitted", "dropped"]


def test_the_document(command: Command) -> None:
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    document = command.document("status")
    assert list(document) == ["store", "apps"] and document["store"] == "sqlite:///onward.db"
    [shop] = document["apps"]
    assert list(shop) == ["app", "sources", "stages", "topics", "replays"] and shop["app"] == "shop"
    [source] = shop["sources"]
    assert list(source) == ["name", "cursor", "emitted", "last_run", "next_run", "state"]
    assert source["name"] == "shop.arrive" and source["cursor"] == 20 and source["emitted"] == 20
    assert source["last_run"].endswith("Z") and source["state"] == "not running"
    bill, mail = shop["stages"]
    assert list(bill) == ["name", "topic", *COUNTS, "per_second", "state"]
    assert [bill[count] for count in COUNTS] == [20, 17, 0, 0, 1, 0, 0, 2, 17, 0]
    assert bill["topic"] == "shop.orders" and mail["done"] == 17
    assert round(bill["per_second"] * 60) == 17
    assert [list(topic) for topic in shop["topics"]] == [["name", "records", "partitions", "bytes"]] * 2
    assert shop["topics"][0]["records"] == 20 and shop["topics"][0]["partitions"] == 2


def test_apps_that_were_named_in_that_order(command: Command) -> None:
    command("run", SHOP, HANG, "--once")
    assert [app["app"] for app in command.document("status", "shop", "hang")["apps"]] == ["shop", "hang"]
    assert [app["app"] for app in command.document("status", "hang", "shop")["apps"]] == ["hang", "shop"]
    assert len(command.document("status")["apps"]) == 2
    ended = command("status", "parcels", exits=2)
    assert "parcels" in ended.stderr.splitlines()[-1]


def test_zeros_for_an_app_that_never_ran(command: Command) -> None:
    document = command.document("status", SHOP)
    assert not (command.folder / "onward.db").exists()
    [shop] = document["apps"]
    assert {stage[count] for stage in shop["stages"] for count in COUNTS} == {0}
    assert {stage["state"] for stage in shop["stages"]} == {"not running"}
    command("run", HANG, "--once")
    assert command.document("status", SHOP)["apps"] == document["apps"]


def test_states_while_a_worker_runs(command: Command) -> None:
    process = command.start("run", HANG, "--set", "many=1", "--set", "slow=4")
    until(lambda: (command.folder / "started").exists())
    assert command.stage("hang.take")["state"] == "running"
    until(lambda: command.stage("hang.take")["state"] == "idle")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert command.stage("hang.take")["state"] == "not running"


def test_a_stage_that_is_no_longer_declared_is_gone(command: Command) -> None:
    program = (
        "from onward import App\napp = App('small')\ntopic = app.topic('topic', int)\n"
        "@app.stage(topic)\ndef old(value: int): raise ValueError\n"
    )
    (command.folder / "small.py").write_text(program.replace("raise ValueError", "return None"))
    command("put", "topic", "--app", "small.py", said="1\n2\n")
    command("run", "small.py", "--once")
    (command.folder / "small.py").write_text(program.partition("@")[0])
    command("run", "small.py", "--once")
    gone = command.stage("small.old")
    assert gone["state"] == "gone" and gone["done"] == gone["records"] == 2
    command.accounted()


def test_watch_off_a_terminal_prints_a_line_each_time(command: Command) -> None:
    command("run", SHOP, "--once")
    process = command.start("status", "--watch", "--json")
    assert process.stdout is not None
    first, second = process.stdout.readline(), process.stdout.readline()
    assert json.loads(first)["apps"] and json.loads(second)["apps"]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_graph(command: Command) -> None:
    told = command("graph", SHOP).stdout
    assert told == "shop\n  [arrive] -> orders\n  orders -> [bill] -> bills\n  bills -> [mail]\n"
    command("run", SHOP, "--once")
    assert command("graph", "shop").stdout == told
    assert command("graph", "shop", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    assert command.document("graph", "shop")["stages"][0] == {
        "name": "shop.bill",
        "topic": "shop.orders",
        "to": ["shop.bills"],
    }


def test_version_and_wrong_usage(command: Command) -> None:
    assert command("--version").stdout.startswith("onward 0.")
    ended = command("fly", exits=2)
    assert ended.stderr.splitlines()[-1] == "Error: No such command 'fly'."
    ended = command("status", "--colour", exits=2)
    assert "--colour" in ended.stderr.splitlines()[-1]
    assert "Usage: onward" in command("--help").stdout
