"""`onward run --dry-run`: shows what a run would do, and changes nothing."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import SHOP, Command


def test_before_anything_there_is(command: Command) -> None:
    ended = command("run", SHOP, "--dry-run")
    lines = ended.stdout.splitlines()
    withheld = [line for line in lines if line.startswith("withheld shop.mail")]
    assert len(withheld) == 20
    assert re.fullmatch(
        r'withheld shop.mail  shop.bills:0:\d+  c\d  \{"customer":"c\d","number":\d+\}  shop.mail:shop.bills:.+',
        withheld[0],
    )
    bill = next(line.split() for line in lines if line.startswith("shop.bill "))
    assert bill[1:4] == ["20", "20", "0"] and bill[-3:] == ["20", "into", "shop.bills"]
    assert "mailing" not in ended.stderr
    assert ended.stderr.splitlines()[-1] == "nothing was changed"
    assert list(command.folder.iterdir()) == []


def test_one_document(command: Command) -> None:
    command("run", SHOP, "--once")
    before = command.document("status")
    ended = command("run", SHOP, "--dry-run", "--json", "--set", "many=30", "--set", "bad=23", exits=1)
    told = json.loads(ended.stdout)
    assert set(told) == {"store", "sources", "stages", "topics", "failed", "tripped", "troubles", "effects"}
    [source] = told["sources"]
    assert source == {"name": "shop.arrive", "emitted": {"shop.orders": 10}, "before": 20, "cursor": 30, "error": ""}
    bill, mail = told["stages"]
    assert (bill["records"], bill["done"], bill["dead"], bill["behind"], bill["emitted"]) == (
        10,
        8,
        1,
        1,
        {"shop.bills": 8},
    )
    [reason] = bill["reasons"]
    assert (reason["state"], reason["reason"], reason["count"], reason["key"]) == (
        "dead",
        "ValueError: unlucky",
        1,
        "c3",
    )
    assert (mail["withheld"], len(told["effects"])) == (8, 8)
    assert {effect["value"]["number"] for effect in told["effects"]} == {*range(20, 30)} - {23, 28}
    assert command.document("status") == before
    assert len((command.folder / "mailed.txt").read_text().splitlines()) == 20


def test_a_limit(command: Command) -> None:
    told = command.document("run", SHOP, "--dry-run", "--limit", "3")
    assert [stage["records"] for stage in told["stages"]] == [3, 3] and len(told["effects"]) == 3


def test_only_the_stages_that_were_named(command: Command) -> None:
    told = command.document("run", SHOP, "--dry-run", "--stage", "arrive", "--stage", "bill")
    assert [stage["name"] for stage in told["stages"]] == ["shop.bill"] and told["effects"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--limit", "3"), "--limit goes with --dry-run"),
        (("--dry-run", "--processes", "2"), "one process"),
        (("--dry-run", "--limit", "0"), "--limit"),
    ],
)
def test_wrong_usage(command: Command, arguments: tuple[str, ...], told: str) -> None:
    ended = command("run", SHOP, *arguments, exits=2)
    assert told in ended.stderr
    assert list(command.folder.iterdir()) == []
