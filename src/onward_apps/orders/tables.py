"""The port to a target: its tables, in a transaction that is open."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .model import Entity
from .parse import Piece
from .statements import Statements


class Tables(Protocol):
    """State tables, event logs and deliveries of one database. Nothing is committed here.

    `name` is how log lines call it; `takes_text`: `stage` takes pieces of a file as they stand, too; `not_unique` is
    what is raised where a key comes twice.
    """

    name: str
    takes_text: bool
    not_unique: type[Exception]

    def savepoint(self) -> AbstractContextManager[Any]:
        """What happens inside is taken back where it raises; the transaction goes on."""

    def ensure_ours(self, process: str) -> None:
        """Makes what is missing of the loader's own tables, and waits for its turn where another delivery of the
        process is under way.
        """

    def ensure(self, entity: Entity) -> bool:
        """Makes what is missing of the entity's tables. True: they were made now.

        Raises:
            SchemaDiffers: they are there with other columns; they are left as they are.
        """

    def there(self, entity: Entity) -> bool:
        """Whether its tables were made."""

    def statements(self, entity: Entity, *, large: bool = False) -> Statements:
        """`large`: there are very many rows to come."""

    def repeats(self, do: Statements) -> bool:
        """Whether a key comes more than once among the staged rows."""

    def do(self, statement: str) -> int:
        """The number of rows that it changed."""

    def rows(self, statement: str) -> list[tuple[Any, ...]]: ...

    def ask(self, name: str, **bound: Any) -> list[tuple[Any, ...]]:
        """What the statement `sql/<database>/<name>.sql` gives."""

    def stage(self, do: Statements, pieces: Iterable[Piece], *, load: bool) -> None:
        """Puts rows into the staging table in their order. `load`: they are of a load, not changes."""

    def first_load(self, do: Statements, pieces: Iterable[Piece], base: int, delivery_id: int) -> int:
        """All rows into tables that are empty and without keys, each as the event CREATE; how many there were."""


def tables_of(tx: Any, schema: str) -> Tables:
    """The tables behind an open transaction: of an `apsw.Connection`, or of a `psycopg.Connection`, where they lie in
    `schema`.
    """
    if type(tx).__module__.partition(".")[0] == "apsw":
        from .targets.sqlite import SQLiteTables

        return SQLiteTables(tx)
    from .targets.postgres import PostgresTables

    return PostgresTables(tx, schema)
