"""Rows with history, written by the loader's machinery."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import apsw
import pytest

from onward import Position, Record
from onward_apps.orders.model import Entity
from onward_apps.orders.trade.entities import ENTITIES
from onward_apps.orders.trade.keep import Kept, keep, read

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ITEM = Entity("item", {"id": "integer", "price": "decimal(10,2)", "at": "timestamp", "note": "text"}, key="id")
CAUSE = Record(
    key="k", value=None, headers={}, time=NOON, position=Position("t", 0, 7), origin=None, attempt=1, id="t:7"
)  # fmt: skip


@pytest.fixture
def tx() -> apsw.Connection:
    return apsw.Connection(":memory:")


def events(tx: apsw.Connection) -> list[tuple]:
    return tx.execute(
        "SELECT event_type, curr_id, curr_price, mask, event_id, delivery_id FROM item_event_log ORDER BY event_id"
    ).fetchall()


def row(id: int, price: str, note: str | None = None) -> dict:
    return {"id": id, "price": Decimal(price), "at": NOON, "note": note}


def test_created_amended_removed_and_created_again(tx: apsw.Connection) -> None:
    keep(tx, CAUSE, Kept(ITEM, [row(1, "1"), row(2, "0")]))
    keep(tx, CAUSE, Kept(ITEM, [row(1, "1.50")], [{"id": 2}]))
    keep(tx, CAUSE, Kept(ITEM, [row(2, "0")]))
    assert events(tx) == [
        ("CREATE", 1, "1.00", "1111", 1, 1),
        ("CREATE", 2, "0.00", "1111", 2, 1),
        ("AMEND", 1, "1.50", "0100", 3, 2),
        ("REMOVE", 2, None, "1111", 4, 2),
        ("RECREATE", 2, "0.00", "1111", 5, 3),
    ]
    assert read(tx, ITEM, "id = :id", id=2) == [{"id": 2, "price": Decimal(0), "at": NOON, "note": None}]


def test_what_is_as_it_was_leaves_no_trace(tx: apsw.Connection) -> None:
    """Also where it has more digits than are kept."""
    assert keep(tx, CAUSE, Kept(ITEM, [row(1, "0.3333333")])) == 1
    assert keep(tx, CAUSE, Kept(ITEM, [row(1, "0.33")])) == keep(tx, CAUSE, Kept(ITEM, [], [{"id": 9}])) == 0
    assert tx.execute("SELECT process, delivery_id, source_key, identity, max_event_id FROM loader_deliveries").get == (
        "trade", 1, "t:0:7", "t:7", 1,
    )  # fmt: skip


def test_several_entities_are_one_delivery(tx: apsw.Connection) -> None:
    other = Entity("other", {"id": "integer"}, key="id")
    assert keep(tx, CAUSE, Kept(ITEM, [row(1, "1")]), Kept(other, [{"id": 1}, {"id": 2}])) == 3
    assert tx.execute("SELECT id, event_id, delivery_id FROM other").fetchall() == [(1, 2, 1), (2, 3, 1)]


def test_the_tables_have_different_names_and_keys_of_their_columns() -> None:
    assert len({entity.name for entity in ENTITIES}) == len(ENTITIES)
    latest = {entity.name: set(entity.key) for entity in ENTITIES}
    for name, key in latest.items():
        if name.endswith("_latest"):
            assert key < latest[name.removesuffix("_latest")]
