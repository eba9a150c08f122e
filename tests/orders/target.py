"""A target database and files for it, as the tests of this folder want them."""

import gzip
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import msgspec
import psycopg

from onward_apps.orders.merge import merge
from onward_apps.orders.model import Delivery, Entity, File
from onward_apps.orders.tables import tables_of

ITEM = Entity(
    "item",
    {"id": "integer", "name": "text", "price": "decimal(10,2)", "at": "timestamp"},
    key="id",
    table="dbo.item",
)
SCHEMA = "lake"
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def make_file(path: Path, text: str | bytes, entity: Entity = ITEM, **said: object) -> File:
    """A file on disk and what a listing says of it; a load unless the name begins with a digit."""
    data = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    raw = path.read_bytes()
    kind = "CDC" if path.name[0].isdigit() else "LOAD"
    values = {
        "key": f"{entity.folder}/{path.name}",
        "kind": kind,
        "identity": hashlib.sha256(raw).hexdigest(),
    }
    values |= {"path": str(path), "size": len(raw), "modified": NOON} | said
    return File(entity=entity.name, table=entity.table, **values)


class Target:
    """A database in memory, or a transaction in PostgreSQL that leaves nothing."""

    def __init__(self, folder: Path, tx: Any) -> None:
        self.folder = folder
        self.approved = True
        self.tx = tx
        self.tables = tables_of(tx, SCHEMA)
        self._files = 0

    timer: Callable[[], float] = staticmethod(lambda: 0.0)

    def deliver(
        self,
        text: str,
        entity: Entity = ITEM,
        name: str = "",
        progress: Callable | None = None,
        **said: object,
    ) -> Delivery:
        """Merge a load (`name` unset) or, with name `cdc`, a change file."""
        self._files += 1
        name = {"": f"LOAD{self._files:08X}.csv", "cdc": f"20250301-{self._files:09}.csv"}.get(name, name)
        return self.merge(make_file(self.folder / name, text, entity, **said), entity, progress)

    def merge(
        self, file: File, entities: Entity | Sequence[Entity] = ITEM, progress: Callable | None = None
    ) -> Delivery:
        with self.tables.savepoint():
            return merge(
                file,
                entities,
                self.tables,
                progress=progress,
                approved=self.approved,
                now=lambda: NOON,
                timer=self.timer,
            )

    def rows(self, sql: str) -> list[tuple]:
        """Values as SQLite stores them, whatever the target."""
        return [tuple(map(plain, row)) for row in self.tx.execute(sql).fetchall()]

    def named(self, sql: str) -> list[dict[str, Any]]:
        names = [column[0] for column in self.tx.execute(sql).description]
        return [dict(zip(names, row, strict=True)) for row in self.rows(sql)]

    def names(self) -> set[str]:
        """Of the tables that are there."""
        postgres = f"SELECT tablename FROM pg_tables WHERE schemaname = '{SCHEMA}'"
        sqlite = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        return {row[0] for row in self.rows(sqlite if self.tables.name == "sqlite" else postgres)}

    def state(self) -> dict[int, tuple]:
        return {row[0]: row[1:] for row in self.rows("SELECT id, name, price FROM item ORDER BY id")}

    def events(self, delivery: Delivery | None = None) -> list[tuple]:
        rows = self.rows("SELECT event_type, curr_id, mask, delivery_id FROM item_event_log ORDER BY event_id")
        return [row[:3] for row in rows if delivery is None or row[3] == delivery.delivery_id]

    def content(self) -> list[list[tuple]]:
        """Everything but the delivery rows."""
        tables = [name for name in ("item", "item_event_log") if name in self.names()]
        return [self.rows(f"SELECT * FROM {name} ORDER BY event_id") for name in tables]


class Targets:
    """Makes targets, of SQLite unless there is a connection to PostgreSQL."""

    def __init__(self, connection: psycopg.Connection | None = None) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def postgres(cls, url: str) -> Iterator["Targets"]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {SCHEMA}")
            yield cls(connection)

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[Target]:
        if self._connection is None:
            yield Target(folder, apsw.Connection(":memory:"))
            return
        with self._connection.transaction(force_rollback=True):
            yield Target(folder, self._connection)


def plain(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat(timespec="microseconds") + "Z"
        case date():
            return value.isoformat()
        case dict():
            return msgspec.json.encode(value).decode()
    return value
