"""A SQLite store as it leaves its home, or comes into it; see `onward.carry.Carrier` for what each method promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import apsw

from onward import process
from onward.carry import BYTES, COUNTS, KINDS, ROWS, Load, Mark, Place, Row, State, told
from onward.clock import Clock, SystemClock
from onward.errors import InUse, Refused, StoreMoved
from onward.logs.sqlite_home import mark_of, place_of, prepare, put_mark, version_of
from onward.logs.sqlite_rows import SCHEMA, SQL
from onward.sqlite.connection import PAGES_BEFORE_CHECKPOINT, File, away, path_of, rows
from onward.sqlite.turn import Turn
from onward.units import instant_text

T = TypeVar("T")


class SQLiteCarrier:
    """A handle on a store file, which is made by `arrive` at the earliest."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._path = path_of(url)
        self.shown = f"sqlite:///{self._path.resolve()}"
        self._clock = clock or SystemClock()
        self._file: File | None = None
        self._opened: apsw.Connection | None = None
        self._keys: dict[str, Sequence[str]] = {}
        self._pages = 0
        self._one = ThreadPoolExecutor(1, thread_name_prefix="onward-carrier")

    async def mark(self) -> Mark | None:
        def work() -> Mark | None:
            if not self._path.exists():
                return None
            if (found := self._version()) < SCHEMA:
                return (
                    Mark("here") if found else None
                )  # nothing is brought up to date before it is known what it is for
            connection = self._connection()
            return mark_of(connection) or (Mark("here") if _used(connection) else None)

        return await self._do(work)

    async def leave(self, mark: Mark) -> None:
        def change(connection: apsw.Connection) -> None:
            if (there := mark_of(connection)) is not None and there.state != "here":
                raise StoreMoved(there.told(self.shown))
            if living := _living(connection, instant_text(self._clock.now())):
                raise InUse(told(living))
            put_mark(connection, mark, self.shown)

        await self._write(change)

    async def arrive(self, mark: Mark) -> Place:
        def change(connection: apsw.Connection) -> Place:
            there = mark_of(connection)
            if there is not None and (there.state, there.move) == (mark.state, mark.move):
                return place_of(connection)
            if there is not None or _used(connection):
                raise Refused(f"{(there or Mark('here')).told(self.shown)}; name a place where nothing is")
            put_mark(connection, mark, self.shown, Place())
            return Place()

        return await self._write(change, create=True)

    async def give(self, place: Place, most: int = ROWS) -> Load:
        def work() -> Load:
            connection = self._connection()
            if place.kind in COUNTS:
                found = [] if place.after else rows(connection, getattr(SQL, f"{place.kind}_all"))
                return Load(found, place._replace(after="all"))
            return self._give(connection, place, most)

        return await self._do(work)

    async def take(self, mark: Mark, before: Place, load: Load) -> None:
        def change(connection: apsw.Connection) -> None:
            bound = {"move": mark.move, "kind_before": before.kind, "after_before": before.after}
            connection.execute(SQL.home_place, {**bound, **load.place._asdict()})
            if not connection.changes():
                raise Refused(
                    f"{self.shown} is not where this move has brought it: another `onward move` is at work on it, or "
                    "has ended; look at both stores and try again"
                )
            _take(connection, load.place.kind, load.rows)

        await self._write(change)

    async def change(self, mark: Mark, state: State) -> None:
        def change(connection: apsw.Connection) -> None:
            there = mark_of(connection)
            if there is None or (there.move, there.state) != (mark.move, mark.state):
                raise StoreMoved((there or Mark("here")).told(self.shown))
            put_mark(connection, Mark(state, there.move, there.other, there.by, self._clock.now()), self.shown)

        await self._write(change)

    async def count(self) -> Mapping[str, int]:
        def work() -> dict[str, int]:
            connection = self._connection()
            found = {
                kind: int(_one(connection, f'SELECT count(*) FROM "{kind}"')) for kind in KINDS if kind not in COUNTS
            }
            [(records, size)] = rows(connection, SQL.block_sums)
            return {**found, "records": records, "bytes": size}

        return await self._do(work)

    async def close(self) -> None:
        await asyncio.to_thread(self._one.shutdown)
        if self._file is not None:
            self._file.close()

    # how it is done; everything below runs in the one thread

    def _version(self) -> int:
        file = self._file or File(self._path, create=False)
        try:
            return version_of(file, self.shown)
        finally:
            if file is not self._file:
                file.close()

    def _connection(self, *, create: bool = False) -> apsw.Connection:
        if self._opened is None:
            file = File(self._path, create=create)
            try:
                prepare(file, self.shown, create=create)
                self._opened = file.connect()
            except BaseException:
                file.close()
                raise
            self._file = file
            self._opened.set_wal_hook(self._count_pages)
        return self._opened

    def _give(self, connection: apsw.Connection, place: Place, most: int) -> Load:
        key = self._key(connection, place.kind)
        columns = ", ".join(f'"{name}"' for name in (*key, *KINDS[place.kind]))
        names, marks = ", ".join(f'"{name}"' for name in key), ", ".join("?" * len(key))
        after = json.loads(place.after) if place.after else None
        where = f"WHERE ({names}) > ({marks})" if after else ""
        found: list[Row] = []
        room = BYTES
        for row in connection.execute(f'SELECT {columns} FROM "{place.kind}" {where} ORDER BY {names}', after or ()):
            found.append(row[len(key) :])
            after = row[: len(key)]
            room -= sum(len(value) for value in found[-1] if isinstance(value, str | bytes))
            if len(found) == most or room <= 0:
                break
        return Load(found, place._replace(after=json.dumps(after)) if found else place)

    def _key(self, connection: apsw.Connection, kind: str) -> Sequence[str]:
        """By what its rows are told apart, in the order in which they were written where that is kept."""
        if kind not in self._keys:
            columns = [(at, name) for _, name, _, _, _, at in rows(connection, f'PRAGMA table_info("{kind}")') if at]
            without = _one(connection, f"SELECT wr FROM pragma_table_list('{kind}')")
            self._keys[kind] = [name for _, name in sorted(columns)] if without else ["rowid"]
        return self._keys[kind]

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._one, work)
        except apsw.Error as error:
            raise away(error, self.shown) from error

    async def _write(self, change: Callable[[apsw.Connection], T], *, create: bool = False) -> T:
        """A transaction in its turn."""

        def in_turn() -> T:
            connection = self._connection(create=create)
            turn = Turn(str(self._path))
            try:
                with turn:
                    connection.execute("BEGIN IMMEDIATE")
                    try:
                        result = change(connection)
                        connection.execute("COMMIT")
                    except BaseException:
                        self._roll_back(connection)
                        raise
                self._copy_back(connection)
                return result
            finally:
                turn.close()

        return await self._do(in_turn)

    def _roll_back(self, connection: apsw.Connection) -> None:
        if self._file is not None and not self._file.roll_back(connection):
            self._opened = self._file.connect()

    def _copy_back(self, connection: apsw.Connection) -> None:
        if self._pages >= PAGES_BEFORE_CHECKPOINT:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._pages = 0

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK


