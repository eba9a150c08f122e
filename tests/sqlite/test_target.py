"""The target of `within=` when its disk fails."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward.log import Claim, Lease, SourceState, Totals
from onward.within import SQLiteTarget


class Failing:
    """A connection that cannot roll back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *given: Any) -> Any:
        if statement == "ROLLBACK":
            raise apsw.IOError("disk I/O error")
        return self._connection.execute(statement, *given)


def test_a_roll_back_that_fails_lets_others_go_on(tmp_path: Path) -> None:
    target = SQLiteTarget(f"sqlite:///{tmp_path}/target.db")
    lease = Lease("line.s", 0, "w", 1)
    target.take(Claim(lease, 0, (), Totals(), (), "x", SourceState()))
    connection: Any = target._connection
    target.begin(lease)
    target._connection = Failing(connection)  # type: ignore[assignment]
    with pytest.raises(apsw.IOError):
        target.roll_back()
    target._connection = connection
    connection.execute("ROLLBACK")

    begun: list[object] = []
    other = threading.Thread(target=lambda: begun.append(target.begin(lease)) or target.roll_back(), daemon=True)
    other.start()
    other.join(10)

    assert begun
    target.close()
