import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import onward_apps.orders.find as find_module
from onward_apps.orders.filename import read_name
from onward_apps.orders.find import Cursor, find
from onward_apps.orders.listing import Once
from onward_apps.orders.loader import Due
from onward_apps.orders.model import Entity, File

CHILD = Entity("child", {"id": "integer"}, key="id", table="dbo.child", rank=2)
PARENT = Entity("parent", {"id": "integer"}, key="id", table="dbo.parent", rank=1)
BOTH = (CHILD, PARENT)


def put(folder: Path, name: str, text: str = "1\n") -> Path:
    path = folder / "dbo" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def deliver(folder: Path, cursor: Cursor | None = None, said: list[str] | None = None) -> tuple[list[File], Cursor]:
    """What is found, and the cursor after it as it comes back from where it was saved."""
    warn = (said if said is not None else []).append
    found = list(find(folder, BOTH, cursor, warn))
    last = found[-1][1] if found else cursor or Cursor()
    return [file for file, _ in found], msgspec.json.decode(msgspec.json.encode(last), type=Cursor)


def keys(files: list[File]) -> list[str]:
    return [file.key.removeprefix("dbo/") for file in files]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LOAD00000001.csv", ("LOAD", 0, 1, "")),
        ("LOAD0000001F.csv.gz", ("LOAD", 0, 31, "")),
        ("SEGMENT2_LOAD0000000A.csv.gz", ("LOAD", 2, 10, "")),
        ("20141029-1134010000.csv", ("CDC", 0, 0, "20141029113401000000")),
        ("20141029-113401123.csv.gz", ("CDC", 0, 0, "20141029113401123000")),
        ("20141029-11340112.csv", ("CDC", 0, 0, "20141029113401120000")),
    ],
)
def test_a_name_says_what_the_file_is(name, said):
    assert read_name(name) == said


@pytest.mark.parametrize("name", ["load00000001.csv", "LOAD1.csv", "LOAD00000001.parquet"])
def test_other_names_say_nothing(name):
    assert read_name(name) is None


def test_loads_come_first_parents_first_then_changes_by_time(tmp_path):
    for name in [
        "child/20250301-101112123.csv",
        "child/LOAD00000001.csv.gz",
        "child/LOAD0000000A.csv.gz",
        "child/LOAD00000009.csv.gz",
        "child/SEGMENT1_LOAD00000001.csv",
        "child/2025/03/01/20250301-101112124.csv.gz",
        "parent/20250301-101112123.csv",
        "parent/20250301-1011121235.csv",
        "parent/LOAD00000001.csv",
    ]:
        put(tmp_path, name)
    files, cursor = deliver(tmp_path)
    assert keys(files) == [
        "parent/LOAD00000001.csv",
        "child/LOAD00000001.csv.gz",
        "child/LOAD00000009.csv.gz",
        "child/LOAD0000000A.csv.gz",
        "child/SEGMENT1_LOAD00000001.csv",
        "parent/20250301-101112123.csv",
        "child/20250301-101112123.csv",
        "parent/20250301-1011121235.csv",
        "child/2025/03/01/20250301-101112124.csv.gz",
    ]
    assert [file.whole for file in files[:2]] == [True, False]
    assert not any(file.out_of_order for file in files)
    assert deliver(tmp_path, cursor) == ([], cursor)


def test_each_file_comes_with_the_cursor_after_it(tmp_path):
    for number in (1, 2, 3):
        put(tmp_path, f"child/LOAD0000000{number}.csv")
    found = list(find(tmp_path, BOTH))
    for index, (_, cursor) in enumerate(found):
        assert deliver(tmp_path, cursor)[0] == [file for file, _ in found[index + 1 :]]


def test_a_known_name_with_other_content_is_a_new_delivery(tmp_path):
    put(tmp_path, "child/LOAD00000001.csv", "1\n")
    first, cursor = deliver(tmp_path)
    put(tmp_path, "child/LOAD00000001.csv", "2\n3\n")
    second, cursor = deliver(tmp_path, cursor)
    assert keys(first) == keys(second)
    assert first[0].identity != second[0].identity
    assert deliver(tmp_path, cursor)[0] == []


def test_a_touched_file_is_the_same_file(tmp_path):
    path = put(tmp_path, "child/LOAD00000001.csv")
    _, cursor = deliver(tmp_path)
    os.utime(path, ns=(1, 1))
    assert deliver(tmp_path, cursor)[0] == []


def test_content_is_read_only_where_size_or_time_differ(tmp_path, monkeypatch):
    path = put(tmp_path, "child/LOAD00000001.csv", "1\n")
    _, cursor = deliver(tmp_path)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_text("2\n")
    os.utime(path, ns=times)
    assert deliver(tmp_path, cursor)[0] == []


