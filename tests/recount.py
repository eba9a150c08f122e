"""Counts a store anew from its rows, offset by offset: what every scenario ends with.

Slower and stricter than `onward audit`, and written apart from it: each offset of each stage is exactly one of
finished, parked and outstanding, `next` ends the gapless prefix, the running totals are what the rows give, each
key's oldest parked record can be tried, blocks lie without gaps, and topics hold what was put, brought and emitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onward.log import BlockRow, Books, Survey
from onward.survey import Evidence


async def recount(books: Books, *, empty: bool = False) -> None:
    """Fails on the first count that does not hold; with `empty` also on anything outstanding or parked."""
    faults = found(*await books.evidence())
    assert not faults, "\n".join(faults)
    if empty:
        _, evidence, _ = await books.evidence()
        left = {(one.facts.stage, one.facts.partition): _outstanding(one) + len(one.parked) for one in evidence}
        assert not any(left.values()), left


def found(survey: Survey, evidence: Sequence[Evidence], blocks: Sequence[BlockRow]) -> list[str]:
    """All that does not hold, as text."""
    return [*(fault for one in evidence for fault in _stage(one)), *_topics(survey, blocks)]


def _outstanding(one: Evidence) -> int:
    finished = sum(end - first for first, end in one.finished)
    return one.facts.end - one.facts.begins - finished - len(one.parked)


def _stage(one: Evidence) -> list[str]:
    facts, faults = one.facts, []
    name = f"{facts.stage} partition {facts.partition}"
    times = Counter(offset for first, end in one.finished for offset in range(first, end))
    times.update(offset for offset, _, _ in one.parked)
    if twice := sorted(offset for offset, count in times.items() if count > 1):
        faults.append(f"{name}: finished or parked twice: {twice[:10]}")
    if outside := sorted(offset for offset in times if not facts.begins <= offset < facts.end):
        faults.append(f"{name}: finished or parked, but not in its topic: {outside[:10]}")
    if lost := [offset for offset in range(facts.begins, facts.next) if offset not in times]:
        faults.append(f"{name}: passed, but neither finished nor parked: {lost[:10]}")
    if facts.next in times:
        faults.append(f"{name}: next stands at {facts.next}, which is finished or parked")
    if facts.next > facts.end:
        faults.append(f"{name}: next stands at {facts.next}, its topic ends at {facts.end}")
    done = sum(end - first for first, end in one.finished)
    if done != facts.totals.done:
        faults.append(f"{name}: totals say {facts.totals.done} done, the rows {done}")
    ahead = sum(end - max(first, facts.next) for first, end in one.finished if end > facts.next)
    if ahead != facts.ahead:
        faults.append(f"{name}: {facts.ahead} claimed ahead of next, {ahead} counted")
    states = Counter(state for _, _, state in one.parked)
    if states != Counter(facts.parked):
        faults.append(f"{name}: parked {dict(facts.parked)} claimed, {dict(states)} counted")
    if facts.end - facts.begins != done + len(one.parked) + _outstanding(one) or _outstanding(one) < 0:
        faults.append(f"{name}: {facts.end - facts.begins} records, {done} done, {len(one.parked)} parked")
    lines: dict[str, list[str]] = {}
    for _, key, state in one.parked:
        if key is not None:
            lines.setdefault(key, []).append(state)
    for key, line in lines.items():
        if line[0] == "behind":
            faults.append(f"{name}: the oldest parked record of key {key!r} is behind")
    if alone := [offset for offset, key, state in one.parked if key is None and state == "behind"]:
        faults.append(f"{name}: records without key are behind: {alone[:10]}")
    return faults


def _topics(survey: Survey, blocks: Sequence[BlockRow]) -> list[str]:
    faults = []
    came: Counter[str] = Counter()
    for facts in survey.topics:
        came[facts.topic] += facts.put
    for source in survey.sources.values():
        came.update(source.emitted)
    for stage in survey.stages:
        came.update(stage.totals.emitted)
    for part in (part for replay in survey.replays for part in replay.parts):
        came.update(part.totals.emitted)
    ends: dict[tuple[str, int], int] = {}
    for row in blocks:
        at = (row.topic, row.partition)
        if ends.get(at, row.offset) != row.offset:
            faults.append(
                f"{row.topic}:{row.partition}: a block begins at {row.offset}, the one before ends {ends[at]}"
            )
        ends[at] = row.offset + row.count
    for facts in survey.topics:
        end = sum(count for (topic, _), count in ends.items() if topic == facts.topic)
        if not came[facts.topic] == facts.ends == end:
            faults.append(f"topic {facts.topic}: {came[facts.topic]} came, it ends at {facts.ends}, blocks at {end}")
    return faults
