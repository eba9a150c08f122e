"""The rows of `loader_deliveries`, and the ids that they use up."""

from collections.abc import Mapping
from datetime import UTC, datetime

import apsw
import msgspec

from .model import EVENTS, Delivery, File
from .statements import statement


def last_ids(tx: apsw.Connection, process: str) -> tuple[int, int]:
    """The last delivery id and event id of the process, 0 before the first."""
    return tx.execute(statement("sequence_read"), {"process": process}).fetchone() or (0, 0)


def delivered(tx: apsw.Connection, process: str, file: File) -> Delivery | None:
    """The last delivery of this key, marked `repeated`, if it was of this content.

    An older one does not count: a file may come back to what it was before, and that is news.
    """
    key = {"process": process, "source_key": file.key}
    found = tx.execute(statement("delivery_find"), key).fetchone()
    if found is None or found[1] != file.identity:
        return None
    delivery_id, _, entity, summary, rows_read, unchanged, ignored, warnings, max_event_id, seconds = found
    read = msgspec.json.decode
    return Delivery(
        delivery_id=delivery_id,
        entity=entity,
        source_key=file.key,
        events=dict.fromkeys(EVENTS, 0) | read(summary),
        rows_read=rows_read,
        unchanged=unchanged,
        ignored=read(ignored),
        warnings=read(warnings),
        max_event_id=max_event_id,
        seconds=seconds,
        repeated=True,
    )


def record(
    tx: apsw.Connection,
    process: str,
    file: File,
    delivery: Delivery,
    *,
    host: str,
    version: str,
    at: datetime,
) -> None:
    """Write the row of a delivery and take its ids."""
    values = {
        "process": process,
        "source_key": file.key,
        "identity": file.identity,
        "delivery_id": delivery.delivery_id,
        "size": file.size,
        "last_modified": _instant(file.modified),
        "kind": file.kind,
        "source_table": file.table,
        "entity": delivery.entity,
        "rows_read": delivery.rows_read,
        "rows_unchanged": delivery.unchanged,
        "summary": _text(delivery.events),
        "ignored": _text(delivery.ignored),
        "warnings": _text(delivery.warnings),
        "max_event_id": delivery.max_event_id,
        "row_creation": _instant(at),
        "runtime": delivery.seconds,
        "host": host,
        "version": version,
    }
    tx.execute(statement("delivery_write"), values)
    taken = {"process": process, "delivery_id": delivery.delivery_id, "event_id": delivery.max_event_id}
    tx.execute(statement("sequence_write"), taken)


def _text(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode({name: number for name, number in counts.items() if number}).decode()


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
