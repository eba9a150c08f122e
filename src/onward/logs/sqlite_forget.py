"""Forgetting in a SQLite store: in steps, each of which looks again that nothing uses what goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import apsw
import msgspec

from onward.forget import check, without, writers
from onward.log import Forgetting
from onward.logs.rows import spec_from
from onward.logs.sqlite_rows import SQL, stands_at
from onward.logs.sqlite_users import users_of
from onward.sqlite.connection import rows

ROWS, BLOCKS = 2_000, 100
"""What goes in one step, so that writers beside it wait for tens of milliseconds."""

STAGE_TABLES = (
    "begin", "statistic", "folded", "parked", "attempt", "lease", "request", "seen", "call_slot",
)  # fmt: skip


def forget_some(connection: apsw.Connection, what: Forgetting, now: str) -> bool:
    """One step, within a transaction; true when all is done.

    Raises:
        InUse: something uses what is to go.
    """
    apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
    readers = {stage: topic for stage, _, topic, _ in rows(connection, SQL.begin_all)}
    names = {*what.stages, *what.sources, *writers(apps, what.topics)}
    check(what, apps, readers, users_of(connection, names, now))
    for stage in what.stages:
        # The newest rows go last: until then the stage stands where it stood, should this end half-way.
        connection.execute(SQL.forget_progress, {"name": stage, "most": ROWS})
        gone = connection.changes()
        _tally(connection, gone)
        if gone == ROWS:
            return False
    for topic in what.topics:
        connection.execute(SQL.forget_blocks, {"name": topic, "most": BLOCKS})
        if connection.changes() == BLOCKS:
            return False
    for app in what.apps:
        connection.execute(SQL.forget_app_history, {"name": app, "most": ROWS})
        if connection.changes() == ROWS:
            return False
    return True


def forget_rest(connection: apsw.Connection, what: Forgetting, now: str) -> list[str]:
    """What is left, in the same transaction as the last step; gives the stages that have committed `within`."""
    within = [
        stage
        for stage in what.stages
        if any(
            rows(connection, SQL.progress_unit, stage=stage, partition=at)[0][0] is not None
            for name, at, *_ in rows(connection, SQL.begin_all)
            if name == stage
        )
    ]
    for stage in what.stages:
        _forget_stage(connection, stage)
    for source in what.sources:
        found = rows(connection, SQL.source_get, name=source)
        _count(connection, [msgspec.json.decode(found[0][1], type=dict[str, int])] if found else [])
        for statement in (SQL.forget_source, SQL.forget_stage_lease):
            connection.execute(statement, {"name": source})
    for name in (*what.stages, *what.sources):
        for statement in (SQL.pause_delete, SQL.gone_delete):
            connection.execute(statement, {"name": name})
    for topic in what.topics:
        for part in ("topic", "shape", "retained", "topic_progress", "topic_source"):
            connection.execute(getattr(SQL, f"forget_{part}"), {"name": topic})
    for name, text in rows(connection, SQL.app_all):
        if name in what.apps:
            for part in ("", "_documents", "_entries", "_tables", "_runs"):
                connection.execute(getattr(SQL, f"forget_app{part}"), {"name": name})
        elif (spec := without(spec_from(text), what)) != spec_from(text):
            declaration = msgspec.json.encode(spec).decode()
            connection.execute(SQL.app_put, {"name": name, "declaration": declaration, "written": now})
    return within


def _forget_stage(connection: apsw.Connection, stage: str) -> None:
    partitions = [at for name, at, *_ in rows(connection, SQL.begin_all) if name == stage]
    _count(connection, (stands_at(connection, stage, at)[1].emitted for at in partitions))
    connection.execute(SQL.forget_stage_progress, {"name": stage})
    _tally(connection, connection.changes())
    _tally(connection, rows(connection, SQL.statistic_commits, name=stage)[0][0])
    for table in STAGE_TABLES:
        connection.execute(getattr(SQL, f"forget_stage_{table}"), {"name": stage})
    for number, name, *_ in rows(connection, SQL.replay_all):
        if name == stage:
            _forget_replay(connection, number, f"{stage}~{number}")


def _forget_replay(connection: apsw.Connection, number: int, name: str) -> None:
    ranges = rows(connection, SQL.replay_ranges, number=number)
    _count(connection, [stands_at(connection, name, partition)[1].emitted for partition, *_ in ranges])
    connection.execute(SQL.forget_stage_progress, {"name": name})
    _tally(connection, connection.changes())
    for statement in (SQL.forget_stage_parked, SQL.forget_stage_attempt):
        connection.execute(statement, {"name": name})
    for statement in (SQL.forget_replay_ranges, SQL.forget_replay):
        connection.execute(statement, {"number": number})


def _count(connection: apsw.Connection, emitted: Iterator[dict[str, int]] | list[dict[str, int]]) -> None:
    """What it has brought into topics that stay is counted there."""
    for topic, count in sum((Counter(one) for one in emitted), Counter()).items():
        connection.execute(SQL.topic_count_forgotten, {"name": topic, "count": count})


def _tally(connection: apsw.Connection, count: int) -> None:
    if count:
        connection.execute(SQL.tally_add, {"name": "forgotten progress", "count": count})
