"""A SQLite store at one moment, as counts and as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import apsw

from onward import process
from onward.log import BlockRow, PartitionFacts, SourceState, State, Survey
from onward.logs.rows import Counts, counts_from, evidence_from, replay_facts, source_from, spec_from
from onward.logs.sqlite_life import folded_of
from onward.logs.sqlite_rows import SQL, ahead_of, end_of, stands_at
from onward.logs.sqlite_trail import retained_of
from onward.span import length
from onward.sqlite.connection import rows
from onward.survey import Evidence, Held, Paused, ReplayFacts, TopicFacts, parts_of
from onward.units import instant, instant_text


def survey_of(connection: apsw.Connection, now: float, recent: float) -> Survey:
    """See `onward.log.Looking.survey`."""
    apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
    held = leases_of(connection, now)
    parked = counts_from(rows(connection, SQL.parked_count))
    since = instant_text(now - recent) if recent else None
    stages = [
        _facts(
            connection, stage, topic, partition, begins,
            parked.get((stage, partition), {}), held.get((stage, partition)), since,
        )
        for stage, partition, topic, begins in rows(connection, SQL.begin_all)
    ]  # fmt: skip
    topics = {facts.stage: facts.topic for facts in stages}
    return Survey(
        apps, stages, _topics(connection), sources_of(connection), list(held.values()),
        gone={name: instant(since) for name, since in rows(connection, SQL.gone_all)},
        paused=paused_of(connection),
        replays=_replays(connection, topics, parked),
    )  # fmt: skip


def evidence_of(connection: apsw.Connection, now: float) -> tuple[Survey, list[Evidence], list[BlockRow]]:
    """See `onward.log.Looking.evidence`."""
    survey = survey_of(connection, now, 0.0)
    missing = rows(connection, SQL.progress_missing)[0][0]
    survey = survey._replace(missing=missing, retained=retained_of(connection))
    found = []
    for facts in (*survey.stages, *parts_of(survey.replays)):
        bound = {"stage": facts.stage, "partition": facts.partition}
        finished, parked = rows(connection, SQL.progress_finished, **bound), rows(connection, SQL.parked_facts, **bound)
        folded = folded_of(connection, facts.stage, facts.partition)
        counted = rows(connection, SQL.statistic_count, **bound)[0][0]
        found.append(evidence_from(facts, finished, folded, counted, parked))
    return survey, found, [BlockRow(*row[:4], bool(row[4])) for row in rows(connection, SQL.block_rows)]


def leases_of(connection: apsw.Connection, now: float) -> dict[tuple[str, int], Held]:
    found = {}
    for stage, partition, worker, until, state in rows(connection, SQL.lease_all):
        live = until > instant_text(now) and not process.is_dead(worker)
        found[stage, partition] = Held(stage, partition, worker, state, live)
    return found


def paused_of(connection: apsw.Connection) -> dict[str, Paused]:
    return {name: Paused(by, instant(since)) for name, by, since in rows(connection, SQL.pause_all)}


def sources_of(connection: apsw.Connection) -> dict[str, SourceState]:
    return {name: source_from([tuple(row)]) for name, *row in rows(connection, SQL.source_all)}


def _facts(
    connection: apsw.Connection,
    stage: str,
    topic: str,
    partition: int,
    begins: int,
    parked: dict[State, int],
    holder: Held | None,
    since: str | None,
) -> PartitionFacts:
    next_, totals = stands_at(connection, stage, partition)
    count = 0
    if since is not None:
        bound = {"stage": stage, "partition": partition, "since": since}
        count = int(rows(connection, SQL.progress_recent, **bound)[0][0] or 0)
    return PartitionFacts(
        stage=stage,
        topic=topic,
        partition=partition,
        begins=begins,
        end=end_of(connection, topic, partition),
        next=next_,
        ahead=length(ahead_of(connection, stage, partition, next_)),
        totals=totals,
        parked=parked,
        recent=count,
        holder=holder,
    )


def _topics(connection: apsw.Connection) -> list[TopicFacts]:
    found = []
    for name, partitions, held, put, forgotten, records, size in rows(connection, SQL.topic_facts):
        ends = sum(end_of(connection, name, partition) for partition in range(max(partitions, held)))
        found.append(TopicFacts(name, partitions, records, size, put, ends, forgotten, held))
    return found


def _replays(connection: apsw.Connection, topics: Mapping[str, str], parked: Counts) -> list[ReplayFacts]:
    stands, ahead = partial(stands_at, connection), partial(ahead_of, connection)
    return [
        replay_facts(row, rows(connection, SQL.replay_ranges, number=row[0]), topics, parked, stands, ahead)
        for row in rows(connection, SQL.replay_all)
    ]