def _take(connection: apsw.Connection, kind: str, given: Sequence[Row]) -> None:
    if kind in COUNTS:
        for name, value in given:
            if kind == "put":
                connection.execute(SQL.topic_count_put, {"name": name, "count": value})
            else:
                connection.execute(SQL.counter_add, {"name": name, "value": value})
                connection.execute(SQL.counter_put, {"name": name, "value": value})
        return
    fields = KINDS[kind]
    columns, marks = ", ".join(f'"{name}"' for name in fields), ", ".join("?" * len(fields))
    connection.executemany(f'INSERT INTO "{kind}" ({columns}) VALUES ({marks})', given)
    if kind == "document":
        for table in {row[0] for row in given}:
            keys = json.dumps([key for name, key, *_ in given if name == table])
            connection.execute(SQL.document_entry_add, {"table": table, "keys": keys})


def _used(connection: apsw.Connection) -> bool:
    """Whether anything is there."""
    tables = [*(kind for kind in KINDS if kind not in COUNTS), "worker"]
    return any(_one(connection, f'SELECT EXISTS (SELECT 1 FROM "{table}")') for table in tables)


def _living(connection: apsw.Connection, now: str) -> dict[str, set[str]]:
    """Who is at work in it, and with what."""
    held: dict[str, set[str]] = {}
    for stage, _, worker, until, _ in rows(connection, SQL.lease_all):
        if until > now and not process.is_dead(worker):
            held.setdefault(worker, set()).add(stage)
    for worker, _, until, wants in rows(connection, SQL.worker_all):
        if until >= now and not process.is_dead(worker):
            held.setdefault(worker, set()).update(json.loads(wants))
    return held


def _one(connection: apsw.Connection, statement: str) -> Any:
    return rows(connection, statement)[0][0]
