"""Files that cannot be delivered as they are.

Given tables whose files come into a folder;
when one of them is broken, has rows that do not fit, vanishes, or would remove most of a table;
then nothing of that file is in the database, the error says where, its table stops and no other does, and once it is
mended `parked retry` goes on with it.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from onward import App
from onward.log import Parked
from onward_apps.orders import Entity, loader
from onward_apps.orders.place import Source, Target
from onward_apps.orders.settings import Settings
from orders.target import plain
from scenarios.ground import Ground, sql

ITEM = Entity("item", {"id": "integer", "name": "text", "price": "decimal(8,2)"}, key="id", remove_absent=True)
NAMED = Entity("named", {"id": "integer", "name": "text"}, key="id", header=True)
OTHER = Entity("other", {"id": "integer"}, key="id", rank=1)
DELIVER = "shop.deliver"


class Shop:
    """The loader, its folder and its database."""

    def __init__(self, ground: Ground, postgres: str = "") -> None:
        self.ground = ground
        self.data = ground.folder / "data"
        self.postgres = postgres
        self.target = ground.folder / "target.db"
        self.app: App = loader("shop", [ITEM, NAMED, OTHER], transactions="cdc")
        self.settings = Settings(source=Source(str(self.data)), target=Target(postgres or f"sqlite:///{self.target}"))
        self.written = 0

    def write(self, name: str, text: str | bytes) -> Path:
        """Each file a second after the one before."""
        path = self.data / (name if name.startswith("cdc/") else f"dbo/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.written += 1
        os.utime(path, (1_750_000_000 + self.written,) * 2)
        return path

    def run(self) -> Any:
        return self.ground.run(self.app, settings={"shop": self.settings})

    def retry(self, key: str) -> None:
        """A person says so."""
        assert self.ground.ask(DELIVER, "retry", key=key)

    def rows(self, statement: str = "SELECT id, name, price FROM item ORDER BY id") -> list[tuple]:
        """Values as SQLite stores them, whatever the target."""
        if not self.postgres:
            return sql(self.target, statement)
        with psycopg.connect(self.postgres, options="-c search_path=paper_engine") as connection:
            return [tuple(map(plain, row)) for row in connection.execute(statement).fetchall()]

    def parked(self) -> list[Parked]:
        return [row for row in self.ground.parked(DELIVER)]

    def states(self) -> dict[str | None, list[str]]:
        found: dict[str | None, list[str]] = {}
        for row in self.parked():
            found.setdefault(row.key, []).append(row.state)
        return found

    def error(self) -> str:
        [attempts] = [attempts for attempts in self.ground.attempts(DELIVER).values() if attempts]
        return attempts[-1].message


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, ground: Ground) -> Shop:
    return Shop(ground, request.getfixturevalue("postgres") if request.param == "postgres" else "")


GOOD = "1,a,1.00\n2,b,2.00\n"
SHORT = gzip.compress(b"U,1,z,9\nI,3,c,3\n")[:-9]


@pytest.mark.parametrize(
    ("name", "bad", "said", "mended"),
    [
        ("20250301-101112123.csv.gz", SHORT, "not a sound gzip file", gzip.compress(b"I,3,c,3\n")),
        (
            "20250301-101112123.csv",
            "U,1,z,9\nI,3,c\n",
            "line 2, column price: the row has 3 fields, not 4",
            "I,3,c,3\n",
        ),
        ("20250301-101112123.csv", "U,1,z,9\nI,3,c,x\n", "line 2, column price: 'x' is not a decimal", "I,3,c,3\n"),
        ("20250301-101112123.csv", "U,1,z,9,new\nI,3,c,3,new\n", "line 1: the row has 5 fields, not 4", "I,3,c,3\n"),
        ("20250301-101112123.csv", 'U,1,z,9\nI,3,"c,3\n', "line 2: is not CSV", "I,3,c,3\n"),
        ("20250301-101112123.csv", b"U,1,z,9\nI,3,\xff,3\n", "line 2: ", "I,3,c,3\n"),
    ],
    ids=["broken gzip", "short row", "wrong type", "changed arity", "open quote", "no text"],
)
def test_a_bad_file_stops_its_table_until_it_is_mended(
    shop: Shop, name: str, bad: str | bytes, said: str, mended: str | bytes
) -> None:
    shop.write("item/LOAD00000001.csv", GOOD)
    assert not shop.run().failed
    before = shop.rows(), shop.rows("SELECT count(*) FROM item_event_log")
    shop.write(f"item/{name}", bad)
    shop.write("item/20250301-101112124.csv", "I,4,d,4\n")
    shop.write("other/LOAD00000001.csv", "7\n")
    assert shop.run().died == 1
    assert (shop.rows(), shop.rows("SELECT count(*) FROM item_event_log")) == before
    assert shop.states() == {"dbo.item": ["dead", "behind"]}
    assert f"dbo/item/{name}" in shop.error() and said in shop.error()
    assert shop.rows("SELECT id FROM other") == [(7,)]
    shop.write(f"item/{name}", mended)
    shop.retry("dbo.item")
    assert not shop.run().failed
    assert [row[0] for row in shop.rows()] == [1, 2, 3, 4]
    delivered = shop.rows("SELECT source_key FROM loader_deliveries WHERE entity = 'item' ORDER BY delivery_id")
    assert delivered[1:] == [(f"dbo/item/{name}",), ("dbo/item/20250301-101112124.csv",)]
    assert shop.parked() == []
    shop.ground.recount()


def test_an_unknown_column_stops_its_table(shop: Shop) -> None:
    shop.write("named/LOAD00000001.csv", "id,name\n1,a\n")
    shop.run()
    shop.write("named/20250301-101112123.csv", "Op,id,name,added\nI,2,b,x\n")
    assert shop.run().died == 1
    assert "line 1, column added: the header names added, which named does not declare" in shop.error()
    assert shop.rows("SELECT id FROM named") == [(1,)]


def test_a_file_that_vanished_is_left_out_and_a_replaced_one_is_as_it_is_now(shop: Shop) -> None:
    first = shop.write("item/LOAD00000001.csv", GOOD)
    second = shop.write("item/20250301-101112123.csv", "D,1,a,1\n")
    third = shop.write("item/20250301-101112124.csv", "D,2,b,2\n")

    class Fading:
        """A folder in which files change between list and get."""

        def __init__(self) -> None:
            self.folder = shop.settings.source.open()
            self.where = self.folder.where

        def __getattr__(self, name: str) -> Any:
            return getattr(self.folder, name)

        def read(self, key: str, identity: str) -> Any:
            if key.endswith("123.csv"):
                second.unlink(missing_ok=True)
            if key.endswith("124.csv"):
                third.write_text("I,3,c,3\n")
            return self.folder.read(key, identity)

    report = shop.ground.run(shop.app, settings={"shop": shop.settings}, resources={"place": Fading()})
    assert not report.failed and first.exists()
    assert [row[0] for row in shop.rows()] == [1, 2, 3]
    assert not shop.run().failed
    assert shop.rows("SELECT source_key FROM loader_deliveries ORDER BY delivery_id") == [
        ("dbo/item/LOAD00000001.csv",),
        ("dbo/item/20250301-101112124.csv",),
    ]


def test_a_mass_removal_waits_for_a_person(shop: Shop) -> None:
    shop.write("item/LOAD00000001.csv", "".join(f"{n},x,1\n" for n in range(10)))
    shop.run()
    shop.write("item/LOAD00000001.csv", "1,x,1\n")
    shop.write("other/LOAD00000001.csv", "7\n")
    assert not shop.run().failed
    [row] = shop.parked()
    assert (row.state, row.key) == ("waiting", "dbo.item")
    assert "would remove 9 of 10 rows of item (more than 50%), as 0, 2, 3, 4, 5, ...;" in row.reason
    assert len(shop.rows()) == 10 and shop.rows("SELECT id FROM other") == [(7,)]
    shop.retry("dbo.item")
    assert not shop.run().failed
    assert [row[0] for row in shop.rows()] == [1]
    assert shop.rows("SELECT count(*) FROM item_event_log WHERE event_type = 'REMOVE'") == [(9,)]


def test_a_stopped_table_stops_the_transactions(shop: Shop) -> None:
    shop.write("other/LOAD00000001.csv", "7\n")
    bad = shop.write("item/LOAD00000001.csv", "1,a,x\n")
    shop.write("cdc/CDC_TXN-20250301101112123.csv", "I,other,dbo,8\nI,item,dbo,2,b,2\n")
    shop.write("cdc/CDC_TXN-20250301101112124.csv", "I,item,dbo,3,c,3\n")
    shop.run()
    assert shop.states() == {"dbo.item": ["dead"], "cdc": ["retrying", "behind"]}
    assert shop.rows("SELECT id FROM other") == [(7,)]
    shop.write("item/LOAD00000001.csv", "1,a,1\n")
    assert bad.exists()
    shop.retry("dbo.item")
    shop.run()
    shop.ground.clock.advance(120)
    assert not shop.run().failed
    assert shop.rows() == [(1, "a", "1.00"), (2, "b", "2.00"), (3, "c", "3.00")]
    assert shop.rows("SELECT id FROM other ORDER BY id") == [(7,), (8,)]
    kinds = shop.rows("SELECT kind, summary FROM loader_deliveries ORDER BY delivery_id")
    assert kinds[2][0] == "TXN"
    assert json.loads(kinds[2][1]) == {"other": {"CREATE": 1}, "item": {"CREATE": 1}}
    shop.ground.recount()


def test_a_load_that_is_given_up_frees_the_transactions(shop: Shop) -> None:
    bad = shop.write("item/LOAD00000001.csv", "1,a,x\n")
    shop.write("cdc/CDC_TXN-20250301101112123.csv", "I,item,dbo,2,b,2\n")
    shop.run()
    bad.unlink()
    shop.ground.clock.advance(120)
    shop.run()
    assert shop.rows() == [(2, "b", "2.00")]
    assert shop.states() == {"dbo.item": ["dead"]}


def test_dry_run_set_in_the_environment_keeps_the_loader_from_delivering(shop: Shop) -> None:
    shop.write("item/LOAD00000001.csv", GOOD)
    dry = Settings(source=shop.settings.source, target=shop.settings.target, dry_run=True)
    shop.ground.run(shop.app, settings={"shop": dry})
    assert shop.ground.values(shop.app.topics["shop.files"]) == []
