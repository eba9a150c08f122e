"""Files of transactions over several tables, complete loads of several parts, and the guard."""

import msgspec
import pytest

from onward_apps.orders.errors import BadRow, MassRemoval
from onward_apps.orders.merge import UNDECLARED
from onward_apps.orders.model import Delivery, Entity, Part

from .target import Target, make_file

ITEM = Entity("item", {"id": "integer", "name": "text"}, key="id", table="dbo.item", remove_absent=True)
LINE = Entity("line", {"id": "integer", "item": "integer"}, key="id", table="dbo.line", timestamp_column="ts")


def transactions(target: Target, text: str, name: str = "CDC_TXN-20250301101112123.csv") -> Delivery:
    file = make_file(target.folder / "cdc" / name, text, ITEM, kind="TXN", key=f"cdc/{name}")
    file = msgspec.structs.replace(file, entity="", table="cdc")
    return target.merge(file, [ITEM, LINE])


TEXT = """I,item,dbo,1,a
I,line,dbo,2025-03-01 10:11:12.000000,10,1
I,item,dbo,2,b
U,item,dbo,1,"a,
b"
D,line,dbo,2025-03-01 10:11:12.000000,10,1
I,line,dbo,2025-03-01 10:11:12.000000,11,2
I,other,dbo,5,6,7
"""


def test_all_tables_of_a_file_are_one_delivery(target):
    delivery = transactions(target, TEXT)
    assert delivery.summary == {"item": {"CREATE": 2, "AMEND": 1}, "line": {"CREATE": 2, "REMOVE": 1}}
    assert (delivery.delivery_id, delivery.max_event_id, delivery.rows_read) == (1, 6, 7)
    assert (delivery.entity, delivery.ignored) == ("item,line", {UNDECLARED: 1})
    assert target.rows("SELECT id, name, event_id FROM item ORDER BY id") == [(1, "a,\nb", 3), (2, "b", 2)]
    assert target.rows("SELECT id, item, event_id FROM line") == [(11, 2, 6)]
    assert target.rows("SELECT event_type, event_id, prev_event_id FROM line_event_log ORDER BY event_id") == [
        ("CREATE", 4, None), ("REMOVE", 5, 4), ("CREATE", 6, None),
    ]  # fmt: skip
    assert target.rows("SELECT kind, source_table, entity FROM loader_deliveries") == [("TXN", "cdc", "item,line")]
    assert transactions(target, TEXT).repeated


def test_a_bad_row_of_one_table_leaves_all_as_they_were(target):
    transactions(target, TEXT)
    before = target.rows("SELECT * FROM item"), target.rows("SELECT * FROM line")
    text = "U,item,dbo,2,c\nI,line,dbo,2025-03-01,12,1\n\nI,line,dbo,2025-03-01,x,1\n"
    with pytest.raises(BadRow, match=r"line 4, column id: dbo.line: 'x' is not an integer"):
        transactions(target, text, "CDC_TXN-20250301101112124.csv")
    with pytest.raises(BadRow, match="line 2: the row has 2 fields"):
        transactions(target, "U,item,dbo,2,c\nI,line\n", "CDC_TXN-20250301101112125.csv")
    assert (target.rows("SELECT * FROM item"), target.rows("SELECT * FROM line")) == before


def snapshot(target: Target, *texts: str) -> Delivery:
    """Delivers the parts, then the snapshot that they are."""
    files = [make_file(target.folder / "dbo/item" / f"LOAD{n:08X}.csv", text, ITEM) for n, text in enumerate(texts, 1)]
    for file in files:
        target.merge(file, ITEM)
    path = str(target.folder / "dbo/item/LOAD")
    parts = [Part(file.key, file.identity) for file in files]
    more = {"key": "dbo/item/LOAD", "path": path, "kind": "SNAPSHOT", "parts": parts, "identity": "".join(texts)}
    return target.merge(msgspec.structs.replace(files[0], **more), ITEM)


def test_a_complete_load_of_several_parts_removes_what_it_has_not(target):
    first = snapshot(target, "1,a\n2,b\n", "3,c\n4,d\n")
    assert (first.events["REMOVE"], first.rows_read) == (0, 4)
    second = snapshot(target, "1,a\n3,x\n", "5,e\n")
    assert second.summary == {"item": {"REMOVE": 2}}
    assert target.rows("SELECT id, name FROM item ORDER BY id") == [(1, "a"), (3, "x"), (5, "e")]
    assert target.rows("SELECT curr_id, prev_name FROM item_event_log WHERE event_type = 'REMOVE'") == [
        (2, "b"), (4, "d"),
    ]  # fmt: skip


def test_what_changed_since_the_load_began_is_not_missed_by_it(target):
    snapshot(target, "1,a\n2,b\n", "3,c\n")
    files = [make_file(target.folder / "dbo/item/LOAD00000001.csv", "1,a\n3,c\n", ITEM)]
    target.merge(files[0], ITEM)
    target.deliver("I,7,g\nU,2,bb\n", ITEM, name="cdc")
    more = {"key": "dbo/item/LOAD", "path": str(target.folder / "dbo/item/LOAD"), "kind": "SNAPSHOT", "identity": "x"}
    parts = [Part(files[0].key, files[0].identity)]
    target.merge(msgspec.structs.replace(files[0], parts=parts, **more), ITEM)
    assert target.rows("SELECT id FROM item ORDER BY id") == [(1,), (2,), (3,), (7,)]


def test_a_mass_removal_waits_and_says_what_it_is_about(target):
    target.approved = False
    target.deliver("".join(f"{n},x\n" for n in range(10)), ITEM)
    half = "".join(f"D,{n},x\n" for n in range(5))
    assert target.deliver(half, ITEM, name="cdc").events["REMOVE"] == 5
    before = target.rows("SELECT * FROM item")
    with pytest.raises(MassRemoval, match=r"remove 3 of 5 rows of item \(more than 50%\), as 5, 6, 7;") as caught:
        target.deliver("D,5,x\nD,6,x\nD,7,x\n", ITEM, name="cdc")
    assert (caught.value.removed, caught.value.before) == (3, 5)
    assert target.rows("SELECT * FROM item") == before
    with pytest.raises(MassRemoval, match="remove 5 of 5 rows"):
        target.deliver("", ITEM, whole=True)
    with pytest.raises(MassRemoval, match="remove 4 of 5 rows"):
        target.deliver("9,new\n10,new\n", ITEM, whole=True)
    assert target.rows("SELECT * FROM item") == before
    target.approved = True
    assert target.deliver("", ITEM, whole=True).events["REMOVE"] == 5


def test_a_row_that_comes_and_goes_in_one_file_is_no_removal(target):
    target.approved = False
    target.deliver("1,a\n2,b\n3,c\n", ITEM)
    target.deliver("I,4,d\nD,4,d\nI,5,e\nD,5,e\nD,1,a\nI,1,a\nD,2,b\nI,2,z\n", ITEM, name="cdc")
    assert target.rows("SELECT id FROM item ORDER BY id") == [(1,), (2,), (3,)]
