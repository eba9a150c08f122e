"""What rows of a PostgreSQL store say, and values as its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from onward.claim import stage_of
from onward.commit import Mark
from onward.log import Attempt, Block, Claim, Lease, Parked, Range, Replay, Request, SourceState, Span, Totals
from onward.logs.rows import Row, ahead_from, parked_from, replay_from, request_from, source_from, totals_from
from onward.postgres.connection import Connection, rows
from onward.sql import Statements
from onward.units import instant_text

SQL = Statements("postgres")
SCHEMA = len(SQL.migrations)
READ = SQL.block_read.format(blocks="onward.block")
"""`block_read` over all segments."""

AT_FIRST = 16
"""So many blocks are read by the first statement; there are few where they are large."""


def end_of(connection: Connection, topic: str, partition: int) -> int:
    """The offset that the next record of a partition gets."""
    found = rows(connection, SQL.block_end, topic=topic, partition=partition)
    return int(found[0][0]) if found else 0


def first_of(connection: Connection, topic: str, partition: int) -> int:
    """The offset of the first record of a partition that is kept; its end where none is."""
    end = end_of(connection, topic, partition)  # before it looks: what is appended meanwhile is kept
    found = rows(connection, SQL.block_first, topic=topic, partition=partition)
    return int(found[0][0]) if found else end


def stands_at(connection: Connection, stage: str, partition: int) -> tuple[int, Totals]:
    """`next` and the totals of a stage and partition."""
    if newest := rows(connection, SQL.progress_newest, stage=stage, partition=partition):
        return int(newest[0][0]), totals_from(newest[0][1])
    begin = rows(connection, SQL.begin_get, stage=stage, partition=partition)
    return (int(begin[0][0]) if begin else 0), Totals()


def commits_of(connection: Connection, stage: str, partition: int) -> int:
    """How many commits of a stage and partition have made progress, ever."""
    newest = rows(connection, SQL.progress_newest, stage=stage, partition=partition)
    return int(newest[0][2]) if newest else 0


class Standing(NamedTuple):
    """How far what a lease is for has come: commits that made progress, and records that a source has brought."""

    commits: int
    brought: int

    def is_behind(self, known: Standing) -> bool:
        return self.commits < known.commits or self.brought < known.brought


def standing_from(commits: int, emitted: str | None) -> Standing:
    return Standing(commits, sum(msgspec.json.decode(emitted or "{}").values()))


def brought_by(source: SourceState) -> int:
    """How many records a source has brought, ever."""
    return sum(source.emitted.values())


def ahead_of(connection: Connection, stage: str, partition: int, next_: int) -> list[Span]:
    """What a stage has finished beyond `next`, ascending."""
    found = rows(connection, SQL.progress_ahead, stage=stage, partition=partition, next=next_)
    return ahead_from(found, next_)


def claim_of(connection: Connection, lease: Lease) -> Claim:
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


def _incarnation(connection: Connection, stage: str, partition: int) -> str:
    found = rows(connection, SQL.incarnation_of, stage=stage, partition=partition)
    return str(found[0][0]) if found else ""


def replays_open(connection: Connection) -> list[Replay]:
    """Replays that are not over, each with its ranges that are not."""
    return replays_from(connection, rows(connection, SQL.replay_open))


def replays_from(connection: Connection, ranges: Sequence[Row]) -> list[Replay]:
    """The replays that these ranges are of."""
    found: dict[int, list[Range]] = {}
    for number, *range_ in ranges:
        found.setdefault(number, []).append(Range(*range_))
    return [
        replay_from(row, ranges_)
        for number, ranges_ in found.items()
        for row in rows(connection, SQL.replay_get, number=number)
    ]


def requests_of(connection: Connection, stage: str) -> list[Request]:
    """What is asked of a stage and not answered yet, the oldest first."""
    return [request_from(row) for row in rows(connection, SQL.request_open, stage=stage)]


def blocks_of(
    connection: Connection,
    statement: str,
    topic: str,
    partition: int,
    offset: int,
    records: int,
    size: int,
    most: int = AT_FIRST,
) -> list[Block]:
    """Blocks in order from the one that holds `offset`, until `records` or `size` bytes are reached; `statement` is
    `block_read` over some segments, or over the view of all (`READ`), and `most` how many are looked at at first."""
    found: list[Block] = []
    left, room = records, size
    while True:
        bound = {"topic": topic, "partition": partition, "offset": offset}
        rows_ = rows(connection, statement, **bound, records=left, size=room, most=most)
        for at, count, nonce, entries in rows_:
            if found and len(entries) > room:
                return found
            found.append(Block(at, count, entries, nonce))
            left -= at + count - max(offset, at)
            room -= len(entries)
            if left <= 0 or room <= 0:
                return found
        if len(rows_) < most:
            return found
        offset, most = at + count, most * 4


def seen_of(connection: Connection, stage: str, partition: int, marks: Sequence[str], since: float) -> dict[str, int]:
    """The offsets of those of these marks that were made at or after an instant."""
    bound = {"stage": stage, "partition": partition, "marks": list(marks), "since": instant_text(since)}
    return {mark: offset for mark, offset in rows(connection, SQL.seen_get, **bound)}


def parked_columns(parked: Sequence[Parked]) -> dict[str, list[Any]]:
    """Rows as one list per column, so that many are written by one statement."""
    return {
        "offsets": [row.offset for row in parked],
        "keys": [row.key for row in parked],
        "states": [row.state for row in parked],
        "dues": [instant_text(row.due) for row in parked],
        "attempts": [row.attempts for row in parked],
        "sinces": [instant_text(row.since) for row in parked],
        "errors": [row.error for row in parked],
        "reasons": [row.reason for row in parked],
        "batches": [row.batch for row in parked],
        "approved": [row.approved for row in parked],
        "nonces": [row.nonce for row in parked],
        "entries": [row.entry.decode() for row in parked],
    }


def attempt_columns(attempts: Sequence[Attempt]) -> dict[str, list[Any]]:
    return {
        "offsets": [row.offset for row in attempts],
        "numbers": [row.number for row in attempts],
        "ats": [instant_text(row.at) for row in attempts],
        "tooks": [row.took for row in attempts],
        "errors": [row.error for row in attempts],
        "messages": [row.message for row in attempts],
        "tracebacks": [row.traceback for row in attempts],
    }


def mark_columns(marks: Sequence[Mark]) -> dict[str, list[Any]]:
    last = {mark.text: mark for mark in marks}
    return {
        "marks": list(last),
        "offsets": [mark.offset for mark in last.values()],
        "ats": [instant_text(mark.at) for mark in last.values()],
    }
