"""A second SQLite library is kept away from files that are open here, and we from files that it has open."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from onward.errors import ForeignLibrary
from onward.sqlite.connection import File


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_the_standard_library_is_refused_an_open_store(path: Path) -> None:
    file = File(path)
    file.connect().execute("CREATE TABLE t (n)")
    link = path.with_name("other-name.db")
    link.hardlink_to(path)
    symbolic = path.with_name("symbolic.db")
    symbolic.symlink_to(path)
    for name in (path, str(path), str(path).encode(), link, symbolic):
        with pytest.raises(ForeignLibrary):
            sqlite3.connect(name)
    with pytest.raises(ForeignLibrary):
        sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    file.close()


def test_other_files_are_its_own_matter(path: Path) -> None:
    file = File(path)
    sqlite3.connect(":memory:").close()
    sqlite3.connect("").close()
    sqlite3.connect(path.with_name("another.db")).close()
    file.close()


def test_a_store_that_the_standard_library_has_open_is_refused(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (n)")
    with pytest.raises(ForeignLibrary):
        File(path)
    other.close()
    file = File(path)
    file.connect()
    file.close()


def test_after_closing_it_is_allowed(path: Path) -> None:
    first, second = File(path), File(path)
    first.connect().execute("CREATE TABLE t (n)")
    second.connect()
    first.close()
    first.close()
    with pytest.raises(ForeignLibrary):
        sqlite3.connect(path)
    second.close()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    other.close()


def test_another_process_may_read_it(path: Path) -> None:
    file = File(path)
    file.connect().execute("CREATE TABLE t (n); INSERT INTO t VALUES (7)")
    program = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT n FROM t').fetchone()[0])"
    found = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=20)
    assert found.stdout.strip() == "7"
    file.close()


def test_many_threads_make_and_open_one_file_at_once(tmp_path: Path) -> None:
    """What one of them holds for a moment while it makes the file is not taken for another library's."""
    for number in range(20):
        path = tmp_path / f"{number}.db"
        ready = threading.Barrier(8)

        def open_one(path: Path = path, ready: threading.Barrier = ready) -> None:
            ready.wait()
            file = File(path)
            file.connect().execute("SELECT 1").fetchall()
            file.close()

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(open_one) for _ in range(8)]:
                done.result()
