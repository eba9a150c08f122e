"""The log on one SQLite file: one process or several on one machine, no server.

Guarantees: a commit is one SQLite transaction (`synchronous=FULL`), so outputs, progress, parked records and
source cursors are kept whole or not at all. Writers of one process share transactions, writers of several
processes take turns. Readers never hold a snapshot across calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import apsw
import msgspec

from onward import process
from onward.claim import Met, News, stage_of
from onward.clock import Clock, SystemClock
from onward.errors import AlreadyCommitted, LeaseLost, OtherPartitions, Refused
from onward.limit import Seat, granted
from onward.log import MEETING, QUICK, Append, AppSpec, Block, Claim, Commit, Lease, Parked
from onward.logs.rows import answer_row, parked_from, run_to, source_to
from onward.logs.sqlite_declare import declare
from onward.logs.sqlite_home import prepare, refuse
from onward.logs.sqlite_life import fold, old_of, retain
from onward.logs.sqlite_rows import (
    SQL,
    attempt_rows,
    blocks_of,
    claim_of,
    end_of,
    mark_rows,
    parked_rows,
    ports_of,
    replays_open,
    requests_of,
    seen_of,
    stands_at,
)
from onward.logs.sqlite_tables import SQLiteTables, write_edits
from onward.rate import Account, Portion
from onward.sqlite.connection import File, away, path_of, rows
from onward.sqlite.hints import Hints, tell
from onward.sqlite.pen import Pen
from onward.task_run import KEPT, TaskRun
from onward.units import instant, instant_text

T = TypeVar("T")

AT_HAND = 100
"""Up to so many records, topics and stages are looked up on the event loop itself."""

FORGET = 100
"""So many marks more than twice those that a commit makes are looked at to be forgotten."""

POLL = 0.25
"""Seconds between looks for changes of other processes; their hints come sooner."""


class SQLiteLog:
    """A handle on a store file; see `onward.log.Log` for what each method promises."""

    def __init__(self, url: str, *, clock: Clock | None = None, create: bool = True, listen: bool = False) -> None:
        self.url = url
        self._clock = clock or SystemClock()
        self._file = File(path_of(url), create=create, url=url)
        try:
            prepare(self._file, url, create=create)
            self._reading = self._file.connect(readonly=True)
            refuse(self._reading, url)
            self._watching = self._file.connect(readonly=True)
            self._tables = SQLiteTables(self._file, url)
            self._pen = Pen(self._file)
        except apsw.Error as error:
            self._file.close()
            raise away(error, url) from error
        except BaseException:
            self._file.close()
            raise
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="onward-reader")
        self._news = asyncio.Event()
        self._seen = self._version()
        self._hints = Hints() if listen else None
        self._ends: Mapping[tuple[str, int], int] = {}
        self._name = ""
        self._closed = False

    async def declare(self, app: AppSpec) -> None:
        def job(connection: apsw.Connection) -> None:
            refuse(connection, self.url)  # it may have begun to arrive since this handle was opened
            declare(connection, app, self._instant())

        await self._write(job)

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim | None:
        return await self._write(lambda connection: self._claim(connection, stage, partition, worker, seconds))

    async def resume(self, lease: Lease, first: int) -> Claim:
        claim = await self._read(lambda connection: claim_of(connection, lease))
        return msgspec.structs.replace(claim, next=max(claim.next, first))

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        def job(connection: apsw.Connection) -> list[Lease]:
            lost = []
            until = self._instant(seconds) if seconds else ""
            for lease, state in leases.items():
                bound = {"stage": lease.stage, "partition": lease.partition, "until": until, "state": state}
                connection.execute(SQL.lease_renew, {**bound, "token": lease.token, "worker": lease.worker})
                if not connection.changes():
                    lost.append(lease)
            return lost

        return await self._write(job) if leases else []

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        def work(connection: apsw.Connection) -> list[Block]:
            return blocks_of(connection, topic, partition, offset, records, size)

        # What was written a moment ago is in memory: reading it here costs less than the way to another thread.
        if self._ends.get((topic, partition), 0) - offset <= AT_HAND:
            return self._here(work)
        return await self._read(work)

    async def copies(self, stage: str, partition: int, offsets: Sequence[int]) -> Sequence[Parked]:
        def work(connection: apsw.Connection) -> list[Parked]:
            bound = {"stage": stage, "partition": partition, "offsets": json.dumps(list(offsets))}
            return [parked_from(row) for row in rows(connection, SQL.parked_copy, **bound)]

        return await self._read(work)

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        def work(connection: apsw.Connection) -> dict[str, int]:
            return seen_of(connection, stage, partition, marks, since)

        return self._here(work) if len(marks) <= AT_HAND else await self._read(work)

    async def commit(self, commit: Commit) -> None:
        def job(connection: apsw.Connection) -> list[int]:
            self._commit(connection, commit)
            return ports_of(connection, self._name) if commit.appends else []

        ports = await self._write(job)
        if commit.appends:
            self._news.set()
            tell(ports)

    @property
    def tables(self) -> SQLiteTables:
        return self._tables

    async def news(self, topics: Iterable[str], stages: Iterable[str]) -> News:
        names, asked = list(topics), list(stages)

        def work(connection: apsw.Connection) -> News:
            ends: dict[tuple[str, int], int] = {}
            for topic in names:
                for _, partitions, _ in connection.execute(SQL.topic_get, {"name": topic}):
                    for partition in range(partitions):
                        ends[topic, partition] = end_of(connection, topic, partition)
            requests = [request for name in asked for request in requests_of(connection, name)]
            paused = frozenset(name for name, *_ in connection.execute(SQL.pause_all))
            replays = tuple(replay for replay in replays_open(connection) if replay.stage in asked)
            return News(ends, requests, paused, replays)

        news = self._here(work) if len(names) + len(asked) <= AT_HAND else await self._read(work)
        self._ends = {**self._ends, **news.ends}
        return news

    async def changed(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._hints is not None and not self._hints.heard:
            self._hints.hear(loop, self._news.set)
        end = loop.time() + seconds
        while not self._news.is_set() and self._version() == self._seen:
            left = end - loop.time()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL)):
                    await self._news.wait()
        # Cleared before the caller looks, so that what comes while it looks is not missed.
        self._news.clear()
        self._seen = self._version()

    async def retain(
        self,
        topic: str,
        written_before: float,
        offsets: Mapping[int, int],
        most: int | None = None,
        overrun: Collection[str] | None = None,
    ) -> int:
        return await self._write(
            lambda connection: retain(connection, topic, written_before, offsets, most, overrun),
        )

    async def fold(self, stage: str, partition: int, to: Collection[str], before: float, most: int) -> int:
        old = await self._read(lambda connection: old_of(connection, stage, partition, to, before, most))
        return await self._write(lambda connection: fold(connection, stage, partition, old)) if old.count else 0

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        self._name = worker
        port = self._hints.port if self._hints is not None else 0

        def job(connection: apsw.Connection) -> dict[str, Met]:
            found, now = {}, self._clock.now()
            row = {"name": worker, "port": port, "until": instant_text(now + MEETING), "wants": json.dumps(list(wants))}
            connection.execute(SQL.worker_put, row)
            for name, _, other_until, other_wants in rows(connection, SQL.worker_all):
                if other_until < instant_text(now) or process.is_dead(name):
                    connection.execute(SQL.worker_delete, {"name": name})
                else:
                    found[name] = Met(json.loads(other_wants), now + MEETING - instant(other_until))
            return found

        return await self._write(job)

    async def record_run(self, run: TaskRun) -> int:
        def job(connection: apsw.Connection) -> int:
            id_ = int(rows(connection, SQL.run_put, **run_to(run))[0][0])
            if not run.id:
                connection.execute(SQL.run_forget, {"task": run.task, "kept": KEPT})
            return id_

        return await self._write(job)

    async def draw(self, budget: str, per_second: float, count: int) -> Portion:
        def job(connection: apsw.Connection) -> Portion:
            now = self._clock.now()
            found = rows(connection, SQL.budget_get, name=budget)
            account = Account(*found[0]) if found else Account(now, now, per_second)
            portion, account = account.portion(now, per_second, count)
            connection.execute(SQL.budget_put, {"name": budget, **account._asdict()})
            return portion

        return await self._write(job)

    async def occupy(self, stage: str, worker: str, most: int, using: int, wants: int, seconds: float) -> int:
        def job(connection: apsw.Connection) -> int:
            seats = []
            for name, held, wanted, until in rows(connection, SQL.call_slot_all, stage=stage):
                if until <= self._instant() or process.is_dead(name) or name == worker:
                    connection.execute(SQL.call_slot_delete, {"stage": stage, "worker": name})
                else:
                    seats.append(Seat(name, held, wanted))
            held = granted(seats, Seat(worker, using, wants), most, int(self._clock.now()))
            if seconds and (held or wants):
                row = {"stage": stage, "worker": worker, "held": held, "wants": wants}
                connection.execute(SQL.call_slot_put, {**row, "until": self._instant(seconds)})
            return held

        return await self._write(job)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._name:  # where that cannot be written others take it for gone a little later
            self._pen.submit(lambda connection: connection.execute(SQL.worker_delete, {"name": self._name}))
        ended = await asyncio.to_thread(self._pen.close)
        self._reader.shutdown(wait=True)
        if self._hints is not None:
            self._hints.close()
        if ended:
            self._file.close()

    # how it is done

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, work, self._reading)
        except apsw.Error as error:
            raise away(error, self.url) from error

    def _here(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return work(self._watching)
        except apsw.Error as error:
            raise away(error, self.url) from error

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        try:
            return await self._pen.write(job)
        except apsw.Error as error:
            raise away(error, self.url) from error

    def _version(self) -> int:
        return self._here(lambda connection: int(rows(connection, "PRAGMA data_version")[0][0]))

    def _instant(self, later: float = 0.0) -> str:
        return instant_text(self._clock.now() + later)

    def _claim(
        self, connection: apsw.Connection, stage: str, partition: int, worker: str, seconds: float
    ) -> Claim | None:
        bound = {"stage": stage, "partition": partition}
        held = rows(connection, SQL.lease_get, **bound)
        if rows(connection, SQL.renamed_get, was=stage):
            return None
        if held and held[0][0] != worker and held[0][2] > self._instant() and not process.is_dead(held[0][0]):
            return None
        lease = Lease(stage, partition, worker, (held[0][1] if held else 0) + 1)
        crashes = _crashes(*held[0], worker) if held else 0
        times = {"until": self._instant(seconds), "taken": self._instant(), "crashes": crashes}
        connection.execute(SQL.lease_take, {**bound, "worker": worker, "token": lease.token, **times})
        return msgspec.structs.replace(claim_of(connection, lease), crashes=crashes)

    def _commit(self, connection: apsw.Connection, commit: Commit) -> None:
        lease, now = commit.lease, self._instant()
        if lease is not None:
            held = rows(connection, SQL.lease_get, stage=stage_of(lease.stage), partition=lease.partition)
            # A store that has lost commits may give the same token again.
            if not held or held[0][:2] != (lease.worker, lease.token):
                raise LeaseLost(lease.stage, lease.partition, lease.token)
            self._finish(connection, lease, commit, now)
        if commit.tables:
            write_edits(connection, commit.tables)
        for append in commit.appends:
            self._append(connection, append, lease, now)
            if lease is None:
                connection.execute(SQL.topic_count_put, {"name": append.topic, "count": append.count})

    def _finish(self, connection: apsw.Connection, lease: Lease, commit: Commit, now: str) -> None:
        bound: dict[str, Any] = {"stage": lease.stage, "partition": lease.partition}
        if commit.finished or commit.totals is not None or commit.next is not None or commit.unit is not None:
            self._progress(connection, bound, commit, now)
        if commit.unpark:
            connection.execute(SQL.parked_delete, {**bound, "offsets": json.dumps(list(commit.unpark))})
        if commit.park:
            connection.execute(SQL.parked_put, {**bound, "rows": parked_rows(commit.park)})
        for offset, due in commit.promote:
            connection.execute(SQL.parked_promote, {**bound, "offset": offset, "due": instant_text(due)})
        if commit.attempts:
            connection.execute(SQL.attempt_add, {**bound, "rows": attempt_rows(commit.attempts)})
        if commit.closes:
            number = int(lease.stage.partition("~")[2])
            connection.execute(SQL.replay_close, {"number": number, "partition": lease.partition, "now": now})
        if commit.marks:
            connection.execute(SQL.seen_put, {**bound, "rows": mark_rows(commit.marks)})
        if commit.forget is not None:
            before, since = commit.forget
            count = 2 * len(commit.marks) + FORGET
            row = {**bound, "count": count, "before": before, "since": instant_text(since)}
            connection.execute(SQL.seen_forget, row)
        if commit.source is not None:
            connection.execute(SQL.source_put, {"name": lease.stage, **source_to(commit.source)})
        for answer in commit.answered:
            connection.execute(SQL.request_done, answer_row(answer, now))

    def _progress(self, connection: apsw.Connection, bound: dict[str, Any], commit: Commit, now: str) -> None:
        finished, next_, totals = commit.finished, commit.next, commit.totals
        if next_ is None or totals is None:
            stands = stands_at(connection, bound["stage"], bound["partition"])
            next_ = stands[0] if next_ is None else next_
            totals = stands[1] if totals is None else totals
        row = {
            **bound,
            "first": finished[0][0] if finished else None,
            "last": finished[-1][1] if finished else None,
            "next": next_,
            "count": sum(b - a for a, b in finished),
            "written": now,
            "unit": commit.unit,
            "finished": msgspec.json.encode(finished).decode(),
            "totals": msgspec.json.encode(totals).decode(),
            "dropped": msgspec.json.encode(commit.drops).decode() if commit.drops else None,
        }
        try:
            connection.execute(SQL.progress_add, row)
        except apsw.ConstraintError as error:
            if error.extendedresult != apsw.SQLITE_CONSTRAINT_UNIQUE:
                raise
            raise AlreadyCommitted(f"{bound['stage']} partition {bound['partition']}: {error}") from error

    def _append(self, connection: apsw.Connection, append: Append, lease: Lease | None, now: str) -> None:
        known = rows(connection, SQL.topic_get, name=append.topic)
        if not known or not 0 <= append.partition < known[0][1]:
            raise Refused(
                f"topic {append.topic} partition {append.partition} is not declared; run the app that declares it"
            )
        if append.partitions not in (0, known[0][1]):
            raise OtherPartitions(append.topic, known[0][1], append.partitions)
        offset = end_of(connection, append.topic, append.partition)
        row = {
            "topic": append.topic,
            "partition": append.partition,
            "offset": offset,
            "count": append.count,
            "written": now,
            "nonce": os.urandom(4).hex(),
            "size": len(append.entries),
            "keys": append.keys,
            "entries": append.entries,
            "maker": stage_of(lease.stage) if lease is not None else None,
            "origin_partition": lease.partition if lease is not None and append.origins else None,
            "origin_first": append.origins[0] if append.origins else None,
            "origin_end": append.origins[1] if append.origins else None,
        }
        connection.execute(SQL.block_add, row)


def _crashes(holder: str, token: int, until: str, taken: str, crashes: int, worker: str) -> int:
    """How many holders in a row were gone, if this one is, too."""
    if holder == worker or not until:
        return crashes if until else 0
    return crashes + 1 if taken and instant(until) - instant(taken) < QUICK else 1
