"""Where a portfolio stands by the target's tables, read without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from .entities import BROKER_ORDER, ORDERS_CONTROL, STRATEGY_CONTROL
from .model import FINAL

NEVER = datetime.fromisoformat("0001-01-01T00:00:00Z")


class Open(Struct, frozen=True):
    """An order that is not settled; `order_id` is empty until the broker has it."""

    asset_id: str
    decision_ts: datetime
    order_id: str


class Standing(Struct, frozen=True):
    """`plans` counts the plans booked so far, `planned` is decision time and round of the last one, `newest` the time
    of the strategy's newest decisions, `open` what is not settled."""

    plans: int
    planned: tuple[datetime, int]
    newest: datetime
    open: list[Open]


class Target:
    """The target's state tables, seen by a connection that only reads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: apsw.Connection | None = None

    def standing(self, portfolio_id: int, strategy_id: int) -> Standing:
        """All in one snapshot; nothing is booked where there are no tables yet."""
        with self._snapshot() as tx:
            control = _rows(
                tx, ORDERS_CONTROL.name, "plans, planned_decision_ts, planned_round", portfolio_id=portfolio_id
            )
            opened = _rows(tx, BROKER_ORDER.name, "asset_id, decision_ts, order_id, status", portfolio_id=portfolio_id)
            plans, planned, round_ = control[0] if control else (0, None, 0)
            return Standing(
                plans,
                (_instant(planned), round_),
                self._newest(tx, strategy_id),
                [Open(asset, _instant(at), id or "") for asset, at, id, status in opened if status not in FINAL],
            )

    def newest(self, strategy_id: int) -> datetime:
        """The time of the strategy's newest decisions."""
        with self._snapshot() as tx:
            return self._newest(tx, strategy_id)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _newest(self, tx: apsw.Connection, strategy_id: int) -> datetime:
        found = _rows(tx, STRATEGY_CONTROL.name, "last_decision_ts", strategy_id=strategy_id)
        return _instant(found[0][0] if found else None)

    @contextmanager
    def _snapshot(self) -> Iterator[apsw.Connection]:
        if not Path(self._path).exists():
            yield apsw.Connection(":memory:")
            return
        if self._connection is None:
            self._connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
            self._connection.set_busy_timeout(5_000)
            self._connection.execute("PRAGMA query_only = ON")
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("ROLLBACK")


def _rows(tx: apsw.Connection, table: str, columns: str, **key: Any) -> list[tuple[Any, ...]]:
    if not tx.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone():
        return []
    [(name, value)] = key.items()
    return tx.execute(f'SELECT {columns} FROM "{table}" WHERE "{name}" = ?', (value,)).fetchall()


def _instant(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else NEVER
