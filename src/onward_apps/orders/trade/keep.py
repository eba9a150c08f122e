"""Rows -> state and event log of an entity, as the loader writes those of a file.

Hashes, events, masks and ids are the loader's own (its `Reconcile`). One call is one delivery, in the caller's
transaction.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import apsw
import msgspec

from onward import Record, __version__

from ..convert import converter
from ..deliveries import last_ids, record
from ..model import Column, Delivery, Entity, File
from ..parse import Batch
from ..reconcile import Reconcile
from ..tables import Tables
from ..targets.sqlite import SQLiteTables

PROCESS = "trade"
"""All tables of the chain share one sequence of delivery ids, so that it orders them all."""

Row = Mapping[str, Any]


class Kept(msgspec.Struct, frozen=True):
    """Rows of one entity to write, and keys of those to remove."""

    entity: Entity
    rows: Iterable[Row]
    removed: Iterable[Row] = ()


def keep(tx: apsw.Connection, cause: Record[Any], *writes: Kept) -> int:
    """Writes rows with their history; how many events that made.

    A row that is as it was makes none, and a delivery without any event leaves no trace. A column that a row does not
    name is null. A key comes at most once in a call and entity.

    Args:
        cause: the record for which they are written; it is noted in `loader_deliveries`.
    """
    tables = SQLiteTables(tx)
    tables.ensure_ours(PROCESS)
    delivery_id, base = last_ids(tables, PROCESS)
    done: list[Reconcile] = []
    for write in writes:
        work = Reconcile(write.entity, tables, delivery_id + 1)
        for rows, load in ((list(write.rows), True), (list(write.removed), False)):
            if rows:
                work.stage([_batch(write.entity, rows, None if load else "D")], load=load)
        if work.rows:
            work.settle(base + _made(done))
        done.append(work)
    if _made(done):
        _record(tables, cause, done, delivery_id + 1, base + _made(done))
    return _made(done)


def read(tx: apsw.Connection, entity: Entity, where: str = "TRUE", **bound: Any) -> list[dict[str, Any]]:
    """Rows of the state that fit a condition, decimals as `Decimal`, instants as datetimes; made if not there."""
    SQLiteTables(tx).ensure(entity)
    names = ", ".join(f'"{name}"' for name in entity.names)
    found = tx.execute(f'SELECT {names} FROM "{entity.name}" WHERE {where}', bound).fetchall()
    return [{c.name: _value(c, value) for c, value in zip(entity.fields, row, strict=True)} for row in found]


def _made(done: Iterable[Reconcile]) -> int:
    return sum(sum(work.events.values()) for work in done)


def _batch(entity: Entity, rows: list[Row], op: str | None) -> Batch:
    columns = [_column(column, [row.get(column.name) for row in rows]) for column in entity.fields]
    ops = None if op is None else [op] * len(rows)
    return Batch(len(rows), ops, columns)


def _column(column: Column, values: list[Any]) -> list[Any]:
    """Canonical values, as the loader makes them of the same value in a file."""
    present = [_text(value) for value in values if value is not None]
    following = iter(converter(column)(present) if present else ())
    return [None if value is None else next(following) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _value(column: Column, value: Any) -> Any:
    if value is None or column.type not in ("decimal", "timestamp"):
        return value
    return Decimal(value) if column.type == "decimal" else datetime.fromisoformat(value)


def _record(tables: Tables, cause: Record[Any], done: list[Reconcile], delivery_id: int, max_event_id: int) -> None:
    entity = ",".join(work.entity.name for work in done)
    file = File(
        entity=entity,
        table=cause.position.topic,
        key=str(cause.position),
        path="",
        kind="CDC",
        size=0,
        modified=cause.time,
        identity=cause.id,
    )
    delivery = Delivery(
        delivery_id=delivery_id,
        entity=entity,
        source_key=file.key,
        by_entity={work.entity.name: work.events for work in done},
        rows_read=sum(work.rows for work in done),
        unchanged=sum(work.unchanged for work in done),
        ignored={},
        warnings={},
        max_event_id=max_event_id,
        seconds=0.0,
    )
    record(tables, PROCESS, file, delivery, host=socket.gethostname(), version=__version__, at=cause.time)
