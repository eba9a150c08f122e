"""Replays as somebody outside sees them: which ranges are meant, asking for them, and what has come of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from onward.codec import TIME
from onward.commit import STATES
from onward.errors import Refused
from onward.log import Books, PartitionFacts, Range
from onward.survey import ReplayFacts, Standing
from onward.units import instant, instant_text

RECORDS, SIZE = 1_000, 1_000_000
PAGE = 100
OVER = ("done", "cancelled")

_times = msgspec.json.Decoder(list[tuple[Any, str | None, str, Any, msgspec.Raw]])


class Bound(Struct, frozen=True):
    """From where, or to before where: an offset, or an instant (ISO 8601)."""

    offset: int | None = None
    since: str = ""


START = Bound(0)


def bound(text: str) -> Bound:
    """From what was said on the command line.

    Raises:
        ValueError: it is neither `start`, an offset nor an instant.
    """
    if text == "start":
        return START
    return Bound(int(text)) if text.isdecimal() else Bound(since=instant_text(instant(text)))


class ReplayStatus(Struct, frozen=True):
    """What has come of a replay. `passed` of the `offsets` of its ranges have been looked at: those with its key, if it
    has one, are done or failed, or are tried again."""

    number: int
    stage: str
    state: str
    offsets: int
    passed: int
    done: int
    dropped: int
    failed: int
    retrying: int
    behind: int
    emitted: int
    gone: int
    key: str | None
    rate: float | None
    same_id: bool
    by: str
    at: str
    ranges: list[tuple[int, int, int]]


async def ranges(books: Books, standing: Standing, stage: str, start: Bound, end: Bound | None) -> tuple[Range, ...]:
    """What is to be replayed of each partition, fixed now: at most up to where the stage stands, as what comes after
    that is outstanding anyway.

    Args:
        end: before it, where it is an offset; before the first record of this time or a later one.

    Raises:
        Refused: the store knows no such stage.
    """
    parts = {partition: one for (name, partition), one in standing.stages.items() if name == stage}
    if not parts:
        raise Refused(f"the store knows no stage {stage}; run its app first")
    found = []
    for partition, one in sorted(parts.items()):
        topic = standing.topics[one.topic]
        if partition < len(topic.ends):  # it may have had more
            first, where = topic.firsts[partition], (one.topic, partition)
            begin = await _offset(books, where, start, first, one.claim.next)
            last = one.claim.next if end is None else await _offset(books, where, end, begin, one.claim.next)
            last = min(last, one.claim.next)
            found.append(Range(partition, min(max(begin, first), last), last, max(0, min(first, last) - begin)))
    return tuple(found)


async def _offset(books: Books, where: tuple[str, int], bound: Bound, first: int, end: int) -> int:
    """The offset that is meant: that of the first record of this time or a later one, where it is an instant."""
    if bound.offset is not None:
        return bound.offset
    at = first
    while at < end and (blocks := await books.read(*where, at, RECORDS, SIZE)):
        for block in blocks:
            for offset, entry in enumerate(_times.decode(block.entries), block.offset):
                if offset >= at and entry[TIME] >= bound.since:
                    return offset
        at = blocks[-1].offset + blocks[-1].count
    return end


def told(facts: ReplayFacts, live: Sequence[str]) -> ReplayStatus:
    """What has come of a replay.

    Args:
        live: stages that a worker runs now.
    """
    replay, parts = facts.replay, facts.parts
    counts = {state: sum(one.parked.get(state, 0) for one in parts) for state in STATES}
    return ReplayStatus(
        number=replay.number,
        stage=replay.stage,
        state=_state(facts, live),
        offsets=sum(one.end - one.begins for one in parts),
        passed=sum(map(_passed, parts)),
        done=sum(one.totals.done for one in parts),
        dropped=sum(one.totals.dropped for one in parts),
        failed=counts["dead"],
        retrying=counts["retrying"],
        behind=counts["behind"],
        emitted=sum(sum(one.totals.emitted.values()) for one in parts),
        gone=sum(one.gone for one in replay.ranges),
        key=replay.key,
        rate=replay.rate,
        same_id=replay.same_id,
        by=replay.by,
        at=instant_text(replay.at),
        ranges=[(one.partition, one.first, one.end) for one in replay.ranges],
    )


def _passed(one: PartitionFacts) -> int:
    return one.next - one.begins + one.ahead


def _state(facts: ReplayFacts, live: Sequence[str]) -> str:
    over = set(facts.closed) >= {one.partition for one in facts.replay.ranges}
    if facts.replay.cancelled:
        return "cancelled" if over else "being cancelled"
    if over:
        return "done"
    return "running" if facts.replay.stage in live else "waits for a worker"


async def failures(books: Books, facts: ReplayFacts) -> AsyncIterator[dict[str, Any]]:
    """The records of a replay that failed for good, by partition and offset, each with its attempts."""
    topic = next((one.topic for one in facts.parts), "")
    after = ("", 0, 0)
    while page := await books.parked(facts.replay.name, None, "dead", PAGE, after):
        for name, partition, row, attempts in page:
            tries = [{**one._asdict(), "at": instant_text(one.at)} for one in attempts]
            for one in tries:
                del one["offset"]
            yield {
                "position": f"{topic}:{partition}:{row.offset}",
                "key": row.key,
                "error": row.error,
                "reason": row.reason,
                "attempted": tries,
            }
            after = (name, partition, row.offset)
