"""Rows of the SQLite store as values, and values as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from onward.claim import stage_of
from onward.commit import Answer, Mark
from onward.log import AppSpec, Attempt, Block, Claim, Lease, Parked, Range, Replay, Request, SourceState, Span, Totals
from onward.sql import Statements
from onward.sqlite.connection import rows
from onward.survey import Stored
from onward.task_run import TaskRun
from onward.units import instant, instant_text

SQL = Statements("sqlite")
SCHEMA = len(SQL.migrations)

Row = tuple[Any, ...]

_spans = msgspec.json.Decoder(list[Span])
_drops = msgspec.json.Decoder(list[tuple[str, list[Span]]])
_totals = msgspec.json.Decoder(Totals)
spans_from = _spans.decode
totals_from = _totals.decode
drops_from = _drops.decode
spec_from = msgspec.json.Decoder(AppSpec).decode


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
    return sorted((max(a, next_), b) for (text,) in found for a, b in spans_from(text) if b > next_)


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


def replay_from(row: Row, ranges: Sequence[Range]) -> Replay:
    number, stage, key, rate, same_id, by, at, cancelled = row
    return Replay(
        stage=stage,
        ranges=tuple(ranges),
        key=key,
        rate=rate,
        same_id=bool(same_id),
        by=by,
        at=instant(at),
        number=number,
        cancelled=cancelled is not None,
    )


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


def parked_from(row: Row) -> Parked:
    offset, key, state, due, attempts, since, error, reason, batch, approved, *copy = row
    entry, nonce = copy or (b"", "")
    return Parked(
        offset=offset,
        key=key,
        state=state,
        due=instant(due),
        attempts=attempts,
        since=instant(since),
        error=error,
        reason=reason,
        batch=batch,
        approved=bool(approved),
        entry=entry,
        nonce=nonce,
    )


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


def attempt_from(row: Row) -> Attempt:
    offset, number, at, *rest = row
    return Attempt(offset, number, instant(at), *rest)


def attempt_rows(attempts: Sequence[Attempt]) -> str:
    return _json([(row.offset, row.number, instant_text(row.at), *row[3:]) for row in attempts])


def mark_rows(marks: Sequence[Mark]) -> str:
    return _json([(mark.text, mark.offset, instant_text(mark.at)) for mark in marks])


def _json(rows_: Sequence[Row]) -> str:
    return msgspec.json.encode(rows_).decode()


def request_from(row: Row) -> Request:
    id_, stage, partition, action, match, by, at, value = row
    return Request(id_, stage, partition, action, json.loads(match), by, instant(at), value)


def request_row(request: Request) -> dict[str, Any]:
    row = request._asdict() | {"match": json.dumps(request.match), "at": instant_text(request.at)}
    del row["id"]
    return row


def answer_row(answer: Answer, now: str) -> dict[str, Any]:
    id_, result, offsets = Answer(*answer)
    return {"id": id_, "done": now, "result": result, "offsets": _json(offsets) if offsets else None}


def stored_from(row: Row) -> Stored:
    topic, partition, offset, count, nonce, entries, written, maker = row
    return Stored(topic, partition, Block(offset, count, entries, nonce), instant(written), maker)


def source_from(found: Sequence[Row]) -> SourceState:
    if not found:
        return SourceState()
    cursor, emitted, last_run, next_run, state = found[0]
    return SourceState(
        cursor=None if cursor is None else cursor.encode(),
        emitted=msgspec.json.decode(emitted, type=dict[str, int]),
        last_run=last_run and instant(last_run),
        next_run=next_run and instant(next_run),
        state=state,
    )


def source_to(state: SourceState) -> dict[str, Any]:
    return {
        "cursor": None if state.cursor is None else state.cursor.decode(),
        "emitted": msgspec.json.encode(state.emitted).decode(),
        "last_run": None if state.last_run is None else instant_text(state.last_run),
        "next_run": None if state.next_run is None else instant_text(state.next_run),
        "state": state.state,
    }


def run_from(row: Row) -> TaskRun:
    id_, task, by, process, started, ended, arguments, outcome, error, result, output = row
    return TaskRun(
        task=task,
        by=by,
        process=process,
        started=instant(started),
        arguments=arguments.encode(),
        id=id_,
        ended=ended and instant(ended),
        outcome=outcome,
        error=error,
        result=None if result is None else result.encode(),
        output=output,
    )


def run_to(run: TaskRun) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(run),
        "id": run.id or None,
        "started": instant_text(run.started),
        "ended": None if run.ended is None else instant_text(run.ended),
        "arguments": run.arguments.decode(),
        "result": None if run.result is None else run.result.decode(),
    }
