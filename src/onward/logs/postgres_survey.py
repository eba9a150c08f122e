"""A PostgreSQL store at one moment: each part of it by one statement, however many stages and partitions there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from onward import process
from onward.log import BlockRow, PartitionFacts, SourceState, Survey, Totals
from onward.logs.postgres_life import folded_of
from onward.logs.postgres_rows import SQL, ahead_of, stands_at
from onward.logs.postgres_trail import retained_of
from onward.logs.rows import (
    Counts,
    counts_from,
    evidence_from,
    replay_facts,
    source_from,
    spans_from,
    spec_from,
    totals_from,
)
from onward.postgres.connection import Connection, rows
from onward.survey import Evidence, Held, Paused, ReplayFacts, TopicFacts, parts_of
from onward.units import instant_text


def survey_of(connection: Connection, now: float, recent: float) -> Survey:
    """See `onward.log.Looking.survey`."""
    apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
    held = leases_of(connection, now)
    parked = counts_from(rows(connection, SQL.parked_count))
    ends = ends_of(connection)
    ahead = ahead_by(connection, None)
    since = instant_text(now - recent) if recent else None
    stages = [
        PartitionFacts(
            stage=stage,
            topic=topic,
            partition=partition,
            begins=begins,
            end=ends[topic][partition],
            next=next_,
            ahead=ahead[stage, partition],
            totals=Totals() if totals is None else totals_from(totals),
            parked=parked.get((stage, partition), {}),
            recent=count,
            holder=held.get((stage, partition)),
        )
        for stage, partition, topic, begins, next_, totals, count in rows(connection, SQL.stage_facts, since=since)
    ]
    topics = [
        TopicFacts(name, partitions, records, size, put, sum(ends[name]), forgotten, held_)
        for name, partitions, held_, put, forgotten, records, size in rows(connection, SQL.topic_facts)
    ]
    reads = {facts.stage: facts.topic for facts in stages}
    return Survey(
        apps, stages, topics, sources_of(connection), list(held.values()),
        gone=dict(rows(connection, SQL.gone_all)),  # type: ignore[arg-type]
        paused=paused_of(connection),
        replays=_replays(connection, reads, parked),
    )  # fmt: skip


def evidence_of(connection: Connection, now: float) -> tuple[Survey, list[Evidence], list[BlockRow]]:
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
    return survey, found, [BlockRow(*row) for row in rows(connection, SQL.block_rows)]


def ends_of(connection: Connection) -> dict[str, list[int]]:
    """By topic the end of each partition that it ever had."""
    found: dict[str, list[int]] = {}
    for topic, _, end in rows(connection, SQL.topic_ends):
        found.setdefault(topic, []).append(end)
    return found


def ahead_by(connection: Connection, topics: Sequence[str] | None) -> Counter[tuple[str, int]]:
    """By stage and partition, of these topics or of all, how many records are finished beyond `next`."""
    found: Counter[tuple[str, int]] = Counter()
    for stage, partition, next_, text in rows(connection, SQL.stage_ahead, topics=topics):
        found[stage, partition] += sum(end - max(first, next_) for first, end in spans_from(text) if end > next_)
    return found


def leases_of(connection: Connection, now: float) -> dict[tuple[str, int], Held]:
    found = {}
    for stage, partition, worker, until, state in rows(connection, SQL.lease_all):
        live = until is not None and until > now and not process.is_dead(worker)
        found[stage, partition] = Held(stage, partition, worker, state, live)
    return found


def paused_of(connection: Connection) -> dict[str, Paused]:
    return {name: Paused(by, since) for name, by, since in rows(connection, SQL.pause_all)}


def sources_of(connection: Connection) -> dict[str, SourceState]:
    return {name: source_from([tuple(row)]) for name, *row in rows(connection, SQL.source_all)}


def _replays(connection: Connection, topics: Mapping[str, str], parked: Counts) -> list[ReplayFacts]:
    stands, ahead = partial(stands_at, connection), partial(ahead_of, connection)
    return [
        replay_facts(row, rows(connection, SQL.replay_ranges, number=row[0]), topics, parked, stands, ahead)
        for row in rows(connection, SQL.replay_all)
    ]
