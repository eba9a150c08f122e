"""Looking at a SQLite store: what `status`, `parked` and `audit` show, and the requests that they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import apsw

from onward import process
from onward.carry import Mark
from onward.clock import Clock, SystemClock
from onward.document import Document
from onward.errors import Refused, StoreNewer
from onward.log import (
    AppSpec,
    Attempt,
    Block,
    BlockRow,
    Forgetting,
    Lease,
    Parked,
    PartitionFacts,
    Range,
    Replay,
    Request,
    SourceState,
    State,
    Survey,
)
from onward.logs.sqlite_forget import forget_rest, forget_some
from onward.logs.sqlite_home import mark_of, refuse
from onward.logs.sqlite_life import folded_of
from onward.logs.sqlite_repartition import repartition
from onward.logs.sqlite_rows import (
    SCHEMA,
    SQL,
    ahead_of,
    attempt_from,
    blocks_of,
    claim_of,
    end_of,
    first_of,
    left_of,
    parked_from,
    ports_of,
    replay_from,
    request_row,
    requests_of,
    run_from,
    seen_of,
    source_from,
    spans_from,
    spec_from,
    stands_at,
)
from onward.logs.sqlite_tables import SQLiteTables, document_from
from onward.logs.sqlite_trail import SQLiteTrail, retained_of
from onward.span import length
from onward.sqlite.connection import File, away, path_of, rows
from onward.sqlite.hints import tell
from onward.sqlite.turn import Turn
from onward.survey import (
    Backlog,
    Evidence,
    Held,
    Paused,
    ReplayFacts,
    StageStanding,
    Standing,
    TopicFacts,
    TopicStanding,
    parts_of,
)
from onward.task_run import TaskRun
from onward.units import instant, instant_text

T = TypeVar("T")


class SQLiteBooks(SQLiteTrail):
    """A handle for looking at a store file; see `onward.log.Books` for what each method promises."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.url = url
        self._clock = clock or SystemClock()
        self._file = File(path_of(url), create=False, url=url)
        try:
            found, _ = self._file.look(SQL.schema_version)
            if found > SCHEMA:
                raise StoreNewer(url, found, SCHEMA)
            if found < SCHEMA:
                raise Refused(f"{url} is older; `onward run` migrates it" if found else f"{url} is no Onward store")
            self._connection = self._file.connect()
            refuse(self._connection, url, reading=True)
            self._tables = SQLiteTables(self._file, url)
            self._one = ThreadPoolExecutor(1, thread_name_prefix="onward-books")
        except BaseException:
            self._file.close()
            raise

    async def survey(self, recent: float = 60.0) -> Survey:
        return await self._look(lambda connection: self._survey(connection, recent))

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        def work(connection: apsw.Connection) -> tuple[Survey, list[Evidence], list[BlockRow]]:
            survey = self._survey(connection, 0.0)
            missing = rows(connection, SQL.progress_missing)[0][0]
            survey = survey._replace(missing=missing, retained=retained_of(connection))
            found = []
            for facts in (*survey.stages, *parts_of(survey.replays)):
                bound = {"stage": facts.stage, "partition": facts.partition}
                finished = [
                    span for (text,) in rows(connection, SQL.progress_finished, **bound) for span in spans_from(text)
                ]
                folded = folded_of(connection, facts.stage, facts.partition)
                counted = rows(connection, SQL.statistic_count, **bound)[0][0]
                parked = [(offset, key, state) for offset, key, state in rows(connection, SQL.parked_facts, **bound)]
                found.append(Evidence(facts, sorted([*folded, *finished]), parked, counted - length(folded)))
            return survey, found, [BlockRow(*row[:4], bool(row[4])) for row in rows(connection, SQL.block_rows)]

        return await self._look(work)

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        wanted = set(topics)

        def work(connection: apsw.Connection) -> tuple[list[AppSpec], list[Backlog]]:
            held = self._leases(connection)
            found: dict[str, Backlog] = {}
            for stage, partition, topic, _ in rows(connection, SQL.begin_all):
                if topic not in wanted:
                    continue
                before = found.get(stage, Backlog(stage, topic, 0, 0, ()))
                records, size = left_of(connection, stage, topic, partition)
                holder = held.get((stage, partition))
                found[stage] = before._replace(
                    records=before.records + records,
                    bytes=before.bytes + size,
                    holders=(*before.holders, *([holder] if holder is not None else ())),
                )
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            return apps, sorted(found.values(), key=lambda backlog: backlog.stage)

        return await self._look(work)

    async def standing(self) -> Standing:
        def work(connection: apsw.Connection) -> Standing:
            stages = {}
            for stage, partition, topic, begins in rows(connection, SQL.begin_all):
                held = rows(connection, SQL.lease_get, stage=stage, partition=partition)
                worker, token = held[0][:2] if held else ("", 0)
                claim = claim_of(connection, Lease(stage, partition, worker, token))
                stages[stage, partition] = StageStanding(topic, begins, claim)
            topics = {
                name: TopicStanding(
                    rows(connection, SQL.topic_get, name=name)[0][0],
                    [first_of(connection, name, partition) for partition in range(partitions)],
                    [end_of(connection, name, partition) for partition in range(partitions)],
                )
                for name, partitions, *_ in rows(connection, SQL.topic_facts)
            }
            asked = [request for name in {name for name, _ in stages} for request in requests_of(connection, name)]
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            asked = sorted(asked, key=lambda request: request.id)
            return Standing(apps, topics, stages, self._sources(connection), asked, self._paused(connection))

        return await self._look(work)

    async def home(self) -> Mark | None:
        return await self._look(mark_of)

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        return await self._look(lambda connection: blocks_of(connection, topic, partition, offset, records, size))

    async def parked(
        self,
        stage: str | None,
        key: str | None,
        state: str | None,
        limit: int | None,
        after: tuple[str, int, int] = ("", 0, 0),
    ) -> Sequence[tuple[str, int, Parked, Sequence[Attempt]]]:
        def work(connection: apsw.Connection) -> list[tuple[str, int, Parked, Sequence[Attempt]]]:
            bound = {"stage": stage, "key": key, "state": state, "limit": -1 if limit is None else limit}
            bound |= {"after_stage": after[0], "after_partition": after[1], "after_offset": after[2]}
            found = []
            for name, partition, *row in rows(connection, SQL.parked_list, **bound):
                parked = parked_from(tuple(row))
                where = {"stage": name, "partition": partition, "offset": parked.offset}
                attempts = [attempt_from(attempt) for attempt in rows(connection, SQL.attempt_list, **where)]
                found.append((name, partition, parked, attempts))
            return found

        return await self._look(work)

    @property
    def tables(self) -> SQLiteTables:
        return self._tables

    async def documents(self, table: str, after: str | None, limit: int) -> Sequence[Document]:
        def work(connection: apsw.Connection) -> list[Document]:
            found = connection.execute(SQL.document_list, {"table": table, "after": after})
            return [document_from(row) for row in islice(found, limit)]

        return await self._look(work)

    async def runs(self, task: str | None, limit: int) -> Sequence[TaskRun]:
        return await self._look(
            lambda connection: [run_from(row) for row in rows(connection, SQL.run_list, task=task, limit=limit)]
        )

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        return await self._look(lambda connection: seen_of(connection, stage, partition, marks, since))

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        def work(connection: apsw.Connection) -> dict[tuple[str, int], int]:
            found = {}
            for stage, partition, _, begins in rows(connection, SQL.begin_all):
                if stage in instants:
                    bound = {"stage": stage, "partition": partition, "at": instant_text(instants[stage])}
                    passed = rows(connection, SQL.progress_passed, **bound)
                    found[stage, partition] = begins if passed[0][0] is None else int(passed[0][0])
            return found

        return await self._look(work)

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        def work(connection: apsw.Connection) -> list[int]:
            ids = []
            for request in requests:
                ids.append(rows(connection, SQL.request_add, **request_row(request))[0][0])
            return ids

        return await self._write(work)

    async def replay(self, replay: Replay) -> int:
        def job(connection: apsw.Connection) -> int:
            row = {"stage": replay.stage, "key": replay.key, "rate": replay.rate, "same_id": int(replay.same_id)}
            at = instant_text(replay.at)
            number = int(rows(connection, SQL.replay_add, **row, by=replay.by, at=at)[0][0])
            for partition, first, last, gone in replay.ranges:
                closed = at if first >= last else None
                bound = {"number": number, "partition": partition, "first": first, "last": last}
                connection.execute(SQL.replay_range_add, {**bound, "gone": gone, "closed": closed})
            return number

        return await self._write(job)

    async def cancel(self, number: int) -> bool:
        def job(connection: apsw.Connection) -> bool:
            if all(closed for *_, closed in rows(connection, SQL.replay_ranges, number=number)):
                return False
            connection.execute(SQL.replay_cancel, {"number": number, "now": instant_text(self._clock.now())})
            return True

        return await self._write(job)

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        def work(connection: apsw.Connection) -> dict[int, str]:
            return {id_: text for id_ in ids for (text,) in rows(connection, SQL.request_result, id=id_)}

        return await self._look(work)

    async def pause(self, name: str, by: str, at: float) -> None:
        row = {"name": name, "by": by, "since": instant_text(at)}
        await self._write(lambda connection: connection.execute(SQL.pause_put, row))

    async def resume(self, name: str) -> None:
        await self._write(lambda connection: connection.execute(SQL.pause_delete, {"name": name}))

    async def forget(self, what: Forgetting) -> Sequence[str]:
        def step(connection: apsw.Connection) -> list[str] | None:
            now = instant_text(self._clock.now())
            return forget_rest(connection, what, now) if forget_some(connection, what, now) else None

        while (within := await self._write(step)) is None:
            pass
        return within

    async def repartition(self, topic: str, partitions: int) -> None:
        now = instant_text(self._clock.now())
        await self._write(lambda connection: repartition(connection, topic, partitions, now))

    async def close(self) -> None:
        await asyncio.to_thread(self._one.shutdown)
        self._file.close()

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        """A transaction in its turn, after which workers are woken."""

        def in_turn() -> T:
            turn = Turn(str(self._file.path))
            try:
                with turn, self._connection as connection:
                    result = work(connection)
                tell(ports_of(self._connection, ""))
                return result
            except apsw.Error as error:
                raise away(error, self.url) from error
            finally:
                turn.close()

        return await asyncio.get_running_loop().run_in_executor(self._one, in_turn)

    async def _look(self, work: Callable[[apsw.Connection], T]) -> T:
        def in_snapshot() -> T:
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._connection.execute("ROLLBACK")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._one, in_snapshot)
        except apsw.Error as error:
            raise away(error, self.url) from error

    def _survey(self, connection: apsw.Connection, recent: float) -> Survey:
        apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
        held = self._leases(connection)
        parked: dict[tuple[str, int], dict[State, int]] = {}
        for stage, partition, state, count in rows(connection, SQL.parked_count):
            parked.setdefault((stage, partition), {})[state] = count
        stages = [
            self._facts(
                connection, stage, topic, partition, begins,
                parked.get((stage, partition), {}), held.get((stage, partition)), recent,
            )
            for stage, partition, topic, begins in rows(connection, SQL.begin_all)
        ]  # fmt: skip
        topics = {facts.stage: facts.topic for facts in stages}
        return Survey(
            apps, stages, self._topics(connection), self._sources(connection), list(held.values()),
            gone={name: instant(since) for name, since in rows(connection, SQL.gone_all)},
            paused=self._paused(connection),
            replays=self._replays(connection, topics, parked),
        )  # fmt: skip

    def _replays(
        self, connection: apsw.Connection, topics: Mapping[str, str], parked: Mapping[tuple[str, int], dict[State, int]]
    ) -> list[ReplayFacts]:
        found = []
        for row in rows(connection, SQL.replay_all):
            ranges = rows(connection, SQL.replay_ranges, number=row[0])
            replay = replay_from(row, [Range(*range_) for *range_, _ in ranges])
            parts = []
            for partition, first, end, _ in replay.ranges:
                next_, totals = stands_at(connection, replay.name, partition)
                parts.append(
                    PartitionFacts(
                        stage=replay.name,
                        topic=topics.get(replay.stage, ""),
                        partition=partition,
                        begins=first,
                        end=end,
                        next=max(next_, first),
                        ahead=length(ahead_of(connection, replay.name, partition, max(next_, first))),
                        totals=totals,
                        parked=parked.get((replay.name, partition), {}),
                        recent=0,
                        holder=None,
                    )
                )
            found.append(ReplayFacts(replay, parts, [range_[0] for range_ in ranges if range_[-1] is not None]))
        return found

    def _facts(
        self,
        connection: apsw.Connection,
        stage: str,
        topic: str,
        partition: int,
        begins: int,
        parked: dict[State, int],
        holder: Held | None,
        recent: float,
    ) -> PartitionFacts:
        bound = {"stage": stage, "partition": partition}
        next_, totals = stands_at(connection, stage, partition)
        count = 0
        if recent:
            since = instant_text(self._clock.now() - recent)
            count = int(rows(connection, SQL.progress_recent, **bound, since=since)[0][0] or 0)
        return PartitionFacts(
            stage=stage,
            topic=topic,
            partition=partition,
            begins=begins,
            end=end_of(connection, topic, partition),
            next=next_,
            ahead=length(ahead_of(connection, stage, partition, next_)),
            totals=totals,
            parked=parked,
            recent=count,
            holder=holder,
        )

    def _leases(self, connection: apsw.Connection) -> dict[tuple[str, int], Held]:
        now = instant_text(self._clock.now())
        found = {}
        for stage, partition, worker, until, state in rows(connection, SQL.lease_all):
            live = until > now and not process.is_dead(worker)
            found[stage, partition] = Held(stage, partition, worker, state, live)
        return found

    def _topics(self, connection: apsw.Connection) -> list[TopicFacts]:
        found = []
        for name, partitions, held, put, forgotten, records, size in rows(connection, SQL.topic_facts):
            ends = sum(end_of(connection, name, partition) for partition in range(max(partitions, held)))
            found.append(TopicFacts(name, partitions, records, size, put, ends, forgotten, held))
        return found

    def _paused(self, connection: apsw.Connection) -> dict[str, Paused]:
        return {name: Paused(by, instant(since)) for name, by, since in rows(connection, SQL.pause_all)}

    def _sources(self, connection: apsw.Connection) -> dict[str, SourceState]:
        return {name: source_from([tuple(row)]) for name, *row in rows(connection, SQL.source_all)}
