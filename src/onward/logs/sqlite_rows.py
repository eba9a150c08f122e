"""What rows of a SQLite store say, and values as its columns."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from onward.claim import stage_of
from onward.commit import Mark
from onward.log import Attempt, Block, Claim, Lease, Parked, Range, Replay, Request, Span, Totals
from onward.logs.rows import Row, ahead_from, parked_from, replay_from, request_from, source_from, totals_from
from onward.sql import Statements
from onward.sqlite.connection import rows
from onward.units import instant_text

SQL = Statements("sqlite")
SCHEMA = len(SQL.migrations)


def end_of(connection: apsw.Connection, topic: str, partition: int) -> int:
    """The offset that the next record of a partition gets."""
    found = rows(connection, SQL.block_end, topic=topic, partition=partition)
    return int(found[0][0]) if found else 0


def first_of(connection: apsw.Connection, topic: str, partition: int) -> int:
    """The offset of the first record of a partition that is kept; its end where none is."""
    found = rows(connection, SQL.block_first, topic=topic, partition=partition)[0][0]
    return end_of(connection, topic, partition) if found is None else int(found)


def stands_at(connection: apsw.Connection, stage: str, partition: int) -> tuple[int, Totals]:
    """`next` and the totals of a stage and partition."""
    if newest := rows(connection, SQL.progress_newest, stage=stage, partition=partition):
        return int(newest[0][0]), totals_from(newest[0][1])
    begin = rows(connection, SQL.begin_get, stage=stage, partition=partition)
    return (int(begin[0][0]) if begin else 0), Totals()


def ahead_of(connection: apsw.Connection, stage: str, partition: int, next_: int) -> list[Span]:
    """What a stage has finished beyond `next`, ascending."""
    found = rows(connection, SQL.progress_ahead, stage=stage, partition=partition, next=next_)
    return ahead_from(found, next_)


def left_of(connection: apsw.Connection, stage: str, topic: str, partition: int) -> tuple[int, int]:
    """How many records of a partition are neither done nor parked, and the bytes of the blocks that hold them."""
    next_, _ = stands_at(connection, stage, partition)
    ahead = sum(end - first for first, end in ahead_of(connection, stage, partition, next_))
    bound = {"partition": partition, "next": next_}
    parked = rows(connection, SQL.parked_beyond, stage=stage, **bound)[0][0]
    size = rows(connection, SQL.block_size_from, topic=topic, **bound)[0][0]
    return end_of(connection, topic, partition) - next_ - ahead - parked, size or 0


def claim_of(connection: apsw.Connection, lease: Lease) -> Claim:
    """What there is to do under a lease."""
    stage, bound = lease.stage, {"stage": lease.stage, "partition": lease.partition}
    next_, totals = stands_at(connection, stage, lease.partition)
    return Claim(
        lease=lease,
        next=next_,
        ahead=ahead_of(connection, stage, lease.partition, next_),
        totals=totals,
        parked=[parked_from(row) for row in rows(connection, SQL.parked_keys, **bound)],
        incarnation=_incarnation(connection, stage_of(stage), lease.partition),
        source=source_from(rows(connection, SQL.source_get, name=stage)),
        unit=rows(connection, SQL.progress_unit, **bound)[0][0],
        shapes=[(name, shape) for name, shape in rows(connection, SQL.shape_of_stage, **bound)],
    )


def _incarnation(connection: apsw.Connection, stage: str, partition: int) -> str:
    found = rows(connection, SQL.incarnation_of, stage=stage, partition=partition)
    return str(found[0][0]) if found else ""


def replays_open(connection: apsw.Connection) -> list[Replay]:
    """Replays that are not over, each with its ranges that are not."""
    found: dict[int, list[Range]] = {}
    for number, *range_ in connection.execute(SQL.replay_open):
        found.setdefault(number, []).append(Range(*range_))
    return [
        replay_from(row, ranges)
        for number, ranges in found.items()
        for row in rows(connection, SQL.replay_get, number=number)
    ]


def requests_of(connection: apsw.Connection, stage: str) -> list[Request]:
    """What is asked of a stage and not answered yet, the oldest first."""
    return [request_from(row) for row in connection.execute(SQL.request_open, {"stage": stage})]


def blocks_of(
    connection: apsw.Connection, topic: str, partition: int, offset: int, records: int, size: int
) -> list[Block]:
    """Blocks in order from the one that holds `offset`, until `records` or `size` bytes are reached."""
    found: list[Block] = []
    bound = {"topic": topic, "partition": partition, "offset": offset}
    left, room = records, size
    for at, count, nonce, entries in connection.execute(SQL.block_read, bound):
        if at + count <= offset:
            continue
        if found and len(entries) > room:
            break
        found.append(Block(at, count, entries, nonce))
        left -= at + count - max(offset, at)
        room -= len(entries)
        if left <= 0 or room <= 0:
            break
    return found


def seen_of(
    connection: apsw.Connection, stage: str, partition: int, marks: Sequence[str], since: float
) -> dict[str, int]:
    """The offsets of those of these marks that were made at or after an instant."""
    bound = {"stage": stage, "partition": partition, "marks": _json(marks), "since": instant_text(since)}
    return dict(rows(connection, SQL.seen_get, **bound))


def ports_of(connection: apsw.Connection, but: str) -> list[int]:
    """Where the living workers on this file hear hints."""
    found = connection.execute(SQL.worker_all).fetchall()
    return [port for name, port, _, _ in found if port and name != but]


def parked_rows(parked: Sequence[Parked]) -> str:
    """Rows as one JSON text, so that many are written by one statement."""
    return _json(
        [
            (
                row.offset,
                row.key,
                row.state,
                instant_text(row.due),
                row.attempts,
                instant_text(row.since),
                row.error,
                row.reason,
                row.batch,
                int(row.approved),
                row.nonce,
                row.entry.decode(),
            )
            for row in parked
        ]
    )


def attempt_rows(attempts: Sequence[Attempt]) -> str:
    return _json([(row.offset, row.number, instant_text(row.at), *row[3:]) for row in attempts])


def mark_rows(marks: Sequence[Mark]) -> str:
    return _json([(mark.text, mark.offset, instant_text(mark.at)) for mark in marks])


def _json(rows_: Sequence[Row]) -> str:
    return msgspec.json.encode(rows_).decode()
