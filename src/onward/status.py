"""What `status` tells: a survey of the store as counts per app, as in the conservation rule.

For every stage `records = done + outstanding + retrying + dead + waiting + running + behind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from onward.commit import STATES
from onward.log import AppSpec, PartitionFacts, SourceState, Survey
from onward.replay import OVER, ReplayStatus, told
from onward.survey import Held
from onward.units import instant_text
from onward.url import shown

RECENT = 60.0
"""Seconds that rates are counted over."""


class SourceStatus(Struct, frozen=True):
    """A source; `emitted` counts all that it ever brought."""

    name: str
    cursor: Any
    emitted: int
    last_run: str | None
    next_run: str | None
    state: str


class StageStatus(Struct, frozen=True):
    """A stage over all its partitions; `records` is all that it was ever given."""

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
    emitted: int = 0
    dropped: int = 0
    per_second: float = 0.0
    state: str = "not running"

    @property
    def left(self) -> int:
        """Records that are not done."""
        return self.records - self.done


class TopicStatus(Struct, frozen=True):
    """A topic; `records` are those kept now."""

    name: str
    records: int = 0
    partitions: int = 0
    bytes: int = 0


Shown = TypeVar("Shown", SourceStatus, StageStatus)


class AppStatus(Struct, frozen=True):
    app: str
    sources: list[SourceStatus]
    stages: list[StageStatus]
    topics: list[TopicStatus]
    replays: list[ReplayStatus] = []
    """Those that are not over."""


class Status(Struct, frozen=True):
    """The document of `status --json`."""

    store: str
    apps: list[AppStatus]


EMPTY = Survey((), (), (), {}, ())
"""What a store that was never made holds."""


def status(store: str, survey: Survey, apps: Sequence[AppSpec], recent: float = RECENT) -> Status:
    """The status of these apps, in their order; zeros for what the survey does not know.

    Args:
        survey: taken with the same `recent`.
        recent: seconds.
    """
    return Status(shown(store), [_app(survey, app, recent) for app in apps])


def _app(survey: Survey, app: AppSpec, recent: float) -> AppStatus:
    held = {held.stage: held for held in survey.leases}
    sources = [
        _paused(_source(name, survey.sources.get(name, SourceState()), held.get(name), gone=gone), survey)
        for name, gone in _names((source.name for source in app.sources), survey.sources, app)
    ]
    facts: dict[str, list[PartitionFacts]] = {}
    for one in survey.stages:
        facts.setdefault(one.stage, []).append(one)
    topic_of = {stage.name: stage.topic for stage in app.stages}
    stages = [
        _paused(_stage(name, topic_of.get(name, ""), facts.get(name, ()), recent, gone=gone), survey)
        for name, gone in _names(topic_of, facts, app)
    ]
    kept = {topic.topic: topic for topic in survey.topics}
    partitions = {topic.name: topic.partitions for topic in app.topics}
    topics = [
        TopicStatus(name, kept[name].records, kept[name].partitions, kept[name].bytes)
        if name in kept
        else TopicStatus(name, partitions=partitions[name])
        for name, _ in _names(partitions, kept, app)
    ]
    live = [lease.stage for lease in survey.leases if lease.live]
    replays = [told(facts, live) for facts in survey.replays if facts.replay.stage in topic_of]
    open_ = [replay for replay in replays if replay.state not in OVER]
    return AppStatus(app.name, sources, stages, topics, open_)


def _names(declared: Iterable[str], stored: Iterable[str], app: AppSpec) -> list[tuple[str, bool]]:
    """What is declared, then what the store has of the app besides; with whether it is gone from the declaration."""
    known = list(declared)
    gone = sorted(name for name in set(stored) - set(known) if name.startswith(f"{app.name}."))
    return [(name, False) for name in known] + [(name, True) for name in gone]


def _paused(one: Shown, survey: Survey) -> Shown:
    """As somebody paused it, whatever state it is in otherwise."""
    paused = survey.paused.get(one.name)
    if paused is None or one.state == "gone":
        return one
    return msgspec.structs.replace(one, state=f"paused by {paused.by} since {instant_text(paused.since)}")


def _source(name: str, source: SourceState, held: Held | None, *, gone: bool) -> SourceStatus:
    state = source.state
    if gone:
        state = "gone"
    elif held is not None and (
        (held.live and held.state.startswith(("waiting:", "slowed:"))) or held.state.startswith("stopped:")
    ):
        state = held.state
    elif (held is None or not held.live) and not state.startswith("failed"):
        state = "not running"
    return SourceStatus(
        name,
        None if source.cursor is None else msgspec.json.decode(source.cursor),
        sum(source.emitted.values()),
        _instant(source.last_run),
        _instant(source.next_run),
        state,
    )


def _stage(name: str, topic: str, facts: Sequence[PartitionFacts], recent: float, *, gone: bool) -> StageStatus:
    parked = {state: sum(one.parked.get(state, 0) for one in facts) for state in STATES}
    done = sum(one.totals.done for one in facts)
    # Where a stage that is gone had read to is known, up to where its topic goes on is not its concern any more.
    records = done + sum(parked.values()) if gone else sum(one.end - one.begins for one in facts)
    outstanding = records - done - sum(parked.values())
    return StageStatus(
        name,
        topic,
        records=records,
        done=done,
        outstanding=outstanding,
        **parked,
        emitted=sum(sum(one.totals.emitted.values()) for one in facts),
        dropped=sum(one.totals.dropped for one in facts),
        per_second=round(sum(one.recent for one in facts) / recent, 3),
        state="gone" if gone else _state([one.holder for one in facts if one.holder is not None], outstanding),
    )


def _state(holders: Sequence[Held], outstanding: int) -> str:
    """The worst that a living worker says; what stopped it for good stays until somebody takes it up again."""
    live = [held for held in holders if held.live]
    for held in live:
        if held.state.startswith(("tripped:", "stopped:", "waiting:")):
            return held.state
    for held in holders:
        if not held.live and held.state.startswith("stopped:"):
            return held.state
    if not live:
        return "not running"
    for held in live:
        if outstanding and held.state.startswith("running, "):
            return held.state
    return "running" if outstanding else "idle"


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else instant_text(seconds)
