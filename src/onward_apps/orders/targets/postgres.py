"""A PostgreSQL database as a target: its tables lie in a schema of their own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any, NamedTuple

import psycopg
from psycopg.errors import UniqueViolation

from ..errors import SchemaDiffers
from ..model import Column, Entity
from ..parse import Batch, Piece, Text
from ..statements import Statements, listed, quoted, statement
from .stored import in_postgres

_TEXTS = ("text", "character varying", "character")
_SKIPPED = ('"skipped 1"', '"skipped 2"')
LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts what is longer, without a word."""


class PostgresStatements(Statements):
    """Rows are compared column by column, and hashed when they are logged."""

    def __init__(self, entity: Entity, schema: str, *, large: bool) -> None:
        self.schema, self.large = schema, large
        super().__init__(entity)

    def table(self, name: str) -> str:
        return f"{quoted(self.schema)}.{quoted(name)}"

    def staging(self, name: str) -> str:
        """Temporary tables are read by one process alone, so many rows are put into one that is not."""
        return self.table(name) if self.large else self.temporary(name)

    def with_seq(self, staged: str) -> str:
        """Rows lie in the order in which they came: nothing is ever deleted there, so each is put behind the last."""
        return f"(SELECT ctid AS seq, * FROM {staged})"

    def temporary(self, name: str) -> str:
        return f"pg_temp.{quoted(name)}"

    def create(self) -> list[str]:
        curr = listed(f"{name} {self.type(c)}" for name, c in zip(self.curr, self.entity.fields, strict=True))
        prev = listed(f"{name} {self.type(c)}" for name, c in zip(self.prev, self.entity.fields, strict=True))
        return [
            f"CREATE TABLE {self.state} ({self.declared(self.type)}, hash varchar NOT NULL,"
            " event_id bigint NOT NULL, delivery_id bigint NOT NULL)",
            f"CREATE TABLE {self.log} (event_type varchar NOT NULL, {curr}, curr_hash varchar,"
            f" event_id bigint NOT NULL, delivery_id bigint NOT NULL, {prev}, prev_hash varchar,"
            " prev_event_id bigint, prev_delivery_id bigint, mask varchar NOT NULL)",
            self.create_removed(),
        ]

    def create_keys(self) -> list[str]:
        log_key = quoted(f"{self.entity.log}_key")
        return [
            f"ALTER TABLE {self.state} ADD CONSTRAINT {self.index('key')} PRIMARY KEY ({listed(self.key)})",
            f"ALTER TABLE {self.state} ADD CONSTRAINT {self.index('event')} UNIQUE (event_id)",
            f"ALTER TABLE {self.log} ADD CONSTRAINT {log_key} PRIMARY KEY (event_id)",
        ]

    def drop_keys(self) -> list[str]:
        log_key = quoted(f"{self.entity.log}_key")
        return [
            f"ALTER TABLE {self.state} DROP CONSTRAINT {self.index('key')}, DROP CONSTRAINT {self.index('event')}",
            f"ALTER TABLE {self.log} DROP CONSTRAINT {log_key}",
        ]

    def create_staging(self) -> str:
        columns = listed(f"{quoted(c.name)} {self.type(c)}" for c in self.entity.fields)
        skipped = listed(f"{name} text" for name in _SKIPPED)
        kind, end = ("UNLOGGED", "") if self.large else ("TEMPORARY", " ON COMMIT DROP")
        return f"CREATE {kind} TABLE {self.staged} (op text DEFAULT 'L', {columns}, {skipped}){end}"

    def create_step(self) -> str:
        return (
            f"CREATE TEMPORARY TABLE {self.step} (n bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000),"
            " seq tid NOT NULL, event_type text NOT NULL, before tid, final boolean NOT NULL) ON COMMIT DROP"
        )

    def repeats(self) -> str:
        return f"SELECT EXISTS (SELECT 1 FROM {self.staged} GROUP BY {listed(self.key)} HAVING count(*) > 1)"

    def hash_of(self, row: str) -> str:
        """SHA-256 hex of the row as PostgreSQL writes it, which keeps null and empty text apart."""
        columns = listed(f"{row}.{name}" for name in self.columns)
        return f"encode(sha256(convert_to(ROW({columns})::text, 'UTF8')), 'hex')"

    def changed(self, row: str, before: str) -> str:
        others = [name for name in self.columns if name not in self.key]
        return "(" + (" OR ".join(self.differs(name, row, before) for name in others) or "FALSE") + ")"

    def differs(self, name: str, one: str, other: str) -> str:
        if name in self._json:
            return f"{one}.{name}::text IS DISTINCT FROM {other}.{name}::text"
        return super().differs(name, one, other)

    def copy(self, form: Form) -> str:
        skipped = iter(_SKIPPED)
        columns = listed(quoted(name) if name else next(skipped) for name in form.fields)
        return f"COPY {self.staged} ({columns}) FROM STDIN (FORMAT csv, NULL {literal(form.null)})"

    def mark(self) -> str:
        """Rows that say nothing themselves are inserts, not those of a load."""
        return f"ALTER TABLE {self.staged} ALTER COLUMN op SET DEFAULT 'I'"

    def first_log(self, base: int, delivery_id: int) -> str:
        names = ["event_type", *self.curr, "curr_hash", "event_id", "delivery_id", "mask"]
        columns = listed(f"r.{name}" for name in self.columns)
        return (
            f"INSERT INTO {self.log} ({listed(names)}) SELECT 'CREATE', {columns}, {self.hash_of('r')},"
            f" {base} + row_number() OVER (), {delivery_id}, {self.all_changed} FROM {self.staged} r"
        )

    def type(self, column: Column) -> str:
        """No index can be had on json."""
        return "text" if column.type == "json" and column.name in self.entity.key else in_postgres(column)

    @property
    def _json(self) -> set[str]:
        return {quoted(column.name) for column in self.entity.fields if self.type(column) == "json"}


