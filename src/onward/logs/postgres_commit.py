"""Commits to a PostgreSQL store: each one transaction, in one way to the server and back.

Everything is sent at once, the COMMIT with it: so locks are held for as long as the server takes, not for the way. That
the lease has its token, that a segment is the newest still and the like is therefore looked at by the server, which
refuses what must not be (`onward.refuse`); then the COMMIT behind it does not happen.

In order: leases (`FOR SHARE`), progress and what is parked, tables, and last the advisory locks of all partitions that
are appended to, in the order of their numbers. Where a partition ends is read by the statement after that, which sees
what the holder of the lock before has committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from onward.claim import stage_of
from onward.commit import Append, Commit, Lease
from onward.errors import AlreadyCommitted, LeaseLost, OnwardError, OtherPartitions, Refused, StoreWentBack
from onward.logs.postgres_rows import SQL, Standing, attempt_columns, brought_by, mark_columns, parked_columns
from onward.logs.postgres_segments import Segments
from onward.logs.postgres_tables import write_edits
from onward.logs.rows import answer_row, source_to
from onward.postgres.batch import Answer, Batch
from onward.postgres.connection import Connection, Database, is_passing
from onward.postgres.pen import Again
from onward.postgres.types import Text
from onward.units import instant_text

FORGET = 100
"""So many marks more than twice those that a commit makes are looked at to be forgotten."""

LOST, MOVED, UNKNOWN, BACK = "OW001", "OW002", "OW003", "OW005"
"""What the server refuses by: another token, a newer segment, an undeclared topic, less than there was."""


class Job(NamedTuple):
    """A commit, and the instant that it notes."""

    commit: Commit
    now: float


class Writing:
    """Writes commits of one handle, from several threads; remembers what it saw kept, to tell when that is gone."""

    def __init__(self, database: Database, segments: Segments) -> None:
        self._database = database
        self._segments = segments
        self.kept: dict[tuple[str, int], int] = {}
        """By stage and partition how many commits there are, as far as this handle knows."""
        self.brought: dict[str, int] = {}
        """By source how many records it has brought, as far as this handle knows."""
        self.ends: dict[tuple[str, int], tuple[str, int]] = {}
        """By topic and partition where it ends, as far as this handle knows, and the topic's incarnation then."""

    def keep(self, connection: Connection, jobs: Sequence[Job]) -> None:
        """Writes commits in one transaction, in order, and commits it."""
        batch = Batch(connection)
        batch.ask("BEGIN")
        noted = [self._note(batch, job) for job in jobs]
        if tables := [job.commit.tables for job in jobs if job.commit.tables]:
            batch.send()  # answers are looked at on the way
            for edits in tables:
                write_edits(connection, edits)
        written = self._append_all(batch, jobs)
        batch.ask("COMMIT")
        batch.send()
        for where, counted in noted:
            if counted is not None:
                (self.kept[where],) = counted.one
        for lease, source in ((job.commit.lease, job.commit.source) for job in jobs):
            if lease is not None and source is not None:
                self.brought[lease.stage] = brought_by(source)
        for append, ended in written:
            row = ended.one
            self.ends[where_of(append)] = max(self.ends.get(where_of(append), row), row, key=_end)

    def known(self, lease: Lease) -> Standing:
        """Where this handle saw it kept."""
        return Standing(self.kept.get((lease.stage, lease.partition), 0), self.brought.get(lease.stage, 0))

    def alone(self, job: Job) -> bool:
        """Documents are locked in order within a commit, not over several."""
        return bool(job.commit.tables)

    def meaning(self, error: psycopg.Error, job: Job) -> Exception:
        """What it means that the server refused a commit.

        Raises:
            Again: nothing but that it has to be written again.
        """
        lease, detail = job.commit.lease, error.diag.message_detail or "[]"
        if is_passing(error):
            raise Again from error
        if error.sqlstate == LOST and lease is not None:
            (token,) = json.loads(detail)
            if token is not None and token < lease.token:
                return self.back(f"the lease of {lease.stage} partition {lease.partition}", token, lease.token)
            return LeaseLost(lease.stage, lease.partition, lease.token)
        if _is_moved(error):
            try:
                self._look_again()
            except psycopg.Error as lost:
                return self._database.away(lost)
            except OnwardError as away:
                return away
            raise Again from error
        if (refused := self.refused(error)) is not None:
            return refused
        if isinstance(error, psycopg.errors.UniqueViolation) and lease is not None:
            if error.diag.constraint_name in ("progress_first", "progress_unit"):
                said = error.diag.message_detail or error.diag.message_primary
                return AlreadyCommitted(f"{lease.stage} partition {lease.partition}: {said}")
            raise Again from error  # another one of the same lease came first
        return self._database.away(error)

    def refused(self, error: psycopg.Error) -> Exception | None:
        """What it means where the server has refused to append."""
        detail = error.diag.message_detail or "[]"
        if error.sqlstate == UNKNOWN:
            topic, partition, has, believed = json.loads(detail)
            if has is not None and believed not in (0, has):
                return OtherPartitions(topic, has, believed)
            return Refused(f"topic {topic} partition {partition} is not declared; run the app that declares it")
        return self.back(*json.loads(detail)) if error.sqlstate == BACK else None

    def moved(self, error: psycopg.Error) -> bool:
        """Whether it was refused as there is a newer segment, which is known from now on."""
        if not _is_moved(error):
            return False
        self._look_again()
        return True

    def back(self, what: str, found: int | None, known: int) -> StoreWentBack:
        return StoreWentBack(self._database.shown, what, found or 0, known)

    def _look_again(self) -> None:
        connection = self._database.connect()
        try:
            self._segments.look(connection)
        finally:
            connection.close()

    def _note(self, batch: Batch, job: Job) -> tuple[tuple[str, int], Answer | None]:
        lease = job.commit.lease
        if lease is None:
            return ("", 0), None
        held = {"partition": lease.partition, "token": lease.token, "worker": lease.worker}
        batch.ask(SQL.lease_hold, stage=stage_of(lease.stage), **held)
        return (lease.stage, lease.partition), self._finish(batch, lease, job.commit, instant_text(job.now))

    def _finish(self, batch: Batch, lease: Lease, commit: Commit, now: str) -> Answer | None:
        bound: dict[str, Any] = {"stage": lease.stage, "partition": lease.partition}
        counted = None
        if commit.finished or commit.totals is not None or commit.next is not None or commit.unit is not None:
            counted = self._progress(batch, bound, commit, now)
        if commit.unpark:
            batch.ask(SQL.parked_delete, **bound, offsets=list(commit.unpark))
        if commit.park:
            last = {row.offset: row for row in commit.park}
            batch.ask(SQL.parked_put, **bound, **parked_columns(list(last.values())))
        if commit.promote:
            offsets, dues = zip(*commit.promote, strict=True)
            times = [instant_text(due) for due in dues]
            batch.ask(SQL.parked_promote, **bound, offsets=list(offsets), dues=times)
        if commit.attempts:
            batch.ask(SQL.attempt_add, **bound, **attempt_columns(commit.attempts))
        if commit.closes:
            number = int(lease.stage.partition("~")[2])
            batch.ask(SQL.replay_close, number=number, partition=lease.partition, now=now)
        if commit.marks:
            batch.ask(SQL.seen_put, **bound, **mark_columns(commit.marks))
        if commit.forget is not None:
            before, since = commit.forget
            count = 2 * len(commit.marks) + FORGET
            batch.ask(SQL.seen_forget, **bound, count=count, before=before, since=instant_text(since))
        if commit.source is not None:
            batch.ask(SQL.source_put, name=lease.stage, **source_to(commit.source))
        for answer in commit.answered:
            batch.ask(SQL.request_done, **answer_row(answer, now))
        return counted

    def _progress(self, batch: Batch, bound: dict[str, Any], commit: Commit, now: str) -> Answer:
        finished = commit.finished
        row = {
            **bound,
            "kept": self.kept.get((bound["stage"], bound["partition"]), 0),
            "first": finished[0][0] if finished else None,
            "last": finished[-1][1] if finished else None,
            "next": commit.next,
            "count": sum(b - a for a, b in finished),
            "written": now,
            "unit": commit.unit,
            "finished": msgspec.json.encode(finished).decode(),
            "totals": None if commit.totals is None else msgspec.json.encode(commit.totals).decode(),
            "dropped": msgspec.json.encode(commit.drops).decode() if commit.drops else None,
        }
        return batch.ask(SQL.progress_add, **row)

    def _append_all(self, batch: Batch, jobs: Sequence[Job]) -> list[tuple[Append, Answer]]:
        appends = [(job, append) for job in jobs for append in job.commit.appends]
        if appends:
            topics, partitions = zip(*{where_of(append) for _, append in appends}, strict=True)
            batch.ask(SQL.block_lock, topics=list(topics), partitions=list(partitions))
        return [(append, self._append(batch, job, append)) for job, append in appends]

    def _append(self, batch: Batch, job: Job, append: Append) -> Answer:
        statement, row = self.appending(append, job.now, job.commit.lease)
        return batch.ask(statement, **row)

    def appending(self, append: Append, now: float, lease: Lease | None = None) -> tuple[str, dict[str, Any]]:
        """The statement that appends where the partition's lock is held, and what is bound in it."""
        incarnation, seen = self.ends.get(where_of(append), ("", 0))
        row = {
            "topic": append.topic,
            "partition": append.partition,
            "believed": append.partitions,
            "incarnation": incarnation,
            "seen": seen,
            "count": append.count,
            "written": instant_text(now),
            "nonce": os.urandom(4).hex(),
            "size": len(append.entries),
            "keys": append.keys,
            "entries": Text(append.entries),
            "maker": stage_of(lease.stage) if lease is not None else None,
            "origin_partition": lease.partition if lease is not None and append.origins else None,
            "origin_first": append.origins[0] if append.origins else None,
            "origin_end": append.origins[1] if append.origins else None,
        }
        return self._segments.statement("block_add"), row


def _is_moved(error: psycopg.Error) -> bool:
    # Or the segment has gone since.
    return error.sqlstate == MOVED or isinstance(error, psycopg.errors.UndefinedTable)


def where_of(append: Append) -> tuple[str, int]:
    return append.topic, append.partition


def _end(known: tuple[str, int]) -> int:
    return known[1]
