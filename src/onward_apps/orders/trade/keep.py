"""Rows -> state and event log of an entity, as the loader writes those of a file.

Hashes, events, masks and ids are the loader's own (its `Statements`). One call is one delivery, in the caller's
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
from ..model import EVENTS, Column, Delivery, Entity, File, fingerprints
from ..schema import ensure
from ..statements import Statements, statement

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
    for write in writes:
        ensure(tx, write.entity)
    delivery_id, base = last_ids(tx, PROCESS)
    events = dict.fromkeys(EVENTS, 0)
    rows = 0
    for write in writes:
        steps = [("L", row) for row in write.rows] + [("D", row) for row in write.removed]
        rows += len(steps)
        for event, count in _merge(tx, write.entity, steps, base + sum(events.values()), delivery_id + 1).items():
            events[event] += count
    made = sum(events.values())
    if made:
        _record(tx, cause, [write.entity.name for write in writes], events, rows, delivery_id + 1, base + made)
    return made


def read(tx: apsw.Connection, entity: Entity, where: str = "TRUE", **bound: Any) -> list[dict[str, Any]]:
    """Rows of the state that fit a condition, decimals as `Decimal`, instants as datetimes; made if not there."""
    ensure(tx, entity)
    names = ", ".join(f'"{name}"' for name in entity.names)
    found = tx.execute(f'SELECT {names} FROM "{entity.name}" WHERE {where}', bound).fetchall()
    return [{c.name: _value(c, value) for c, value in zip(entity.fields, row, strict=True)} for row in found]


def _merge(
    tx: apsw.Connection, entity: Entity, steps: list[tuple[str, Row]], base: int, delivery_id: int
) -> dict[str, int]:
    if not steps:
        return {}
    do = Statements(entity)
    _drop(tx)
    tx.execute(do.create_staged())
    columns = [_column(column, [row.get(column.name) for _, row in steps]) for column in entity.fields]
    hashes = fingerprints(list(zip(*columns, strict=True)))
    tx.executemany(do.stage(), zip([op for op, _ in steps], *columns, hashes, strict=True))
    tx.execute(do.create_staged_key())
    tx.execute(statement("step_create"))
    tx.execute(do.step_single())
    counted = tx.execute(statement("step_count")).fetchall()
    events = {event: count for event, _, count in counted if event != "IGNORED"}
    if events:
        ids = {"base": base, "delivery_id": delivery_id}
        tx.execute(do.log_after_state(), ids)
        tx.execute(do.delete_removed())
        tx.execute(do.write_state(), ids)
    _drop(tx)
    return events


def _drop(tx: apsw.Connection) -> None:
    tx.execute("DROP TABLE IF EXISTS temp.staged; DROP TABLE IF EXISTS temp.step")


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


def _record(
    tx: apsw.Connection,
    cause: Record[Any],
    names: list[str],
    events: dict[str, int],
    rows: int,
    delivery_id: int,
    max_event_id: int,
) -> None:
    entity = ", ".join(names)
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
        events=events,
        rows_read=rows,
        unchanged=rows - sum(events.values()),
        ignored={},
        warnings={},
        max_event_id=max_event_id,
        seconds=0.0,
    )
    record(tx, PROCESS, file, delivery, host=socket.gethostname(), version=__version__, at=cause.time)
