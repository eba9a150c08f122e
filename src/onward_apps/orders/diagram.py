"""Entities as a mermaid drawing of their tables."""

from collections.abc import Iterator, Sequence

from .model import Entity


def diagram(entities: Sequence[Entity]) -> str:
    """Every entity with its columns and key, its event log, and the deliveries; lines where a key of one entity is
    among the columns of another.
    """
    return "\n".join(["erDiagram", *_tables(entities), *_lines(entities)]) + "\n"


def _tables(entities: Sequence[Entity]) -> Iterator[str]:
    for entity in entities:
        yield f"    {entity.name} {{"
        for column in entity.fields:
            key = " PK" if column.name in entity.key else ""
            yield f"        {column.type} {_word(column.name)}{key}"
        yield "        text hash"
        yield "        integer event_id UK"
        yield "        integer delivery_id"
        yield "    }"


def _lines(entities: Sequence[Entity]) -> Iterator[str]:
    for entity in entities:
        yield f'    {entity.name} ||--|{{ {entity.log} : "event_id"'
        yield f'    loader_deliveries ||--o{{ {entity.log} : "delivery_id"'
    for parent in entities:
        for child in entities:
            names = ", ".join(parent.key)
            if child is not parent and set(parent.key) < set(child.names) and child.rank > parent.rank:
                yield f'    {parent.name} ||--o{{ {child.name} : "{names}"'


def _word(name: str) -> str:
    """Mermaid takes letters, digits, `_` and `-`."""
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
