"""Stills: copies of files at one moment."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw
import pytest

from onward.sqlite.connection import File, path_of
from onward.sqlite.still import Stills


def made(path: Path, rows: int, *, wal: bool = True) -> apsw.Connection:
    File(path)  # known to the guard as ours
    connection = apsw.Connection(str(path))
    if wal:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (n INTEGER)")
    connection.execute(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) INSERT INTO t SELECT n FROM c",
        (rows,),
    )
    return connection


def count(path: Path) -> int:
    connection = apsw.Connection(str(path))
    try:
        return int(connection.execute("SELECT count(*) FROM t").fetchall()[0][0])
    finally:
        connection.close()


@pytest.mark.parametrize("wal", [True, False])
def test_a_copy_is_of_the_moment_between(tmp_path: Path, wal: bool) -> None:
    path, url = tmp_path / "a.db", f"sqlite:///{tmp_path}/a.db"
    writer = made(path, 50_000, wal=wal)
    mode = writer.execute("PRAGMA journal_mode").fetchall()
    stills = Stills([url])
    stills.hold()
    writer.set_busy_timeout(0)
    with pytest.raises(apsw.BusyError):
        writer.execute("INSERT INTO t VALUES (0)")
    writer.set_busy_timeout(20_000)
    writing = threading.Thread(target=lambda: writer.execute("INSERT INTO t VALUES (0)"))
    writing.start()
    stills.copy()
    writing.join()
    copied = path_of(stills.url(url))
    assert (count(copied), count(path)) == (50_000, 50_001)
    assert writer.execute("PRAGMA journal_mode").fetchall() == mode
    writer.close()
    stills.close()
    assert not copied.parent.exists()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    stills = Stills([url])
    stills.hold()
    stills.copy()
    assert not path_of(stills.url(url)).exists()
    stills.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_lets_others_write_again(tmp_path: Path) -> None:
    writer = made(tmp_path / "a.db", 1)
    stills = Stills([f"sqlite:///{tmp_path}/a.db"])
    stills.hold()
    stills.close()
    writer.execute("INSERT INTO t VALUES (0)")
    writer.close()
