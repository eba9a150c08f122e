"""Following one record through a SQLite store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import apsw

from onward.codec import may_hold
from onward.logs.rows import attempt_from, carried_out_from, done_from, parked_from, stored_from
from onward.logs.sqlite_rows import SQL, stands_at
from onward.sqlite.connection import rows
from onward.survey import Fate, Retained, Spot, Stored

T = TypeVar("T")

LOOKED = 2_000
"""Blocks whose summaries are looked at within one snapshot."""


class SQLiteTrail:
    """See `onward.log.Trail` for what each method promises."""

    async def _look(self, work: Callable[[apsw.Connection], T]) -> T:
        raise NotImplementedError

    async def stored(self, topic: str, partition: int, offset: int) -> Stored | None:
        def work(connection: apsw.Connection) -> Stored | None:
            found = rows(connection, SQL.block_stored, topic=topic, partition=partition, offset=offset)
            stored = stored_from(found[0]) if found else None
            return stored if stored is not None and offset < stored.block.offset + stored.block.count else None

        return await self._look(work)

    async def retained(self) -> Mapping[tuple[str, int], Retained]:
        return await self._look(retained_of)

    async def fate(self, stage: str, partition: int, offset: int) -> Fate:
        return await self._look(lambda connection: _fate(connection, stage, partition, offset))

    async def made(self, stage: str, partition: int, offset: int) -> Sequence[Stored]:
        bound = {"stage": stage, "partition": partition, "offset": offset}
        return await self._look(
            lambda connection: [stored_from(row) for row in rows(connection, SQL.block_made, **bound)]
        )

    async def holding(self, key: str, before: int | None) -> tuple[Sequence[Spot], int | None]:
        def work(connection: apsw.Connection) -> tuple[list[Spot], int | None]:
            looked = rows(connection, SQL.block_holding, before=before, limit=LOOKED)
            found = [Spot(*spot) for _, *spot, keys in looked if may_hold(keys, key)]
            return found, looked[-1][0] if len(looked) == LOOKED else None

        return await self._look(work)


def retained_of(connection: apsw.Connection) -> dict[tuple[str, int], Retained]:
    return {(topic, partition): Retained(*row) for topic, partition, *row in rows(connection, SQL.retained_all)}


def _fate(connection: apsw.Connection, stage: str, partition: int, offset: int) -> Fate:
    bound = {"stage": stage, "partition": partition, "offset": offset}
    parked = [parked_from(row) for row in rows(connection, SQL.parked_get, **bound)]
    found = rows(connection, SQL.progress_of, **bound) if not parked else []
    done, at, dropped = done_from((row for _, *row in found), offset)
    if not (done or parked):
        begin = rows(connection, SQL.begin_get, stage=stage, partition=partition)
        next_, _ = stands_at(connection, stage, partition)
        done = bool(begin) and begin[0][0] <= offset < next_
    return Fate(
        done=done,
        at=at,
        dropped=dropped,
        parked=parked[0] if parked else None,
        attempts=[attempt_from(row) for row in rows(connection, SQL.attempt_list, **bound)],
        requests=[carried_out_from(row) for row in rows(connection, SQL.request_of, **bound)],
    )