class PostgresTables:
    """The tables of one schema."""

    name = "postgres"
    takes_text = True
    not_unique = UniqueViolation

    def __init__(self, tx: psycopg.Connection[Any], schema: str) -> None:
        self._tx, self._schema = tx, schema

    def savepoint(self) -> AbstractContextManager[Any]:
        return self._tx.transaction()

    def ensure_ours(self, process: str) -> None:
        self.ask("settings")
        self.ask("turn", schema=self._schema, process=process)
        if not self.ask("made")[0][0]:
            self.ask("turn_to_make")
            if not self.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(self._schema)}"):
                self.do(f"CREATE SCHEMA {quoted(self._schema)}")
            self.ask("loader_sequence")
            self.ask("loader_deliveries")

    def ensure(self, entity: Entity) -> bool:
        do = self.statements(entity)
        longest = max(
            f"{entity.log}_key", *(f"curr_{name}" for name in entity.names), key=lambda name: len(name.encode())
        )
        if len(longest.encode()) > LONGEST_NAME:
            raise SchemaDiffers(entity.name, [longest], [f"names of at most {LONGEST_NAME} bytes"])
        found = self.ask("columns", table=do.state)
        if not found:
            for each in (*do.create(), *do.create_keys()):
                self.do(each)
            return True
        wanted = {column.name: do.type(column) for column in entity.fields}
        wanted |= {"hash": "text", "event_id": "bigint", "delivery_id": "bigint"}
        if {name for name, _ in found} != wanted.keys():
            raise SchemaDiffers(entity.name, [name for name, _ in found], list(wanted))
        if other := [(name, type_) for name, type_ in found if _known(type_) != wanted[name]]:
            raise SchemaDiffers(entity.name, [f"{n} {t}" for n, t in other], [f"{n} {wanted[n]}" for n, _ in other])
        for table, key in ((do.state, entity.key), (do.log, ("event_id",))):  # somebody else may have made them
            if not self.ask("is_unique", table=table, columns=sorted(key))[0][0]:
                self.do(f"CREATE UNIQUE INDEX ON {table} ({listed(map(quoted, key))})")
        return False

    def there(self, entity: Entity) -> bool:
        return bool(self.ask("columns", table=self.statements(entity).log))

    def statements(self, entity: Entity, *, large: bool = False) -> PostgresStatements:
        return PostgresStatements(entity, self._schema, large=large)

    def repeats(self, do: Statements) -> bool:
        assert isinstance(do, PostgresStatements)
        return bool(self.rows(do.repeats())[0][0])

    def do(self, statement: str) -> int:
        return self._tx.execute(statement).rowcount

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._tx.execute(statement).fetchall()

    def ask(self, name: str, **bound: Any) -> list[tuple[Any, ...]]:
        done = self._tx.execute(statement("postgres", name).replace("{schema}", quoted(self._schema)), bound or None)
        return done.fetchall() if done.description else []

    def stage(self, do: Statements, pieces: Iterable[Piece], *, load: bool) -> None:
        assert isinstance(do, PostgresStatements)
        with self._tx.cursor() as cursor:
            for form, run in groupby(pieces, lambda piece: _form(piece, do.entity, load)):
                if not load and "op" not in form.fields:
                    self.do(do.mark())
                with cursor.copy(do.copy(form)) as copy:
                    for piece in run:
                        copy.write(piece.text if isinstance(piece, Text) else _csv(piece, form))

    def first_load(self, do: Statements, pieces: Iterable[Piece], base: int, delivery_id: int) -> int:
        assert isinstance(do, PostgresStatements)
        self.do(do.create_staging())
        self.stage(do, pieces, load=True)
        rows = self.do(do.first_log(base, delivery_id))
        self.do(do.first_state())
        self.do(do.drop_staging())
        return rows


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _known(type_: str) -> str:
    """A type that holds the same, by the name that we give it."""
    return "text" if type_.partition("(")[0] in _TEXTS else type_.replace("timestamp(6)", "timestamp")


class Form(NamedTuple):
    """What one COPY takes: CSV with these fields (`op`, a column each, or None for one to read over), and its null."""

    fields: tuple[str | None, ...]
    null: str


def _form(piece: Piece, entity: Entity, load: bool) -> Form:
    if isinstance(piece, Text):
        return Form(piece.fields, entity.null_token)
    return Form(("op", *entity.names) if piece.ops and not load else entity.names, "")


def _csv(batch: Batch, form: Form) -> str:
    columns = [_quoted(column) for column in batch.columns]
    if len(columns) < len(form.fields):
        columns.insert(0, list(batch.ops or ()))
    return "\n".join(map(",".join, zip(*columns, strict=True))) + "\n"


def _quoted(values: Iterable[Any]) -> list[str]:
    """A null is nothing, all else is quoted: also what looks like a null or an end of the data."""
    return ["" if v is None else '"' + v.replace('"', '""') + '"' if isinstance(v, str) else repr(v) for v in values]
