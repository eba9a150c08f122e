"""The log on a PostgreSQL database: many workers on many machines.

Guarantees: a commit is one transaction of the server, so outputs, progress, parked records and source cursors are kept
whole or not at all. Several are written at once, those of one lease one after another; between processes the holder of
a partition's advisory lock appends to it. A session ends before the lease that it works under.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg

from onward.claim import Met, News, stage_of
from onward.clock import Clock, SystemClock
from onward.errors import StoreAway, StoreMoved, StoreUncertain, StoreWentBack
from onward.limit import Seat
from onward.log import Append, AppSpec, Block, Claim, Commit, Lease, Parked
from onward.logs.postgres_commit import Job, Writing
from onward.logs.postgres_declare import declare
from onward.logs.postgres_home import refuse
from onward.logs.postgres_joining import check, do, do_awaited, steps
from onward.logs.postgres_leases import Leasing
from onward.logs.postgres_life import fold, retain, tidy
from onward.logs.postgres_rows import AT_FIRST, SQL, blocks_of, replays_from, seen_of
from onward.logs.postgres_segments import Segments, begin
from onward.logs.postgres_sharing import draw, meet, occupy
from onward.logs.postgres_tables import PostgresTables
from onward.logs.rows import parked_from, request_from, run_to
from onward.postgres.batch import Batch
from onward.postgres.clock import ServerClock
from onward.postgres.connection import Connection, Database, rows, run
from onward.postgres.desk import Desk
from onward.postgres.hints import TELL, Ear, Voice
from onward.postgres.pen import Pens
from onward.postgres.schema import prepare
from onward.rate import Portion
from onward.task_run import KEPT, TaskRun
from onward.units import instant_text

T = TypeVar("T")

READERS = 2
"""So many reads at once."""

TABLES = 4
"""So many handlers read tables at once; others wait."""

REST, LONGEST_REST = 9, 0.05
"""Where there are changes all the time, looking for them takes a tenth of it: so many times as long as the last look
took, and no more than these seconds, lie between two."""

SOON, LATE = 0.02, 0.5
"""Seconds between looks for changes: at first, where nobody gives hints, and at most."""


class PostgresLog:
    """A handle on a store; see `onward.log.Log` for what each method promises."""

    def __init__(self, url: str, *, clock: Clock | None = None, create: bool = True, listen: bool = False) -> None:
        self._database = Database(url)
        self.url = self._database.shown
        self._server = ServerClock()
        self._clock = clock or self._server
        self._machine = clock or SystemClock()
        connection = self._database.connect()
        try:
            prepare(connection, self._database, SQL.migrations, create=create)
            refuse(connection, self.url)
            self._segments = Segments(connection)
            self._server.measure(connection)
            opened = self._clock.now()
            self._place = rows(connection, SQL.join_database)[0]
            self._seen = _snapshot(connection)
        except psycopg.Error as error:
            raise self._database.away(error) from error
        finally:
            connection.close()
        self._writing = Writing(self._database, self._segments)
        self._leasing = Leasing(self._writing, self._clock, opened)
        self._pens = Pens(self._database, self._writing.keep, self._writing.alone, self._writing.meaning)
        self._leases = Desk(self._database, "leases")
        self._side = Desk(self._database, "side")
        self._readers = Desk(self._database, "reader", most=READERS)
        self._documents = Desk(self._database, "tables", most=TABLES)
        self._tables = PostgresTables(self._documents)
        self._news = asyncio.Event()
        self._ear = Ear(self._database, self._news.set) if listen else None
        self._voice = Voice(lambda: self._readers.read_now(lambda connection: rows(connection, TELL)))
        self._blocks: dict[tuple[str, int], int] = {}
        """By topic and partition how many blocks to look at: one more than the last read gave."""
        self._alone = False
        self._returned = float("inf")  # nobody has looked yet
        self._turning: asyncio.Task[None] | None = None
        self._name = ""
        self._closed = False

    async def declare(self, app: AppSpec) -> None:
        def job(connection: Connection) -> None:
            refuse(connection, self.url)  # it may have begun to arrive since this handle was opened
            declare(connection, app, self._instant())

        await self._side.write(job, long=True)

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim | None:
        claimed = await self._leases.write(
            lambda connection: self._leasing.claim(connection, stage, partition, worker, seconds)
        )
        if isinstance(claimed, StoreWentBack):
            raise claimed
        return None if claimed is None else self._leasing.noted(claimed)

    async def resume(self, lease: Lease, first: int) -> Claim:
        claim = self._leasing.noted(
            await self._readers.snapshot(lambda connection: self._leasing.resume(connection, lease))
        )
        return msgspec.structs.replace(claim, next=max(claim.next, first))

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        if not leases:
            return []
        return await self._leases.write(lambda connection: self._leasing.renew(connection, leases, seconds))

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        def work(connection: Connection) -> list[Block]:
            for since in (self._segments.newest, 0):
                statement = self._segments.statement("block_read", since)
                found = blocks_of(connection, statement, topic, partition, offset, records, size, most)
                if found and found[0].offset <= offset:
                    break
            # Where all was read that these segments have, there may be a newer one.
            count = found[-1].offset + found[-1].count - offset if found else 0
            much = count >= records or 2 * sum(len(block.entries) for block in found) >= size
            return found if much or not self._segments.look(connection) else work(connection)

        most = self._blocks.get((topic, partition), AT_FIRST)
        found = await self._readers.read(lambda connection: self._with_segments(connection, work))
        self._blocks[topic, partition] = len(found) + 1
        return found

    async def copies(self, stage: str, partition: int, offsets: Sequence[int]) -> Sequence[Parked]:
        bound = {"stage": stage, "partition": partition, "offsets": list(offsets)}
        found = await self._readers.read(lambda connection: rows(connection, SQL.parked_copy, **bound))
        return [parked_from(row) for row in found]

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        return await self._readers.read(lambda connection: seen_of(connection, stage, partition, marks, since))

    async def commit(self, commit: Commit) -> None:
        lease = commit.lease
        name = (stage_of(lease.stage), lease.partition) if lease is not None else None
        await self._pens.write(name, Job(commit, self._clock.now()))
        if commit.appends:
            self._changed()

    def join(self, tx: Any, appends: Sequence[Append]) -> Awaitable[None] | None:
        check(tx)
        todo = steps(self._writing, appends, self._place, self._clock.now())
        if isinstance(tx, psycopg.AsyncConnection):
            return do_awaited(tx, todo)
        do(tx, todo)
        return None

    @property
    def tables(self) -> PostgresTables:
        return self._tables

    async def news(self, topics: Iterable[str], stages: Iterable[str]) -> News:
        names, asked = list(topics), list(stages)

        def work(connection: Connection) -> News:
            batch = Batch(connection)
            segments = batch.ask(SQL.segment_all)
            ends = batch.ask(self._segments.statement("block_ends"), topics=names)
            requests = batch.ask(SQL.request_open_all, stages=asked)
            pauses = batch.ask(SQL.pause_all)
            ranges = batch.ask(SQL.replay_open)
            batch.send()
            if self._segments.are([number for (number,) in segments.rows]):
                ends = batch.ask(self._segments.statement("block_ends"), topics=names)
                batch.send()
            replays = replays_from(connection, ranges.rows) if asked else []
            return News(
                {(topic, partition): end for topic, partition, end in ends.rows},
                [request_from(row) for row in requests.rows],
                frozenset(name for name, *_ in pauses.rows),
                tuple(replay for replay in replays if replay.stage in asked),
            )

        return await self._readers.read(lambda connection: self._with_segments(connection, work))

    async def changed(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._ear is not None:
            await self._ear.open()
        now = loop.time()
        end = now + seconds
        # What came while the caller looked gathers; to who has long waited for it, it is told at once.
        if self._news.is_set():
            await asyncio.sleep(min(REST * (now - self._returned), LONGEST_REST, seconds))
        pause = LATE / 2 if self._ear is not None and self._ear.hears else SOON
        while not self._news.is_set():
            seen = await self._readers.read(_snapshot)
            left = end - loop.time()
            if seen != self._seen or left <= 0:
                self._seen = seen
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, pause)):
                    await self._news.wait()
            pause = min(2 * pause, LATE)
        # Cleared before the caller looks, so that what comes while it looks is not missed.
        self._news.clear()
        self._returned = loop.time()

    async def retain(
        self,
        topic: str,
        written_before: float,
        offsets: Mapping[int, int],
        most: int | None = None,
        overrun: Collection[str] | None = None,
    ) -> int:
        gone = await self._side.write(
            lambda connection: retain(connection, topic, written_before, offsets, most, overrun), long=True
        )
        if self._segments.due():
            await self._turn()
        return gone

    async def fold(self, stage: str, partition: int, to: Collection[str], before: float, most: int) -> int:
        return await self._side.write(
            lambda connection: fold(connection, stage, partition, to, before, most), long=True
        )

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        self._name = worker

        def job(connection: Connection) -> dict[str, Met]:
            self._server.measure(connection)
            return meet(connection, worker, wants, now=self._clock.now(), says=self._machine.now())

        met = await self._leases.write(job)
        self._alone = not set(met) - {worker}
        return met

    async def record_run(self, run_: TaskRun) -> int:
        def job(connection: Connection) -> int:
            row = run_to(run_)
            if run_.id:
                run(connection, SQL.run_end, **row)
                return run_.id
            id_ = int(rows(connection, SQL.run_add, **row)[0][0])
            run(connection, SQL.run_forget, task=run_.task, kept=KEPT)
            return id_

        return await self._side.write(job)

    async def draw(self, budget: str, per_second: float, count: int) -> Portion:
        return await self._side.write(
            lambda connection: draw(connection, budget, per_second, count, now=self._clock.now())
        )

    async def occupy(self, stage: str, worker: str, most: int, using: int, wants: int, seconds: float) -> int:
        seat = Seat(worker, using, wants)
        return await self._side.write(
            lambda connection: occupy(connection, stage, most, seat, seconds, now=self._clock.now())
        )

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._pens.close()
        await self._voice.close()
        if self._turning is not None:
            await asyncio.wait([self._turning])
        if self._name:  # where that cannot be written others take it for gone a little later
            with contextlib.suppress(StoreAway, StoreMoved):
                await self._leases.write(lambda connection: run(connection, SQL.worker_delete, name=self._name))
        if self._ear is not None:
            self._ear.close()
        for desk in (self._leases, self._side, self._readers, self._documents):
            await desk.close()

    # how it is done

    def _instant(self, later: float = 0.0) -> str:
        return instant_text(self._clock.now() + later)

    def _changed(self) -> None:
        """Blocks were appended: lanes of this worker look at once, those of others soon."""
        self._news.set()
        if not self._alone:
            self._voice.give()
        if self._segments.due():
            self._turning = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        """Begins a new segment if it is time, and lets go of old ones."""

        def unless_read(job: Callable[[Connection], bool]) -> Callable[[Connection], bool]:
            def work(connection: Connection) -> bool:
                try:
                    return job(connection)
                except psycopg.errors.LockNotAvailable:  # another time
                    connection.rollback()
                    return False

            return work

        with contextlib.suppress(StoreAway, StoreUncertain):
            await self._side.write(unless_read(lambda connection: begin(connection, self._clock.now())))
            while await self._side.write(unless_read(tidy)) and not self._closed:
                pass

    def _with_segments(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        """Does it with the segments that are known; again where one of them is gone."""
        try:
            return work(connection)
        except psycopg.errors.UndefinedTable:
            self._segments.look(connection)
            return work(connection)


def _snapshot(connection: Connection) -> str:
    """Another one whenever any transaction of the server has ended."""
    return str(rows(connection, SQL.store_snapshot)[0][0])
