import hashlib

import pytest

from onward_apps.orders.model import Column, Entity, fingerprints


def test_a_decimal_has_precision_and_scale():
    assert (Column("a", "decimal(24,4)").precision, Column("a", "decimal(24,4)").scale) == (24, 4)
    assert (Column("a", "decimal(2)").type, Column("a", "decimal(2)").scale) == ("decimal", 2)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (dict(name="Item"), "name matches"),
        (dict(name="loader_x"), "name matches"),
        (dict(columns={"a": "varchar"}), "no type 'varchar'"),
        (dict(columns={"a": "decimal(2,2)"}), "no integer digit"),
        (dict(columns={"a": "text", "A": "text"}), "different names"),
        (dict(columns={"a": "text", "hash": "text"}), "taken by the loader"),
        (dict(key="b"), "not a choice"),
        (dict(key=()), "not a choice"),
        (dict(table="item"), "schema.table"),
        (dict(null_token="a,b"), "cannot stand unquoted"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(said, told):
    with pytest.raises(ValueError, match=told):
        Entity(**{"name": "item", "columns": {"a": "text"}, "key": "a"} | said)


def test_a_fingerprint_keeps_apart_what_looks_alike():
    rows = [
        ("a", None),
        ("a", ""),
        ("a", "null"),
        ("a,", None),
        ('a","', None),
        (1, None),
        ("1", None),
        (1.0, None),
    ]
    assert len(set(fingerprints(rows))) == len(rows)


def test_a_fingerprint_can_be_made_elsewhere():
    assert fingerprints([(1, "é", None)]) == [hashlib.sha256('[1,"é",null]'.encode()).hexdigest()]
