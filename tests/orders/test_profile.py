import gzip

import pytest

from onward_apps.orders.errors import BadRow
from onward_apps.orders.model import Entity
from onward_apps.orders.parse import parse
from onward_apps.orders.profile import profile

from .target import make_file


def declared(text: str) -> Entity:
    """The entity that the text declares."""
    found: dict = {}
    exec(text[text.index("from onward_apps") :], found)
    return next(value for value in found.values() if isinstance(value, Entity))


def told(text: str) -> dict[str, tuple[str, str, bool]]:
    lines = [line.split() for line in text.splitlines() if line.startswith("  ") and "% null" in line]
    return {words[0]: (words[1], words[2], words[-1] == "unique") for words in lines}


ROWS = [
    f"{n},{n % 7},00{n},{n}.5,{'' if n % 4 else 'x'},2025-03-0{n % 9 + 1} 10:11:12.123,2025-03-01,{'yn'[n % 2]},"
    f'"{{""a"":{n}}}"\n'
    for n in range(2500)
]


def test_a_file_is_described_and_its_declaration_reads_it(tmp_path):
    file = make_file(tmp_path / "price" / "LOAD00000001.csv.gz", "".join(ROWS))
    text = profile(tmp_path / "price" / "LOAD00000001.csv.gz")
    assert text.startswith(f"{tmp_path}/price/LOAD00000001.csv.gz: 2500 rows\n")
    assert told(text) == {
        "column_1": ("integer", "0.0%", True),
        "column_2": ("integer", "0.0%", False),
        "column_3": ("text", "0.0%", True),
        "column_4": ("decimal(7,1)", "0.0%", True),
        "column_5": ("text", "75.0%", False),
        "column_6": ("timestamp", "0.0%", False),
        "column_7": ("date", "0.0%", False),
        "column_8": ("boolean", "0.0%", False),
        "column_9": ("json", "0.0%", True),
    }
    assert "key: column_1\n" in text
    entity = declared(text)
    assert (entity.name, entity.key) == ("price", ("column_1",))
    assert sum(batch.count for batch in parse(file, entity)) == 2500


def test_a_header_and_operations_are_seen(tmp_path):
    file = make_file(tmp_path / "20250301-101112123.csv", "Op,id,at\nI,1,2025-03-01\nD,1,2025-03-02\nU,2,2025-03-01\n")
    text = profile(tmp_path / "20250301-101112123.csv", name="thing")
    entity = declared(text)
    assert (entity.name, entity.header, entity.cdc_has_op) == ("thing", True, True)
    assert entity.names == ("id", "at") and entity.key == ("id", "at")
    assert [batch.ops for batch in parse(file, entity)] == [("I", "D", "U")]


def test_keys_of_two_and_three_columns_are_found(tmp_path):
    rows = [f"{a},{b},{c},x\n" for a in "pq" for b in (1, 2) for c in range(600)]
    path = tmp_path / "x.csv"
    path.write_text("".join(rows))
    assert "key: column_1, column_2, column_3\n" in profile(path)
    path.write_text("1,a\n1,b\n2,a\n")
    assert "key: column_1, column_2\n" in profile(path)
    path.write_text("1,a\n1,a\n")
    assert "key: none found" in profile(path)


def test_a_value_that_comes_again_much_later_is_no_key(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("".join(f"{n}\n" for n in [*range(3000), 5]))
    assert "key: none" in profile(path, header=False)


def test_what_is_null_may_be_said(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('1,NULL\n2,5\n3,"NULL"\n')
    assert told(profile(path, null_token="NULL"))["column_2"] == ("text", "33.3%", False)
    path.write_text("1,NULL\n2,5\n")
    assert told(profile(path, null_token="NULL"))["column_2"][0] == "integer"


def test_files_that_are_no_tables_are_told(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,2\n1\n")
    with pytest.raises(BadRow, match="record 2 has 1 fields, the first has 2"):
        profile(path)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"1,2\n")[:-3])
    with pytest.raises(BadRow, match="gzip"):
        profile(path)
    path = tmp_path / "empty.csv"
    path.write_text("")
    assert "0 rows" in profile(path)