def test_a_late_change_file_is_flagged(tmp_path):
    put(tmp_path, "child/20250301-101112123.csv")
    _, cursor = deliver(tmp_path)
    put(tmp_path, "child/20250301-101112122.csv")
    put(tmp_path, "parent/20250301-101112122.csv")
    put(tmp_path, "child/20250301-101112124.csv")
    files, _ = deliver(tmp_path, cursor)
    assert [(file.entity, file.out_of_order) for file in files] == [
        ("parent", False),
        ("child", True),
        ("child", False),
    ]


def test_names_that_left_leave_the_cursor_but_not_the_newest_time(tmp_path):
    put(tmp_path, "child/20250301-101112123.csv")
    _, cursor = deliver(tmp_path)
    shutil.rmtree(tmp_path / "dbo" / "child")
    put(tmp_path, "child/20250301-101112122.csv")
    files, cursor = deliver(tmp_path, cursor)
    assert [file.out_of_order for file in files] == [True]
    assert list(cursor.files["dbo.child"]) == ["20250301-101112122.csv"]


def test_strangers_are_named_once_and_sidecars_are_not(tmp_path):
    for name in [
        "child/LOAD00000001.dfm",
        "child/.hidden",
        "child/x.csv.part",
        "awsdms_status/LOAD00000001.csv",
    ]:
        put(tmp_path, name)
    said: list[str] = []
    assert deliver(tmp_path, said=said) == ([], Cursor())
    assert said == []
    put(tmp_path, "child/notes.txt")
    put(tmp_path, "other/LOAD00000001.csv")
    put(tmp_path, "stray.csv")
    warn = Once(said.append)
    for _ in range(2):
        assert list(find(tmp_path, BOTH, None, warn)) == []
    assert [sentence.partition(":")[0] for sentence in said] == [
        "dbo/child/notes.txt",
        "dbo/other",
        "dbo/stray.csv",
    ]


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path):
    assert deliver(tmp_path / "later") == ([], Cursor())


# complete loads and transaction files

WHOLE = Entity("child", {"id": "integer"}, key="id", table="dbo.child", remove_absent=True, load_quiet="10m")


def at(folder: Path, name: str, seconds: int, text: str = "1\n") -> None:
    os.utime(put(folder, name, text), (NOW + seconds, NOW + seconds))


NOW = 1_750_000_000


def kinds(folder: Path, cursor: Cursor | None = None, seconds: int = 0) -> tuple[list[tuple[str, str]], Cursor]:
    found = list(find(folder, [WHOLE], cursor, now=lambda: datetime.fromtimestamp(NOW + seconds, UTC)))
    return [(file.kind, file.key.rpartition("/")[2]) for file, _ in found], found[-1][1] if found else Cursor()


LOADS = [("LOAD", "LOAD00000001.csv"), ("LOAD", "LOAD00000002.csv")]
SNAPSHOT = ("SNAPSHOT", "LOAD")


def test_a_load_of_several_parts_is_complete_when_a_change_file_follows(tmp_path):
    at(tmp_path, "child/20250301-101112122.csv", -10)
    at(tmp_path, "child/LOAD00000001.csv", 0)
    at(tmp_path, "child/LOAD00000002.csv", 10)
    found, cursor = kinds(tmp_path)
    assert found == [*LOADS, ("CDC", "20250301-101112122.csv")]
    at(tmp_path, "child/20250301-101112123.csv", 20)
    found, cursor = kinds(tmp_path, cursor)
    assert found == [SNAPSHOT, ("CDC", "20250301-101112123.csv")]
    assert kinds(tmp_path, cursor)[0] == []
    at(tmp_path, "child/LOAD00000001.csv", 30, "2\n")
    at(tmp_path, "child/LOAD00000002.csv", 40, "2\n")
    found, cursor = kinds(tmp_path, cursor)
    assert found == LOADS
    at(tmp_path, "child/20250301-101112124.csv", 50)
    assert kinds(tmp_path, cursor)[0][0] == SNAPSHOT


def test_or_when_it_is_marked_or_quiet(tmp_path):
    at(tmp_path, "child/LOAD00000001.csv", 0)
    at(tmp_path, "child/LOAD00000002.csv", 10)
    assert kinds(tmp_path, seconds=609)[0] == LOADS
    assert kinds(tmp_path, seconds=610)[0] == [*LOADS, SNAPSHOT]
    at(tmp_path, "child/_SUCCESS", 9)
    assert kinds(tmp_path)[0] == LOADS
    at(tmp_path, "child/_SUCCESS", 10)
    assert kinds(tmp_path)[0] == [*LOADS, SNAPSHOT]


def test_a_part_that_is_missing_or_older_than_part_1_is_none_of_it(tmp_path):
    at(tmp_path, "child/LOAD00000001.csv", 10)
    at(tmp_path, "child/LOAD00000002.csv", 10)
    at(tmp_path, "child/LOAD00000003.csv", 0)
    at(tmp_path, "child/_SUCCESS", 20)
    [whole] = [file for file, _ in find(tmp_path, [WHOLE]) if file.kind == "SNAPSHOT"]
    assert [part.key for part in whole.parts] == ["dbo/child/LOAD00000001.csv", "dbo/child/LOAD00000002.csv"]
    at(tmp_path, "child/LOAD00000005.csv", 15)
    assert SNAPSHOT not in kinds(tmp_path)[0]
    (tmp_path / "dbo/child/LOAD00000005.csv").unlink()
    at(tmp_path, "child/p1/SEGMENT1_LOAD00000002.csv", 15)
    assert SNAPSHOT not in kinds(tmp_path)[0]
    at(tmp_path, "child/p1/SEGMENT1_LOAD00000001.csv", 12)
    assert SNAPSHOT in kinds(tmp_path)[0]


