"""A SQLite file as a target."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import count, repeat
from typing import Any

import apsw

from ..errors import SchemaDiffers
from ..model import Entity, fingerprints
from ..parse import Batch, Piece
from ..statements import Statements, listed, quoted, statement
from .stored import in_sqlite


class SQLiteStatements(Statements):
    """Rows are hashed when they are staged: a comparison is one of two texts."""

    def table(self, name: str) -> str:
        return quoted(name)

    def temporary(self, name: str) -> str:
        return f"temp.{quoted(name)}"

    def create(self) -> list[str]:
        curr = listed(f"{name} {in_sqlite(c)}" for name, c in zip(self.curr, self.entity.fields, strict=True))
        prev = listed(f"{name} {in_sqlite(c)}" for name, c in zip(self.prev, self.entity.fields, strict=True))
        return [
            f"CREATE TABLE {self.state} ({self.declared(in_sqlite)}, hash TEXT NOT NULL,"
            " event_id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL) STRICT",
            f"CREATE TABLE {self.log} (event_type TEXT NOT NULL, {curr}, curr_hash TEXT,"
            f" event_id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL, {prev}, prev_hash TEXT,"
            " prev_event_id INTEGER, prev_delivery_id INTEGER, mask TEXT NOT NULL) STRICT",
            self.create_removed(),
        ]

    def create_keys(self) -> list[str]:
        return [f"CREATE UNIQUE INDEX {self.index('key')} ON {self.state} ({listed(self.key)})"]

    def drop_keys(self) -> list[str]:
        return [f"DROP INDEX {self.index('key')}"]

    def create_staging(self) -> str:
        columns = listed(f"{quoted(c.name)} {in_sqlite(c)}" for c in self.entity.fields)
        return f"CREATE TABLE {self.staged} (seq INTEGER PRIMARY KEY, op TEXT, {columns}, hash TEXT) STRICT"

    def create_step(self) -> str:
        return (
            f"CREATE TABLE {self.step} (n INTEGER PRIMARY KEY, seq INTEGER NOT NULL UNIQUE, event_type TEXT NOT NULL,"
            " before INTEGER, final INTEGER NOT NULL) STRICT"
        )

    def create_staged_key(self) -> str:
        """Fails where a key comes more than once in the file."""
        staged = quoted(f"staged {self.entity.name}")
        return f"CREATE UNIQUE INDEX temp.{quoted(f'staged {self.entity.name} key')} ON {staged} ({listed(self.key)})"

    def hash_of(self, row: str) -> str:
        return f"{row}.hash"

    def changed(self, row: str, before: str) -> str:
        return f"{row}.hash <> {before}.hash"

    def stage(self) -> str:
        """Rows: op (L for a row of a load), the columns, hash."""
        places = listed("?" * (len(self.columns) + 2))
        return f"INSERT INTO {self.staged} (op, {listed(self.columns)}, hash) VALUES ({places})"

    def first_log(self) -> str:
        """Rows: the columns, hash, event id, delivery id."""
        names = ["event_type", *self.curr, "curr_hash", "event_id", "delivery_id", "mask"]
        places = ", ?" * (len(self.columns) + 3)
        return f"INSERT INTO {self.log} ({listed(names)}) VALUES ('CREATE'{places}, {self.all_changed})"


class SQLiteTables:
    """The tables of a SQLite file."""

    name = "sqlite"
    takes_text = False
    not_unique = apsw.ConstraintError

    def __init__(self, tx: apsw.Connection) -> None:
        self._tx = tx

    def savepoint(self) -> AbstractContextManager[Any]:
        return self._tx

    def ensure_ours(self, process: str) -> None:
        """A transaction that writes is the only one, so the turn is had already."""
        self.ask("loader_sequence")
        self.ask("loader_deliveries")

    def ensure(self, entity: Entity) -> bool:
        found = [name for name, _ in self.ask("columns", table=entity.name)]
        wanted = [*entity.names, "hash", "event_id", "delivery_id"]
        if found and found != wanted:
            raise SchemaDiffers(entity.name, found, wanted)
        if not found:
            do = self.statements(entity)
            for each in (*do.create(), *do.create_keys()):
                self.do(each)
        return not found

    def there(self, entity: Entity) -> bool:
        return bool(self.ask("columns", table=entity.log))

    def statements(self, entity: Entity, *, large: bool = False) -> SQLiteStatements:
        return SQLiteStatements(entity)

    def repeats(self, do: Statements) -> bool:
        assert isinstance(do, SQLiteStatements)
        try:
            with self.savepoint():
                self.do(do.create_staged_key())
        except apsw.ConstraintError:
            return True
        return False

    def do(self, statement: str) -> int:
        self._tx.execute(statement)
        return self._tx.changes()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._tx.execute(statement).fetchall()

    def ask(self, name: str, **bound: Any) -> list[tuple[Any, ...]]:
        return self._tx.execute(statement("sqlite", name), bound).fetchall()

    def stage(self, do: Statements, pieces: Iterable[Piece], *, load: bool) -> None:
        assert isinstance(do, SQLiteStatements)
        for batch in pieces:
            assert isinstance(batch, Batch)
            ops = repeat("L") if load else batch.ops or repeat("I")
            self._tx.executemany(do.stage(), zip(ops, *batch.columns, _hashes(batch), strict=False))

    def first_load(self, do: Statements, pieces: Iterable[Piece], base: int, delivery_id: int) -> int:
        """Straight into the log; the state is a copy."""
        assert isinstance(do, SQLiteStatements)
        event_ids = count(base + 1)
        rows = 0
        for batch in pieces:
            assert isinstance(batch, Batch)
            logged = zip(*batch.columns, _hashes(batch), event_ids, repeat(delivery_id), strict=False)
            self._tx.executemany(do.first_log(), logged)
            rows += batch.count
        self._tx.execute(f"{do.first_state()} ORDER BY event_id")
        return rows


def _hashes(batch: Batch) -> list[str]:
    return fingerprints(list(zip(*batch.columns, strict=True)))
