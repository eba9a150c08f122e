"""Declaring an app in a SQLite store, within a transaction of the log's."""

from __future__ import annotations

import secrets

import apsw
import msgspec

from onward.errors import GoneTooLong, PartitionsDiffer, Renamed, StartNeeded, TopicDiffers, TopicNotDeclared
from onward.log import AppSpec, SourceSpec, StageSpec, TopicSpec
from onward.logs.rows import spec_from
from onward.logs.sqlite_rows import SQL, end_of, first_of, stands_at
from onward.logs.sqlite_tables import declare_table
from onward.shape import fingerprint, writes
from onward.sqlite.connection import rows


def declare(connection: apsw.Connection, app: AppSpec, now: str) -> None:
    """See `onward.log.Log.declare`; `now` is the instant to note."""
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


def _note_gone(connection: apsw.Connection, app: AppSpec, now: str) -> None:
    known = {name for name, *_ in (*rows(connection, SQL.begin_all), *rows(connection, SQL.source_all))}
    for name in app.gone(known):
        connection.execute(SQL.gone_put, {"name": name, "since": now})
    for part in app.parts:
        connection.execute(SQL.gone_delete, {"name": part.name})


def _remember(connection: apsw.Connection, app: AppSpec, now: str) -> None:
    declaration = msgspec.json.encode(app).decode()
    connection.execute(SQL.app_put, {"name": app.name, "declaration": declaration, "written": now})


def _declare_topic(connection: apsw.Connection, topic: TopicSpec, now: str) -> None:
    found = rows(connection, SQL.topic_get, name=topic.name)
    if not found and topic.was and rows(connection, SQL.topic_get, name=topic.was):
        _rename_topic(connection, topic.was, topic.name, now)
        found = rows(connection, SQL.topic_get, name=topic.name)
    if not found:
        made = {"incarnation": secrets.token_hex(4), "made": now}
        connection.execute(SQL.topic_add, {"name": topic.name, "partitions": topic.partitions, **made})
    elif found[0][1] != topic.partitions:
        raise PartitionsDiffer(topic.name, found[0][1], topic.partitions)


def _note_shape(connection: apsw.Connection, app: AppSpec, topic: TopicSpec, now: str) -> None:
    stored = [shape for _, shape, _ in rows(connection, SQL.shape_all, topic=topic.name)]
    if topic.shape is not None and writes(app, topic, stored):
        row = {"topic": topic.name, "fingerprint": fingerprint(topic.shape), "shape": topic.shape, "since": now}
        connection.execute(SQL.shape_add, row)


def _rename_topic(connection: apsw.Connection, was: str, name: str, now: str) -> None:
    for part in ("", "_block", "_begin", "_progress", "_source", "_shape", "_retained"):
        statement = getattr(SQL, f"rename_topic{part}")
        connection.execute(statement, {"name": name, "was": was})
    for _, text in rows(connection, SQL.app_all):
        spec = spec_from(text)
        if (renamed := spec.with_topic_renamed(was, name)) != spec:
            _remember(connection, renamed, now)


def _refuse_renamed(connection: apsw.Connection, app: AppSpec, part: SourceSpec | StageSpec) -> None:
    """A program that is older than a rename would begin anew under the old name, and bring all a second time."""
    for (name,) in rows(connection, SQL.renamed_get, was=part.name):
        if not (part.was == name or any(name == other.name for other in app.parts)):
            raise Renamed(part.name, name)
        connection.execute(SQL.renamed_delete, {"was": part.name})


def _declare_source(connection: apsw.Connection, source: SourceSpec) -> None:
    if source.was and not rows(connection, SQL.source_get, name=source.name):
        if rows(connection, SQL.source_get, name=source.was) or rows(
            connection, SQL.lease_get, stage=source.was, partition=0
        ):
            connection.execute(SQL.renamed_put, {"was": source.was, "name": source.name})
        for statement in (SQL.rename_source, SQL.rename_stage_lease, SQL.rename_stage_block, SQL.rename_pause):
            connection.execute(statement, {"name": source.name, "was": source.was})


def _declare_stage(connection: apsw.Connection, stage: StageSpec) -> None:
    for name in (stage.name, stage.was):
        if name and (known := rows(connection, SQL.begin_get, stage=name, partition=0)):
            if known[0][1] != stage.topic:
                raise TopicDiffers(stage.name, known[0][1], stage.topic)
            if name != stage.name:
                _rename_stage(connection, name, stage.name)
            _check_seen(connection, stage)
            return
    _add_stage(connection, stage)


def _check_seen(connection: apsw.Connection, stage: StageSpec) -> None:
    for name, partition, topic, _ in rows(connection, SQL.begin_all):
        if name == stage.name:
            next_, first = stands_at(connection, name, partition)[0], first_of(connection, topic, partition)
            if next_ < first:
                raise GoneTooLong(name, f"{topic}:{partition}", next_, first)


def _rename_stage(connection: apsw.Connection, was: str, name: str) -> None:
    connection.execute(SQL.renamed_put, {"was": was, "name": name})
    tables = (
        "begin",
        "progress",
        "statistic",
        "folded",
        "parked",
        "attempt",
        "lease",
        "request",
        "seen",
        "replay",
        "block",
    )
    for table in tables:
        statement = getattr(SQL, f"rename_stage_{table}")
        connection.execute(statement, {"name": name, "was": was})
    connection.execute(SQL.rename_pause, {"name": name, "was": was})
    connection.execute(SQL.gone_delete, {"name": was})


def _add_stage(connection: apsw.Connection, stage: StageSpec) -> None:
    found = rows(connection, SQL.topic_get, name=stage.topic)
    if not found:
        raise TopicNotDeclared(stage.name, stage.topic)
    ends = [end_of(connection, stage.topic, partition) for partition in range(found[0][1])]
    if any(ends) and stage.start is None:
        raise StartNeeded(stage.name, stage.topic, sum(ends))
    for partition, end in enumerate(ends):
        offset = end if stage.start == "now" else first_of(connection, stage.topic, partition)
        row = {"stage": stage.name, "partition": partition, "topic": stage.topic, "offset": offset}
        connection.execute(SQL.begin_add, row)
