import msgspec
import pytest

from onward_apps.orders.errors import BadRow, SchemaDiffers
from onward_apps.orders.merge import OUT_OF_ORDER
from onward_apps.orders.model import Entity
from onward_apps.orders.reconcile import ABSENT_REMOVED, ABSENT_UPDATED

from .target import ITEM, make_file

OLD = "1,old,1.00,2025-01-01\n"
NEW = "1,new,2.00,2025-01-01\n"


def prepared(target, key: str):
    """Row 1 absent, removed earlier, or present as OLD; row 9 keeps the table from being new."""
    target.deliver("9,nine,9.00,2025-01-01\n")
    if key != "absent":
        target.deliver(f"I,{OLD}", name="cdc")
    if key == "removed":
        target.deliver(f"D,{OLD}", name="cdc")
    return target


@pytest.mark.parametrize(
    ("key", "op", "row", "event", "mask", "note"),
    [
        ("absent", "", NEW, "CREATE", "1111", ""),
        ("absent", "I", NEW, "CREATE", "1111", ""),
        ("absent", "U", NEW, "CREATE", "1111", ABSENT_UPDATED),
        ("absent", "D", NEW, None, None, ABSENT_REMOVED),
        ("removed", "", NEW, "RECREATE", "1111", ""),
        ("removed", "I", NEW, "RECREATE", "1111", ""),
        ("removed", "U", NEW, "RECREATE", "1111", ABSENT_UPDATED),
        ("removed", "D", NEW, None, None, ABSENT_REMOVED),
        ("present", "", OLD, None, None, ""),
        ("present", "I", OLD, "POINTLESS_AMEND", "0000", ""),
        ("present", "U", OLD, "POINTLESS_AMEND", "0000", ""),
        ("present", "D", OLD, "REMOVE", "1111", ""),
        ("present", "", NEW, "AMEND", "0110", ""),
        ("present", "I", NEW, "AMEND", "0110", ""),
        ("present", "U", NEW, "AMEND", "0110", ""),
        ("present", "D", NEW, "REMOVE", "1111", ""),
    ],
)
def test_each_row_makes_the_event_of_the_table(target, key, op, row, event, mask, note):
    prepared(target, key)
    before = target.state()
    delivery = target.deliver(f"{op},{row}" if op else row, name="cdc" if op else "")
    assert target.events(delivery) == ([(event, 1, mask)] if event else [])
    assert {name: number for name, number in delivery.events.items() if number} == ({event: 1} if event else {})
    assert delivery.warnings == ({note: 1} if note else {})
    assert delivery.ignored == ({note: 1} if note == ABSENT_REMOVED else {})
    assert delivery.unchanged == (1 if (key, op, row) == ("present", "", OLD) else 0)
    expected = dict(before)
    if event == "REMOVE":
        del expected[1]
    elif event:
        expected[1] = ("new", "2.00") if row == NEW else ("old", "1.00")
    assert target.state() == expected


def test_a_log_row_holds_the_row_and_the_one_before(target):
    target.deliver(OLD)
    target.deliver(f"U,{NEW}", name="cdc")
    target.deliver(f"D,{NEW}", name="cdc")
    create, amend, remove = target.named("SELECT * FROM item_event_log ORDER BY event_id")
    names = list(create)
    at = "2025-01-01T00:00:00.000000Z"
    curr = {
        "curr_id": 1,
        "curr_name": "old",
        "curr_price": "1.00",
        "curr_at": at,
        "curr_hash": create["curr_hash"],
    }
    none = dict.fromkeys(name for name in names if name.startswith("prev_"))
    assert create == curr | none | {"event_type": "CREATE", "event_id": 1, "delivery_id": 1, "mask": "1111"}
    assert (amend["curr_name"], amend["prev_name"], amend["prev_hash"]) == ("new", "old", create["curr_hash"])
    assert (amend["event_id"], amend["prev_event_id"], amend["delivery_id"], amend["prev_delivery_id"]) == (
        2,
        1,
        2,
        1,
    )
    assert [remove[name] for name in names if name.startswith("curr_")] == [1, None, None, None, None]
    assert (remove["prev_name"], remove["prev_hash"]) == ("new", amend["curr_hash"])
    assert (remove["event_id"], remove["prev_event_id"], remove["prev_delivery_id"]) == (3, 2, 2)


def test_a_sequence_in_one_file_logs_every_step_and_writes_the_last_state(target):
    target.deliver("9,nine,9.00,2025-01-01\n")
    delivery = target.deliver(f"I,{OLD}U,{NEW}U,{NEW}D,{NEW}D,{NEW}I,{OLD}", name="cdc")
    assert [event for event, _, _ in target.events(delivery)] == [
        "CREATE", "AMEND", "POINTLESS_AMEND", "REMOVE", "RECREATE",
    ]  # fmt: skip
    chain = target.rows("SELECT event_id, prev_event_id FROM item_event_log WHERE curr_id = 1 ORDER BY event_id")
    assert chain == [(2, None), (3, 2), (4, 3), (5, 4), (6, None)]
    assert target.rows("SELECT name, event_id, delivery_id FROM item WHERE id = 1") == [("old", 6, 2)]
    assert delivery.ignored == {ABSENT_REMOVED: 1}


