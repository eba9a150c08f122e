"""The audit: counts anew, from the rows of one snapshot, what the running totals claim.

For each stage and partition every offset from where it began to the end of its topic is exactly one of finished,
parked or outstanding; for each topic what it holds, and retention has deleted, is what was put, brought by sources and
emitted into it. What blocks say of themselves is counted from their entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from onward.claim import stage_of
from onward.codec import split
from onward.log import Block, BlockRow, Books, Span, Survey
from onward.span import length, merged, spans_of
from onward.survey import Evidence, Retained, parts_of

NOTHING = Retained(0, 0)

READ_RECORDS, READ_BYTES = 10_000, 4_000_000
"""What is read at once when entries are counted."""

SHOWN = 10
"""How many stretches of offsets a breach names."""


class Breach(Struct, frozen=True):
    """One count that does not hold: of a stage or topic, and partition (None: all of them).

    `claimed` is what should be, `counted` what the rows give.
    """

    name: str
    partition: int | None
    claimed: int
    counted: int
    what: str

    def __str__(self) -> str:
        where = self.name if self.partition is None else f"{self.name} partition {self.partition}"
        return f"{where}: {self.what}: {self.claimed} claimed, {self.counted} counted"


def breaches(survey: Survey, evidence: Sequence[Evidence], blocks: Sequence[BlockRow]) -> list[Breach]:
    """All that does not hold, by stage and then by topic; empty if every record is accounted for.

    All three come from one snapshot; so it is right while workers run.
    """
    found: list[Breach] = []
    kept: dict[tuple[str, int], int] = {}
    for row in blocks:
        at = (row.topic, row.partition)
        kept[at] = min(row.offset, kept.get(at, row.offset))
    for one in evidence:
        # A stage that is gone holds nothing up for ever: what it has not seen may be kept no more.
        first = kept.get((one.facts.topic, one.facts.partition), 0) if one.facts.stage not in survey.gone else 0
        found += _stage(one, first) if stage_of(one.facts.stage) == one.facts.stage else _counts(one, one.facts.end)
    found += _topics(survey, blocks)
    if survey.missing:
        found.append(Breach("the store", None, 0, survey.missing, "rows of progress are gone"))
    return found


async def recounted(books: Books, blocks: Sequence[BlockRow]) -> list[Breach]:
    """The blocks of a snapshot whose entries are not as many as they say. They are read after it, as what is written
    never changes; one that retention has deleted meanwhile is passed over."""
    found: list[Breach] = []
    for topic, partition, rows in _by_partition(blocks):
        left = {row.offset: row.count for row in rows if row.full}
        at = min(left, default=0)
        while left and (read := await books.read(topic, partition, at, READ_RECORDS, READ_BYTES)):
            for block in read:
                claimed, counted = left.pop(block.offset, None), _entries(block)
                if claimed is not None and claimed != counted:
                    end = block.offset + claimed - 1
                    what = f"records are missing from the block of offsets {block.offset} to {end}"
                    found.append(Breach(topic, partition, claimed, counted, what))
            at = read[-1].offset + read[-1].count
            if at > max(left, default=0):
                break
        deleted = (await books.retained()).get((topic, partition), NOTHING).offset if left else 0
        lost = {offset: count for offset, count in left.items() if offset >= deleted}
        if lost:
            found.append(
                Breach(topic, partition, sum(lost.values()), 0, "blocks are gone that were there a moment ago")
            )
    return found


def _entries(block: Block) -> int:
    try:
        return len(split(block.entries))
    except msgspec.MsgspecError:
        return 0


def _stage(evidence: Evidence, kept: int) -> Iterator[Breach]:
    """Of one stage and partition; `kept` is the first offset that its topic still has there."""
    facts = evidence.facts
    name, partition = facts.stage, facts.partition
    accounted = merged([*evidence.finished, *_parked(evidence)])
    # The topic of a stage that is gone is not known: it was given what it finished or parked.
    end = facts.end if facts.topic else max([facts.next, *(span[1] for span in accounted)])
    yield from _counts(evidence, end)
    if facts.next > end:
        yield Breach(name, partition, end, facts.next, "it has passed more than its topic holds")

    lost = _without([(facts.begins, min(facts.next, end))], accounted)
    outstanding = length(_without([(facts.next, end)], accounted))
    if lost:
        yield Breach(
            name,
            partition,
            end - facts.begins,
            length(_within(accounted, facts.begins, end)) + outstanding,
            f"records = done + parked + outstanding; passed, but neither finished nor parked: {_told(lost)}",
        )
    # Retention takes only what every stage has passed.
    if missing := _without([(facts.next, min(kept, end))], accounted):
        yield Breach(name, partition, 0, length(missing), f"outstanding, but kept no more: {_told(missing)}")
    yield from _abandoned(evidence)


def _counts(evidence: Evidence, end: int) -> Iterator[Breach]:
    """What holds of a range of a replay too, which passes over what it was not asked for: each record is finished once
    or parked, in the range, and the totals say how many."""
    facts = evidence.facts
    name, partition = facts.stage, facts.partition
    parked = _parked(evidence)
    finished = merged(evidence.finished)
    counted, given_twice = length(finished), length(evidence.finished) - length(finished)
    if given_twice:
        repeated = _overlaps(evidence.finished)
        yield Breach(name, partition, counted, counted + given_twice, f"finished twice: {_told(repeated)}")
    if both := _common(finished, parked):
        yield Breach(name, partition, 0, length(both), f"finished and parked as well: {_told(both)}")
    if outside := _without([*finished, *parked], [(facts.begins, end)]):
        within = f"finished or parked outside of {facts.begins} to {end}"
        yield Breach(name, partition, 0, length(outside), f"{within}: {_told(outside)}")
    if facts.totals.done != length(evidence.finished):
        yield Breach(name, partition, facts.totals.done, length(evidence.finished), "done")
    if evidence.folded:
        length_, what = length(evidence.finished), "what was folded, as the statistics per minute count it"
        yield Breach(name, partition, length_, length_ + evidence.folded, what)
    waiting = sum(facts.parked.values())
    if waiting != len(parked):
        yield Breach(name, partition, waiting, len(parked), "parked")


def _parked(evidence: Evidence) -> list[Span]:
    return [(offset, offset + 1) for offset, _, _ in evidence.parked]


def _abandoned(evidence: Evidence) -> Iterator[Breach]:
    """Keys whose records all queue behind one that is not there, so that nobody would ever try them."""
    states: dict[str, set[str]] = {}
    for _, key, state in evidence.parked:
        if key is not None:
            states.setdefault(key, set()).add(state)
    for key, held in states.items():
        if held == {"behind"}:
            count = sum(1 for _, other, _ in evidence.parked if other == key)
            facts = evidence.facts
            yield Breach(facts.stage, facts.partition, 0, count, f"key {key!r} has only records behind, and no first")


def _topics(survey: Survey, blocks: Sequence[BlockRow]) -> Iterator[Breach]:
    known = {topic.topic for topic in survey.topics}
    was = {topic.was: topic.name for app in survey.apps for topic in app.topics if topic.was and topic.was not in known}
    emitted = _sums((one.totals.emitted for one in (*survey.stages, *parts_of(survey.replays))), was)
    brought = _sums((source.emitted for source in survey.sources.values()), was)
    ends: dict[str, int] = {}
    for topic, partition, rows in _by_partition(blocks):
        for before, row in pairwise(rows):
            if row.offset != before.offset + before.count:
                end = before.offset + before.count
                yield Breach(topic, partition, end, row.offset, "the block after this offset begins elsewhere")
        yield from _deleted(topic, partition, rows, survey.retained.get((topic, partition), NOTHING))
        ends[topic] = ends.get(topic, 0) + rows[-1].offset + rows[-1].count
    for facts in survey.topics:
        name = facts.topic
        came = facts.put + brought.get(name, 0) + emitted.get(name, 0) + facts.forgotten
        if came != ends.get(name, 0):
            parts = f"{facts.put} put, {brought.get(name, 0)} brought by sources, {emitted.get(name, 0)} emitted"
            if facts.forgotten:
                parts += f", {facts.forgotten} by what was forgotten"
            yield Breach(name, None, came, ends.get(name, 0), f"records = {parts}")


def _deleted(topic: str, partition: int, rows: Sequence[BlockRow], retained: Retained) -> Iterator[Breach]:
    """What is not there any more is what retention has deleted, and that is the beginning."""
    full = [row for row in rows if row.full]
    first = full[0].offset if full else rows[-1].offset + rows[-1].count
    if first != retained.count:
        what = "records before the first that is kept, retention has deleted others"
        yield Breach(topic, partition, retained.count, first, what)
    if emptied := [(row.offset, row.offset + row.count) for row in rows if not row.full and row.offset > first]:
        yield Breach(topic, partition, 0, length(emptied), f"blocks have lost their entries: {_told(emptied)}")


def _sums(counts: Iterable[Mapping[str, int]], was: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for topic, count in one.items():
            topic = was.get(topic, topic)
            found[topic] = found.get(topic, 0) + count
    return found


def _by_partition(blocks: Sequence[BlockRow]) -> Iterator[tuple[str, int, list[BlockRow]]]:
    parts: dict[tuple[str, int], list[BlockRow]] = {}
    for row in blocks:
        parts.setdefault((row.topic, row.partition), []).append(row)
    for (topic, partition), rows in parts.items():
        yield topic, partition, sorted(rows, key=lambda row: row.offset)


def _overlaps(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    reach = -1
    for first, end in sorted(spans):
        if first < reach:
            found.append((first, min(end, reach)))
        reach = max(reach, end)
    return merged(found)


def _common(spans: Sequence[Span], offsets: Sequence[Span]) -> list[Span]:
    """What both have; `spans` are ascending and disjoint, `offsets` are single ones."""
    found, at = [], 0
    for first, _ in sorted(offsets):
        while at < len(spans) and spans[at][1] <= first:
            at += 1
        if at < len(spans) and spans[at][0] <= first:
            found.append(first)
    return spans_of(found)


def _within(spans: Sequence[Span], first: int, end: int) -> list[Span]:
    return [(max(a, first), min(b, end)) for a, b in spans if b > first and a < end]


def _without(spans: Iterable[Span], taken: Sequence[Span]) -> list[Span]:
    """The offsets of `spans` that are in none of `taken`, which are ascending and disjoint."""
    found: list[Span] = []
    for first, end in merged(spans):
        for a, b in taken:
            if b <= first or a >= end:
                continue
            if a > first:
                found.append((first, a))
            first = max(first, b)
        if first < end:
            found.append((first, end))
    return found


def _told(spans: Sequence[Span]) -> str:
    parts = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in spans[:SHOWN]]
    more = f" and {len(spans) - SHOWN} more stretches" if len(spans) > SHOWN else ""
    return f"{'offset' if len(spans) == 1 and spans[0][1] - spans[0][0] == 1 else 'offsets'} {', '.join(parts)}{more}"
