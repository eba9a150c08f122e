"""`onward replay`: asked for on the command line, carried out by a worker."""

from __future__ import annotations

import json

import pytest

from .conftest import SHOP, Command


def delivered(command: Command) -> None:
    command("run", SHOP, "--once")


def mailed(command: Command) -> int:
    return len((command.folder / "mailed.txt").read_text().splitlines())


def test_from_the_start(command: Command) -> None:
    delivered(command)
    before = command.stage("shop.bill")
    asked = command.document("replay", "bill", "--from", "start", ONWARD_USER="ann")
    assert (asked["number"], asked["stage"], asked["gone"]) == (1, "shop.bill", 0)
    assert sum(end - first for _, first, end in asked["ranges"]) == 20
    [app] = command.document("status")["apps"]
    assert [(one["number"], one["state"], one["by"]) for one in app["replays"]] == [(1, "waits for a worker", "ann")]
    assert "waits for a worker" in command("status").stdout
    lines = [json.loads(line) for line in command("run", SHOP, "--once").stderr.splitlines() if line.startswith("{")]
    [waits] = [line["message"] for line in lines if line["event"] == "ReplayAwaited"]
    assert waits.startswith(
        "replay 1 of 20 records is not over, and this run ends when it is; `onward replay cancel 1`"
    )
    [one] = command.document("replay", "list")["replays"]
    assert (one["state"], one["offsets"], one["passed"], one["done"], one["emitted"]) == ("done", 20, 20, 20, 20)
    assert (one["by"], one["failures"]) == ("ann", [])
    after = command.stage("shop.bill")
    assert {**after, "per_second": 0} == {**before, "per_second": 0}
    assert command.stage("shop.mail")["records"] == 40 and mailed(command) == 40
    assert command.document("status")["apps"][0]["replays"] == []
    command.accounted()


def test_dry(command: Command) -> None:
    delivered(command)
    told = command.document("replay", "shop.bill", "--from", "start", "--key", "c2", "--dry-run", "--app", SHOP)
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert (stages["shop.bill~1"]["done"], stages["shop.bill~1"]["emitted"]) == (4, {"shop.bills": 4})
    assert (stages["shop.bill"]["records"], stages["shop.mail"]["withheld"]) == (0, 4)
    assert {effect["key"] for effect in told["effects"]} == {"c2"} and len(told["effects"]) == 4
    assert command.document("replay", "list")["replays"] == [] and mailed(command) == 20


def test_what_failed_is_listed(command: Command) -> None:
    delivered(command)
    command("replay", "--from", "start", "bill", "--same-id", "--rate", "1000/s")
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    [one] = command.document("replay", "list")["replays"]
    assert (one["state"], one["done"], one["failed"], one["same_id"], one["rate"]) == ("done", 19, 1, True, 1000.0)
    [failed] = one["failures"]
    assert (failed["key"], failed["error"], len(failed["attempted"])) == ("c2", "ValueError: unlucky", 2)
    lines = command("replay", "list").stdout.splitlines()
    assert "What failed:" in lines and "ValueError: unlucky" in lines[-1]
    assert command("parked", "list").stdout.count("shop.") == 0
    command.accounted()


def test_of_many_that_failed_it_says_how_many_more(command: Command) -> None:
    delivered(command)
    command("replay", "bill", "--from", "start")
    command("run", SHOP, "--once", "--set", "bad=-2", exits=1)
    few = command("replay", "list", "--limit", "3")
    assert few.stdout.count("ValueError") == 3
    assert "replay 1: 17 more failed; --limit N shows more of each, --json all" in few.stderr
    assert "more failed" not in command("replay", "list").stderr
    assert len(command.document("replay", "list")["replays"][0]["failures"]) == 20


def test_where_no_record_lies_nothing_is_asked_for(command: Command) -> None:
    delivered(command)
    ended = command("replay", "bill", "--from", "2999-01-01")
    assert ended.stdout == "" and "no record that lies there; nothing was asked for" in ended.stderr
    assert command.document("replay", "bill", "--from", "999")["number"] is None
    assert command.document("replay", "list")["replays"] == []


def test_cancelled(command: Command) -> None:
    delivered(command)
    command("replay", "bill", "--from", "0", "--to", "5")
    assert "replay 1 ends" in command("replay", "cancel", "1").stdout
    assert command.document("replay", "list")["replays"][0]["state"] == "being cancelled"
    command("run", SHOP, "--once")
    assert command.document("replay", "list")["replays"][0]["state"] == "cancelled" and mailed(command) == 20
    assert "no replay 1 that is not over" in command("replay", "cancel", "1", exits=1).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("bill",), "--from"),
        (
            ("bill", "--from", "yesterday"),
            "--from is `start`, an offset or a time: 'yesterday' is no time; write ISO 8601",
        ),
        (("bill", "--from", "start", "--to", "soon"), "--to is an offset or a time: 'soon' is no time"),
        (("bill", "--from", "start", "--rate", "fast"), "no rate"),
        (("post", "--from", "start"), "shop.bill"),
    ],
)
def test_wrong_usage(command: Command, arguments: tuple[str, ...], told: str) -> None:
    delivered(command)
    ended = command("replay", *arguments, exits=2)
    assert told in ended.stderr and "Traceback" not in ended.stderr
    assert command.document("replay", "list")["replays"] == []
