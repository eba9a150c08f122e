"""The one writer of a store file: transactions shared, failures not."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward.errors import StoreAway, StoreUncertain
from onward.sqlite import pen as pen_module
from onward.sqlite.connection import File, rows
from onward.sqlite.pen import Pen

SOON = 20.0


class Bench:
    """A pen on a file with one table, a reader beside it, and a way to keep the pen busy."""

    def __init__(self, path: Path) -> None:
        self.file = File(path)
        self.reader = self.file.connect()
        self.reader.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        self.pen = Pen(self.file)

    def insert(self, *numbers: int, fails: Exception | None = None) -> Future[Any]:
        def job(connection: apsw.Connection) -> int:
            for number in numbers:
                connection.execute("INSERT INTO t VALUES (?)", (number,))
            if fails is not None:
                raise fails
            return numbers[0]

        return self.pen.submit(job)

    def busy(self) -> threading.Event:
        """Holds the pen in a transaction of its own until the event is set; what comes meanwhile gathers."""
        begun, go_on = threading.Event(), threading.Event()

        def job(connection: apsw.Connection) -> None:
            begun.set()
            assert go_on.wait(SOON)

        self.pen.submit(job)
        assert begun.wait(SOON)
        return go_on

    def numbers(self) -> list[int]:
        return [n for (n,) in rows(self.reader, "SELECT n FROM t ORDER BY n")]

    def close(self) -> None:
        self.pen.close()
        self.file.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "store.db")
    yield made
    made.close()


def test_a_job_is_on_disk_when_it_is_told_done(bench: Bench) -> None:
    assert bench.insert(1).result(SOON) == 1
    assert bench.numbers() == [1]


def test_jobs_run_in_the_order_in_which_they_were_given(bench: Bench) -> None:
    seen: list[int] = []
    given = [bench.pen.submit(lambda connection, n=n: seen.append(n)) for n in range(200)]
    for future in given:
        future.result(SOON)
    assert seen == list(range(200))


def test_what_comes_while_it_writes_shares_the_next_transaction(bench: Bench) -> None:
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    bench.pen.submit(lambda connection: connection.set_commit_hook(count)).result(SOON)
    commits.clear()
    go_on = bench.busy()
    given = [bench.insert(n) for n in range(20)]
    go_on.set()
    for future in given:
        future.result(SOON)
    assert len(commits) <= 2
    assert bench.numbers() == list(range(20))


def test_one_that_fails_leaves_the_others(bench: Bench) -> None:
    go_on = bench.busy()
    good = [bench.insert(1), bench.insert(2)]
    bad = bench.insert(3, 4, fails=ValueError("no"))
    duplicate = bench.insert(5, 1)
    later = bench.insert(6)
    go_on.set()
    assert [future.result(SOON) for future in (*good, later)] == [1, 2, 6]
    with pytest.raises(ValueError, match="no"):
        bad.result(SOON)
    with pytest.raises(apsw.ConstraintError):
        duplicate.result(SOON)
    assert bench.numbers() == [1, 2, 6]


def test_one_that_fails_alone_is_undone(bench: Bench) -> None:
    with pytest.raises(ValueError):
        bench.insert(1, fails=ValueError()).result(SOON)
    assert bench.numbers() == []
    bench.insert(2).result(SOON)


@pytest.mark.parametrize(
    ("error", "meaning"), [(apsw.FullError("disk full"), StoreAway), (apsw.IOError("disk failed"), StoreUncertain)]
)
def test_all_hear_of_it_when_the_file_fails(bench: Bench, error: Exception, meaning: type[Exception]) -> None:
    def breaks(connection: apsw.Connection) -> None:
        raise error

    go_on = bench.busy()
    given = [bench.insert(1), bench.insert(1), bench.pen.submit(breaks), bench.insert(3)]
    go_on.set()
    for future in given:  # the second too: that the number was taken has been undone
        with pytest.raises(meaning):
            future.result(SOON)
    assert bench.numbers() == []
    assert bench.insert(1).result(SOON) == 1


def test_a_job_that_was_cancelled_is_not_run(bench: Bench) -> None:
    go_on = bench.busy()
    first, second = bench.insert(1), bench.insert(2)
    assert first.cancel()
    go_on.set()
    second.result(SOON)
    with pytest.raises(CancelledError):
        first.result(SOON)
    assert bench.numbers() == [2]


def test_closing_writes_what_was_given_and_refuses_what_comes(bench: Bench) -> None:
    go_on = bench.busy()
    given = [bench.insert(n) for n in range(100)]
    closing = threading.Thread(target=bench.pen.close)
    closing.start()
    go_on.set()
    closing.join(SOON)
    assert [future.result(SOON) for future in given] == list(range(100))
    with pytest.raises(StoreAway):
        bench.insert(1000).result(SOON)
    bench.pen.close()


def test_a_small_job_is_seen_by_the_next_in_the_same_transaction(bench: Bench) -> None:
    go_on = bench.busy()
    bench.insert(1)
    count = bench.pen.submit(lambda connection: rows(connection, "SELECT count(*) FROM t")[0][0])
    go_on.set()
    assert count.result(SOON) == 1


def test_the_write_ahead_log_is_copied_back(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pen_module, "PAGES_BEFORE_CHECKPOINT", 20)
    wal = tmp_path / "store.db-wal"
    for n in range(400):
        bench.insert(n).result(SOON)
    assert wal.stat().st_size < 400 * 4096
    assert len(bench.numbers()) == 400


def test_a_roll_back_that_fails_does_not_keep_the_transaction(bench: Bench) -> None:
    def job(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.exec_trace = lambda cursor, statement, bindings: statement != "ROLLBACK"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        bench.pen.submit(job).result(SOON)
    assert bench.insert(2).result(SOON) == 2
    assert bench.numbers() == [2]


def test_a_begin_that_fails_leaves_the_pen_as_it_was(bench: Bench) -> None:
    bench.pen.submit(lambda connection: connection.set_busy_timeout(0)).result(SOON)
    other = bench.file.connect()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAway):
        bench.insert(1).result(SOON)
    other.execute("ROLLBACK")
    assert bench.insert(1).result(SOON) == 1