def test_transaction_files_are_a_line_of_their_own_after_all_loads(tmp_path):
    (tmp_path / "cdc").mkdir()
    for name in ("CDC_TXN-20250301101112124.csv", "CDC_TXN-20250301101112123.csv.gz", "20250301-101112122.csv"):
        (tmp_path / "cdc" / name).write_text("")
    put(tmp_path, "child/LOAD00000001.csv")
    put(tmp_path, "child/LOAD00000002.csv")
    put(tmp_path, "child/CDC_TXN-20250301101112123.csv")
    put(tmp_path, "parent/LOAD00000001.csv")
    said: list[str] = []
    found = list(find(tmp_path, BOTH, None, said.append, transactions="cdc"))
    files = [file for file, _ in found]
    assert [file.key for file in files] == [
        "dbo/parent/LOAD00000001.csv",
        "dbo/child/LOAD00000001.csv",
        "dbo/child/LOAD00000002.csv",
        "cdc/CDC_TXN-20250301101112123.csv.gz",
        "cdc/CDC_TXN-20250301101112124.csv",
    ]
    assert [(file.kind, file.table, file.entity) for file in files[3:]] == [("TXN", "cdc", "")] * 2
    assert [need.key for need in files[-1].needs] == ["dbo/parent/LOAD00000001.csv", "dbo/child/LOAD00000002.csv"]
    assert [sentence.partition(":")[0] for sentence in said] == [
        "dbo/child/CDC_TXN-20250301101112123.csv",
        "cdc/20250301-101112122.csv",
    ]
    assert list(find(tmp_path, BOTH, found[-1][1], transactions="cdc")) == []


def test_a_recent_listing_passes_over_old_changes_and_sees_all_loads(tmp_path, monkeypatch):
    monkeypatch.setattr(find_module, "RECENT", 3)
    for number in range(6):
        put(tmp_path, f"child/2025/03/01/20250301-10111212{number}.csv")
    _, cursor = deliver(tmp_path)
    put(tmp_path, "child/2025/03/01/20250301-101112110.csv")
    put(tmp_path, "child/2025/03/01/20250301-1011121245.csv")
    put(tmp_path, "child/2025/03/02/20250302-101112129.csv")
    put(tmp_path, "child/LOAD00000001.csv")
    found = list(find(tmp_path, BOTH, cursor, recent=True))
    assert keys([file for file, _ in found]) == [
        "child/LOAD00000001.csv",
        "child/2025/03/01/20250301-1011121245.csv",
        "child/2025/03/02/20250302-101112129.csv",
    ]
    cursor = found[-1][1]
    assert len(cursor.files["dbo.child"]) == 9
    assert list(find(tmp_path, BOTH, cursor, recent=True)) == []
    [(late, _)] = find(tmp_path, BOTH, cursor)
    assert (keys([late]), late.out_of_order) == (["child/2025/03/01/20250301-101112110.csv"], True)


def test_all_is_listed_at_first_and_then_once_an_hour():
    now = [5.0]
    due = Due(3_600, lambda: now[0])
    assert [due(), due()] == [True, False]
    now[0] += 3_600
    assert [due(), due()] == [True, False]


def test_a_load_that_shrinks_to_its_first_part_is_looked_through(tmp_path):
    at(tmp_path, "child/LOAD00000001.csv", 0)
    at(tmp_path, "child/LOAD00000002.csv", 1, "2\n")
    at(tmp_path, "child/_SUCCESS", 2)
    found, cursor = kinds(tmp_path)
    assert found == [*LOADS, SNAPSHOT]
    (tmp_path / "dbo/child/LOAD00000002.csv").unlink()
    at(tmp_path, "child/LOAD00000001.csv", 5)
    found, cursor = kinds(tmp_path, cursor)
    assert found == [SNAPSHOT]
    assert kinds(tmp_path, cursor)[0] == []
    at(tmp_path, "child/LOAD00000001.csv", 6, "3\n")
    assert kinds(tmp_path, cursor)[0] == LOADS[:1]


def test_a_whole_load_that_is_replaced_is_looked_through_by_its_own_delivery(tmp_path):
    at(tmp_path, "child/LOAD00000001.csv", 0)
    _, cursor = kinds(tmp_path)
    at(tmp_path, "child/LOAD00000001.csv", 1, "2\n")
    found, cursor = kinds(tmp_path, cursor)
    assert found == LOADS[:1]
    assert kinds(tmp_path, cursor)[0] == []