def test_rows_keep_the_order_of_a_large_file(target):
    rows = 20_000
    text = "".join(f"{n % 2},{n},{n}.00,2025-01-01\n" for n in range(rows))
    target.deliver(text[: len("0,0,0.00,2025-01-01\n") * 2])
    delivery = target.deliver(text.replace("1,9999,", '1,"9999",'))
    assert target.state() == {0: (f"{rows - 2}", f"{rows - 2}.00"), 1: (f"{rows - 1}", f"{rows - 1}.00")}
    assert (delivery.events["AMEND"], delivery.unchanged) == (rows - 2, 2)
    names = target.rows("SELECT curr_name, prev_name FROM item_event_log WHERE prev_name IS NOT NULL ORDER BY event_id")
    assert names == [(str(n), str(n - 2)) for n in range(2, rows)]


def test_a_first_load_is_logged_in_the_order_of_its_file(target):
    ids = [(n * 7_919) % 20_011 for n in range(20_000)]
    target.deliver("".join(f"{n},x,1.00,2025-01-01\n" for n in ids))
    assert [row[0] for row in target.rows("SELECT curr_id FROM item_event_log ORDER BY event_id")] == ids


def test_a_removal_of_what_never_was_makes_no_recreate(target):
    target.deliver("9,nine,9.00,2025-01-01\n")
    delivery = target.deliver(f"D,{OLD}I,{OLD}", name="cdc")
    assert target.events(delivery) == [("CREATE", 1, "1111")]


def test_a_first_load_may_hold_a_key_twice(target):
    delivery = target.deliver(OLD + "2,b,1.00,2025-01-01\n" + OLD + NEW)
    assert target.events() == [("CREATE", 1, "1111"), ("CREATE", 2, "1111"), ("AMEND", 1, "0110")]
    assert target.state() == {1: ("new", "2.00"), 2: ("b", "1.00")}
    assert delivery.unchanged == 1


def test_an_unchanged_reload_writes_nothing_but_its_delivery(target):
    text = "".join(f"{n},name {n},{n}.00,2025-01-01\n" for n in range(50))
    target.deliver(text)
    before = target.content()
    again = target.deliver(text, name="LOAD000000FF.csv")
    assert (again.unchanged, again.changed, again.max_event_id) == (50, False, 50)
    assert target.content() == before
    assert target.rows("SELECT count(*), max(max_event_id) FROM loader_deliveries") == [(2, 50)]


def test_another_spelling_is_the_same_row(target):
    target.deliver("1,a,+5.0560000000000000e+01,2025-01-01 10:00:00.1234567\n")
    again = target.deliver("1,a,50.56,2025-01-01T10:00:00.123456Z\n")
    assert again.unchanged == 1


def test_zero_empty_and_null_are_three_things(target):
    target.deliver('1,"",0,2025-01-01\n2,,,2025-01-01\n3,x,0.00,2025-01-01\n')
    assert target.state() == {1: ("", "0.00"), 2: (None, None), 3: ("x", "0.00")}
    delivery = target.deliver('1,,0,2025-01-01\n2,"",,2025-01-01\n3,x,,2025-01-01\n')
    assert target.events(delivery) == [("AMEND", 1, "0100"), ("AMEND", 2, "0100"), ("AMEND", 3, "0010")]


def test_the_same_file_again_is_recognised(target):
    file = make_file(target.folder / "20250301-1011120000.csv", f"U,{NEW}")
    first = target.merge(file)
    before = target.content()
    assert target.merge(file) == msgspec.structs.replace(first, repeated=True, phases={}, modified=None)
    assert target.content() == before
    assert target.rows("SELECT count(*) FROM loader_deliveries") == [(1,)]


def test_the_same_name_with_new_content_is_a_new_delivery(target):
    target.deliver(OLD, name="LOAD00000001.csv")
    second = target.deliver(NEW, name="LOAD00000001.csv")
    assert (second.delivery_id, second.repeated, second.events["AMEND"]) == (2, False, 1)


def test_a_name_may_come_back_to_an_older_content(target):
    target.deliver(OLD, name="LOAD00000001.csv")
    target.deliver(NEW, name="LOAD00000001.csv")
    third = target.deliver(OLD, name="LOAD00000001.csv")
    assert (third.delivery_id, third.repeated, third.events["AMEND"]) == (3, False, 1)
    assert target.state() == {1: ("old", "1.00")}


def test_ids_increase_and_are_not_wasted(target):
    target.deliver(OLD + "2,b,1.00,2025-01-01\n")
    assert target.deliver(OLD + "2,c,1.00,2025-01-01\n").max_event_id == 3
    assert target.deliver(OLD + "2,c,1.00,2025-01-01\n").max_event_id == 3
    assert target.rows("SELECT delivery_id, event_id FROM loader_sequence") == [(3, 3)]


