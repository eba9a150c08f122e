"""Segments: the tables that blocks are in, one after another in time, as one process knows them.

All blocks are written to the newest. Of a partition a later segment has the larger offsets only: who appends has the
partition's lock, and looks under it whether its segment is the newest still (`block_add`). So a process may go on with
what it knows, and is told when that is not so any more. All segments together are the view `onward.block`, which is
replaced when there is one more or less; who moves records keeps away from it, as that waits for whoever reads it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from onward.logs.postgres_rows import SQL
from onward.postgres.connection import Connection, rows, run
from onward.units import instant_text

COLUMNS = (
    'topic, partition, "offset", count, written, nonce, size, seq, sizes_before, put_before, maker, origin_partition, '
    "origin_first, origin_end, keys, entries"
)

FEW = 12
"""Up to so many segments a new one is begun by time alone; then only if the newest has its share of all there is."""

SHARE = 8
"""A segment lasts for this part of the longest time for which a topic keeps its records, so that with those that are
begun and those that wait to be dropped there are about ten."""

LOOK = 600.0
"""Seconds between looks whether the newest has lasted long enough."""


def table_of(number: int) -> str:
    return f"onward.block_{number:06d}"


KEPT = """SELECT {columns} FROM ({segments}) AS every WHERE size = 2 OR "offset" + count > coalesce(
    (
        SELECT retained."offset" FROM onward.retained
        WHERE retained.topic = every.topic AND retained.partition = every.partition
    ),
    0
)"""
"""Retention deletes no rows: it notes how far it has come, and what lies before that is kept no more. A segment goes
when nothing in it is kept. The newest block of a partition stays, with `[]` for its entries."""


def kept(numbers: Sequence[int]) -> str:
    """A query of the blocks in these segments that are kept."""
    segments = " UNION ALL ".join(f"SELECT {COLUMNS} FROM {table_of(number)}" for number in numbers)
    return KEPT.format(columns=COLUMNS, segments=segments)


class Segments:
    """What there is, the oldest first. A value is replaced as a whole, so threads may share it."""

    def __init__(self, connection: Connection) -> None:
        self._texts: dict[tuple[str, int], str] = {}
        self._looked = time.monotonic()
        self.numbers: Sequence[int] = ()
        self.look(connection)

    def look(self, connection: Connection) -> bool:
        """Looks which there are; whether that has changed."""
        return self.are([number for (number,) in rows(connection, SQL.segment_all)])

    def are(self, numbers: Sequence[int]) -> bool:
        """Takes in which there are; whether that has changed."""
        if tuple(numbers) == self.numbers:
            return False
        self.numbers, self._texts = tuple(numbers), {}
        return True

    def due(self) -> bool:
        """Whether it is time to look if a new one is to be begun; asked again it is not, for a while."""
        if time.monotonic() - self._looked < LOOK:
            return False
        self._looked = time.monotonic()
        return True

    @property
    def newest(self) -> int:
        return self.numbers[-1]

    def statement(self, name: str, since: int = 0) -> str:
        """A statement of this name, where `{newest}` is the newest segment, `{number}` its number, and `{blocks}` all
        from number `since` on, under the name `block`."""
        texts, numbers = self._texts, self.numbers
        text = texts.get((name, since))
        if text is None:
            blocks = kept([number for number in numbers if number >= since] or numbers[-1:])
            text = getattr(SQL, name).format(
                blocks=f"({blocks}) AS block", newest=table_of(numbers[-1]), number=numbers[-1]
            )
            texts[name, since] = text
        return text


def show(connection: Connection) -> None:
    """Makes the view anew, of the segments that there are. In a transaction with what has changed."""
    numbers = [number for (number,) in rows(connection, SQL.segment_all)]
    connection.execute(f"CREATE OR REPLACE VIEW onward.block AS {kept(numbers)}")  # type: ignore[arg-type]


def begin(connection: Connection, now: float) -> bool:
    """Begins a new segment if the newest has lasted long enough and has something in it; whether it did. Within a
    transaction. Where somebody reads the view for long it raises `LockNotAvailable`, and all goes on as it is: a
    segment may be large."""
    over = {"now": instant_text(now), "share": SHARE}
    if not rows(connection, SQL.segment_over, **over)[0][0]:
        return False
    connection.execute("SELECT set_config('lock_timeout', '200ms', true)")
    rows(connection, SQL.segment_lock)
    if not rows(connection, SQL.segment_over, **over)[0][0]:
        return False
    (number, size), *older = rows(connection, SQL.segment_sizes)
    if size == 0 or (len(older) >= FEW and size < (size + sum(size for _, size in older)) / FEW):
        return False
    table = table_of(number + 1)
    connection.execute(f"CREATE TABLE {table} (LIKE onward.block_form INCLUDING ALL)")  # type: ignore[arg-type]
    run(connection, SQL.segment_add, number=number + 1, now=instant_text(now))
    show(connection)
    return True
