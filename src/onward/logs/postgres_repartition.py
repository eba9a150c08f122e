"""Another number of partitions for a topic in a PostgreSQL store."""

from __future__ import annotations

import secrets

from onward.errors import Refused
from onward.forget import writers
from onward.logs.postgres_rows import SQL, end_of, first_of, spec_from, stands_at
from onward.logs.postgres_users import users_of
from onward.postgres.connection import Connection, rows, run
from onward.repartition import Left, check


def repartition(connection: Connection, topic: str, partitions: int, now: float) -> None:
    """See `onward.log.Books.repartition`; within a transaction."""
    rows(connection, SQL.declare_lock)
    if not rows(connection, SQL.topic_get, name=topic):
        raise Refused(f"there is no topic {topic}")
    # Writers wait, and see the new number then: nothing is written by the old one after what is looked at here.
    rows(connection, SQL.topic_lock, name=topic)
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
    run(connection, SQL.topic_repartition, name=topic, partitions=partitions, incarnation=secrets.token_hex(4))
    for stage in sorted({stage for stage, _ in reading}):
        for at in range(partitions):
            if (stage, at) not in reading:
                begins = first_of(connection, topic, at)
                run(connection, SQL.begin_add, stage=stage, partition=at, topic=topic, offset=begins)
