"""Forgetting in a PostgreSQL store: in steps, each of which looks again that nothing uses what goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from onward.forget import check, without, writers
from onward.log import Forgetting
from onward.logs.postgres_rows import SQL, stands_at
from onward.logs.postgres_segments import table_of
from onward.logs.postgres_users import users_of
from onward.logs.rows import spec_from
from onward.postgres.connection import Connection, rows, run
from onward.units import instant_text

ROWS, BLOCKS = 2_000, 1_000
"""What goes in one step."""

STAGE_TABLES = (
    "begin", "statistic", "folded", "parked", "attempt", "lease", "request", "seen", "call_slot",
)  # fmt: skip


def forget_some(connection: Connection, what: Forgetting, now: float) -> bool:
    """One step, within a transaction; true when all is done.

    Raises:
        InUse: something uses what is to go.
    """
    # Nobody declares meanwhile; and leases of what goes can be taken only after it has gone.
    rows(connection, SQL.declare_lock)
    for name in sorted({*what.stages, *what.sources}):
        rows(connection, SQL.lease_all_of, stage=name)
    apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
    readers = {stage: topic for stage, _, topic, _ in rows(connection, SQL.begin_all)}
    names = {*what.stages, *what.sources, *writers(apps, what.topics)}
    check(what, apps, readers, users_of(connection, names, now))
    for stage in what.stages:
        # The newest rows go last: until then the stage stands where it stood, should this end half-way.
        if run(connection, SQL.forget_progress, name=stage, most=ROWS) == ROWS:
            return False
    for topic in what.topics:
        for (number,) in rows(connection, SQL.segment_all):
            statement = SQL.forget_blocks.format(segment=table_of(number))
            if run(connection, statement, name=topic, most=BLOCKS) == BLOCKS:
                return False
    return all(run(connection, SQL.forget_app_history, name=app, most=ROWS) < ROWS for app in what.apps)


def forget_rest(connection: Connection, what: Forgetting, now: float) -> list[str]:
    """What is left, in the same transaction as the last step; gives the stages that have committed `within`."""
    begun = [(stage, partition) for stage, partition, *_ in rows(connection, SQL.begin_all)]
    within = [
        stage
        for stage in what.stages
        if any(
            rows(connection, SQL.progress_unit, stage=stage, partition=partition)[0][0] is not None
            for name, partition in begun
            if name == stage
        )
    ]
    for stage in what.stages:
        _forget_stage(connection, stage, [partition for name, partition in begun if name == stage])
    for source in what.sources:
        found = rows(connection, SQL.source_get, name=source)
        _count(connection, [msgspec.json.decode(found[0][1], type=dict[str, int])] if found else [])
        for statement in (SQL.forget_source, SQL.forget_stage_lease):
            run(connection, statement, name=source)
    for name in (*what.stages, *what.sources):
        for statement in (SQL.pause_delete, SQL.gone_delete):
            run(connection, statement, name=name)
    for topic in what.topics:
        for part in ("topic", "shape", "retained", "topic_progress", "topic_source"):
            run(connection, getattr(SQL, f"forget_{part}"), name=topic)
    for name, text in rows(connection, SQL.app_all):
        if name in what.apps:
            for part in ("", "_documents", "_entries", "_tables", "_runs"):
                run(connection, getattr(SQL, f"forget_app{part}"), name=name)
        elif (spec := without(spec_from(text), what)) != spec_from(text):
            declaration = msgspec.json.encode(spec).decode()
            run(connection, SQL.app_put, name=name, declaration=declaration, written=instant_text(now))
    return within


def _forget_stage(connection: Connection, stage: str, partitions: Iterable[int]) -> None:
    _count(connection, [stands_at(connection, stage, partition)[1].emitted for partition in partitions])
    run(connection, SQL.forget_stage_progress, name=stage)
    for table in STAGE_TABLES:
        run(connection, getattr(SQL, f"forget_stage_{table}"), name=stage)
    for number, name, *_ in rows(connection, SQL.replay_all):
        if name == stage:
            _forget_replay(connection, number, f"{stage}~{number}")


def _forget_replay(connection: Connection, number: int, name: str) -> None:
    ranges = rows(connection, SQL.replay_ranges, number=number)
    _count(connection, [stands_at(connection, name, partition)[1].emitted for partition, *_ in ranges])
    for statement in (SQL.forget_stage_progress, SQL.forget_stage_parked, SQL.forget_stage_attempt):
        run(connection, statement, name=name)
    for statement in (SQL.forget_replay_ranges, SQL.forget_replay):
        run(connection, statement, number=number)


def _count(connection: Connection, emitted: Iterable[Mapping[str, int]]) -> None:
    """What it has brought into topics that stay is counted there."""
    for topic, count in sum((Counter(one) for one in emitted), Counter()).items():
        run(connection, SQL.topic_count_forgotten, name=topic, count=count)
