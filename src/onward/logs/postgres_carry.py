"""A PostgreSQL store as it leaves its home, or comes into it; see `onward.carry.Carrier` for what each method promises.

What arrives is copied into the newest segment, whatever its age.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from onward import process
from onward.carry import BYTES, COUNTS, KINDS, ROWS, Load, Mark, Place, Row, State, told
from onward.clock import Clock
from onward.document import Document
from onward.errors import Broken, InUse, Refused, StoreMoved, StoreNewer
from onward.logs.postgres_home import mark_of, place_of, put_mark
from onward.logs.postgres_rows import SCHEMA, SQL
from onward.logs.postgres_segments import Segments, table_of
from onward.logs.postgres_tables import index, spec_of
from onward.postgres.clock import ServerClock
from onward.postgres.connection import Connection, Database, rows, run
from onward.postgres.desk import Desk
from onward.postgres.schema import prepare, version_of
from onward.units import instant

KEYS: Mapping[str, tuple[str, ...]] = {
    "retained": ("topic", "partition"),
    "shape": ("seq",),
    "begin": ("stage", "partition"),
    "renamed": ("was",),
    "lease": ("stage", "partition"),
    "statistic": ("stage", "partition", "minute"),
    "folded": ("stage", "partition"),
    "progress": ("stage", "partition", "seq"),
    "parked": ("stage", "partition", "offset"),
    "attempt": ("id",),
    "seen": ("stage", "partition", "mark"),
    "request": ("id",),
    "replay": ("number",),
    "replay_range": ("number", "partition"),
    "run": ("id",),
    "document": ("table", "key"),
    "document_history": ("table", "key", "version"),
    "block": ("seq",),
}
"""By what the rows of a kind are told apart, in their order; the others have a `name`."""

AT_ONCE = 50
"""Rows that a cursor brings at once: of blocks some of a megabyte each."""

NEVER = "1970-01-01T00:00:00.000000Z"
"""Where it is not known when."""


class PostgresCarrier:
    """A handle on a database, whose schema is made by `arrive` at the earliest."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._database = Database(url)
        self.shown = self._database.shown
        self._server = ServerClock()
        self._clock = clock or self._server
        self._desk = Desk(self._database, "carrier", looking=True)
        self._columns: dict[str, str] = {}

    async def mark(self) -> Mark | None:
        def work(connection: Connection) -> Mark | None:
            if (found := version_of(connection, self._database)) > SCHEMA:
                raise StoreNewer(self.shown, found, SCHEMA)
            if found < SCHEMA:
                return Mark("here") if found else None  # only `leave` and `arrive` bring it up to date
            return mark_of(connection) or (Mark("here") if _used(connection) else None)

        return await self._desk.read(work)

    async def leave(self, mark: Mark) -> None:
        def change(connection: Connection) -> None:
            run(connection, SQL.home_lock)
            if (there := mark_of(connection)) is not None and there.state != "here":
                raise StoreMoved(there.told(self.shown))
            put_mark(connection, mark, self.shown)
            # By now whoever was at it has ended, so this sees what they have written.
            self._server.measure(connection)
            if living := _living(connection, self._clock.now()):
                raise InUse(told(living))

        await self._prepared(create=False)
        await self._desk.write(change, long=True)

    async def arrive(self, mark: Mark) -> Place:
        def change(connection: Connection) -> Place:
            run(connection, SQL.home_lock)
            there = mark_of(connection)
            if there is not None and (there.state, there.move) == (mark.state, mark.move):
                return place_of(connection)
            if there is not None or _used(connection):
                raise Refused(f"{(there or Mark('here')).told(self.shown)}; name a place where nothing is")
            put_mark(connection, mark, self.shown, Place())
            return Place()

        await self._prepared(create=True)
        return await self._desk.write(change, long=True)

    async def give(self, place: Place, most: int = ROWS) -> Load:
        if place.kind in COUNTS:
            statement = getattr(SQL, f"{place.kind}_all")
            found = [] if place.after else await self._desk.read(lambda connection: rows(connection, statement))
            return Load(found, place._replace(after="all"))
        return await self._desk.snapshot(lambda connection: self._give(connection, place, most))

    async def take(self, mark: Mark, before: Place, load: Load) -> None:
        def change(connection: Connection) -> None:
            bound = {"move": mark.move, "kind_before": before.kind, "after_before": before.after}
            if not run(connection, SQL.home_place, **bound, **load.place._asdict()):
                raise Refused(
                    f"{self.shown} is not where this move has brought it: another `onward move` is at work on it, or "
                    "has ended; look at both stores and try again"
                )
            _take(connection, load.place.kind, load.rows)

        await self._desk.write(change, long=True)

    async def change(self, mark: Mark, state: State) -> None:
        def change(connection: Connection) -> None:
            run(connection, SQL.home_lock)
            there = mark_of(connection)
            if there is None or (there.move, there.state) != (mark.move, mark.state):
                raise StoreMoved((there or Mark("here")).told(self.shown))
            self._server.measure(connection)
            put_mark(connection, Mark(state, there.move, there.other, there.by, self._clock.now()), self.shown)

        await self._desk.write(change, long=True)

    async def count(self) -> Mapping[str, int]:
        def work(connection: Connection) -> dict[str, int]:
            found = {kind: int(_one(connection, f"SELECT count(*) FROM onward.{kind}")) for kind in _tables()}
            [(records, size)] = rows(connection, SQL.block_sums)
            return {**found, "records": records, "bytes": size}

        return await self._desk.snapshot(work)

    async def close(self) -> None:
        await self._desk.close()

    # how it is done

    async def _prepared(self, *, create: bool) -> None:
        await self._desk.read(
            lambda connection: prepare(connection, self._database, SQL.migrations, create=create),
        )

    def _give(self, connection: Connection, place: Place, most: int) -> Load:
        key = KEYS.get(place.kind, ("name",))
        names = ", ".join(f'"{name}"' for name in key)
        after = json.loads(place.after) if place.after else None
        where = f"WHERE ({names}) > ({', '.join(['%s'] * len(key))})" if after else ""
        chosen = self._chosen(connection, place.kind, key)
        found: list[Row] = []
        room = BYTES
        with connection.cursor("carried", binary=True) as cursor:  # type: ignore[call-overload]
            cursor.itersize = min(AT_ONCE, most)
            statement = f"SELECT {chosen} FROM onward.{place.kind} {where} ORDER BY {names} LIMIT {most}"
            for row in cursor.execute(statement, after):
                found.append(row[len(key) :])
                after = row[: len(key)]
                room -= sum(len(value) for value in found[-1] if isinstance(value, str | bytes))
                if room <= 0:
                    break
        return Load(found, place._replace(after=json.dumps(after)) if found else place)

    def _chosen(self, connection: Connection, kind: str, key: Sequence[str]) -> str:
        """The key's columns and the kind's, as they travel."""
        if kind not in self._columns:
            types = {name: type_ for name, type_ in rows(connection, SQL.column_types, table=kind)}
            self._columns[kind] = ", ".join(_as_it_travels(name, types[name]) for name in (*key, *KINDS[kind]))
        return self._columns[kind]


