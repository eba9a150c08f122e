"""The rows of `loader_deliveries`, and the ids that they use up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from .model import EVENTS, Delivery, Entity, File, Part
from .tables import Tables


def last_ids(tables: Tables, process: str, entities: Sequence[Entity] = ()) -> tuple[int, int]:
    """The last delivery id and event id of the process, 0 before the first.

    Tables of these entities that come from elsewhere may have seen higher ones, which then count.
    """
    delivery_id, event_id = next(iter(tables.ask("sequence_read", process=process)), (0, 0))
    for do in map(tables.statements, filter(tables.there, entities)):
        last = tables.rows(do.last_event())[0][0] or 0
        if last > event_id:
            event_id, delivery_id = last, max(delivery_id, tables.rows(do.last_delivery())[0][0])
    return delivery_id, event_id


def delivered(tables: Tables, process: str, file: File) -> Delivery | None:
    """The last delivery of this key, marked `repeated`, if it was of this content.

    An older one does not count: a file may come back to what it was before, and that is news.
    """
    found = _last(tables, process, file.key)
    if found is None or found[1] != file.identity:
        return None
    delivery_id, _, entity, summary, rows_read, unchanged, ignored, warnings, max_event_id, seconds = found
    read = msgspec.json.decode
    return Delivery(
        delivery_id=delivery_id,
        entity=entity,
        source_key=file.key,
        by_entity={name: dict.fromkeys(EVENTS, 0) | counts for name, counts in read(summary).items()},
        rows_read=rows_read,
        unchanged=unchanged,
        ignored=read(ignored),
        warnings=read(warnings),
        max_event_id=max_event_id,
        seconds=seconds,
        repeated=True,
    )


def delivery_of(tables: Tables, process: str, part: Part) -> int | None:
    """The id of the last delivery of this key, None if there is none or it was of other content."""
    found = _last(tables, process, part.key)
    return found[0] if found and found[1] == part.identity else None


def last_delivery(tables: Tables, process: str, key: str) -> int:
    """The id of the last delivery of this key, whatever its content; 0: never."""
    found = _last(tables, process, key)
    return found[0] if found else 0


def last_identity(tables: Tables, process: str, key: str) -> str | None:
    """What this key was last delivered with; None: never."""
    tables.ensure_ours(process)
    found = _last(tables, process, key)
    return found[1] if found else None


def record(
    tables: Tables,
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
        "summary": msgspec.json.encode(delivery.summary).decode(),
        "ignored": _text(delivery.ignored),
        "warnings": _text(delivery.warnings),
        "max_event_id": delivery.max_event_id,
        "row_creation": _instant(at),
        "runtime": delivery.seconds,
        "host": host,
        "version": version,
    }
    tables.ask("delivery_write", **values)
    tables.ask("sequence_write", process=process, delivery_id=delivery.delivery_id, event_id=delivery.max_event_id)


def _last(tables: Tables, process: str, key: str) -> tuple | None:
    return next(iter(tables.ask("delivery_find", process=process, source_key=key)), None)


def _text(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode({name: number for name, number in counts.items() if number}).decode()


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
