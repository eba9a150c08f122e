"""Following one record through a PostgreSQL store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onward.codec import key_mark, may_hold
from onward.logs.postgres_rows import SQL, stands_at
from onward.logs.rows import attempt_from, carried_out_from, done_from, parked_from, stored_from
from onward.postgres.connection import Connection, rows
from onward.postgres.desk import Desk
from onward.survey import Fate, Retained, Spot, Stored

LOOKED = 2_000
"""Blocks whose summaries are looked at within one snapshot."""

LAST = 2**63 - 1


class PostgresTrail:
    """See `onward.log.Trail` for what each method promises."""

    _desk: Desk

    async def stored(self, topic: str, partition: int, offset: int) -> Stored | None:
        def work(connection: Connection) -> Stored | None:
            found = rows(connection, SQL.block_stored, topic=topic, partition=partition, offset=offset)
            stored = stored_from(found[0]) if found else None
            return stored if stored is not None and offset < stored.block.offset + stored.block.count else None

        return await self._desk.snapshot(work)

    async def retained(self) -> Mapping[tuple[str, int], Retained]:
        return await self._desk.snapshot(retained_of)

    async def fate(self, stage: str, partition: int, offset: int) -> Fate:
        return await self._desk.snapshot(lambda connection: _fate(connection, stage, partition, offset))

    async def made(self, stage: str, partition: int, offset: int) -> Sequence[Stored]:
        bound = {"stage": stage, "partition": partition, "offset": offset}
        return await self._desk.snapshot(
            lambda connection: [stored_from(row) for row in rows(connection, SQL.block_made, **bound)]
        )

    async def holding(self, key: str, before: int | None) -> tuple[Sequence[Spot], int | None]:
        def work(connection: Connection) -> tuple[list[Spot], int | None]:
            bound = {"before": LAST if before is None else before, "limit": LOOKED, "mark": key_mark(key)}
            looked = rows(connection, SQL.block_holding, **bound)
            found = [Spot(*spot) for _, *spot, keys in looked if may_hold(keys, key)]
            return found, looked[-1][0] if len(looked) == LOOKED else None

        return await self._desk.snapshot(work)


def retained_of(connection: Connection) -> dict[tuple[str, int], Retained]:
    return {(topic, partition): Retained(*row) for topic, partition, *row in rows(connection, SQL.retained_all)}


def _fate(connection: Connection, stage: str, partition: int, offset: int) -> Fate:
    bound = {"stage": stage, "partition": partition, "offset": offset}
    parked = [parked_from(row) for row in rows(connection, SQL.parked_get, **bound)]
    found = rows(connection, SQL.progress_of, **bound) if not parked else []
    done, at, dropped = done_from(found, offset)
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
