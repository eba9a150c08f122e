"""What a dry run would have done, as counts and reasons, told from the overlay that it ran on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, field

from onward import codec
from onward.app import App
from onward.codec import KEY, VALUE
from onward.commit import STATES
from onward.log import Claim, Parked, PartitionFacts, SourceState, State, Totals
from onward.logs.overlay import Overlay
from onward.plan import Plan, Report
from onward.survey import ReplayFacts


class Reason(Struct, frozen=True):
    """Why `count` records of a stage would be parked in this state; `first` is the first of them."""

    state: State
    reason: str
    count: int
    first: str
    key: str | None


class StageWould(Struct, frozen=True):
    """What a stage would do: `records = done + outstanding + retrying + dead + waiting + running + behind`, counting
    what is outstanding or due, and what would come. What was parked before and is not tried is not counted. `done`
    includes `dropped`, and `withheld`: calls that would act outside; `emitted` is by topic."""

    name: str
    topic: str
    records: int = 0
    done: int = 0
    outstanding: int = 0
    retrying: int = 0
    dead: int = 0
    waiting: int = 0
    running: int = 0
    behind: int = 0
    dropped: int = 0
    withheld: int = 0
    emitted: dict[str, int] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)


class SourceWould(Struct, frozen=True):
    """What source `name` would bring: so many records `emitted` into each topic, from the cursor `before` to `cursor`,
    both as JSON, None without one. `error` says why it failed, empty where it did not."""

    name: str
    emitted: dict[str, int]
    before: Raw | None
    cursor: Raw | None
    error: str = ""


class Shown(Struct, frozen=True):
    """A record that a topic would get: its `position` there, `key`, and `value` as JSON."""

    position: str
    key: str | None
    value: Raw


class TopicWould(Struct, frozen=True):
    """What topic `name` would get: so many `records`, the `first` 20 of which are shown."""

    name: str
    records: int
    first: list[Shown]


class DryRun(Struct, frozen=True):
    """What a run on `store` would do now: `sources`, `stages` and `topics` of the apps in their order. `failed`: a
    record would die, a source fails, a stage would be tripped, or something could not be tried; `tripped` names such
    stages, `troubles` say what could not be tried and why."""

    store: str
    sources: list[SourceWould]
    stages: list[StageWould]
    topics: list[TopicWould]
    failed: bool
    tripped: list[str]
    troubles: list[str]


async def told(
    apps: Sequence[App],
    plan: Plan,
    overlay: Overlay,
    withheld: Mapping[str, int],
    errors: Mapping[str, str],
    report: Report,
) -> DryRun:
    """What a run of these apps has done to the overlay.

    Args:
        withheld: how many effects of each stage were withheld.
        errors: how sources failed.
    """
    survey = await overlay.survey()
    selected = {part.name for app in apps for part in app if not plan.stages or part.name in plan.stages}
    sources = [_source(name, overlay, errors.get(name, "")) for app in apps for name in app.sources if name in selected]
    stages = []
    for stage in (stage for app in apps for stage in app.stages.values() if stage.name in selected):
        facts = [one for one in survey.stages if one.stage == stage.name]
        rows = [
            (f"{stage.topic.name}:{partition}:{row.offset}", row)
            for _, partition, row, _ in await overlay.parked(stage.name, None, None, None)
            if row != _was(overlay.before(stage.name, partition), row)
        ]
        claims = [overlay.before(stage.name, one.partition) for one in facts]
        before = _sum(claim.totals for claim in claims if claim is not None)
        left = sum(one.end - one.begins - one.totals.done - sum(one.parked.values()) for one in facts)
        count = withheld.get(stage.name, 0)
        stages.append(_stage(stage.name, stage.topic.name, facts, before, left, rows, count))
    stages += [await _replay(replay, overlay, withheld) for replay in survey.replays]
    topics = [
        TopicWould(topic.topic, records, [_shown(topic.topic, *row) for row in overlay.shown.get(topic.topic, ())])
        for topic in survey.topics
        if (records := overlay.gained(topic.topic))
    ]
    return DryRun(overlay.url, sources, stages, topics, report.failed, report.tripped, report.troubles)


def _was(claim: Claim | None, row: Parked) -> Parked | None:
    """The row of this offset before; None where nothing was parked there."""
    rows = claim.parked if claim is not None else ()
    at = bisect_left(rows, row.offset, key=lambda before: before.offset)
    return rows[at] if at < len(rows) and rows[at].offset == row.offset else None


def _source(name: str, overlay: Overlay, error: str) -> SourceWould:
    before, now = overlay.source_before(name), overlay.store.sources.get(name, SourceState())
    return SourceWould(name, _more(now.emitted, before.emitted), _json(before.cursor), _json(now.cursor), error)


def _stage(
    name: str,
    topic: str,
    facts: Sequence[PartitionFacts],
    before: Totals,
    left: int,
    rows: Sequence[tuple[str, Parked]],
    withheld: int,
) -> StageWould:
    now = _sum(one.totals for one in facts)
    parked = {state: sum(row.state == state for _, row in rows) for state in STATES}
    done = now.done - before.done
    return StageWould(
        name,
        topic,
        records=done + left + sum(parked.values()),
        done=done,
        outstanding=left,
        **parked,
        dropped=now.dropped - before.dropped,
        withheld=withheld,
        emitted=_more(now.emitted, before.emitted),
        reasons=_reasons(rows),
    )


async def _replay(facts: ReplayFacts, overlay: Overlay, withheld: Mapping[str, int]) -> StageWould:
    """Under the name that it would have, but for the number."""
    replay, parts = facts.replay, facts.parts
    topic = parts[0].topic if parts else ""
    rows = [
        (f"{topic}:{partition}:{row.offset}", row)
        for _, partition, row, _ in await overlay.parked(replay.name, None, None, None)
    ]
    left = sum(one.end - one.next - one.ahead for one in parts)
    return _stage(replay.name, topic, parts, Totals(), left, rows, withheld.get(replay.stage, 0))


def _sum(totals: Iterable[Totals]) -> Totals:
    done = dropped = 0
    emitted: dict[str, int] = {}
    for one in totals:
        done, dropped = done + one.done, dropped + one.dropped
        for topic, count in one.emitted.items():
            emitted[topic] = emitted.get(topic, 0) + count
    return Totals(done, dropped, emitted)


def _more(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {topic: more for topic, count in now.items() if (more := count - before.get(topic, 0))}


def _reasons(rows: Sequence[tuple[str, Parked]]) -> list[Reason]:
    """Those with the same state and reason together, the most frequent first; `behind` needs none."""
    found: dict[tuple[State, str], Reason] = {}
    for position, row in rows:
        if row.state != "behind":
            why = row.state, row.reason or row.error
            before = found.get(why) or Reason(*why, 0, position, row.key)
            found[why] = Reason(*why, before.count + 1, before.first, before.key)
    return sorted(found.values(), key=lambda reason: -reason.count)


def _shown(topic: str, partition: int, offset: int, entry: bytes) -> Shown:
    parts = codec.split(entry)
    return Shown(f"{topic}:{partition}:{offset}", msgspec.json.decode(parts[KEY]), parts[VALUE])


def _json(cursor: bytes | None) -> Raw | None:
    return None if cursor is None else Raw(cursor)
