"""What goes from a PostgreSQL store as it ages: blocks and the segments that they are in, old rows, which are folded.

Retention deletes no block: it notes how far it has come (`retained`), and what lies before that is kept no more. A
segment in which nothing is kept is dropped; one in which little is kept gives it to the next one first, so that a topic
that keeps its records for long does not keep the segments of all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from onward.claim import stage_of
from onward.log import OVERLAP, Span
from onward.logs.postgres_rows import SQL, first_of, stands_at
from onward.logs.postgres_segments import COLUMNS, kept, show, table_of
from onward.logs.rows import spans_from
from onward.postgres.connection import Connection, rows, run
from onward.span import merged
from onward.units import instant, instant_text

BYTES = 4_000_000
"""So many bytes of blocks go, or move, in one transaction where it is to be a short one."""

LITTLE = 0.25
"""A segment in which no greater share of its bytes is kept gives it away."""

STUB = len("[]")

QUIET = 60.0
"""Seconds for which a segment stays after what was kept of it has moved on: who began to look before does not see it in
its new place."""

WAIT = "SELECT set_config('lock_timeout', '100ms', true)"
"""Who waits for a segment makes those wait that come after: a tenth of a second, and then another time."""


class Passed(NamedTuple):
    """A block that retention passes."""

    offset: int
    count: int
    size: int

    @property
    def full(self) -> bool:
        return self.size > STUB


def retain(
    connection: Connection,
    topic: str,
    before: float,
    offsets: Mapping[int, int],
    most: int | None,
    overrun: Collection[str] | None,
) -> int:
    """See `onward.log.Log.retain`; within a transaction."""
    # Nobody declares a stage meanwhile, so one that is new finds all that it has yet to see.
    rows(connection, SQL.declare_lock_shared)
    rows(connection, SQL.life_lock)
    deleted, room = 0, BYTES
    for partition, offset in offsets.items():
        if overrun is not None:
            offset = min(offset, _unseen(connection, topic, partition, overrun))
        passed: list[Passed] = []
        limit = None if most is None else most - deleted + 2
        for at, count, written, size in rows(
            connection, SQL.block_oldest, topic=topic, partition=partition, most=limit
        ):
            if written >= before or at + count > offset:
                break
            passed.append(Passed(at, count, size))
            room -= size
            if most is not None and (len(passed) > most - deleted or room <= 0):
                break
        if not passed:
            continue
        newest = rows(connection, SQL.block_newest, topic=topic, partition=partition)[0][0]
        keep = passed.pop() if passed[-1].offset == newest else None
        if most is not None and len(passed) > most - deleted:
            passed, keep = passed[: most - deleted], None
        _pass(connection, topic, partition, passed, keep)
        deleted += len(passed)
        if most is not None and (deleted >= most or room <= 0):
            break
    _forget_shapes(connection, topic)
    return deleted


def _pass(connection: Connection, topic: str, partition: int, passed: Sequence[Passed], keep: Passed | None) -> None:
    """Notes what is kept no more; one that has lost its entries before was noted then."""
    full = [one for one in (*passed, *([keep] if keep is not None else [])) if one.full]
    if full:
        last = full[-1]
        bound = {"offset": last.offset + last.count, "count": sum(one.count for one in full), "last": last.count}
        run(connection, SQL.retained_put, topic=topic, partition=partition, **bound)
    bare = [one.offset for one in passed if not one.full]
    for table in _tables(connection):
        if bare:
            run(connection, SQL.block_delete.format(segment=table), topic=topic, partition=partition, offsets=bare)
        if keep is not None and keep.full:
            statement = SQL.block_clear.format(segment=table)
            run(connection, statement, topic=topic, partition=partition, offset=keep.offset)


def _forget_shapes(connection: Connection, topic: str) -> None:
    known = rows(connection, SQL.shape_all, topic=topic)
    if len(known) < 2:
        return
    [(_, _, held)] = rows(connection, SQL.topic_get, name=topic)
    for partition in range(held):
        bound = {"topic": topic, "partition": partition, "offset": first_of(connection, topic, partition)}
        if rows(connection, SQL.parked_before, **bound)[0][0]:
            return  # there is a copy of a record of unknown age
    oldest = min(_oldest_outputs(connection, [topic]), default=instant("9999-12-31T00:00:00.000000Z"))
    for (name, _, _), (_, _, since) in pairwise(known):
        if since + OVERLAP >= oldest:
            return
        run(connection, SQL.shape_delete, topic=topic, fingerprint=name)


def _unseen(connection: Connection, topic: str, partition: int, overrun: Collection[str]) -> int:
    """The first offset that a stage has yet to see, of those that count."""
    gone = {name for name, _ in rows(connection, SQL.gone_all)}
    readers = [
        stage
        for stage, at in rows(connection, SQL.begin_of_topic, topic=topic)
        if at == partition and not (stage in overrun and stage in gone)
    ]
    return min((stands_at(connection, stage, partition)[0] for stage in readers), default=2**62)


def tidy(connection: Connection) -> bool:
    """One step: drops a segment in which nothing is kept, or moves what little is kept of one on to the next; whether
    there may be more to do. Within a transaction. Where somebody reads for long it raises `LockNotAvailable`."""
    connection.execute(WAIT)
    rows(connection, SQL.segment_lock)
    rows(connection, SQL.life_lock)
    numbers = [number for (number,) in rows(connection, SQL.segment_all)]
    quiet = {number for (number,) in rows(connection, SQL.segment_quiet, seconds=QUIET)}
    for number, following in pairwise(numbers):
        blocks, size = rows(connection, SQL.segment_kept.format(kept=f"({kept([number])}) AS block"))[0]
        if not blocks:
            if number in quiet:
                return _drop(connection, number)
            continue
        if size <= LITTLE * rows(connection, SQL.segment_size.format(segment=table_of(number)))[0][0]:
            _move(connection, number, following)
            return True
    return False


def _drop(connection: Connection, number: int) -> bool:
    table = table_of(number)
    # Who began to append when it was the newest has ended, or this gives up.
    connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
    if rows(connection, SQL.segment_kept.format(kept=f"({kept([number])}) AS block"))[0][0]:
        return True
    run(connection, SQL.segment_delete, number=number)
    show(connection)
    connection.execute(f"DROP TABLE {table}")  # type: ignore[arg-type]
    return True


def _move(connection: Connection, number: int, following: int) -> None:
    """Moves what is kept, or some of it, to the next segment; of each partition the last blocks first, as of two
    segments the later one has the larger offsets."""
    blocks = rows(connection, SQL.segment_first_kept.format(kept=f"({kept([number])}) AS block"))
    moving: dict[tuple[str, int], list[int]] = {}
    room = BYTES
    for topic, partition, offset, size in reversed(blocks):
        moving.setdefault((topic, partition), []).append(offset)
        room -= size
        if room <= 0:
            break
    # Who appends looks for the end of a partition, and must not find it nowhere.
    places = sorted(moving)
    bound = {"topics": [topic for topic, _ in places], "partitions": [partition for _, partition in places]}
    rows(connection, SQL.block_lock, **bound)
    statement = SQL.segment_move.format(segment=table_of(number), into=table_of(following), columns=COLUMNS)
    for (topic, partition), offsets in moving.items():
        run(connection, statement, topic=topic, partition=partition, offsets=offsets)
    run(connection, SQL.segment_moved, number=number)


def fold(connection: Connection, stage: str, partition: int, to: Collection[str], before: float, most: int) -> int:
    """See `onward.log.Log.fold`; within a transaction."""
    rows(connection, SQL.life_lock)
    bound = {"stage": stage, "partition": partition}
    begin = rows(connection, SQL.begin_get, stage=stage_of(stage), partition=partition)
    kept_from = first_of(connection, begin[0][1], partition) if begin else 0
    gone = _fold_progress(
        connection, stage, partition, kept_from, min([before, *_oldest_outputs(connection, to)]), most
    )
    gone += run(connection, SQL.attempt_fold, **bound, kept=kept_from, most=most)
    return gone + run(connection, SQL.request_fold, **bound, before=instant_text(before), most=most)


def _fold_progress(connection: Connection, stage: str, partition: int, kept_from: int, until: float, most: int) -> int:
    """Of the oldest commits those made before an instant of which no record is kept."""
    bound = {"stage": stage, "partition": partition}
    stay = {seq for (seq,) in rows(connection, SQL.progress_kept, **bound)}
    old = []
    # In the order in which they were written `next` only grows, so the first one that must stay ends the search.
    for seq, last, next_, *row in rows(connection, SQL.progress_oldest, **bound, most=most + len(stay)):
        if next_ > kept_from or row[0] >= until or len(old) == most:
            break
        if last <= kept_from and seq not in stay:
            old.append((seq, *row))
    if not old:
        return 0
    spans = [span for *_, finished in old for span in spans_from(finished)]
    finished = merged([*folded_of(connection, stage, partition), *spans])
    run(connection, SQL.folded_put, **bound, finished=msgspec.json.encode(finished).decode())
    minutes: dict[float, tuple[int, int]] = {}
    for _, written, count, _ in old:
        count_before, commits = minutes.get(written // 60 * 60, (0, 0))
        minutes[written // 60 * 60] = count_before + count, commits + 1
    for minute, (count, commits) in minutes.items():
        run(connection, SQL.statistic_add, **bound, minute=instant_text(minute), count=count, commits=commits)
    return run(connection, SQL.progress_delete, **bound, seqs=[seq for seq, *_ in old])


def folded_of(connection: Connection, stage: str, partition: int) -> list[Span]:
    """What the rows finished that were folded."""
    found = rows(connection, SQL.folded_get, stage=stage, partition=partition)
    return spans_from(found[0][0]) if found else []


def _oldest_outputs(connection: Connection, to: Collection[str]) -> list[float]:
    """When the oldest kept block of each of these topics was written."""
    return [
        written
        for topic in to
        for *_, held in rows(connection, SQL.topic_get, name=topic)
        for partition in range(held)
        for (written,) in rows(connection, SQL.block_first_written, topic=topic, partition=partition)
    ]


def _tables(connection: Connection) -> Iterator[str]:
    """The segments, the newest first."""
    for (number,) in reversed(rows(connection, SQL.segment_all)):
        yield table_of(number)
