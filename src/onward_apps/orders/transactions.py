"""A file of transactions over several tables -> canonical rows of each, in batches."""

from collections.abc import Iterator, Sequence
from itertools import islice

from .layout import Layout
from .model import Entity, File
from .parse import BATCH, Batch, Conversion, Misfit, Record, Source
from .read import Open, from_disk

TABLE, SCHEMA = 1, 2


def parse_transactions(
    file: File, entities: Sequence[Entity], *, batch: int = BATCH, open_: Open = from_disk
) -> Iterator[tuple[Entity | None, Batch]]:
    """The rows of a `CDC_TXN-...` file: operation, table, schema, then the fields; in file order per entity.

    The rows of tables that no entity is declared for come under None, without columns.

    Raises:
        BadRow, FileChanged: see `parse`.
    """
    source = Source(file, entities[0].null_token, open_, blank=False)
    by_table = {(entity.folder.split("/")[1], entity.folder.split("/")[0]): entity for entity in entities}
    conversions = {entity: Conversion(entity, Layout.declared(entity, "TXN"), "TXN") for entity in entities}
    with source.faults():
        while rows := list(islice(source.records, batch)):
            for entity, places in _by_entity(rows, by_table).items():
                theirs = [rows[place] for place in places]
                if entity is None:
                    ops = [row[0] for row in theirs]
                    yield None, Batch(len(theirs), ops, [], source.lines.expected)
                    continue
                try:
                    done = conversions[entity](theirs, source.lines)
                except Misfit as misfit:
                    raise Misfit(places[misfit.index], misfit.column, f"{entity.table}: {misfit.what}") from None
                yield entity, done
            source.before += len(rows)


def _by_entity(rows: Sequence[Record], by_table: dict[tuple[str, str], Entity]) -> dict[Entity | None, list[int]]:
    found: dict[Entity | None, list[int]] = {}
    for place, row in enumerate(rows):
        if len(row) <= SCHEMA:
            raise Misfit(place, "", f"the row has {len(row)} fields; operation, table and schema come first")
        found.setdefault(by_table.get((row[TABLE], row[SCHEMA])), []).append(place)
    return found
