"""What only a target in PostgreSQL can be: tables that were there before, types, names."""

import pytest

from onward_apps.orders.errors import SchemaDiffers
from onward_apps.orders.model import Entity

from .target import SCHEMA, Targets

HAND_MADE = f"""
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.item (
    name varchar(20), id bigint, price numeric(10,2), at timestamp(6),
    hash varchar NOT NULL, event_id bigint NOT NULL UNIQUE, delivery_id bigint NOT NULL
);
CREATE TABLE {SCHEMA}.item_event_log (
    event_type varchar, curr_id bigint, curr_name varchar(20), curr_price numeric(10,2), curr_at timestamp(6),
    curr_hash varchar, event_id bigint NOT NULL, delivery_id bigint NOT NULL,
    prev_id bigint, prev_name varchar(20), prev_price numeric(10,2), prev_at timestamp(6), prev_hash varchar,
    prev_event_id bigint, prev_delivery_id bigint, mask varchar
);
INSERT INTO {SCHEMA}.item VALUES ('old', 1, 1.00, '2025-01-01', 'another hash', 1020487673, 26);
INSERT INTO {SCHEMA}.item_event_log (event_type, curr_id, curr_hash, event_id, delivery_id, mask)
VALUES ('CREATE', 1, 'another hash', 1020487673, 26, '1111')
"""


@pytest.fixture
def target(postgres_targets: Targets, tmp_path):
    with postgres_targets(tmp_path) as made:
        yield made


def made_by_hand(target, text: str = HAND_MADE) -> None:
    for statement in text.split(";\n"):
        target.tx.execute(statement)


def test_tables_that_are_there_are_gone_on_with(target):
    made_by_hand(target)
    same = target.deliver("1,old,1.0,2025-01-01\n")
    assert (same.delivery_id, same.unchanged, same.max_event_id) == (27, 1, 1020487673)
    more = target.deliver("1,new,1,2025-01-01\n2,b,2,2025-01-01\n")
    assert more.summary == {"item": {"CREATE": 1, "AMEND": 1}}
    log = target.rows("SELECT event_id, prev_event_id, prev_delivery_id, mask FROM item_event_log ORDER BY event_id")
    assert log[1:] == [(1020487674, 1020487673, 26, "0100"), (1020487675, None, None, "1111")]


def test_another_type_is_refused_and_nothing_is_touched(target):
    columns = "price numeric(10,2), at timestamp(6),\n    hash"
    made_by_hand(target, HAND_MADE.replace(columns, "price text, at date,\n    hash"))
    before = target.rows("SELECT * FROM item")
    with pytest.raises(SchemaDiffers, match="price text, at date, the entity declares price numeric"):
        target.deliver("1,old,1.0,2025-01-01\n")
    assert target.rows("SELECT * FROM item") == before


def test_json_is_kept_and_compared_as_it_came(target):
    doc = Entity("doc", {"id": "integer", "body": "json"}, key="id")
    target.deliver('1,"{""b"": 1.50, ""a"": [1]}"\n2,{}\n3,\n', doc)
    assert target.rows("SELECT body->>'b' FROM doc WHERE id = 1") == [("1.50",)]
    again = target.deliver('1,"{""b"":1.50,""a"":[1]}"\n2,{}\n3,null\n', doc)
    assert (again.unchanged, again.events["AMEND"]) == (2, 1)
    assert target.rows("SELECT mask FROM doc_event_log WHERE event_type = 'AMEND'") == [("01",)]


def test_a_name_that_would_be_cut_is_refused(target):
    with pytest.raises(SchemaDiffers, match="names of at most 63 bytes"):
        target.deliver("1,2\n", Entity("a" * 50, {"id": "integer", "b": "integer"}, key="id"))
    with pytest.raises(SchemaDiffers, match="names of at most 63 bytes"):
        target.deliver("1,2\n", Entity("short", {"id": "integer", "é" * 30: "integer"}, key="id"))


def test_an_entity_may_have_more_columns_than_a_function_takes_arguments(target):
    columns = {f"c{n}": "integer" for n in range(300)}
    wide = Entity("wide", columns, key="c0")
    target.deliver(",".join(map(str, range(300))) + "\n", wide)
    amend = target.deliver(",".join(["0", *["7"] * 299]) + "\n", wide)
    assert amend.events["AMEND"] == 1
    assert target.rows("SELECT length(mask), length(curr_hash) FROM wide_event_log") == [(300, 64), (300, 64)]


def test_the_hash_is_that_of_the_row_as_it_is_written(target):
    target.deliver('1,"a, ""b""",1,2025-01-01\n2,,,\n3,"",0,\n')
    found = target.rows(
        "SELECT hash = encode(sha256(convert_to(ROW(id, name, price, at)::text, 'UTF8')), 'hex') FROM item"
    )
    assert found == [(1,), (1,), (1,)]


def test_nothing_but_tables_is_left_behind(target):
    target.deliver("1,a,1,2025-01-01\n1,b,1,2025-01-01\n")
    target.deliver("D,1,a,1,2025-01-01\n", name="cdc")
    assert target.names() == {"item", "item_event_log", "loader_deliveries", "loader_sequence"}
    assert target.rows("SELECT count(*) FROM pg_class WHERE relpersistence = 't'") == [(0,)]
