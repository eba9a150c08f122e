"""Declaring an app in a PostgreSQL store, within a transaction of the log's."""

from __future__ import annotations

import secrets

import msgspec

from onward.errors import GoneTooLong, PartitionsDiffer, Renamed, StartNeeded, TopicDiffers, TopicNotDeclared
from onward.log import AppSpec, SourceSpec, StageSpec, TopicSpec
from onward.logs.postgres_rows import SQL, end_of, first_of, stands_at
from onward.logs.postgres_segments import table_of
from onward.logs.postgres_tables import declare_table
from onward.logs.rows import spec_from
from onward.postgres.connection import Connection, rows, run
from onward.shape import fingerprint, writes


def declare(connection: Connection, app: AppSpec, now: str) -> None:
    """See `onward.log.Log.declare`; `now` is the instant to note. One after another, whoever declares."""
    rows(connection, SQL.declare_lock)
    for topic in app.topics:
        _declare_topic(connection, topic, now)
        _note_shape(connection, app, topic, now)
    for part in app.parts:
        _refuse_renamed(connection, app, part)
    for source in app.sources:
        _declare_source(connection, source)
    for stage in app.stages:
        _declare_stage(connection, stage)
    for table in app.tables:
        declare_table(connection, table)
    _note_gone(connection, app, now)
    _remember(connection, app, now)


def _note_gone(connection: Connection, app: AppSpec, now: str) -> None:
    known = {name for name, *_ in (*rows(connection, SQL.begin_all), *rows(connection, SQL.source_all))}
    for name in app.gone(known):
        run(connection, SQL.gone_put, name=name, since=now)
    for part in app.parts:
        run(connection, SQL.gone_delete, name=part.name)


def _remember(connection: Connection, app: AppSpec, now: str) -> None:
    declaration = msgspec.json.encode(app).decode()
    run(connection, SQL.app_put, name=app.name, declaration=declaration, written=now)


def _declare_topic(connection: Connection, topic: TopicSpec, now: str) -> None:
    found = rows(connection, SQL.topic_get, name=topic.name)
    if not found and topic.was and rows(connection, SQL.topic_get, name=topic.was):
        _rename_topic(connection, topic.was, topic.name, now)
        found = rows(connection, SQL.topic_get, name=topic.name)
    if not found:
        made = {"incarnation": secrets.token_hex(4), "made": now}
        run(connection, SQL.topic_add, name=topic.name, partitions=topic.partitions, **made)
    elif found[0][1] != topic.partitions:
        raise PartitionsDiffer(topic.name, found[0][1], topic.partitions)


def _note_shape(connection: Connection, app: AppSpec, topic: TopicSpec, now: str) -> None:
    stored = [shape for _, shape, _ in rows(connection, SQL.shape_all, topic=topic.name)]
    if topic.shape is not None and writes(app, topic, stored):
        row = {"topic": topic.name, "fingerprint": fingerprint(topic.shape), "shape": topic.shape, "since": now}
        run(connection, SQL.shape_add, **row)


def _rename_topic(connection: Connection, was: str, name: str, now: str) -> None:
    # Writers wait, and then find that there is no topic of that name: none of their blocks is left under it.
    rows(connection, SQL.topic_lock, name=was)
    for part in ("", "_begin", "_progress", "_source", "_shape", "_retained"):
        run(connection, getattr(SQL, f"rename_topic{part}"), name=name, was=was)
    _in_each_segment(connection, SQL.rename_topic_block, was, name)
    for _, text in rows(connection, SQL.app_all):
        spec = spec_from(text)
        if (renamed := spec.with_topic_renamed(was, name)) != spec:
            _remember(connection, renamed, now)


def _refuse_renamed(connection: Connection, app: AppSpec, part: SourceSpec | StageSpec) -> None:
    """A program that is older than a rename would begin anew under the old name, and bring all a second time."""
    for (name,) in rows(connection, SQL.renamed_get, was=part.name):
        if not (part.was == name or any(name == other.name for other in app.parts)):
            raise Renamed(part.name, name)
        run(connection, SQL.renamed_delete, was=part.name)


def _declare_source(connection: Connection, source: SourceSpec) -> None:
    if source.was and not rows(connection, SQL.source_get, name=source.name):
        if rows(connection, SQL.source_get, name=source.was) or rows(
            connection, SQL.lease_get, stage=source.was, partition=0
        ):
            run(connection, SQL.renamed_put, was=source.was, name=source.name)
        for statement in (SQL.rename_stage_lease, SQL.rename_source, SQL.rename_pause):
            run(connection, statement, name=source.name, was=source.was)
        _in_each_segment(connection, SQL.rename_stage_block, source.was, source.name)


def _declare_stage(connection: Connection, stage: StageSpec) -> None:
    for name in (stage.name, stage.was):
        if name and (known := rows(connection, SQL.begin_get, stage=name, partition=0)):
            if known[0][1] != stage.topic:
                raise TopicDiffers(stage.name, known[0][1], stage.topic)
            if name != stage.name:
                _rename_stage(connection, name, stage.name)
            _check_seen(connection, stage)
            return
    _add_stage(connection, stage)


def _check_seen(connection: Connection, stage: StageSpec) -> None:
    for name, partition, topic, _ in rows(connection, SQL.begin_all):
        if name == stage.name:
            next_, first = stands_at(connection, name, partition)[0], first_of(connection, topic, partition)
            if next_ < first:
                raise GoneTooLong(name, f"{topic}:{partition}", next_, first)


def _rename_stage(connection: Connection, was: str, name: str) -> None:
    run(connection, SQL.renamed_put, was=was, name=name)
    # The lease first: that waits for the commit of its holder, which is then seen by what follows.
    parts = ("lease", "begin", "progress", "statistic", "folded", "parked", "attempt", "request", "seen", "replay")
    for part in parts:
        run(connection, getattr(SQL, f"rename_stage_{part}"), name=name, was=was)
    _in_each_segment(connection, SQL.rename_stage_block, was, name)
    run(connection, SQL.rename_pause, name=name, was=was)
    run(connection, SQL.gone_delete, name=was)


def _add_stage(connection: Connection, stage: StageSpec) -> None:
    found = rows(connection, SQL.topic_get, name=stage.topic)
    if not found:
        raise TopicNotDeclared(stage.name, stage.topic)
    ends = [end_of(connection, stage.topic, partition) for partition in range(found[0][1])]
    if any(ends) and stage.start is None:
        raise StartNeeded(stage.name, stage.topic, sum(ends))
    for partition, end in enumerate(ends):
        offset = end if stage.start == "now" else first_of(connection, stage.topic, partition)
        row = {"stage": stage.name, "partition": partition, "topic": stage.topic, "offset": offset}
        run(connection, SQL.begin_add, **row)


def _in_each_segment(connection: Connection, statement: str, was: str, name: str) -> None:
    for (number,) in rows(connection, SQL.segment_all):
        run(connection, statement.format(segment=table_of(number)), was=was, name=name)
