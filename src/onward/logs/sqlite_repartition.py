"""Another number of partitions for a topic in a SQLite store."""

from __future__ import annotations

import os

import apsw

from onward.errors import Refused
from onward.forget import writers
from onward.logs.rows import counts_from, spec_from
from onward.logs.sqlite_rows import SQL, end_of, first_of, stands_at
from onward.logs.sqlite_users import users_of
from onward.repartition import begun, check, left_of
from onward.sqlite.connection import rows


def repartition(connection: apsw.Connection, topic: str, partitions: int, now: str) -> None:
    """See `onward.log.Books.repartition`; within a transaction that began with the turn to write."""
    if not rows(connection, SQL.topic_get, name=topic):
        raise Refused(f"there is no topic {topic}")
    writing = writers([spec_from(text) for _, text in rows(connection, SQL.app_all)], [topic])
    reading = [(stage, at) for stage, at, of, _ in rows(connection, SQL.begin_all) if of == topic]
    parked = counts_from(rows(connection, SQL.parked_count))

    def outstanding(stage: str, at: int) -> int:
        return end_of(connection, topic, at) - stands_at(connection, stage, at)[0]

    names = {*writing, *(stage for stage, _ in reading)}
    check(topic, left_of(reading, parked, outstanding), writing, users_of(connection, names, now))
    row = {"name": topic, "partitions": partitions, "incarnation": os.urandom(4).hex()}
    connection.execute(SQL.topic_repartition, row)
    for stage, at in begun(reading, partitions):
        row = {"stage": stage, "partition": at, "topic": topic, "offset": first_of(connection, topic, at)}
        connection.execute(SQL.begin_add, row)
