"""The target of `within=` when its disk fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from onward.errors import LeaseLost, Refused
from onward.log import Claim, Lease, SourceState, Totals
from onward.targets.sqlite import SQLiteTarget

LEASE = Lease("line.s", 0, "w", 1)


def no_roll_back(connection: apsw.Connection) -> None:
    """From now on it cannot roll back, as where the disk has failed."""
    connection.exec_trace = lambda cursor, statement, bindings: statement != "ROLLBACK"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SQLiteTarget]:
    target = SQLiteTarget(f"sqlite:///{tmp_path}/target.db")
    target.take(Claim(LEASE, 0, (), Totals(), (), "x", SourceState()))
    yield target
    target.close()


def test_a_roll_back_that_fails_leaves_nothing_and_lets_others_go_on(target: SQLiteTarget) -> None:
    tx = target.begin(LEASE, None).tx
    tx.execute("CREATE TABLE effect (n)")
    no_roll_back(tx)
    target.roll_back()

    begun: list[object] = []

    def other() -> None:
        tx = target.begin(LEASE, None).tx
        begun.append(tx.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'effect'").fetchall())
        target.roll_back()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    thread.join(10)
    assert begun == [[(0,)]]


def test_what_watches_a_transaction_watches_it_on_the_next_connection_too(target: SQLiteTarget) -> None:
    no_roll_back(target.begin(LEASE, None).tx)
    target.roll_back()
    tx = target.begin(LEASE, None).tx
    with contextlib.suppress(apsw.Error):
        tx.execute("COMMIT")
    with pytest.raises(Refused, match="has ended the transaction"):
        target.check()
    target.roll_back()


def test_a_begin_that_fails_and_cannot_roll_back_lets_others_go_on(target: SQLiteTarget) -> None:
    tx = target.begin(LEASE, None).tx
    target.roll_back()
    no_roll_back(tx)
    with pytest.raises(LeaseLost):
        target.begin(Lease("line.s", 0, "w", 7), None)
    assert target.begin(LEASE, None).tx.in_transaction
    target.roll_back()
