"""Looking at a PostgreSQL store: what `status`, `parked` and `audit` show, and the requests that people leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from onward.carry import Mark
from onward.clock import Clock
from onward.document import Document
from onward.log import AppSpec, Attempt, Block, Forgetting, Lease, Parked, Replay, Request
from onward.logs.postgres_forget import forget_rest, forget_some
from onward.logs.postgres_home import mark_of, refuse
from onward.logs.postgres_repartition import repartition
from onward.logs.postgres_rows import READ, SCHEMA, SQL, blocks_of, claim_of, requests_of, seen_of
from onward.logs.postgres_survey import ahead_by, ends_of, evidence_of, leases_of, paused_of, sources_of, survey_of
from onward.logs.postgres_tables import PostgresTables
from onward.logs.postgres_trail import PostgresTrail
from onward.logs.rows import attempt_from, document_from, parked_from, request_row, run_from, spec_from
from onward.postgres.clock import ServerClock
from onward.postgres.connection import Connection, Database, rows, run
from onward.postgres.desk import Desk
from onward.postgres.schema import refuse_other
from onward.survey import Backlog, BlockRow, Evidence, StageStanding, Standing, Survey, TopicStanding
from onward.task_run import TaskRun
from onward.units import instant_text


class PostgresBooks(PostgresTrail):
    """A handle for looking at a store in a database; see `onward.log.Books` for what each method promises.

    What is asked for is looked up one after another, on one connection.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        database = Database(url)
        self.url = database.shown
        server = ServerClock()
        self._clock = clock or server
        self._desk = Desk(database, "books", looking=True)
        self._tables_desk = Desk(database, "tables", looking=True)
        self._tables = PostgresTables(self._tables_desk)

        def look(connection: Connection) -> None:
            refuse_other(connection, database, SCHEMA)
            server.measure(connection)

        try:
            self._desk.read_now(look)
            self._desk.read_now(lambda connection: refuse(connection, self.url, reading=True))
        except BaseException:
            self._desk.close_now()
            raise

    async def survey(self, recent: float = 60.0) -> Survey:
        now = self._clock.now()
        return await self._desk.snapshot(lambda connection: survey_of(connection, now, recent))

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        now = self._clock.now()
        return await self._desk.snapshot(lambda connection: evidence_of(connection, now))

    async def home(self) -> Mark | None:
        return await self._desk.read(mark_of)

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        wanted, now = list(topics), self._clock.now()

        def work(connection: Connection) -> tuple[list[AppSpec], list[Backlog]]:
            held = leases_of(connection, now)
            found: dict[str, Backlog] = {}
            ahead = ahead_by(connection, wanted)
            for stage, partition, topic, left, size in rows(connection, SQL.backlog_all, topics=wanted):
                before = found.get(stage, Backlog(stage, topic, 0, 0, ()))
                holder = held.get((stage, partition))
                found[stage] = before._replace(
                    records=before.records + left - ahead[stage, partition],
                    bytes=before.bytes + size,
                    holders=(*before.holders, *([holder] if holder is not None else ())),
                )
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            return apps, sorted(found.values(), key=lambda backlog: backlog.stage)

        return await self._desk.snapshot(work)

    async def standing(self) -> Standing:
        def work(connection: Connection) -> Standing:
            stages = {}
            for stage, partition, topic, begins in rows(connection, SQL.begin_all):
                held = rows(connection, SQL.lease_held, stage=stage, partition=partition)
                worker, token = held[0] if held else ("", 0)
                claim = claim_of(connection, Lease(stage, partition, worker, token))
                stages[stage, partition] = StageStanding(topic, begins, claim)
            ends = ends_of(connection)
            firsts = {(topic, partition): first for topic, partition, first in rows(connection, SQL.topic_firsts)}
            topics = {
                name: TopicStanding(
                    incarnation,
                    [firsts.get((name, at), ends[name][at]) for at in range(partitions)],
                    ends[name][:partitions],
                )
                for name, incarnation, partitions in rows(connection, SQL.topic_all)
            }
            asked = [request for name in {name for name, _ in stages} for request in requests_of(connection, name)]
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            asked = sorted(asked, key=lambda request: request.id)
            return Standing(apps, topics, stages, sources_of(connection), asked, paused_of(connection))

        return await self._desk.snapshot(work)

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        bound = {"stages": list(instants), "ats": [instant_text(at) for at in instants.values()]}
        found = await self._desk.snapshot(lambda connection: rows(connection, SQL.passed_all, **bound))
        return {(stage, partition): offset for stage, partition, offset in found}

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        return await self._desk.snapshot(
            lambda connection: blocks_of(connection, READ, topic, partition, offset, records, size)
        )

    async def parked(
        self,
        stage: str | None,
        key: str | None,
        state: str | None,
        limit: int | None,
        after: tuple[str, int, int] = ("", 0, 0),
    ) -> Sequence[tuple[str, int, Parked, Sequence[Attempt]]]:
        bound = {"stage": stage, "key": key, "state": state, "limit": limit}
        bound |= {"after_stage": after[0], "after_partition": after[1], "after_offset": after[2]}

        def work(connection: Connection) -> list[tuple[str, int, Parked, Sequence[Attempt]]]:
            found = [
                (name, at, parked_from(tuple(row))) for name, at, *row in rows(connection, SQL.parked_list, **bound)
            ]
            tried: dict[tuple[str, int, int], list[Attempt]] = {(name, at, one.offset): [] for name, at, one in found}
            columns = [list(column) for column in zip(*tried, strict=True)] or [[], [], []]
            where = dict(zip(("stages", "partitions", "offsets"), columns, strict=True))
            for name, at, *row in rows(connection, SQL.attempt_these, **where):
                tried[name, at, row[0]].append(attempt_from(tuple(row)))
            return [(name, at, one, tried[name, at, one.offset]) for name, at, one in found]

        return await self._desk.snapshot(work)

    @property
    def tables(self) -> PostgresTables:
        return self._tables

    async def documents(self, table: str, after: str | None, limit: int) -> Sequence[Document]:
        bound = {"table": table, "after": after, "limit": limit}
        found = await self._desk.snapshot(lambda connection: rows(connection, SQL.document_list, **bound))
        return [document_from(row) for row in found]

    async def runs(self, task: str | None, limit: int) -> Sequence[TaskRun]:
        found = await self._desk.snapshot(lambda connection: rows(connection, SQL.run_list, task=task, limit=limit))
        return [run_from(row) for row in found]

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        return await self._desk.snapshot(lambda connection: seen_of(connection, stage, partition, marks, since))

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        def work(connection: Connection) -> list[int]:
            # In turn, so that who sees a number has seen all smaller ones.
            rows(connection, SQL.request_lock)
            return [int(rows(connection, SQL.request_add, **request_row(request))[0][0]) for request in requests]

        return await self._desk.write(work) if requests else []

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        found = await self._desk.snapshot(lambda connection: rows(connection, SQL.request_results, ids=list(ids)))
        return dict(found)  # type: ignore[arg-type]

    async def replay(self, replay: Replay) -> int:
        def work(connection: Connection) -> int:
            row = {"stage": replay.stage, "key": replay.key, "rate": replay.rate, "same_id": replay.same_id}
            at = instant_text(replay.at)
            number = int(rows(connection, SQL.replay_add, **row, by=replay.by, at=at)[0][0])
            for partition, first, last, gone in replay.ranges:
                bound = {"number": number, "partition": partition, "first": first, "last": last}
                run(connection, SQL.replay_range_add, **bound, gone=gone, closed=at if first >= last else None)
            return number

        return await self._desk.write(work)

    async def cancel(self, number: int) -> bool:
        now = instant_text(self._clock.now())

        def work(connection: Connection) -> bool:
            if all(closed is not None for *_, closed in rows(connection, SQL.replay_ranges, number=number)):
                return False
            run(connection, SQL.replay_cancel, number=number, now=now)
            return True

        return await self._desk.write(work)

    async def pause(self, name: str, by: str, at: float) -> None:
        bound = {"name": name, "by": by, "since": instant_text(at)}
        await self._desk.write(lambda connection: run(connection, SQL.pause_put, **bound))

    async def resume(self, name: str) -> None:
        await self._desk.write(lambda connection: run(connection, SQL.pause_delete, name=name))

    async def forget(self, what: Forgetting) -> Sequence[str]:
        def step(connection: Connection) -> list[str] | None:
            now = self._clock.now()
            return forget_rest(connection, what, now) if forget_some(connection, what, now) else None

        while (within := await self._desk.write(step, long=True)) is None:
            pass
        return within

    async def repartition(self, topic: str, partitions: int) -> None:
        now = self._clock.now()
        await self._desk.write(lambda connection: repartition(connection, topic, partitions, now), long=True)

    async def close(self) -> None:
        await self._desk.close()
        await self._tables_desk.close()
