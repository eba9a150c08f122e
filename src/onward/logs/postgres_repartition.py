"""Another number of partitions for a topic in a PostgreSQL store."""

from __future__ import annotations

import secrets

from onward.errors import Refused
from onward.forget import writers
from onward.logs.postgres_rows import SQL, end_of, first_of, stands_at
from onward.logs.postgres_users import users_of
from onward.logs.rows import counts_from, spec_from
from onward.postgres.connection import Connection, rows, run
from onward.repartition import begun, check, left_of


def repartition(connection: Connection, topic: str, partitions: int, now: float) -> None:
    """See `onward.log.Books.repartition`; within a transaction."""
    rows(connection, SQL.declare_lock)
    if not rows(connection, SQL.topic_get, name=topic):
        raise Refused(f"there is no topic {topic}")
    # Writers wait, and see the new number then: nothing is written by the old one after what is looked at here.
    rows(connection, SQL.topic_lock, name=topic)
    writing = writers([spec_from(text) for _, text in rows(connection, SQL.app_all)], [topic])
    reading = [(stage, at) for stage, at, of, _ in rows(connection, SQL.begin_all) if of == topic]
    parked = counts_from(rows(connection, SQL.parked_count))

    def outstanding(stage: str, at: int) -> int:
        return end_of(connection, topic, at) - stands_at(connection, stage, at)[0]

    names = {*writing, *(stage for stage, _ in reading)}
    check(topic, left_of(reading, parked, outstanding), writing, users_of(connection, names, now))
    run(connection, SQL.topic_repartition, name=topic, partitions=partitions, incarnation=secrets.token_hex(4))
    for stage, at in begun(reading, partitions):
        begins = first_of(connection, topic, at)
        run(connection, SQL.begin_add, stage=stage, partition=at, topic=topic, offset=begins)