@pytest.mark.parametrize("loaded", [False, True])
def test_a_bad_row_leaves_nothing(target, loaded):
    if loaded:
        target.deliver(OLD)
    before = target.names(), target.content()
    good = "".join(f"{n},a,1.00,2025-01-01\n" for n in range(2, 2000))
    with pytest.raises(BadRow, match="line 1999, column price: 'x' is not a decimal"):
        target.deliver(good + "5000,a,x,2025-01-01\n")
    assert (target.names(), target.content()) == before
    assert target.deliver(good).events["CREATE"] == 1998


def test_only_a_complete_load_of_an_entity_that_says_so_removes_what_is_absent(target):
    item = Entity(
        "item",
        {c.name: c.type for c in ITEM.columns[:2]} | {"price": "decimal(10,2)", "at": "timestamp"},
        key="id",
        remove_absent=True,
    )
    rows = [f"{n},a,1.00,2025-01-01\n" for n in range(4)]
    target.deliver("".join(rows), item)
    assert target.deliver("".join(rows[1:3]), item).events["REMOVE"] == 0
    assert target.deliver("".join(rows[1:]), ITEM, whole=True).events["REMOVE"] == 0
    delivery = target.deliver("3,b,1.00,2025-01-01\n2,a,1.00,2025-01-01\n", item, whole=True)
    assert target.events(delivery) == [("AMEND", 3, "0100"), ("REMOVE", 0, "1111"), ("REMOVE", 1, "1111")]
    assert list(target.state()) == [2, 3]
    assert target.deliver(rows[0], item).events["RECREATE"] == 1


def test_changes_without_operations_are_inserts(target):
    item = Entity("item", {"id": "integer", "name": "text"}, key="id", cdc_has_op=False)
    delivery = target.deliver("1,a\n1,a\n1,b\n", item, name="cdc")
    assert [event for event, _, _ in target.events(delivery)] == ["CREATE", "POINTLESS_AMEND", "AMEND"]


def test_a_key_of_several_columns(target):
    both = Entity("both", {"b": "text", "v": "float", "a": "date"}, key=("a", "b"))
    target.deliver("x,1,2025-01-01\nx,2,2025-01-02\ny,3,2025-01-01\n", both)
    target.deliver("D,x,1,2025-01-01\nU,y,4,2025-01-01\nI,x,1,2025-01-01\n", both, name="cdc")
    assert target.rows("SELECT a, b, v FROM \"both\" ORDER BY a, b") == [
        ("2025-01-01", "x", 1.0), ("2025-01-01", "y", 4.0), ("2025-01-02", "x", 2.0),
    ]  # fmt: skip


def test_columns_may_have_the_names_of_sql(target):
    odd = Entity("order", {"select": "text", "group by": "integer", "n": "integer", "final": "text"}, key="select")
    target.deliver("a,1,2,x\nb,1,2,x\n", odd)
    target.deliver("U,a,2,2,x\nU,a,3,2,y\nD,b,,,\n", odd, name="cdc")
    assert target.rows('SELECT * FROM "order"')[0][:4] == ("a", 3, 2, "y")


def test_a_declaration_that_changed_is_refused(target):
    target.deliver(OLD)
    with pytest.raises(SchemaDiffers, match="has the columns id, name, price, at, hash"):
        target.deliver("1,a\n", Entity("item", {"id": "integer", "name": "text"}, key="id"))


def test_a_file_out_of_order_is_a_warning(target):
    assert target.deliver(OLD, out_of_order=True).warnings == {OUT_OF_ORDER: 1}


def test_progress_comes_about_every_ten_thousand_rows(target):
    told: list[tuple[int, int | None]] = []
    text = "".join(f"{n},a,1.00,2025-01-01\n" for n in range(25_000))
    target.deliver(text, name="LOAD00000001.csv.gz", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [10_000, 20_000, 25_000]
    assert told[-1][1] == 25_000
    assert all(total is not None and total >= done for done, total in told)


def test_the_delivery_row_tells_what_happened(target):
    target.deliver(OLD)
    target.deliver(f"U,{NEW}D,{NEW}D,{NEW}", name="cdc")
    [row] = target.rows(
        "SELECT delivery_id, process, source_key, kind, source_table, rows_read, summary, ignored, warnings,"
        " max_event_id, last_modified, row_creation, notified_at FROM loader_deliveries WHERE delivery_id = 2"
    )
    noon = "2025-03-01T12:00:00.000000Z"
    absent = '{"removal of an absent row":1}'
    assert row == (
        2, "orders", "dbo/item/20250301-000000002.csv", "CDC", "dbo.item", 3,
        '{"item":{"AMEND":1,"REMOVE":1}}', absent, absent, 3, noon, noon, None,
    )  # fmt: skip