def _as_it_travels(name: str, type_: str) -> str:
    match type_:
        case "timestamp with time zone":
            text = f"""to_char("{name}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
            return f"coalesce({text}, '')" if name == "until" else text
        case "boolean":
            return f'"{name}"::integer'
    return f'"{name}"'


def _take(connection: Connection, kind: str, given: Sequence[Row]) -> None:
    match kind:
        case "put":
            _settle(connection, given)
            return
        case "counter":
            _count_on(connection, dict(given))  # type: ignore[arg-type]
            return
        case "retained":
            fields, given = (*KINDS[kind], "last"), [(*row, 0) for row in given]
        case "block":
            fields, given = (*KINDS[kind], "sizes_before", "put_before"), _summed(connection, given)
        case "progress":
            fields, given = (*KINDS[kind], "seq"), _numbered(connection, given)
        case "lease":
            fields = KINDS[kind]
            until, taken = fields.index("until"), fields.index("taken")
            given = [_with(_with(row, until, row[until] or None), taken, row[taken] or NEVER) for row in given]
        case _:
            fields = KINDS[kind]
    table = table_of(Segments(connection).newest) if kind == "block" else f"onward.{kind}"
    columns = ", ".join(f'"{name}"' for name in fields)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:  # type: ignore[arg-type]
        for row in given:
            copy.write_row(row)
    if kind == "document":
        for table in {row[0] for row in given}:
            if (spec := spec_of(connection, table)) is not None and spec.index:
                index(connection, spec, [_document(row) for row in given if row[0] == table and row[4] is not None])


def _numbered(connection: Connection, given: Sequence[Row]) -> list[Row]:
    """Rows of progress with their numbers: those of a stage and partition count from 1, with what has been folded."""
    reached: dict[tuple[str, int], int] = {}
    found = []
    for row in given:
        where = row[0], row[1]
        if where not in reached:
            [(reached[where],)] = rows(connection, SQL.progress_reached, stage=where[0], partition=where[1])
        reached[where] += 1
        found.append((*row, reached[where]))
    return found


def _summed(connection: Connection, given: Sequence[Row]) -> list[Row]:
    """Blocks with the running totals of their partitions: bytes, and records that were put."""
    size, count, maker = (KINDS["block"].index(name) for name in ("size", "count", "maker"))
    reached: dict[tuple[str, int], tuple[int, int]] = {}
    found = []
    for row in given:
        where = row[0], row[1]
        if where not in reached:
            newest = rows(connection, SQL.block_totals, topic=where[0], partition=where[1])
            reached[where] = newest[0] if newest else (0, 0)
        sizes, put = reached[where]
        found.append((*row, sizes, put))
        reached[where] = sizes + row[size], put + (row[count] if row[maker] is None else 0)
    return found


def _settle(connection: Connection, put: Sequence[Row]) -> None:
    """What can be said of blocks only when all are there: how many records were put before the first that are kept,
    which is counted in one partition; and which is the last block that has lost its entries."""
    there = dict(rows(connection, SQL.put_all))
    statement = SQL.block_settle_put.format(newest=table_of(Segments(connection).newest))
    for topic, count in put:
        if count != there.get(topic, 0):
            run(connection, statement, topic=topic, more=count - there.get(topic, 0))
    run(connection, SQL.retained_settle_last)


def _count_on(connection: Connection, counters: Mapping[str, int]) -> None:
    """The numbers that come next; raises `Broken` where rows of progress are missing."""
    for name, value in counters.items():
        if name != "progress" and value:
            rows(connection, SQL.counter_put, name=name, value=value)
    written, there = counters.get("progress", 0), dict(rows(connection, SQL.counter_all))["progress"]
    if there != written:
        raise Broken(
            f"{written} rows of progress were written, {there} are there or folded; `onward audit` says more, and a "
            "store of which rows are missing is not moved to PostgreSQL"
        )


def _document(row: Row) -> Document:
    table, key, version, state, value, at = row
    return Document(table, key, version, state, value.encode(), instant(at))


def _with(row: Row, at: int, value: Any) -> Row:
    return (*row[:at], value, *row[at + 1 :])


def _tables() -> list[str]:
    return [kind for kind in KINDS if kind not in COUNTS]


def _used(connection: Connection) -> bool:
    """Whether anything is there."""
    return any(_one(connection, f"SELECT EXISTS (SELECT 1 FROM onward.{table})") for table in [*_tables(), "worker"])


def _living(connection: Connection, now: float) -> dict[str, set[str]]:
    """Who is at work in it, and with what."""
    held: dict[str, set[str]] = {}
    for stage, _, worker, until, _ in rows(connection, SQL.lease_all):
        if until is not None and until > now and not process.is_dead(worker):
            held.setdefault(worker, set()).add(stage)
    for worker, until, _, wants in rows(connection, SQL.worker_all):
        if until >= now and not process.is_dead(worker):
            held.setdefault(worker, set()).update(json.loads(wants))
    return held


def _one(connection: Connection, statement: str) -> Any:
    return rows(connection, statement)[0][0]
