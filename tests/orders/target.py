"""A target database and files for it, as the tests of this folder want them."""

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import apsw

from onward_apps.orders.merge import merge
from onward_apps.orders.model import Delivery, Entity, File

ITEM = Entity(
    "item",
    {"id": "integer", "name": "text", "price": "decimal(10,2)", "at": "timestamp"},
    key="id",
    table="dbo.item",
)
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
    """A database in memory; each delivery is a transaction of its own, rolled back on an error."""

    def __init__(self, folder: Path, *, approved: bool = True) -> None:
        self.folder = folder
        self.approved = approved
        self.tx = apsw.Connection(":memory:")
        self._files = 0

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

    def merge(self, file: File, entity: Entity = ITEM, progress: Callable | None = None) -> Delivery:
        with self.tx:
            return merge(
                file,
                entity,
                self.tx,
                progress=progress,
                approved=self.approved,
                now=lambda: NOON,
                timer=lambda: 0.0,
            )

    def rows(self, sql: str) -> list[tuple]:
        return self.tx.execute(sql).fetchall()

    def state(self) -> dict[int, tuple]:
        return {row[0]: row[1:] for row in self.rows("SELECT id, name, price FROM item ORDER BY id")}

    def events(self, delivery: Delivery | None = None) -> list[tuple]:
        rows = self.rows("SELECT event_type, curr_id, mask, delivery_id FROM item_event_log ORDER BY event_id")
        return [row[:3] for row in rows if delivery is None or row[3] == delivery.delivery_id]

    def content(self) -> list[list[tuple]]:
        """Everything but the delivery rows."""
        return [self.rows("SELECT * FROM item"), self.rows("SELECT * FROM item_event_log")]
