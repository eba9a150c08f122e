"""Another number of partitions for a topic in a SQLite store."""

from __future__ import annotations

import os

import apsw

from onward.errors import Refused
from onward.forget import writers
from onward.logs.sqlite_rows import SQL, end_of, first_of, spec_from, stands_at
from onward.logs.sqlite_users import users_of
from onward.repartition import Left, check
from onward.sqlite.connection import rows


def repartition(connection: apsw.Connection, topic: str, partitions: int, now: str) -> None:
    """See `onward.log.Books.repartition`; within a transaction that began with the turn to write."""
    found = rows(connection, SQL.topic_get, name=topic)
    if not found:
        raise Refused(f"there is no topic {topic}")
    apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
    writing = writers(apps, [topic])
    parked: dict[tuple[str, int], int] = {}
    for stage, partition, _, count in rows(connection, SQL.parked_count):
        parked[stage, partition] = parked.get((stage, partition), 0) + count
    reading = [(stage, at) for stage, at, of, _ in rows(connection, SQL.begin_all) if of == topic]
    left = [
        Left(
            stage,
            at,
            end_of(connection, topic, at) - stands_at(connection, stage, at)[0],
            parked.get((stage, at), 0),
        )
        for stage, at in reading
    ]
    names = {*writing, *(stage for stage, _ in reading)}
    check(topic, left, writing, users_of(connection, names, now))
    row = {"name": topic, "partitions": partitions, "incarnation": os.urandom(4).hex()}
    connection.execute(SQL.topic_repartition, row)
    for stage in sorted({stage for stage, _ in reading}):
        for at in range(partitions):
            if (stage, at) not in reading:
                begins = first_of(connection, topic, at)
                connection.execute(SQL.begin_add, {"stage": stage, "partition": at, "topic": topic, "offset": begins})
