"""Entities as a data specification for those who use the tables."""

from collections.abc import Iterator, Sequence

from .model import EVENTS, Column, Entity
from .targets.stored import in_postgres, in_sqlite

_MEANS = {
    "CREATE": "the key is new",
    "RECREATE": "the key was removed before and is back",
    "AMEND": "a column differs",
    "POINTLESS_AMEND": "the source says that it changed, and nothing differs",
    "REMOVE": "the row is gone from the source",
}


def specification(name: str, entities: Sequence[Entity]) -> str:
    """Markdown: per entity its state table and event log, column by column; then deliveries and messages."""
    return "\n".join([f"# Data specification: {name}", "", *_entities(entities), *_ours(name)]) + "\n"


def _entities(entities: Sequence[Entity]) -> Iterator[str]:
    for entity in entities:
        yield f"## {entity.name}"
        yield ""
        yield f"Source table `{entity.table}`, files below `{entity.folder}/`. Key: {_code(entity.key)}."
        yield ""
        yield f"`{entity.name}` holds the current state:"
        yield ""
        yield from _table(
            ["column", "type", "in SQLite", "in PostgreSQL", "key"], (_column(entity, each) for each in entity.fields)
        )
        yield "| `hash` | text | TEXT | varchar | |"
        yield "| `event_id` | integer | INTEGER | bigint | unique |"
        yield "| `delivery_id` | integer | INTEGER | bigint | |"
        yield ""
        yield (
            f"`{entity.log}` holds its events: `event_type`; each column as `curr_...` and, as it was before, as"
            " `prev_...`; `mask`, one character per column in this order, 1 where it changed:"
            f" {_code(entity.names)}."
        )
        yield ""


def _column(entity: Entity, column: Column) -> list[str]:
    shown = f"decimal({column.precision},{column.scale})" if column.type == "decimal" else column.type
    return [
        f"`{column.name}`",
        shown,
        in_sqlite(column),
        in_postgres(column),
        "yes" if column.name in entity.key else "",
    ]


def _ours(name: str) -> Iterator[str]:
    yield "## Events"
    yield ""
    yield from _table(["event_type", "when"], ([event, _MEANS[event]] for event in EVENTS))
    yield ""
    yield "## Deliveries and messages"
    yield ""
    yield (
        f"`loader_deliveries` has a row per file of process `{name}`; events of a delivery carry its `delivery_id`."
        f" After each that changed something the topic `{name}.changes`, and NATS on"
        f" `<data source>.meta.{name}.change`, get `v`, `ds`, `id`, `host`, `utcts`,"
        " `stats` (per entity AMEND, CREATE and REMOVE) and `max_event_id`."
    )


def _table(titles: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
