import gzip
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.errors import BadRow, FileChanged
from onward_apps.orders.model import Entity
from onward_apps.orders.parse import parse

from .target import make_file

PAIR = Entity("pair", {"id": "integer", "a": "text", "b": "text"}, key="id")


def read(path: Path, text: str | bytes, entity: Entity = PAIR, batch: int = 2) -> list[tuple]:
    rows: list[tuple] = []
    for each in parse(make_file(path, text, entity), entity, batch=batch):
        assert {each.count} == {len(column) for column in each.columns}
        ops = [] if each.ops is None else [each.ops]
        rows += zip(*ops, *each.columns, strict=True)
    return rows


def field(value: str | None, quote: bool) -> str:
    if value is None:
        return ""
    if quote or value == "" or set(value) & set(',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
texts |= st.sampled_from(["", '"', '""', ',"",', "\n", "a\n\nb", '","', "NULL", "\u2028", "\x1c"])


@given(st.lists(st.tuples(texts, texts, st.booleans()), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_rows_come_back_as_written_null_and_empty_apart(rows, end):
    lines = [f"{n},{field(a, q)},{field(b, q)}{end}" for n, (a, b, q) in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "LOAD00000001.csv")
        assert read(path, "".join(lines)) == [(n, a, b) for n, (a, b, _) in enumerate(rows)]


@given(st.data())
def test_pieces_may_end_anywhere(data):
    values = data.draw(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
    text = "".join(f"{n},{field(a, False)},{field(b, True)}\n" for n, (a, b) in enumerate(values))
    from onward_apps.orders import read as reading

    whole = reading.PIECE
    reading.PIECE = data.draw(st.integers(1, 9))
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, data.draw(st.sampled_from(["LOAD00000001.csv", "LOAD00000001.csv.gz"])))
            assert read(path, text) == [(n, a, b) for n, (a, b) in enumerate(values)]
    finally:
        reading.PIECE = whole


def test_a_null_token_is_null_bare_and_text_quoted(tmp_path):
    entity = Entity("pair", {"id": "integer", "a": "text", "n": "integer"}, key="id", null_token="NULL")
    text = '1,NULL,NULL\n2,"NULL",3\n3,,4\n4,"",5\n'
    assert read(tmp_path / "LOAD00000001.csv", text, entity) == [
        (1, None, None),
        (2, "NULL", 3),
        (3, "", 4),
        (4, "", 5),
    ]


def test_changes_begin_with_their_operation(tmp_path):
    rows = read(tmp_path / "20250301-101112123.csv.gz", "I,1,a,b\nU,1,,b\nD,1,,\n")
    assert rows == [("I", 1, "a", "b"), ("U", 1, None, "b"), ("D", 1, None, None)]


def test_a_load_has_an_operation_if_told(tmp_path):
    entity = Entity("pair", {"id": "integer"}, key="id", load_has_op=True)
    assert read(tmp_path / "LOAD00000001.csv", "I,1\nI,2\n", entity) == [("I", 1), ("I", 2)]
    with pytest.raises(BadRow, match=r"line 2, column Op: 'D' is no operation of a LOAD file"):
        read(tmp_path / "LOAD00000001.csv", "I,1\nD,2\n", entity)


@pytest.mark.parametrize(("last", "row"), [(False, "U,2025-01-01 00:00:00.1,1,a"), (True, "U,1,a,2025-01-01")])
def test_the_time_of_commit_is_read_over(tmp_path, last, row):
    columns = {"id": "integer", "a": "text"}
    entity = Entity("pair", columns, key="id", timestamp_column="ts", timestamp_last=last)
    assert read(tmp_path / "20250301-101112123.csv", row, entity) == [("U", 1, "a")]


def test_a_header_gives_the_order(tmp_path):
    entity = Entity("pair", {"id": "integer", "a": "text"}, key="id", header=True, timestamp_column="ts")
    path = tmp_path / "20250301-101112123.csv"
    assert read(path, "Op,ts,a,id\nU,2025,x,1\n", entity) == [("U", 1, "x")]
    assert read(path, "", entity) == read(path, "Op,a,id\n", entity) == []
    for header, told in [
        ("Op,a", "does not name id"),
        ("Op,a,id,z", "names z"),
        ("a,id", "no operation"),
        ("Op,a,a,id", "twice"),
    ]:
        with pytest.raises(BadRow, match=f"line 1, column (id|z|Op|a): the header .*{told}"):
            read(path, header + "\nU,x,1,2\n", entity)


def test_an_empty_file_has_no_rows(tmp_path):
    assert read(tmp_path / "LOAD00000001.csv.gz", "") == read(tmp_path / "LOAD00000001.csv", "") == []


def test_several_gzip_members_are_one_file(tmp_path):
    path = tmp_path / "LOAD00000001.csv.gz"
    make_file(path, "")
    path.write_bytes(gzip.compress(b"1,a,") + gzip.compress(b"b\n2,,\n"))
    file = make_file(tmp_path / "LOAD00000001.csv", path.read_bytes())
    path.write_bytes(Path(file.path).read_bytes())
    rows = [each.columns for each in parse(msgspec.structs.replace(file, path=str(path)), PAIR)]
    assert rows == [[[1, 2], ["a", None], ["b", None]]]


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("1,a,b\n2,a\n", 2, "b", "has 2 fields, not 3"),
        ("1,a,b\n2,a,b,c\n", 2, "", "has 4 fields, not 3"),
        ('1,"a\nb",c\n\nx,a,b\n', 4, "id", "'x' is not an integer"),
        ('1,a,b\n2,"x\ny",b\n3,a,b\n4,a,b\nfive,"\n",b\n', 6, "id", "'five' is not an integer"),
        ("1,a,b\n,a,b\n", 2, "id", "is null, and is part of the key"),
        ('1,a,b\n"",a,b\n', 2, "id", "'' is not an integer"),
        ('1,a,b\n2,"a"b,c\n', 2, "", "is not CSV"),
        ('1,a,b\n2,"a,b\n', 2, "", "is not CSV"),
        (b"1,a,b\n2,\xff,b\n", 2, "", "is not UTF-8"),
        ("1,a,b\n2,a\x00,b\n", 2, "", "NUL"),
    ],
)
def test_a_bad_row_says_where_it_starts_and_what_is_wrong(tmp_path, text, line, column, what):
    with pytest.raises(BadRow) as caught:
        read(tmp_path / "LOAD00000001.csv", text)
    error = caught.value
    assert (error.file, error.line, error.column) == ("dbo/pair/LOAD00000001.csv", line, column)
    assert what in error.what
    assert str(error).startswith("dbo/pair/LOAD00000001.csv, line")


@pytest.mark.parametrize(
    "cut",
    [lambda d: d[:-9], lambda d: d[:40] + b"\x00" * 20 + d[60:], lambda d: b"1,a,b\n", lambda d: d + b"x"],
)
def test_a_bad_gzip_is_a_bad_file(tmp_path, cut):
    data = cut(gzip.compress(b"".join(b"%d,a,b\n" % n for n in range(1000))))
    file = make_file(tmp_path / "LOAD00000001.csv", data)
    Path(file.path).rename(tmp_path / "LOAD00000001.csv.gz")
    file = msgspec.structs.replace(file, path=f"{file.path}.gz")
    with pytest.raises(BadRow, match="not a sound gzip file"):
        list(parse(file, PAIR))


def test_a_file_that_changed_or_left_comes_again(tmp_path):
    file = make_file(tmp_path / "LOAD00000001.csv", "1,a,b\n")
    Path(file.path).write_text("1,a,c\n")
    with pytest.raises(FileChanged, match="not the file that was found"):
        list(parse(file, PAIR))
    Path(file.path).unlink()
    with pytest.raises(FileChanged):
        list(parse(file, PAIR))


@pytest.mark.parametrize("first", ["", '"id",a,b\n', "id,a,b\n"])
@pytest.mark.parametrize("name", ["LOAD00000001.csv", "LOAD00000001.csv.gz"])
def test_a_mark_at_the_beginning_is_no_part_of_the_first_field(tmp_path, first, name):
    entity = Entity("pair", {"id": "integer", "a": "text", "b": "text"}, key="id", header=bool(first))
    rows = [(1, "x", None), (2, "\ufeffy", "z")]
    assert read(tmp_path / name, f'\ufeff{first}1,"x",\n2,\ufeffy,z\n', entity) == rows
