"""What goes from a SQLite store as it ages: blocks, rows of progress, attempts and answered requests."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import apsw
import msgspec

from onward.claim import stage_of
from onward.log import OVERLAP, Span
from onward.logs.rows import spans_from
from onward.logs.sqlite_rows import SQL, first_of, stands_at
from onward.span import merged
from onward.sqlite.connection import rows
from onward.units import instant, instant_text

BYTES = 4_000_000
"""So many bytes of blocks go in one transaction where it is to be a short one."""


def retain(
    connection: apsw.Connection,
    topic: str,
    before: float,
    offsets: Mapping[int, int],
    most: int | None,
    overrun: Collection[str] | None,
) -> int:
    """See `onward.log.Log.retain`; within a transaction."""
    deleted, room = 0, BYTES
    for partition, offset in offsets.items():
        if overrun is not None:
            offset = min(offset, _unseen(connection, topic, partition, overrun))
        bound = {"topic": topic, "partition": partition}
        passed = []
        for at, count, written, size in connection.execute(SQL.block_oldest, bound):
            if written >= instant_text(before) or at + count > offset:
                break
            passed.append((at, size, at + count))
            room -= size
            if most is not None and (len(passed) > most - deleted or room <= 0):
                break
        if not passed:
            continue
        newest = rows(connection, SQL.block_newest, **bound)[0][0]
        keep = passed.pop() if passed[-1][0] == newest else None
        if most is not None and len(passed) > most - deleted:
            passed, keep = passed[: most - deleted], None
        _note(connection, bound, passed if keep is None else [*passed, keep])
        if passed:
            connection.execute(SQL.block_delete, {**bound, "offset": passed[-1][0] + 1})
            deleted += len(passed)
        if keep is not None and keep[1] > len("[]"):
            connection.execute(SQL.block_clear, {**bound, "offset": keep[0]})
        if most is not None and (deleted >= most or room <= 0):
            break
    _forget_shapes(connection, topic)
    return deleted


def _forget_shapes(connection: apsw.Connection, topic: str) -> None:
    known = rows(connection, SQL.shape_all, topic=topic)
    if len(known) < 2:
        return
    [(_, _, held)] = rows(connection, SQL.topic_get, name=topic)
    for partition in range(held):
        bound = {"topic": topic, "partition": partition}
        if rows(connection, SQL.parked_before, **bound, offset=first_of(connection, topic, partition))[0][0]:
            return  # there is a copy of a record of unknown age
    oldest = instant(min(_oldest_outputs(connection, [topic]), default="9999-12-31T00:00:00.000000Z"))
    for (name, _, _), (_, _, since) in pairwise(known):
        if instant(since) + OVERLAP >= oldest:
            return
        connection.execute(SQL.shape_delete, {"topic": topic, "fingerprint": name})


def _note(connection: apsw.Connection, bound: dict[str, Any], blocks: Sequence[tuple[int, int, int]]) -> None:
    """Notes what retention deletes; one that has lost its entries before was noted then."""
    full = [(at, end) for at, size, end in blocks if size > len("[]")]
    if full:
        row = {**bound, "offset": full[-1][1], "count": sum(end - at for at, end in full)}
        connection.execute(SQL.retained_put, row)


def _unseen(connection: apsw.Connection, topic: str, partition: int, overrun: Collection[str]) -> int:
    """The first offset that a stage has yet to see, of those that count."""
    gone = {name for name, _ in rows(connection, SQL.gone_all)}
    readers = [
        stage
        for stage, at in rows(connection, SQL.begin_of_topic, topic=topic)
        if at == partition and not (stage in overrun and stage in gone)
    ]
    return min((stands_at(connection, stage, partition)[0] for stage in readers), default=2**62)


class Old(NamedTuple):
    """Rows of one stage and partition that may go, by their numbers."""

    progress: list[int]
    attempts: list[int]
    requests: list[int]

    @property
    def count(self) -> int:
        return len(self.progress) + len(self.attempts) + len(self.requests)


def old_of(
    connection: apsw.Connection, stage: str, partition: int, to: Collection[str], before: float, most: int
) -> Old:
    """What `fold` would take, found without keeping writers from their work."""
    bound = {"stage": stage, "partition": partition}
    begin = rows(connection, SQL.begin_get, stage=stage_of(stage), partition=partition)
    kept = first_of(connection, begin[0][1], partition) if begin else 0
    until = min([instant_text(before), *_oldest_outputs(connection, to)])
    stay = {seq for (seq,) in rows(connection, SQL.progress_kept, **bound)}
    progress: list[int] = []
    # In the order in which they were written `next` only grows, so the first one that must stay ends the search.
    for seq, last, next_, written in connection.execute(SQL.progress_oldest, bound):
        if next_ > kept or written >= until or len(progress) == most:
            break
        if last <= kept and seq not in stay:
            progress.append(seq)
    attempts = rows(connection, SQL.attempt_old, **bound, kept=kept, most=most)
    requests = rows(connection, SQL.request_old, **bound, before=instant_text(before), most=most)
    return Old(progress, [row for (row,) in attempts], [row for (row,) in requests])


def _oldest_outputs(connection: apsw.Connection, to: Collection[str]) -> list[str]:
    """When the oldest kept block of each of these topics was written."""
    return [
        written
        for topic in to
        for *_, held in rows(connection, SQL.topic_get, name=topic)
        for partition in range(held)
        for (written,) in rows(connection, SQL.block_first_written, topic=topic, partition=partition)
    ]


def fold(connection: apsw.Connection, stage: str, partition: int, old: Old) -> int:
    """Takes those of the rows that are still there; returns how many. Within a transaction."""
    bound = {"stage": stage, "partition": partition}
    found = rows(connection, SQL.progress_these, seqs=json.dumps(old.progress))
    if found:
        spans = [span for row in found for span in spans_from(row[3])]
        _keep_finished(connection, bound, spans)
        minutes: dict[str, tuple[int, int]] = {}
        for _, written, count, _ in found:
            before = minutes.get(written[:16], (0, 0))
            minutes[written[:16]] = before[0] + count, before[1] + 1
        for minute, (count, commits) in minutes.items():
            row = {**bound, "minute": f"{minute}:00.000000Z", "count": count, "commits": commits}
            connection.execute(SQL.statistic_add, row)
        connection.execute(SQL.progress_delete, {"seqs": json.dumps([row[0] for row in found])})
    gone = len(found)
    connection.execute(SQL.attempt_delete, {"rowids": json.dumps(old.attempts)})
    gone += connection.changes()
    connection.execute(SQL.request_delete, {"ids": json.dumps(old.requests)})
    return gone + connection.changes()


def folded_of(connection: apsw.Connection, stage: str, partition: int) -> list[Span]:
    """What the rows finished that were folded."""
    found = rows(connection, SQL.folded_get, stage=stage, partition=partition)
    return spans_from(found[0][0]) if found else []


def _keep_finished(connection: apsw.Connection, bound: dict[str, object], spans: list[Span]) -> None:
    finished = merged([*folded_of(connection, bound["stage"], bound["partition"]), *spans])  # type: ignore[arg-type]
    connection.execute(SQL.folded_put, {**bound, "finished": msgspec.json.encode(finished).decode()})
