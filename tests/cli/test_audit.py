"""`onward audit`: what it says of a store in which rows are missing."""

from __future__ import annotations

import apsw
import pytest

from .conftest import SHOP, Command


@pytest.fixture
def delivered(command: Command) -> Command:
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    assert "every record is accounted for" in command("audit").stdout
    return command


def _change(command: Command, statement: str) -> None:
    connection = apsw.Connection(str(command.folder / "onward.db"))
    connection.execute(statement)
    assert connection.changes()
    connection.close()


MISSING = "DELETE FROM progress WHERE seq = (SELECT min(seq) FROM progress WHERE stage = 'shop.mail')"
OVERSTATED = "UPDATE progress SET totals = json_set(totals, '$.done', 99) WHERE stage = 'shop.mail'"
TAKEN_OUT = """
UPDATE block SET entries = json_remove(entries, '$[1]') WHERE topic = 'shop.bills' AND "offset" = 0
"""
EMPTIED = "UPDATE block SET entries = '[]', size = 2 WHERE topic = 'shop.bills' AND \"offset\" > 0"
BEGINNING = "DELETE FROM block WHERE topic = 'shop.bills' AND \"offset\" = 0"
MOVED = 'UPDATE block SET "offset" = "offset" + 3 WHERE topic = \'shop.bills\' AND "offset" > 0'


@pytest.mark.parametrize(
    ("statement", "name", "told"),
    [
        ("DELETE FROM parked WHERE state = 'dead'", "shop.bill", "key 'c2' has only records behind"),
        ("DELETE FROM parked WHERE state = 'dead'", "shop.bill", "neither finished nor parked: offset"),
        (MISSING, "the store", "rows of progress are gone: 0 claimed, 1 counted"),
        ("DELETE FROM progress", "the store", "rows of progress are gone"),
        (OVERSTATED, "shop.mail", "done: 99 claimed, 17 counted"),
        ("DELETE FROM block WHERE topic = 'shop.bills'", "shop.bills", "17 claimed, 0 counted"),
        ("UPDATE topic SET put = 5 WHERE name = 'shop.orders'", "shop.orders", "25 claimed, 20 counted"),
        (MOVED, "shop.bills", "begins elsewhere"),
        (TAKEN_OUT, "shop.bills", "records are missing from the block of offsets 0 to"),
        (EMPTIED, "shop.bills", "blocks have lost their entries: offset"),
        (BEGINNING, "shop.bills", "retention has deleted others: 0 claimed"),
    ],
)
def test_a_breach_exits_1_and_says_where(delivered: Command, statement: str, name: str, told: str) -> None:
    if statement in (MOVED, EMPTIED, BEGINNING):
        delivered("put", "bills", "--app", SHOP, said='{"customer": "c", "number": 1}')
    _change(delivered, statement)
    ended = delivered("audit", exits=1)
    assert any(line.startswith(name) and told in line for line in ended.stdout.splitlines()), ended.stdout
    document = delivered.document("audit", exits=1)
    assert not document["ok"] and name in {breach["name"] for breach in document["breaches"]}
    assert list(document["breaches"][0]) == ["name", "partition", "claimed", "counted", "what"]


def test_only_the_apps_that_were_named(delivered: Command) -> None:
    (delivered.folder / "other.py").write_text("from onward import App\napp = App('other')\n")
    delivered("run", "other.py", "--once")
    _change(delivered, "DELETE FROM parked WHERE state = 'dead'")
    delivered("audit", "other")
    delivered("audit", "shop", exits=1)
